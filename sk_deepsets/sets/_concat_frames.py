"""DataFrames one below the other, with the kinds of the columns kept."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api.types import union_categoricals


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
