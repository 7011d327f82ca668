"""What a set is: the containers and the front door (NumPy and pandas only)."""

from sk_deepsets.sets._check import check_sets
from sk_deepsets.sets._padded import PaddedSets
from sk_deepsets.sets._ragged import RaggedSets

__all__ = ["PaddedSets", "RaggedSets", "check_sets"]
