"""The columns of a table without its rows, as lists, strings and arrays: any format of files can hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def describe_columns(table: np.ndarray | pd.DataFrame) -> Any:
    """Names and dtypes of the columns of a DataFrame, as a dict; of an array, the array without its rows."""
    if not isinstance(table, pd.DataFrame):
        return table[:0].copy()
    return {"names": list(table.columns), "dtypes": [_describe(dtype) for dtype in table.dtypes]}


def without_rows(described: Any) -> np.ndarray | pd.DataFrame:
    """The table with these columns and no rows."""
    if isinstance(described, np.ndarray):
        return described.copy()
    columns = {place: pd.Series(dtype=_dtype(one)) for place, one in enumerate(described["dtypes"])}
    table = pd.DataFrame(columns, index=pd.RangeIndex(0))
    table.columns = described["names"]
    return table


def _describe(dtype: Any) -> Any:
    """The name of a dtype; of categories that are numbers, dates or strings, also these."""
    if not isinstance(dtype, pd.CategoricalDtype):
        return str(dtype)
    known = dtype.categories
    values: Any = [] if known.inferred_type != "string" else known.tolist()
    if isinstance(known.dtype, np.dtype) and known.dtype.kind in "biufmM":
        values = known.to_numpy()
    return {"categories": values, "dtype": str(known.dtype), "ordered": bool(dtype.ordered)}


def _dtype(described: Any) -> Any:
    try:
        if isinstance(described, str):
            return pd.api.types.pandas_dtype(described)
        categories = pd.Index(described["categories"], dtype=described["dtype"])
        return pd.CategoricalDtype(categories, ordered=described["ordered"])
    except (TypeError, NotImplementedError):  # whose name does not tell all, such as a dictionary of Arrow
        return np.dtype(object)
