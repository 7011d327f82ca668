"""The doors: scikit-learn estimators of sets, with one answer a set or one an element."""

from sk_deepsets.estimators._classifier import DeepSetsClassifier
from sk_deepsets.estimators._element_classifier import DeepSetsElementClassifier
from sk_deepsets.estimators._element_regressor import DeepSetsElementRegressor
from sk_deepsets.estimators._element_scorer import element_scorer
from sk_deepsets.estimators._regressor import DeepSetsRegressor

__all__ = [
    "DeepSetsClassifier",
    "DeepSetsElementClassifier",
    "DeepSetsElementRegressor",
    "DeepSetsRegressor",
    "element_scorer",
]
