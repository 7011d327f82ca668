"""The kinds of the columns of a DataFrame: numbers, categories, or what is neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

# Every value of these types is a float32, too.
EXACT_IN_FLOAT32 = {np.dtype(kind) for kind in ("?", "i1", "u1", "i2", "u2", "f2", "f4")}


def is_number(dtype: Any) -> bool:
    """Whether a column holds numbers or booleans, in NumPy, in pandas' nullable types or in Arrow."""
    return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)  # booleans count as numeric


def is_category(column: pd.Series) -> bool:
    """Whether a column holds categories or strings."""
    if isinstance(column.dtype, pd.CategoricalDtype) or types.is_string_dtype(column):
        return True
    return column.dtype == object and types.infer_dtype(column, skipna=True) in ("string", "empty")


def as_floats(frame: pd.DataFrame) -> np.ndarray:
    """Columns of numbers as one table of float32, or float64 where a column may not fit; what is missing is NaN."""
    sparse = [isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes]
    if any(sparse):
        frame = frame.astype({name: dtype.subtype for name, dtype in frame.dtypes[sparse].items()})
    exact = {np.dtype(getattr(dtype, "numpy_dtype", dtype)) for dtype in frame.dtypes} <= EXACT_IN_FLOAT32
    dtype = np.float32 if exact and frame.shape[1] else np.float64
    return frame.to_numpy(dtype, na_value=np.nan) if frame.isna().any(axis=None) else frame.to_numpy(dtype)
