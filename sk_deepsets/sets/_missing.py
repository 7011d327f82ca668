"""Missing sets, which are not empty ones: one rule for lists, columns of any dtype and Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NA or NaT."""
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def find_missing(items: Sequence[Any]) -> np.ndarray:
    """Which items are missing, booleans of shape (n_items,)."""
    return pd.isna(np.fromiter(items, dtype=object, count=len(items)))


def check_missing_sets(missing: np.ndarray, index: pd.Index | None, missing_sets: str) -> None:
    """Raise if sets are missing and ``missing_sets`` is "error"; it may be "empty", too."""
    if missing_sets not in ("error", "empty"):
        raise ValueError(f'missing_sets must be "error" or "empty", but is {missing_sets!r}.')
    if missing_sets == "empty" or not missing.any():
        return
    first = int(np.argmax(missing))
    label = "" if index is None else f", with the label {index[first : first + 1].tolist()[0]!r}"
    raise ValueError(
        f"{missing.sum():,} of {len(missing):,} sets are missing; the first is set {first}{label}. A missing set is "
        "not an empty one: RaggedSets.from_frame(frame, by=..., ids=...) makes an empty set for each of the ids "
        'without rows, and missing_sets="empty", of check_sets and the estimators, reads missing sets as empty ones.'
    )
