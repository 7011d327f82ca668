"""Deep Sets for scikit-learn: classify and regress rows that are sets of unequal size."""

from sk_deepsets.estimators import DeepSetsClassifier, DeepSetsRegressor
from sk_deepsets.preprocessing import ElementTransformer, SetAggregator, SetPadder
from sk_deepsets.sets import PaddedSets, RaggedSets, check_sets

__all__ = [
    "DeepSetsClassifier",
    "DeepSetsRegressor",
    "ElementTransformer",
    "PaddedSets",
    "RaggedSets",
    "SetAggregator",
    "SetPadder",
    "check_sets",
]
