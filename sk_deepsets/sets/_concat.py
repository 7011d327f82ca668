"""Several tables of sets as one, with the kinds of the columns kept; and which sets of two tables are equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from sk_deepsets.sets._ragged import RaggedSets


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """Where sets of these sizes begin."""
    return np.concatenate([[0], np.cumsum(sizes)])


def without_rows(sets: RaggedSets) -> RaggedSets:
    """Sets for a column, whose elements were rows of no frame that a user has: labelled by set and element.

    Under any other labels, targets and answers would be matched to the rows of a frame that has these by chance.
    """
    if not isinstance(sets.elements, pd.DataFrame):
        return sets
    sizes, offsets = sets.sizes, sets.offsets
    of_set: Any = np.repeat(np.arange(len(sets)), sizes)
    within: Any = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    levels: Any = [pd.RangeIndex(len(sets)), pd.RangeIndex(sizes.max(initial=0))]
    labels = pd.MultiIndex(levels, [of_set, within], names=["set", "element"], verify_integrity=False)
    return RaggedSets(sets.elements.set_axis(labels), offsets, context=sets.context, index=sets.index)


def concat_sets(parts: Sequence[RaggedSets]) -> RaggedSets:
    """The sets of all parts in one table."""
    offsets = offsets_of(np.concatenate([part.sizes for part in parts]))
    # without elements and features, nothing tells what the features would be
    parts = [part for part in parts if part.n_features or len(part.elements)] or list(parts[:1])
    names = next((list(part.feature_names) for part in parts if part.feature_names is not None), None)
    tables = [_with_columns(part, names, parts[0]) for part in parts]
    if not any(isinstance(table, pd.DataFrame) for table in tables):
        elements: Any = np.concatenate([table for table in tables if len(table)] or tables[:1])
        return RaggedSets(elements, offsets, feature_names=names)
    columns = pd.Index(names, dtype=object) if names is not None else None
    frames = [table if isinstance(table, pd.DataFrame) else pd.DataFrame(table, columns=columns) for table in tables]
    return RaggedSets(concat_frames(frames), offsets)


def _with_columns(part: RaggedSets, names: list[str] | None, first: RaggedSets) -> Any:
    """The elements with their columns in the order of ``names``."""
    if names is not None and part.feature_names is not None:
        own = list(part.feature_names)
        if own == names:
            return part.elements
        if sorted(own) != sorted(names):
            raise ValueError(f"Sets with the columns {own} do not go with sets with the columns {names}.")
        order = [own.index(name) for name in names]
        return part.elements.iloc[:, order] if isinstance(part.elements, pd.DataFrame) else part.elements[:, order]
    width = first.n_features if names is None else len(names)
    if part.n_features != width:
        raise ValueError(f"Sets with {part.n_features} features do not go with sets with {width} features.")
    return part.elements


def concat_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One below the other, keeping the kinds of the columns: categories are united, where pandas makes objects."""
    if all((frame.dtypes.to_numpy() == frames[0].dtypes.to_numpy()).all() for frame in frames):
        return pd.concat(frames)
    columns = {name: _concat_columns(name, [frame[name] for frame in frames]) for name in frames[0]}
    return pd.DataFrame(columns, index=frames[0].index.append([frame.index for frame in frames[1:]]))


def _concat_columns(name: Any, columns: list[pd.Series]) -> Any:
    filled = [column for column in columns if len(column)] or columns[:1]
    if not all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        return pd.concat(filled).array  # the dtype of what is not there counts for nothing
    arrays = [column.array for column in columns]
    known = next((array for array in arrays if len(array.categories)), arrays[0])
    # a column of missing values has categories of no certain dtype
    arrays = [a if len(a.categories) else pd.Categorical.from_codes(a.codes, dtype=known.dtype) for a in arrays]
    try:
        return union_categoricals(arrays)
    except TypeError as error:
        raise TypeError(f"The categories of {name!r} differ: {error}") from error


def equal_sets(ours: RaggedSets, theirs: RaggedSets) -> np.ndarray:
    """For each pair of sets, whether the elements are equal one by one."""
    equal = ours.sizes == theirs.sizes
    some = np.flatnonzero(equal & (ours.sizes > 0))
    ours, theirs = ours[some], theirs[some]
    try:
        both = concat_sets([ours, theirs]).elements
    except ValueError:  # other columns: only empty sets are equal
        equal[some] = False
        return equal
    table = both if isinstance(both, pd.DataFrame) else pd.DataFrame(both)
    n_elements = len(ours.elements)
    differs = np.zeros(n_elements, dtype=bool)
    for name in table:
        left, right = table[name].array[:n_elements], table[name].array[n_elements:]
        same = pd.array(left == right, dtype="boolean").fillna(False).to_numpy(dtype=bool)
        differs |= ~(same | np.asarray(pd.isna(left) & pd.isna(right)))
    before = offsets_of(differs)  # how many elements differ before each
    equal[some] = before[ours.offsets[1:]] == before[ours.offsets[:-1]]
    return equal


def is_missing(value: Any) -> bool:
    """Whether a value stands for a set that is not there."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def is_one_set(value: Any) -> bool:
    """Whether a value is one set rather than a sequence of sets."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 1 and value.dtype != object)
    return isinstance(value, pd.DataFrame) or is_missing(value)
