"""Sets of plain Python values that are no numbers: strings (baskets), or dicts with one value for each feature."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._concat import is_missing, offsets_of
from sk_deepsets.sets._ragged import RaggedSets

# As scikit-learn names a first feature without a name.
NAME = "x0"
WANTED: dict[type, str] = {str: "strings", dict: "dicts"}


def kind_of_values(items: Sequence[Any]) -> type | None:
    """``str`` or ``dict`` if the first value that is not missing is one; otherwise None."""
    for item in items:
        if not _is_sequence(item):
            return None
        value = next((value for value in item if not is_missing(value)), None)
        if value is not None:
            return next((kind for kind in WANTED if isinstance(value, kind)), None)
    return None


def sets_from_values(items: Sequence[Any], kind: type, index: pd.Index | None = None) -> RaggedSets:
    """One sequence of values for each set, as a DataFrame of elements; what is missing stays missing.

    Parameters
    ----------
    items : sequence of sequences
    kind : type
        ``str``: one column; ``dict``: one column for each key, as lists of structs come from Parquet.
    index : Index, optional
        Labels of the sets.
    """
    for number, item in enumerate(items):
        if not _is_sequence(item):
            raise ValueError(
                f"Set {number} is {item!r:.80}; wanted a sequence of {WANTED[kind]}, as the sets before it."
            )
    offsets = offsets_of(np.fromiter(map(len, items), np.int64, len(items)))
    values = list(chain.from_iterable(items))
    row = next((row for row, value in enumerate(values) if not isinstance(value, kind) and not is_missing(value)), None)
    if row is not None:
        number = int(np.searchsorted(offsets, row, side="right")) - 1
        raise ValueError(f"Set {number} holds {values[row]!r:.80}; wanted {WANTED[kind]}, as the sets before it hold.")
    if kind is dict:
        table = pd.DataFrame.from_records([{} if is_missing(value) else value for value in values])
    else:
        table = pd.DataFrame({NAME: pd.Series(values, dtype="str")})
    return RaggedSets(table, offsets, index=index)


def _is_sequence(item: Any) -> bool:
    return getattr(item, "ndim", 1) == 1 and hasattr(item, "__len__") and not isinstance(item, str | bytes | dict)
