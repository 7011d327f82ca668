"""The rows that elements were in the user's frame: their labels, answers in their order, and rows of several frames."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from sk_deepsets.sets._values import shown


def number_rows(numbers: np.ndarray, sizes: np.ndarray) -> pd.MultiIndex:
    """Labels for elements that were rows of no frame: the number of the set, and that of the element in it."""
    starts = np.cumsum(sizes) - sizes
    within = np.arange(sizes.sum()) - np.repeat(starts, sizes)
    levels: Any = [pd.RangeIndex(numbers.max(initial=-1) + 1), pd.RangeIndex(sizes.max(initial=0))]
    codes: Any = [np.repeat(numbers, sizes), within]
    return pd.MultiIndex(levels, codes, names=["set", "element"], verify_integrity=False)


def label_answers(
    answers: Any, rows: pd.Index, sizes: np.ndarray, places: np.ndarray | None = None, columns: Any = None
) -> pd.Series | pd.DataFrame:
    """One array of answers per set as a Series or DataFrame; the parameters are those of ``RaggedSets.to_rows``.

    ``rows`` are the labels of the elements, and ``places`` where they stood in the user's frame, if that is known.
    """
    flat = _join(answers, sizes)
    if columns is not None and len(columns) != np.size(flat[:1], -1 if flat.ndim == 2 else None):
        raise ValueError(f"There are {len(columns)} names of columns for answers of shape {flat.shape}.")
    order: Any = slice(None)
    if places is not None:
        by_place = np.argsort(places, kind="stable")
        order = by_place if (np.diff(places[by_place]) > 0).all() else order
    elif rows.is_unique and not rows.is_monotonic_increasing:
        with suppress(TypeError):  # labels of several types have no order
            order = rows.argsort()  # that of the frame for any default index
    if flat.ndim == 1 and columns is None:
        return pd.Series(flat[order], index=rows[order])
    return pd.DataFrame(flat[order], index=rows[order], columns=columns)


def _join(answers: Any, sizes: np.ndarray) -> np.ndarray:
    """The answers of all elements, set by set: (n_elements,) or (n_elements, k)."""
    answers = list(answers)
    parts = [np.asarray(part) for part in answers]
    if len(parts) != len(sizes):
        raise ValueError(f"There are {len(parts)} arrays of answers for {len(sizes)} sets; expected one per set.")
    given = np.array([len(part) if part.ndim else -1 for part in parts], dtype=np.int64)
    wrong = np.flatnonzero(given != sizes)
    if len(wrong):
        number = wrong[0]
        what = f"{given[number]} answers" if given[number] >= 0 else f"{shown(answers[number])} as answers"
        raise ValueError(f"Set {number} has {sizes[number]} elements, but {what} ({len(wrong)} sets differ).")
    if not parts:
        return join_values(parts)
    filled = np.flatnonzero(sizes) if sizes.any() else [0]
    shape = parts[filled[0]].shape[1:]
    other = next((number for number in filled if parts[number].shape[1:] != shape or len(shape) > 1), None)
    if other is not None:
        raise ValueError(
            f"The answers of set {other} have shape {parts[other].shape}; expected (n_elements,) or (n_elements, k), "
            "with one k for all sets."
        )
    return join_values([parts[number] for number in filled])


def join_values(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays one after the other; strings beside others as objects, since NumPy would make strings of numbers."""
    if len({part.dtype.kind in "US" for part in parts}) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts) if parts else np.empty(0)


def concat_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One below the other, keeping the kinds of the columns: categories are united, where pandas makes objects."""
    if all((frame.dtypes.to_numpy() == frames[0].dtypes.to_numpy()).all() for frame in frames):
        return pd.concat(frames)
    columns = {name: _concat_columns(name, [frame[name] for frame in frames]) for name in frames[0]}
    return pd.DataFrame(columns, index=frames[0].index.append([frame.index for frame in frames[1:]]))


def _concat_columns(name: Any, columns: list[pd.Series]) -> Any:
    filled = [column for column in columns if len(column)] or columns[:1]
    if not all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        try:
            return pd.concat(filled).array  # the dtype of what is not there counts for nothing
        except (ValueError, TypeError, NotImplementedError) as error:  # Arrow refuses what NumPy would round
            dtypes = list(dict.fromkeys(str(column.dtype) for column in filled))
            raise ValueError(f"Column {name!r} has dtypes that cannot be joined, {dtypes}: {error}") from error
    arrays = [column.array for column in columns]
    known = next((array for array in arrays if len(array.categories)), arrays[0])
    # a column of missing values has categories of no certain dtype
    arrays = [a if len(a.categories) else pd.Categorical.from_codes(a.codes, dtype=known.dtype) for a in arrays]
    try:
        return union_categoricals(arrays)
    except TypeError as error:
        raise TypeError(f"The categories of {name!r} differ: {error}") from error
