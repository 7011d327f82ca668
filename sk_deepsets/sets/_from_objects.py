"""Sets that are Python objects: arrays, tables, lists of strings (baskets) or of dicts; and those that are missing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence, Sized
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sk_deepsets.sets._arrow import is_table, to_pandas
from sk_deepsets.sets._protocols import n_dimensions
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._rows import concat_frames, number_rows
from sk_deepsets.sets._sequence import names_of_columns, offsets_of
from sk_deepsets.sets._values import (
    FIRST_FEATURE,
    NOT_NUMBERS,
    SET_SHAPE,
    TEXT,
    UNZIP,
    find_missing,
    is_missing,
    shown,
    to_array,
    user_stacklevel,
)

MUCH_MEMORY = 2**30
WANTED: dict[type, str] = {str: "strings", dict: "dicts"}


def sets_from_objects(items: list[Any]) -> tuple[RaggedSets, np.ndarray]:
    """One table of the elements of all sets, with the kinds of their columns, and which sets are missing.

    A missing set is empty in the table, and an empty list is an empty set beside sets of any form.
    """
    missing = find_missing(items)
    if missing.any():
        items = [[] if gone else item for gone, item in zip(missing, items, strict=True)]
    if any(map(is_table, set(map(type, items)))):
        return _from_frames(items), missing
    if any(map(sparse.issparse, items)):
        return _from_sparse(items), missing
    _check_no_pairs(items)
    kind = _kind_of_values(items)
    return sets_from_arrays(items) if kind is None else _from_values(items, kind), missing


def _from_frames(items: list[Any]) -> RaggedSets:
    """Tables with the same columns; the index of those in pandas tells which rows of a frame the elements were."""
    first = next(number for number, item in enumerate(items) if is_table(type(item)))
    in_pandas = isinstance(items[first], pd.DataFrame)
    example = to_pandas(items[first])
    frames = []
    for number, item in enumerate(items):
        if isinstance(item, list | tuple) and not item:
            item = example.iloc[:0]
        elif not is_table(type(item)):
            raise ValueError(
                f"Set {first} is a table, but set {number} is {type(item).__name__}; expected all sets to be "
                "tables, or none."
            )
        elif isinstance(item, pd.DataFrame) != in_pandas:
            raise ValueError(
                f"Sets {first} and {number} are tables of different libraries; expected tables of one library."
            )
        frames.append(to_pandas(item))
    columns = [frame.columns.tolist() for frame in frames]
    if any(own != columns[0] for own in columns):
        number, other, where = first_mismatch(columns)
        raise ValueError(f"Set {number} has the columns {columns[number]}; the sets {where} it have {columns[other]}.")
    sizes = np.array([len(frame) for frame in frames])
    rows = None if in_pandas else number_rows(np.arange(len(sizes)), sizes)
    if all(isinstance(name, str) for name in example.columns):
        names_of_columns(example, None)
        return RaggedSets(concat_frames(frames), offsets_of(sizes), rows=rows)
    index = frames[0].index.append([frame.index for frame in frames[1:]])
    return sets_from_arrays([frame.to_numpy() for frame in frames])._with(rows=index)


def _from_sparse(items: list[Any]) -> RaggedSets:
    """SciPy's sparse matrices, one for each set, as one dense array."""
    first = next(number for number, item in enumerate(items) if sparse.issparse(item))
    for number, item in enumerate(items):
        if not sparse.issparse(item) and not (isinstance(item, list | tuple) and not item):
            raise ValueError(
                f"Set {first} is sparse, but set {number} is {type(item).__name__}; expected all sets to be sparse, or "
                "none."
            )
    known = [number for number, item in enumerate(items) if sparse.issparse(item)]
    for number in known:
        if items[number].ndim != 2:
            raise ValueError(f"Set {number} is sparse and has shape {items[number].shape}; expected {SET_SHAPE}.")
    widths = [items[number].shape[1] for number in known]
    if any(width != widths[0] for width in widths):
        number, other, where = first_mismatch(widths)
        raise ValueError(
            f"Set {known[number]} has {widths[number]} features; the sets {where} it have {widths[other]}."
        )
    sizes = np.array([item.shape[0] if sparse.issparse(item) else 0 for item in items])
    whole = sparse.vstack([items[number] for number in known], format="csr")
    n_bytes = whole.shape[0] * whole.shape[1] * whole.dtype.itemsize
    if n_bytes > MUCH_MEMORY:
        warnings.warn(
            f"The sparse sets take {n_bytes / 2**30:.1f} GB as one dense array of shape {whole.shape}. Keep fewer "
            "columns, or reduce them first, such as with TruncatedSVD on the rows of all sets.",
            UserWarning,
            stacklevel=user_stacklevel(),
        )
    return RaggedSets(whole.toarray(), offsets_of(sizes))


def _check_no_pairs(items: list[Any]) -> None:
    """Raise for pairs of a set and its target: an array beside a number is no set of either."""
    first = items[0] if items else None
    if not isinstance(first, tuple | list) or len(first) != 2:
        return
    one_set, target = first
    holds_values = isinstance(one_set, Sized) and not isinstance(one_set, (dict, *TEXT))
    is_single = not isinstance(target, Sized) or n_dimensions(target) == 0
    if holds_values and (is_single or isinstance(target, TEXT)):
        raise ValueError(f"Set 0 is a pair of {type(one_set).__name__} and {shown(target, 40)}. {UNZIP}")


def _kind_of_values(items: list[Any]) -> type | None:
    """``str`` or ``dict`` if the first value that is not missing is one; otherwise None."""
    for item in items:
        if not _is_sequence(item) or (isinstance(item, np.ndarray) and len(item) and item.dtype.kind in "biufc"):
            return None
        value = next((value for value in item if not is_missing(value)), None)
        if value is not None:
            return next((kind for kind in WANTED if isinstance(value, kind)), None)
    return None


def _from_values(items: list[Any], kind: type) -> RaggedSets:
    """One sequence of strings, which make one column, or of dicts, which make one for each key, for each set."""
    for number, item in enumerate(items):
        if not _is_sequence(item):
            raise ValueError(
                f"Set {number} is {shown(item)}; expected a sequence of {WANTED[kind]}, as in the sets before it."
            )
    sizes = np.fromiter(map(len, items), np.int64, len(items))
    values = list(chain.from_iterable(items))
    cuts = RaggedSets(np.empty((len(values), 0)), offsets_of(sizes))
    row = next((row for row, value in enumerate(values) if not isinstance(value, kind) and not is_missing(value)), None)
    if row is not None:
        number, _ = cuts.locate(row)
        raise ValueError(f"Set {number} holds {shown(values[row])}; expected {WANTED[kind]}, as in the sets before it.")
    if kind is dict:
        table = pd.DataFrame.from_records([{} if is_missing(value) else value for value in values])
    else:
        table = pd.DataFrame({FIRST_FEATURE: pd.Series(values, dtype="str")})
    return cuts.replace(table)


def _is_sequence(item: Any) -> bool:
    if isinstance(item, (dict, *TEXT)) or sparse.issparse(item):  # the last have no length
        return False
    return isinstance(item, Sized) and n_dimensions(item) == 1


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
        number, other, where = first_mismatch(widths[known].tolist())
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


def first_mismatch(values: list[Any]) -> tuple[int, int, str]:
    """Of values that are not all equal: which one to name, one that it should equal, and whether that is before it."""
    if len(values) > 2 and all(value == values[1] for value in values[2:]):
        return 0, 1, "after"
    return next(number for number, value in enumerate(values) if value != values[0]), 0, "before"
