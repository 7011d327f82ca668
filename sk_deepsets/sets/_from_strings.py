"""Baskets: sets of strings, such as the names of items, as one column of a DataFrame."""

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


def are_baskets(items: Sequence[Any]) -> bool:
    """Whether the first set that has elements is a sequence of strings."""
    first: Any = next((item for item in items if not _is_sequence(item) or len(item)), None)
    return _is_sequence(first) and isinstance(next(iter(first)), str)


def sets_from_strings(items: Sequence[Any], index: pd.Index | None = None) -> RaggedSets:
    """One sequence of strings for each set; what is missing stays missing."""
    for number, item in enumerate(items):
        if not _is_sequence(item):
            raise ValueError(f"Set {number} is {item!r:.80}; wanted a sequence of strings, as the sets before it are.")
    offsets = offsets_of(np.fromiter(map(len, items), np.int64, len(items)))
    values = list(chain.from_iterable(items))
    if pd.api.types.infer_dtype(values, skipna=True) not in ("string", "empty"):
        row = next(row for row, value in enumerate(values) if not isinstance(value, str) and not is_missing(value))
        number = int(np.searchsorted(offsets, row, side="right")) - 1
        raise ValueError(f"Set {number} holds {values[row]!r:.80}; wanted strings, as the sets before it hold.")
    return RaggedSets(pd.DataFrame({NAME: pd.Series(values, dtype="str")}), offsets, index=index)


def _is_sequence(item: Any) -> bool:
    return getattr(item, "ndim", 1) == 1 and hasattr(item, "__len__") and not isinstance(item, str | bytes | dict)
