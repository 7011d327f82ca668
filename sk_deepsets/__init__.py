"""Deep Sets for scikit-learn."""

from sk_deepsets.preprocessing import SetPadder
from sk_deepsets.sets import PaddedSets, RaggedSets, check_sets
