"""The doors: scikit-learn estimators over sets."""

from sk_deepsets.estimators._classifier import DeepSetsClassifier
from sk_deepsets.estimators._regressor import DeepSetsRegressor

__all__ = ["DeepSetsClassifier", "DeepSetsRegressor"]
