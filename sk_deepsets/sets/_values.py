"""Values: which are missing, numbers or categories, and how anything becomes an array or a DataFrame."""

from __future__ import annotations

import ast
import datetime
import inspect
import json
import re
from collections.abc import Sequence, Sized
from contextlib import suppress
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
from pandas.api import types
from scipy import sparse

from sk_deepsets.sets._arrow import is_table, to_pandas
from sk_deepsets.sets._protocols import TorchTensor, numpy_dtype, offers

# Every value of these types is a float32, too.
EXACT_IN_FLOAT32 = {np.dtype(kind) for kind in ("?", "i1", "u1", "i2", "u2", "f2", "f4")}
FLOAT32_MAX = float(np.finfo(np.float32).max)
# As scikit-learn names a first feature without a name.
FIRST_FEATURE = "x0"
MASKED = "{} has masked values; fill them first, or drop their sets or elements."
PLAIN = {list, tuple, float, int, np.ndarray}
BYTES = (bytearray, memoryview)  # which NumPy would read as numbers
TEXT = (str, bytes, *BYTES)
SET_SHAPE = "(n_elements, n_features)"
# What a text of a list of numbers, or of arrays, holds besides numbers.
BESIDE_NUMBERS = re.compile(r"(np\.\w+|array|tensor)\(|dtype=\w+|[][(),]|\.\.\.|None|null")
UNZIP = "If each item is a pair of a set and its target, use X, y = zip(*pairs)."
# What NumPy would convert to real numbers: times, complex numbers and masked ones.
TIMES = (np.datetime64, np.timedelta64, datetime.date, datetime.time, datetime.timedelta)
NOT_NUMBERS = (*TIMES, np.complexfloating, np.ma.MaskedArray)


def shown(value: Any, width: int = 80) -> str:
    """A value as it stands in a message: on one line, and shortened."""
    text = " ".join(repr(value).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"


def user_stacklevel() -> int:
    """The ``stacklevel`` by which a warning points to the user's line, the first outside these packages."""
    frame, level = inspect.currentframe(), 0
    inner = ("sk_deepsets", "sklearn", "contextlib")
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in inner:
        frame, level = frame.f_back, level + 1
    return level


def as_ndarray(value: Any, what: str) -> np.ndarray:
    """An array of any shape and dtype, or an error that begins with ``what``, such as "Set 3"."""
    check_unmasked(value, what)
    if sparse.issparse(value):
        raise TypeError(f"{what} is sparse, but a dense array is required: use .toarray().")
    is_tensor = offers(value, TorchTensor)
    if is_tensor:
        value = value.detach().resolve_conj().resolve_neg()
    try:
        return np.asarray(value)
    except ValueError as error:
        pairs = ""
        if isinstance(value, tuple) and len(value) == 2:
            pairs = f" {UNZIP}"
        raise ValueError(f"{what} is not an array: its elements have unequal lengths ({error}).{pairs}") from error
    except (TypeError, RuntimeError) as error:
        if not is_tensor:
            raise TypeError(f"{what} is not an array: {error}") from error
        nested = "nested " if value.is_nested else ""
        raise TypeError(
            f"{what} is a {nested}torch tensor of {value.dtype} ({value.layout}, on {value.device}), which NumPy "
            "cannot read; pass a dense tensor of float32 on the CPU."
        ) from error


def to_array(value: Any, what: str, shape: str = SET_SHAPE, *, strings: bool = False) -> np.ndarray:
    """An array of any dimension and dtype of what is, or holds, arrays.

    Parameters
    ----------
    value : object
    what, shape : str
        What it is called in messages, and the expected shape.
    strings : bool
        Whether it may hold strings.
    """
    if isinstance(value, set | frozenset):
        value = list(value)
    if isinstance(value, TEXT) or not isinstance(value, Sized):
        text = f" {read_text(value, 'X')}" if is_text_of_list(value) else ""
        raise ValueError(f"{what} is {shown(value)}; expected an array of shape {shape}.{text}")
    refused = BYTES if strings else TEXT
    if isinstance(value, list | tuple) and any(issubclass(kind, refused) for kind in set(map(type, value)) - PLAIN):
        if strings:
            raise ValueError(f"{what} holds bytes; expected numbers or strings.")
        raise ValueError(f"{what} holds strings; expected numbers. Encode categories first.")
    return as_ndarray(value, what)


def is_text_of_list(value: Any) -> TypeGuard[str]:
    """Whether a value is the text of a list, as files of text have them."""
    return isinstance(value, str) and value.lstrip().startswith("[")


def is_text_of_numbers(value: Any) -> bool:
    """Whether a value is the text of a list of numbers, or of lists of them, as JSON, Python or NumPy write it."""
    if not is_text_of_list(value) or not value.rstrip().endswith("]"):
        return False
    with suppress(ValueError):
        list(map(float, set(BESIDE_NUMBERS.sub(" ", value).split())))
        return True
    return False


def read_text(value: str, expression: str) -> str:
    """The line that turns texts like this one, which ``expression`` names, into lists."""
    for name, read in (("json.loads", json.loads), ("ast.literal_eval", ast.literal_eval)):
        with suppress(ValueError, SyntaxError):
            read(value)
            lists = f"[{name}(text) for text in X]" if expression == "X" else f"{expression}.map({name})"
            return f"These are lists written as text: use {lists}."
    return (
        "This is what NumPy prints, which leaves out values: write the sets to a file that keeps them, such as with "
        "RaggedSets.to_series() and to_parquet."
    )


def to_table(value: Any, what: str, shape: str = SET_SHAPE, *, strings: bool = False) -> Any:
    """A DataFrame of a table of any library, whose columns have names; otherwise an array, see ``to_array``."""
    return to_pandas(value) if is_table(type(value)) else to_array(value, what, shape, strings=strings)


def check_no_times(values: Any, what: str) -> None:
    """Raise for times, of NumPy or as objects, which would become numbers."""
    array = np.asarray(values)
    kinds = {array.dtype.type} if array.dtype != object else set(map(type, array.ravel()))
    time = next((kind for kind in kinds if issubclass(kind, TIMES)), None)
    if time is not None:
        raise ValueError(f"{what} holds values of type {time.__name__}; expected numbers.")


def check_unmasked(value: Any, what: str) -> None:
    """Raise for a masked array, or a list with one in it: NumPy would read the values under the mask."""
    parts = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise ValueError(MASKED.format(what))


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
    if all(isinstance(dtype, np.dtype) for dtype in table.dtypes) and len(set(table.dtypes)) == 1:
        return as_floats(table.to_numpy())  # a view of what is one array
    exact = {numpy_dtype(dtype) for dtype in table.dtypes} <= EXACT_IN_FLOAT32
    dtype = np.float32 if exact and table.shape[1] else np.float64
    return table.to_numpy(dtype, na_value=np.nan) if table.isna().any(axis=None) else table.to_numpy(dtype)
