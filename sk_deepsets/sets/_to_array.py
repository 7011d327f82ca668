"""Anything as an array, or as a DataFrame where columns have names; and what NumPy would misread on the way."""

from __future__ import annotations

import ast
import datetime
import json
from contextlib import suppress
from typing import Any

import numpy as np

from sk_deepsets.sets._arrow import is_table, to_pandas

MASKED = "{} has masked values; fill them first, or drop their sets or elements."
PLAIN = {list, tuple, float, int, np.ndarray}
BYTES = (bytearray, memoryview)  # of which NumPy makes numbers
TEXT = (str, bytes, *BYTES)
OF_A_SET = "(n_elements, n_features)"
UNZIP = "Of a list of pairs of a set and its target, X, y = zip(*pairs) makes both."
# What NumPy would make real numbers of, besides: times, complex numbers and masked ones.
TIMES = (np.datetime64, np.timedelta64, datetime.date, datetime.time, datetime.timedelta)
NOT_NUMBERS = (*TIMES, np.complexfloating, np.ma.MaskedArray)


def as_ndarray(value: Any, what: str) -> np.ndarray:
    """An array of any shape and dtype, or an error that begins with ``what``, such as "Set 3"."""
    check_unmasked(value, what)
    if hasattr(value, "toarray"):
        raise TypeError(f"{what} is sparse, but a dense array is required: use .toarray().")
    if hasattr(value, "resolve_neg"):  # a torch tensor, which may carry a gradient or be a lazy view
        value = value.detach().resolve_conj().resolve_neg()
    try:
        return np.asarray(value)
    except ValueError as error:
        pairs = ""
        if isinstance(value, tuple) and len(value) == 2:
            pairs = f" {UNZIP}"
        raise ValueError(f"{what} is not an array: its elements have unequal lengths ({error}).{pairs}") from error
    except (TypeError, RuntimeError) as error:
        if not hasattr(value, "resolve_neg"):
            raise TypeError(f"{what} is not an array: {error}") from error
        nested = "nested " if value.is_nested else ""
        raise TypeError(
            f"{what} is a {nested}torch tensor of {value.dtype} ({value.layout}, on {value.device}), which is no array "
            "for NumPy; pass a dense tensor of float32 on the CPU."
        ) from error


def to_array(value: Any, what: str, shape: str = OF_A_SET, *, strings: bool = False) -> np.ndarray:
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
    if isinstance(value, TEXT) or not hasattr(type(value), "__len__"):
        text = f" {read_text(value, 'X')}" if is_text_of_list(value) else ""
        raise ValueError(f"{what} is {value!r:.80}; expected an array of shape {shape}.{text}")
    refused = BYTES if strings else TEXT
    if isinstance(value, list | tuple) and any(issubclass(kind, refused) for kind in set(map(type, value)) - PLAIN):
        if strings:
            raise ValueError(f"{what} holds bytes; expected numbers or strings.")
        raise ValueError(f"{what} holds strings; expected numbers. Encode categories first.")
    return as_ndarray(value, what)


def is_text_of_list(value: Any) -> bool:
    """Whether a value is the text of a list, as files of text have them."""
    return isinstance(value, str) and value.lstrip().startswith("[")


def read_text(value: str, expression: str) -> str:
    """The line that makes lists of texts like this one, which an expression stands for."""
    for name, read in (("json.loads", json.loads), ("ast.literal_eval", ast.literal_eval)):
        with suppress(ValueError, SyntaxError):
            read(value)
            lists = f"[{name}(text) for text in X]" if expression == "X" else f"{expression}.map({name})"
            return f"These are lists written as text, of which {lists} makes lists again."
    return (
        "This is what NumPy prints, which leaves out values: write the sets to a file that keeps them, such as with "
        "RaggedSets.to_series() and to_parquet."
    )


def to_table(value: Any, what: str, shape: str = OF_A_SET, *, strings: bool = False) -> Any:
    """A DataFrame of a table of any library, whose columns have names; otherwise an array, see ``to_array``."""
    return to_pandas(value) if is_table(type(value)) else to_array(value, what, shape, strings=strings)


def check_no_times(values: Any, what: str) -> None:
    """Raise for times, as NumPy's or as objects, of which numbers would be made."""
    array = np.asarray(values)
    kinds = {array.dtype.type} if array.dtype != object else set(map(type, array.ravel()))
    time = next((kind for kind in kinds if issubclass(kind, TIMES)), None)
    if time is not None:
        raise ValueError(f"{what} holds values of type {time.__name__}; expected numbers.")


def check_unmasked(value: Any, what: str) -> None:
    """Raise for a masked array, or a list with one in it, of which NumPy would give what is under the mask."""
    parts = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise ValueError(MASKED.format(what))
