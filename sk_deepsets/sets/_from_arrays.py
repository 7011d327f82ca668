"""From many arrays, one for each set, to one table of elements."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._columns import EXACT_IN_FLOAT32
from sk_deepsets.sets._ragged import RaggedSets


def sets_from_arrays(items: Sequence[Any], *, index: pd.Index | None = None, feature_names: Any = None) -> RaggedSets:
    """Put one array for each set into one table.

    Only what is not yet a two-dimensional array of numbers is looked at one by one; the rest costs one
    concatenation, whatever the number of sets.
    """
    arrays: list[np.ndarray]
    if set(map(type, items)) == {np.ndarray}:
        arrays = list(items)
    else:
        feature_names = common_columns(items) if feature_names is None else feature_names
        arrays = [_to_array(item, number) for number, item in enumerate(items)]
    if not arrays:
        return RaggedSets(np.empty((0, 0), dtype=np.float32), [0])

    if set(map(attrgetter("ndim"), arrays)) != {2}:
        arrays = [_to_two_dimensions(array, number) for number, array in enumerate(arrays)]
    if any(dtype.kind not in "biuf" for dtype in set(map(attrgetter("dtype"), arrays))):
        arrays = [_to_numbers(array, number) for number, array in enumerate(arrays)]
    arrays = _with_one_width(arrays)

    dtypes = set(map(attrgetter("dtype"), arrays))
    dtype = np.float32 if dtypes <= EXACT_IN_FLOAT32 else np.float64
    sizes = np.fromiter(map(len, arrays), dtype=np.int64, count=len(arrays))
    elements = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, dtype=dtype, casting="same_kind")
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return RaggedSets(elements.astype(dtype, copy=False), offsets, index=index, feature_names=feature_names)


def common_columns(items: Sequence[Any]) -> np.ndarray | None:
    """The column names when every set is a DataFrame; None when none is, or when the names are not strings."""
    frames = [isinstance(item, pd.DataFrame) for item in items]
    if not any(frames):
        return None
    first = frames.index(True)
    columns = items[first].columns
    for number, item in enumerate(items):
        if not frames[number]:
            raise ValueError(
                f"Set {first} is a DataFrame, but set {number} is {type(item).__name__}; wanted all or none."
            )
        if not item.columns.equals(columns):
            raise ValueError(
                f"Set {number} has the columns {list(item.columns)}; the sets before it have {list(columns)}."
            )
    return columns.to_numpy(dtype=object) if all(isinstance(name, str) for name in columns) else None


def _to_array(item: Any, number: int) -> np.ndarray:
    """One set as an array of any dimension and dtype."""
    if np.ma.is_masked(item):
        raise ValueError(f"Set {number} has masked values; drop those elements, or fill them, first.")
    if isinstance(item, np.ndarray):
        return np.asarray(item)
    if isinstance(item, set | frozenset):
        item = list(item)
    if hasattr(item, "detach"):  # a torch tensor that may carry a gradient
        item = item.detach()
    if isinstance(item, pd.DataFrame | pd.Series):
        item = item.to_numpy()
    if hasattr(item, "toarray"):
        raise TypeError(f"Set {number} is sparse, but dense sets are required: use .toarray().")
    if isinstance(item, str | bytes) or not hasattr(item, "__len__"):
        raise ValueError(f"Set {number} is {item!r:.80}; wanted an array of shape (n_elements, n_features).")
    try:
        return np.asarray(item)
    except ValueError as error:
        raise ValueError(
            f"Set {number} is no array: its elements have unequal numbers of features or nested parts ({error})."
        ) from error
    except TypeError as error:  # a torch tensor of a dtype that NumPy lacks, or on another device
        raise TypeError(f"Set {number} is no array: {error}") from error


def _to_two_dimensions(array: np.ndarray, number: int) -> np.ndarray:
    if array.ndim == 1:
        # nothing tells how many features the elements of `[]` would have: 0 stands for "any"
        return array[:, None] if len(array) else array.reshape(0, 0)
    if array.ndim != 2:
        raise ValueError(
            f"Set {number} has shape {array.shape}; wanted (n_elements, n_features), or (n_elements,) for scalars."
        )
    return array


def _to_numbers(array: np.ndarray, number: int) -> np.ndarray:
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\nSet {number} has dtype {array.dtype}.")
    if array.dtype.kind != "O":
        raise ValueError(f"Set {number} has dtype {array.dtype}; wanted numbers.")
    if any(isinstance(value, str | bytes) for value in array.ravel()):
        raise ValueError(f"Set {number} holds strings; wanted numbers. Encode categories first.")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Set {number} holds what is no number: {error}") from error
    except OverflowError as error:
        raise ValueError(f"Set {number} holds a number beyond float64: {error}") from error


def _with_one_width(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Check that all sets have the same number of features; empty sets of shape (0, 0) take that of the others."""
    widths = np.fromiter((array.shape[1] for array in arrays), dtype=np.int64, count=len(arrays))
    if (widths == widths[0]).all():
        return arrays
    anything = np.array([array.shape == (0, 0) for array in arrays])
    known = np.flatnonzero(~anything)
    width = int(widths[known[0]])
    wrong = known[widths[known] != width]
    if len(wrong):
        number = int(wrong[0])
        features = "feature" if widths[number] == 1 else "features"
        raise ValueError(f"Set {number} has {widths[number]} {features}; the sets before it have {width}.")
    dtype = arrays[known[0]].dtype
    return [np.empty((0, width), dtype) if any_ else array for any_, array in zip(anything, arrays, strict=True)]
