"""What comes from Arrow: its types, and how to tell its data without importing pyarrow for what has none."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray

LISTS = ("list", "large_list", "list_view", "large_list_view", "fixed_size_list")
NUMBERS = ("integer", "floating", "boolean")
STRINGS = ("string", "large_string", "string_view")
# In the metadata of a field of a struct: the dtype of the column that it was.
DTYPE = b"pandas_dtype"


def is_arrow(X: Any) -> bool:
    """Whether ``sets_from_arrow`` is the reader for X; never imports pyarrow for what does not hold Arrow data."""
    if isinstance(X, pd.Series | ExtensionArray):  # a Series of any dtype offers itself to Arrow
        if isinstance(X.dtype, pd.ArrowDtype):
            return kind_of(X.dtype.pyarrow_dtype) in LISTS
        return type(X.dtype).__name__ == "NestedDtype"
    if isinstance(X, pd.DataFrame):
        return False
    return hasattr(X, "__arrow_c_array__") or hasattr(X, "__arrow_c_stream__") or is_awkward(X)


def is_awkward(X: Any) -> bool:
    """Whether X is an Awkward Array, which offers itself to Arrow by ``ak.to_arrow`` alone."""
    return type(X).__module__ == "awkward.highlevel"


def is_arrow_table(X: Any) -> bool:
    """Whether X is a table of polars, pyarrow or the like, with several columns."""
    if isinstance(X, pd.DataFrame | pd.Series) or not hasattr(X, "__arrow_c_stream__"):
        return False
    return hasattr(X, "columns")


def import_pyarrow() -> Any:
    try:
        return import_module("pyarrow")  # a plain import would need stubs that pyarrow lacks
    except ImportError as error:
        raise ImportError('Reading Arrow data needs pyarrow: pip install "sk-deepsets[arrow]".') from error


def kind_of(dtype: Any) -> str:
    """A short name for the Arrow types that are of use here; all others in their own words."""
    types = import_pyarrow().types
    kinds = (*LISTS, *NUMBERS, *STRINGS, "struct", "dictionary", "null")
    return next((kind for kind in kinds if getattr(types, f"is_{kind}")(dtype)), str(dtype))
