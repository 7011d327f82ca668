"""Deep Sets for scikit-learn: classify and regress rows that are sets of unequal size, or their elements."""

from sk_deepsets.estimators import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    DeepSetsSurvival,
    element_scorer,
)
from sk_deepsets.preprocessing import ElementTransformer, SetAggregator, SetPadder
from sk_deepsets.sets import PaddedSets, RaggedSets, check_sets

__version__ = "0.1.0"

__all__ = [
    "DeepSetsClassifier",
    "DeepSetsElementClassifier",
    "DeepSetsElementRegressor",
    "DeepSetsRegressor",
    "DeepSetsSurvival",
    "ElementTransformer",
    "PaddedSets",
    "RaggedSets",
    "SetAggregator",
    "SetPadder",
    "check_sets",
    "element_scorer",
]
