"""See inside: what mattered for an answer, and how the training went. Works with fitted estimators of sets."""

from sk_deepsets.inspection._critical_elements import critical_elements
from sk_deepsets.inspection._element_importance import element_importance
from sk_deepsets.inspection._feature_importance import feature_importance
from sk_deepsets.inspection._invariance import InvarianceReport, check_invariance

__all__ = [
    "InvarianceReport",
    "check_invariance",
    "critical_elements",
    "element_importance",
    "feature_importance",
]
