"""scikit-learn estimators on sets, with one prediction per set or one per element."""

from sk_deepsets.estimators._element_estimators import DeepSetsElementClassifier, DeepSetsElementRegressor
from sk_deepsets.estimators._element_scorer import element_scorer
from sk_deepsets.estimators._ranges import FarSetWarning
from sk_deepsets.estimators._set_estimators import DeepSetsClassifier, DeepSetsRegressor

__all__ = [
    "DeepSetsClassifier",
    "DeepSetsElementClassifier",
    "DeepSetsElementRegressor",
    "DeepSetsRegressor",
    "FarSetWarning",
    "element_scorer",
]
