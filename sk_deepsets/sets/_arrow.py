"""Arrow data of any library, as arrays of pyarrow, which is imported only where there are some."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from sk_deepsets.sets._protocols import ArrowArray, ArrowStream, ToPandas, offers


def is_arrow(X: Any) -> bool:
    """Whether X is Arrow data; of pandas columns, only those of lists. Other data never makes it import pyarrow."""
    if isinstance(X, pd.Series | ExtensionArray):  # a Series of any dtype offers itself to Arrow
        if isinstance(X.dtype, pd.ArrowDtype):
            return kind_of(X.dtype.pyarrow_dtype) == "list"
        return type(X.dtype).__name__ == "NestedDtype"
    if isinstance(X, pd.DataFrame):
        return False
    return offers(X, ArrowArray) or offers(X, ArrowStream) or _is_awkward(X)


def is_table(kind: type) -> bool:
    """Whether a type is that of tables: of pandas, polars, pyarrow or the like."""
    return issubclass(kind, pd.DataFrame) or (issubclass(kind, ArrowStream) and hasattr(kind, "columns"))


def import_pyarrow() -> Any:
    try:
        return import_module("pyarrow")  # a plain import would need stubs that pyarrow lacks
    except ImportError as error:
        raise ImportError('Reading Arrow data needs pyarrow: pip install "sk-deepsets[arrow]".') from error


def to_pandas(table: Any) -> Any:
    """A table of any library as a DataFrame; anything else unchanged."""
    if isinstance(table, pd.DataFrame) or not is_table(type(table)):
        return table
    # polars' own method reads columns of Python objects, of which Arrow would get addresses
    return (table if offers(table, ToPandas) else import_pyarrow().table(table)).to_pandas()


def kind_of(dtype: Any) -> str:
    """How an Arrow type is read: list, number, string, struct, dictionary or null; for all others, its name."""
    t = import_pyarrow().types
    kinds = {
        "list": (t.is_list, t.is_large_list, t.is_list_view, t.is_large_list_view, t.is_fixed_size_list),
        "number": (t.is_integer, t.is_floating, t.is_boolean),
        "string": (t.is_string, t.is_large_string, t.is_string_view),
        "struct": (t.is_struct,),
        "dictionary": (t.is_dictionary,),
        "null": (t.is_null,),
    }
    return next((kind for kind, tests in kinds.items() if any(is_one(dtype) for is_one in tests)), str(dtype))


def from_arrow(X: Any) -> np.ndarray:
    """The values of any column as an array, of arrays for lists; missing values are None or NaN."""
    return as_one_array(X).to_pandas(integer_object_nulls=True).to_numpy()


def _is_awkward(X: Any) -> bool:
    """Whether X is an Awkward Array, which offers itself to Arrow by ``ak.to_arrow`` alone."""
    return type(X).__module__ == "awkward.highlevel" and type(X).__name__ == "Array"


def as_one_array(X: Any) -> Any:
    """X as a pyarrow Array; copied only if it comes in several chunks."""
    pa = import_pyarrow()
    array = X.array if isinstance(X, pd.Series) else X
    if isinstance(array, pa.RecordBatchReader) or is_table(type(array)):
        raise TypeError(f"Expected one column in Arrow, but got {type(X).__name__}; pass one of its columns.")
    if _is_awkward(array):
        try:
            array = import_module("awkward").to_arrow(array, extensionarray=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise TypeError(f"X is an Awkward Array of type {X.type}, which Arrow cannot hold: {error}") from error
    if isinstance(array, ExtensionArray):
        array = pa.array(array)
    if not isinstance(array, pa.Array | pa.ChunkedArray):
        array = pa.array(array) if offers(array, ArrowArray) else pa.chunked_array(array)
    if isinstance(array, pa.ChunkedArray):
        return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    return array
