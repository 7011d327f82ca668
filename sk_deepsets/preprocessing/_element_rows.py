"""Which element each row of a table is, and which label belongs to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets import RaggedSets


def check_order(output: pd.DataFrame, table: Any, name: str) -> None:
    """Raise if the labels tell that rows have changed places."""
    index = table.index if isinstance(table, pd.DataFrame) else pd.RangeIndex(len(table))
    if output.index.equals(index):
        return
    known = pd.Index(index).is_unique and output.index.is_unique
    if known and (output.index.get_indexer(index) >= 0).all():
        raise ValueError(f"{name} gave the elements in another order, so they would come into other sets.")


def labels_of_elements(y: Any, sets: RaggedSets) -> np.ndarray:
    """The label of each element: its own, or that of its set."""
    n_elements = len(sets.elements)
    table = isinstance(y, np.ndarray | pd.DataFrame) and y.ndim == 2
    if not table and any(hasattr(item, "__len__") and not isinstance(item, str | bytes) for item in y):
        lengths = [np.size(item) for item in y]
        if np.array_equal(lengths, sets.sizes):
            return np.concatenate([np.asarray(item).reshape(-1) for item in y])
        if len(set(lengths)) > 1:
            raise ValueError(f"X has {n_elements} elements in {len(sets)} sets, but y has {sum(lengths)} in {len(y)}.")
    if len(y) not in (len(sets), n_elements):
        raise ValueError(f"X has {len(sets)} sets, but y has {len(y)} targets: one for each set is wanted.")
    if len(y) == len(sets):
        return np.repeat(np.asarray(y), sets.sizes, axis=0)
    if isinstance(y, pd.Series) and isinstance(sets.elements, pd.DataFrame) and sets.elements.index.is_unique:
        rows = y.index.get_indexer(sets.elements.index) if y.index.is_unique else np.array([-1])
        if (rows < 0).any():
            raise ValueError("The index of y does not hold the rows of X: pass an array in the order of the elements.")
        y = y.iloc[rows]  # grouping has moved the rows
    return np.asarray(y)
