"""Explain predictions, and inspect the training, of fitted estimators on sets.

The displays need matplotlib: ``pip install "sk-deepsets[plot]"``.
"""

from sk_deepsets.inspection._critical_elements import critical_elements
from sk_deepsets.inspection._element_display import ElementImportanceDisplay
from sk_deepsets.inspection._element_importance import element_importance
from sk_deepsets.inspection._embedding import EmbeddingDisplay
from sk_deepsets.inspection._feature_display import FeatureImportanceDisplay
from sk_deepsets.inspection._feature_importance import feature_importance
from sk_deepsets.inspection._invariance import InvarianceReport, check_invariance
from sk_deepsets.inspection._loss_curve import LossCurveDisplay
from sk_deepsets.inspection._set_size import SetSizeDisplay

__all__ = [
    "ElementImportanceDisplay",
    "EmbeddingDisplay",
    "FeatureImportanceDisplay",
    "InvarianceReport",
    "LossCurveDisplay",
    "SetSizeDisplay",
    "check_invariance",
    "critical_elements",
    "element_importance",
    "feature_importance",
]
