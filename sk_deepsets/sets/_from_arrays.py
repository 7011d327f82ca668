"""From many arrays, one for each set, to one table of elements."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._sequence import offsets_of
from sk_deepsets.sets._to_array import NOT_NUMBERS, TEXT, to_array


def sets_from_arrays(items: Sequence[Any]) -> RaggedSets:
    """Put one array of numbers for each set into one table, whose dtype holds all of them.

    Only what is not yet a two-dimensional array of numbers is looked at one by one; the rest costs one
    concatenation, whatever the number of sets.
    """
    if set(map(type, items)) == {np.ndarray}:
        arrays = list(items)
    else:
        arrays = [to_array(item, f"Set {number}") for number, item in enumerate(items)]
    if not arrays:
        return RaggedSets(np.empty((0, 0), dtype=np.float32), [0])
    if set(map(attrgetter("ndim"), arrays)) != {2}:
        arrays = [_to_two_dimensions(array, number) for number, array in enumerate(arrays)]
    if any(dtype.kind not in "biuf" for dtype in set(map(attrgetter("dtype"), arrays))):
        arrays = [_to_numbers(array, number) for number, array in enumerate(arrays)]
    arrays = _with_one_width(arrays)
    sizes = np.fromiter(map(len, arrays), dtype=np.int64, count=len(arrays))
    return RaggedSets(arrays[0] if len(arrays) == 1 else np.concatenate(arrays), offsets_of(sizes))


def _to_two_dimensions(array: np.ndarray, number: int) -> np.ndarray:
    if array.ndim == 1 and array.dtype == object and len(array) and isinstance(array[0], np.ndarray | list):
        # one array for each element, as pandas reads lists of lists from Parquet
        array = to_array(array.tolist(), f"Set {number}")
    if array.ndim == 1:
        # nothing tells how many features the elements of `[]` would have: 0 stands for "any"
        return array[:, None] if len(array) else array.reshape(0, 0)
    if array.ndim != 2:
        padded = " Of padded arrays with their mask, PaddedSets(x, mask) makes sets." if array.ndim == 3 else ""
        raise ValueError(
            f"Set {number} has shape {array.shape}; expected (n_elements, n_features), or (n_elements,) for scalars."
            f"{padded}"
        )
    return array


def _to_numbers(array: np.ndarray, number: int) -> np.ndarray:
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\nSet {number} has dtype {array.dtype}.")
    if array.dtype.kind != "O":
        raise ValueError(f"Set {number} has dtype {array.dtype}; expected numbers.")
    for kind in set(map(type, array.ravel())):
        if issubclass(kind, TEXT):
            raise ValueError(f"Set {number} holds strings; expected numbers. Encode categories first.")
        if issubclass(kind, NOT_NUMBERS):
            raise ValueError(f"Set {number} holds values of type {kind.__name__}; expected numbers.")
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"Set {number} holds a number beyond float64: {error}") from error
    except Exception as error:  # whatever the objects' own __float__ raises
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Set {number} holds values that are not numbers: {error}") from error


def _with_one_width(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Check that all sets have the same number of features; empty sets of shape (0, 0) take that of the others."""
    widths = np.fromiter((array.shape[1] for array in arrays), dtype=np.int64, count=len(arrays))
    if (widths == widths[0]).all():
        return arrays
    anything = np.array([array.shape == (0, 0) for array in arrays])
    known = np.flatnonzero(~anything)
    width = int(widths[known[0]])
    if (widths[known] != width).any():
        number, other, where = find_odd(widths[known].tolist())
        features = "feature" if widths[known[number]] == 1 else "features"
        raise ValueError(
            f"Set {known[number]} has {widths[known[number]]} {features}; the sets {where} it have "
            f"{widths[known[other]]}.{_transposed([arrays[place] for place in known])}"
        )
    dtype = arrays[known[0]].dtype
    return [np.empty((0, width), dtype) if any_ else array for any_, array in zip(anything, arrays, strict=True)]


def _transposed(arrays: list[np.ndarray]) -> str:
    """What makes sets of arrays whose first axis, not the last, has one length."""
    height = len(arrays[0])
    if any(len(array) != height for array in arrays):
        return ""
    return (
        f" All of them have {height} {'row' if height == 1 else 'rows'}: if these are features, one column for each "
        "element (channels first), pass [one_set.T for one_set in X]."
    )


def find_odd(values: list[Any]) -> tuple[int, int, str]:
    """Of values that are not all equal: which one to name, one that it should equal, and whether that is before it."""
    if len(values) > 2 and all(value == values[1] for value in values[2:]):
        return 0, 1, "after"
    return next(number for number, value in enumerate(values) if value != values[0]), 0, "before"
