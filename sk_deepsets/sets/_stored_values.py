"""Columns of any kind as arrays of plain numbers, which a file holds without code, and back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.api.extensions import take

from sk_deepsets.sets._values import is_number

# Of NumPy's dtypes: booleans, integers, floats, times and lengths of time, which take 8 bytes at most.
PLAIN_KINDS, MOST_BYTES = "biufMm", 8
Put = Callable[[str, np.ndarray], None]
Get = Callable[[str], np.ndarray]


def is_plain(dtype: Any) -> bool:
    """Whether an array of this dtype is stored as it is."""
    return isinstance(dtype, np.dtype) and dtype.kind in PLAIN_KINDS and dtype.itemsize <= MOST_BYTES


def put_values(values: pd.Series | pd.Index, name: str, put: Put) -> dict[str, Any]:
    """Store a column.

    Parameters
    ----------
    values : Series or Index
    name : str
        What the names of its arrays begin with.
    put : callable
        Stores an array of plain numbers under a name.

    Returns
    -------
    dict
        What ``get_values`` needs to know beside the arrays, in JSON's types.
    """
    dtype: Any = values.dtype
    if is_plain(dtype):
        put(name, values.to_numpy())
        return {"dtype": dtype.name}
    array: Any = values.array
    if isinstance(dtype, pd.CategoricalDtype):
        put(name, array.codes)
        categories = put_values(dtype.categories, f"{name}.categories", put)
        return {"dtype": "category", "ordered": bool(dtype.ordered), "categories": categories}
    if isinstance(dtype, pd.DatetimeTZDtype):
        put(name, array.tz_convert("UTC").tz_localize(None).to_numpy())
    elif (
        is_number(dtype) and not isinstance(dtype, pd.SparseDtype) and is_plain(dtype.numpy_dtype)
    ):  # a nullable type of pandas or of Arrow
        put(name, array.to_numpy(dtype.numpy_dtype, na_value=0))
        put(f"{name}.missing", array.isna())
    elif types.is_string_dtype(dtype) and types.infer_dtype(values, skipna=True) in ("string", "empty"):
        codes, uniques = pd.factorize(values)
        put(name, codes.astype(np.min_scalar_type(-max(len(uniques), 1))))
        texts = [text.encode() for text in uniques]
        put(f"{name}.texts", np.frombuffer(b"".join(texts), dtype=np.uint8))
        put(f"{name}.ends", np.cumsum([len(text) for text in texts], dtype=np.int64))
    else:
        kind = types.infer_dtype(values, skipna=True)
        raise TypeError(
            f"dtype {dtype} ({kind}) cannot be stored; expected numbers, booleans, categories, strings or times"
        )
    return {"dtype": str(dtype)}


def get_values(kind: dict[str, Any], name: str, get: Get) -> Any:
    """The column of which ``put_values`` returned ``kind``, where ``get`` finds the arrays by their names.

    Everything is checked: nothing else than such columns, or an error, can come of any arrays and any ``kind``.
    """
    array = get(name)
    if kind["dtype"] == "category":
        categories = pd.Index(get_values(kind["categories"], f"{name}.categories", get))
        # checks that there is a category for each code
        return pd.Categorical.from_codes(array, dtype=pd.CategoricalDtype(categories, bool(kind["ordered"])))
    dtype: Any = types.pandas_dtype(kind["dtype"])
    if is_plain(dtype):
        if array.dtype != dtype:
            raise ValueError(f"{name} holds {array.dtype}, but should hold {dtype}")
        return array
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(array).tz_localize("UTC").tz_convert(dtype.tz).array
    if is_number(dtype):
        values = pd.array(array, dtype=dtype)
        values[get(f"{name}.missing")] = pd.NA
        return values
    content, bounds = get(f"{name}.texts"), [0, *get(f"{name}.ends").tolist()]
    if content.dtype != np.uint8 or bounds[-1] != len(content) or (np.diff(bounds) < 0).any():
        raise ValueError(f"the texts of {name} do not end where they should")
    whole = content.tobytes()
    texts = np.array([whole[a:b].decode() for a, b in pairwise(bounds)], dtype=object)
    if not types.is_object_dtype(dtype):
        return take(pd.array(texts, dtype=dtype), array, allow_fill=True)
    if array.min(initial=0) < -1 or array.max(initial=-1) >= len(texts):
        raise ValueError(f"{name} holds a code that is no text's")
    return np.array([*texts, None], dtype=object)[array]
