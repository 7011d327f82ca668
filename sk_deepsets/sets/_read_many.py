"""Values that are to stand in a column of sets, with the kinds of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._concat import concat_frames, concat_sets, is_missing, offsets_of, without_rows
from sk_deepsets.sets._from_arrays import sets_from_arrays
from sk_deepsets.sets._from_values import kind_of_values, sets_from_values
from sk_deepsets.sets._ragged import RaggedSets


def read_many(items: Any) -> RaggedSets:
    """A sequence of arrays, DataFrames and missing values as one table."""
    items = items.array if isinstance(items, pd.Series | pd.Index) else items
    items = getattr(items, "sets", items)  # those of a SetArray
    if isinstance(items, RaggedSets):
        return items
    if isinstance(items, np.ndarray) and items.ndim == 2:
        raise ValueError(f"An array of shape {items.shape} is one set, not many: put it into a list.")
    items = [[] if is_missing(item) else item for item in items]
    frames = [item for item in items if isinstance(item, pd.DataFrame)]
    if frames and all(isinstance(name, str) for frame in frames for name in frame.columns):
        columns = frames[0].columns
        if len(frames) == len(items) and columns.is_unique and all(frame.columns.equals(columns) for frame in frames):
            return RaggedSets(concat_frames(frames), offsets_of(np.array([len(frame) for frame in frames])))
        return concat_sets([_read_one(item) for item in items])
    kind = kind_of_values(items)
    if kind is not None:
        return without_rows(sets_from_values(items, kind))
    dtypes = {item.dtype if isinstance(item, np.ndarray) and item.ndim == 2 else None for item in items}
    sets = sets_from_arrays(items)
    if len(dtypes) == 1 and None not in dtypes and items[0].dtype.kind in "biuf" and len(items[0].T):
        # back from objects, integers stay integers and not the floats that networks take
        sets = RaggedSets(np.concatenate(items), sets.offsets)
    return sets


def _read_one(item: Any) -> RaggedSets:
    return RaggedSets(item, [0, len(item)]) if isinstance(item, pd.DataFrame) else sets_from_arrays([item])
