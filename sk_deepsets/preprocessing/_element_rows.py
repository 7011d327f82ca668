"""Which element each row of a table is, and which label belongs to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.preprocessing._element_targets import RowSets, read_targets


def check_order(output: pd.DataFrame, table: Any, name: str) -> None:
    """Raise if the labels tell that rows have changed places."""
    index = table.index if isinstance(table, pd.DataFrame) else pd.RangeIndex(len(table))
    if output.index.equals(index):
        return
    known = pd.Index(index).is_unique and output.index.is_unique
    if known and (output.index.get_indexer(index) >= 0).all():
        raise ValueError(f"{name} gave the elements in another order, so they would come into other sets.")


def labels_of_elements(y: Any, sets: RowSets) -> np.ndarray:
    """The label of each element: its own, or that of its set, which may be several numbers."""
    table = isinstance(y, np.ndarray | pd.DataFrame) and y.ndim == 2
    sizes = None if table else [np.size(item) if _is_sequence(item) else -1 for item in y]
    if sizes is not None and max(sizes) >= 0 and (len(set(sizes)) > 1 or np.array_equal(sizes, sets.sizes)):
        return read_targets(y, sets)
    if len(y) == len(sets):
        return np.repeat(np.asarray(y), sets.sizes, axis=0)
    if len(y) != len(sets.elements):
        raise ValueError(f"X has {len(sets)} sets, but y has {len(y)} targets: one for each set is wanted.")
    return np.asarray(y) if table else read_targets(y, sets)


def _is_sequence(item: Any) -> bool:
    return hasattr(item, "__len__") and not isinstance(item, str | bytes)
