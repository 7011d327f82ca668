"""Anything as an array, or as a DataFrame where columns have names; and what NumPy would misread on the way."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from sk_deepsets.sets._arrow import is_table, to_pandas

MASKED = "{} has masked values; fill them first, or drop what they belong to."
PLAIN = {list, tuple, float, int, np.ndarray}
TEXT = (str, bytes, bytearray, memoryview)
# What NumPy would make real numbers of, besides: times, complex numbers and masked ones.
TIMES = (np.datetime64, np.timedelta64, datetime.date, datetime.time, datetime.timedelta)
NOT_NUMBERS = (*TIMES, np.complexfloating, np.ma.MaskedArray)


def as_ndarray(value: Any, what: str) -> np.ndarray:
    """An array of any shape and dtype, or an error that begins with ``what``, such as "Set 3"."""
    check_unmasked(value, what)
    if hasattr(value, "toarray"):
        raise TypeError(f"{what} is sparse, but dense sets are required: use .toarray().")
    if hasattr(value, "resolve_neg"):  # a torch tensor, which may carry a gradient or be a lazy view
        value = value.detach().resolve_conj().resolve_neg()
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{what} is not an array: its elements have unequal numbers of features or nested parts ({error})."
        ) from error
    except (TypeError, RuntimeError) as error:  # a torch tensor of a dtype that NumPy lacks, or on another device
        raise TypeError(f"{what} is not an array: {error}") from error


def to_array(value: Any, what: str) -> np.ndarray:
    """An array of any dimension and dtype of what is, or holds, arrays."""
    if isinstance(value, set | frozenset):
        value = list(value)
    if isinstance(value, TEXT) or not hasattr(type(value), "__len__"):
        raise ValueError(f"{what} is {value!r:.80}; wanted an array of shape (n_elements, n_features).")
    if isinstance(value, list | tuple) and any(issubclass(kind, TEXT) for kind in set(map(type, value)) - PLAIN):
        # NumPy makes numbers of the bytes of some
        raise ValueError(f"{what} holds strings; wanted numbers. Encode categories first.")
    return as_ndarray(value, what)


def to_table(value: Any, what: str) -> Any:
    """A DataFrame of a table of any library, whose columns have names; otherwise an array."""
    return to_pandas(value) if is_table(type(value)) else to_array(value, what)


def check_unmasked(value: Any, what: str) -> None:
    """Raise for a masked array, or a list with one in it, of which NumPy would give what is under the mask."""
    parts = [value]
    if isinstance(value, list | tuple) and any(issubclass(kind, np.ma.MaskedArray) for kind in set(map(type, value))):
        parts = list(value)
    if any(map(np.ma.is_masked, parts)):
        raise ValueError(MASKED.format(what))
