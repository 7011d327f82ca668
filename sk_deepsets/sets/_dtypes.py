"""What values and columns are: missing, numbers, categories, or none of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

# Every value of these types is a float32, too.
EXACT_IN_FLOAT32 = {np.dtype(kind) for kind in ("?", "i1", "u1", "i2", "u2", "f2", "f4")}
FLOAT32_MAX = float(np.finfo(np.float32).max)
# As scikit-learn names a first feature without a name.
FIRST_FEATURE = "x0"


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NA or NaT."""
    return types.is_scalar(value) and bool(pd.isna(value))


def find_missing(items: Sequence[Any]) -> np.ndarray:
    """Which items are missing, booleans of shape (n_items,)."""
    return pd.isna(np.fromiter(items, dtype=object, count=len(items)))


def is_number(dtype: Any) -> bool:
    """Whether a column holds numbers or booleans, in NumPy, in pandas' nullable types or in Arrow."""
    if isinstance(dtype, pd.CategoricalDtype) or is_dictionary(dtype) or types.is_complex_dtype(dtype):
        return False
    return types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)


def is_dictionary(dtype: Any) -> bool:
    """Whether a column is a dictionary of Arrow, which is what pandas calls a categorical."""
    return isinstance(dtype, pd.ArrowDtype) and str(dtype).startswith("dictionary<")


def is_category(column: pd.Series) -> bool:
    """Whether a column holds categories or strings."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) or is_dictionary(dtype) or types.is_string_dtype(column):
        return True
    return column.dtype == object and types.infer_dtype(column, skipna=True) in ("string", "empty")


def as_floats(table: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Columns of numbers as one table of float32, or float64 where a column may not fit; what is missing is NaN."""
    if isinstance(table, np.ndarray):
        return table.astype(np.float32 if table.dtype in EXACT_IN_FLOAT32 else np.float64, copy=False)
    sparse = [isinstance(dtype, pd.SparseDtype) for dtype in table.dtypes]
    if any(sparse):
        table = table.astype({name: dtype.subtype for name, dtype in table.dtypes[sparse].items()})
    exact = {np.dtype(getattr(dtype, "numpy_dtype", dtype)) for dtype in table.dtypes} <= EXACT_IN_FLOAT32
    dtype = np.float32 if exact and table.shape[1] else np.float64
    return table.to_numpy(dtype, na_value=np.nan) if table.isna().any(axis=None) else table.to_numpy(dtype)
