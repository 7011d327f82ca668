"""What targets, weights and groups may be, checked where they enter."""

import numpy as np
import pandas as pd
import torch
from pandas.api.extensions import ExtensionArray
from pandas.api.types import is_object_dtype
from sklearn.utils.validation import _check_sample_weight, _check_y

from sk_deepsets.sets import (
    PaddedSets,
    RaggedSets,
    SetArray,
    as_ndarray,
    check_labels,
    check_no_times,
    check_unmasked,
    is_arrow,
    n_dimensions,
    numpy_dtype,
)

SEQUENCES = list | tuple | np.ndarray | pd.Series | pd.DataFrame | torch.Tensor


def check_targets(y, sets, name, **options):
    """Targets as an array of numbers or labels, one (or one row) for each set."""
    check_labels(y, sets.index, f"y{name}")
    for_elements = "DeepSetsElementRegressor" if options.get("y_numeric") else "DeepSetsElementClassifier"
    check_one_for_each_set(y, f"y{name}", for_elements)
    y = _check_present(y, f"y{name}")
    if options.get("y_numeric"):
        check_no_times(y, f"y{name}")
    if isinstance(y, pd.Series | ExtensionArray) and (dtype := numpy_dtype(y.dtype)) and dtype.kind in "biu":
        y = y.to_numpy(dtype)  # scikit-learn would make floats of pandas' whole numbers
    checked = _check_y(y, **options)
    if len(checked) != len(sets):
        way_out = for_each_element(for_elements, checked.shape) if len(checked) == len(sets.elements) else ""
        shape = f" (shape {checked.shape})" if checked.ndim > 1 else ""
        raise ValueError(
            f"X{name} has {len(sets)} sets, but y{name} has {len(checked)} targets{shape}; expected one for each set."
            f"{way_out}"
        )
    return checked


def check_one_for_each_set(y, name, for_elements):
    """Raise for targets of elements, of which each set has as many as it has elements."""
    values = y.array if isinstance(y, pd.Series) else y
    are_sets = isinstance(values, RaggedSets | PaddedSets | SetArray) or (isinstance(y, pd.Series) and is_arrow(y))
    in_sequence, shapes = isinstance(values, list | tuple), []
    if are_sets:
        shapes = [np.shape(next(iter(values), ()))]
    elif (in_sequence or is_object_dtype(values)) and n_dimensions(values) == 1:
        found = (np.shape(one) for one in values if isinstance(one, SEQUENCES))
        shapes = [shape for shape in found if shape]
    elif isinstance(values, np.ndarray | torch.Tensor) and values.ndim > 2:
        shapes = [values.shape[1:]]
    are_alike = len(set(shapes)) == 1 and len(shapes[0]) == 1  # outputs, if they are in a list
    if are_sets or (shapes and not (are_alike and in_sequence)):
        shape = next((tuple(shape) for shape in shapes if len(shape) > 1), tuple(shapes[0]))
        outputs = " If they are several outputs or labels, pass np.stack(y)." if are_alike and not are_sets else ""
        raise ValueError(
            f"{name}: expected one target for each set, got several for a set, as of its elements, in an array of "
            f"shape {shape}.{for_each_element(for_elements, shape)}{outputs}"
        )


def for_each_element(for_elements, shape):
    """What to do with targets of elements that are in an array of this shape."""
    column = "" if shape[1:] in ((), (1,)) else ", such as one column of them"
    return f" For one target for each element{column}, use {for_elements}."


def check_one_type(y, name):
    """Raise for strings among other labels, of which NumPy would make strings."""
    if isinstance(y, list | tuple) or (isinstance(y, np.ndarray | pd.Series) and y.dtype == object):
        kinds = set(map(type, y))
        if len({issubclass(kind, str) for kind in kinds}) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise ValueError(f"y{name} holds labels of several types, {names}; expected one type.")


def check_groups(groups, sets):
    """The group of each set as a number, or None."""
    if groups is None:
        return None
    check_labels(groups, sets.index, "groups")
    check_unmasked(groups, "groups")
    # NumPy would make strings of a list of several types
    groups = as_ndarray(np.array(groups, dtype=object) if isinstance(groups, list | tuple) else groups, "groups")
    if groups.shape != (len(sets),):
        raise ValueError(f"groups must name one group for each of the {len(sets)} sets, but has shape {groups.shape}.")
    several = [isinstance(group, list | np.ndarray) for group in groups] if groups.dtype == object else []
    if any(several):
        place = several.index(True)
        raise ValueError(
            f"groups must name one group for each of the {len(sets)} sets, but set {place} has {len(groups[place])}."
        )
    try:
        numbers = pd.factorize(groups, sort=True)[0]
    except TypeError:  # values of several types have no order
        numbers = pd.factorize(groups)[0]
    _check_none(numbers < 0, "groups")
    return numbers


def _check_present(values, name):
    """Targets, none of which may be missing; NaN among floats is for scikit-learn."""
    check_unmasked(values, name)
    if isinstance(values, torch.Tensor):  # which may carry a gradient
        values = as_ndarray(values, name)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    in_pandas = isinstance(values, pd.Series | pd.DataFrame)
    missing = np.asarray(values.isna() if in_pandas else pd.isna(np.asarray(values, dtype=object)))
    _check_none(missing.reshape(len(missing), -1).any(axis=1) if missing.ndim else missing, name)
    return values


def _check_none(missing, name):
    """Raise if something is missing for some sets."""
    if missing.any():
        raise ValueError(
            f"{name} is missing for {missing.sum():,} of {missing.size:,} sets; the first is set {np.argmax(missing)}."
        )


def check_weight(sample_weight, sets):
    """Weights of the sets in float64, or None."""
    if sample_weight is None:
        return None
    check_labels(sample_weight, sets.index, "sample_weight")
    check_unmasked(sample_weight, "sample_weight")
    if isinstance(sample_weight, torch.Tensor):
        sample_weight = as_ndarray(sample_weight, "sample_weight")
    each = f"sample_weight must have one weight for each of the {len(sets)} sets"
    try:
        shape = np.asarray(sample_weight).shape
    except ValueError as error:
        raise ValueError(f"{each}, but is a list of arrays of unequal lengths.") from error
    check_no_times(sample_weight, "sample_weight")
    if shape not in ((), (len(sets),)):
        raise ValueError(f"{each}, but has shape {shape}.")
    one_for_each = np.empty((len(sets), 1))
    with np.errstate(over="ignore"):  # scikit-learn sums them, too
        weight = _check_sample_weight(sample_weight, one_for_each, dtype=np.float64)
    negative = np.flatnonzero(weight < 0)
    if len(negative):
        raise ValueError(
            f"Negative values in data passed to `sample_weight`: set {negative[0]} has {weight[negative[0]]:.6g} "
            f"(negative: {len(negative):,} of {len(sets):,} sets). A loss with such weights has no minimum to stop at, "
            "and members have none to be chosen by. Simulated events are usually trained on with "
            "np.abs(sample_weight), or without those of negative weight; evaluate with all weights as they are."
        )
    return check_sum(weight, "sample_weight")


def check_sum(weight, what):
    """Weights of which one at least is not 0, and whose sum is finite."""
    if not weight.any():
        raise ValueError(f"{what} must contain at least one non-zero number.")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not np.isfinite(total):
        raise ValueError(f"The sum of {what} overflows; the largest is {weight.max()}. Divide by a constant first.")
    return weight
