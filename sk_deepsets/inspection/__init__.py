"""See inside: what mattered for an answer, and how the training went. Works with fitted estimators of sets."""

from sk_deepsets.inspection._element_importance import element_importance

__all__ = [
    "element_importance",
]
