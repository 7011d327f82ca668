"""Weights of classes in the loss."""

from numbers import Real

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sk_deepsets.targets._check import check_sum


def _is_weight(value):
    try:
        return isinstance(value, Real) and 0 <= float(value) < np.inf
    except OverflowError:  # an int beyond all floats
        return False


def class_weights(class_weight, classes, numbers, weight):
    """One weight for each class, (n_classes,); None where all are the same.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    numbers : ndarray of int, shape (n,)
        Of the classes of the sets, or elements.
    weight : ndarray of shape (n,) or None
        Of the sets, or elements.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, list):
        raise ValueError('class_weight is a list, which is for several labels; expected a dict or "balanced".')
    if class_weight != "balanced":
        for label, value in class_weight.items():
            if not _is_weight(value):
                raise ValueError(f"class_weight of {label!r} is {value!r}; expected a finite number of at least 0.")
        return compute_class_weight(class_weight, classes=classes, y=classes)
    # not scikit-learn's, which counts what has weight 0
    counts = np.bincount(numbers, weights=weight, minlength=len(classes))
    present = counts > 0
    return np.divide(counts.sum(), present.sum() * counts, where=present, out=np.zeros(len(counts)))


def weigh_by_class(weights, numbers, weight):
    """The weight of the class of each set, or element, times its own, (n,)."""
    with np.errstate(over="ignore"):
        product = weights[numbers] * (1 if weight is None else weight)
    return check_sum(product, "class_weight and sample_weight together")
