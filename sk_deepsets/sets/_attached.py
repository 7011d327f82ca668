"""What stands beside the elements: context, index and feature names, checked and cut in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def check_attached(
    n_sets: int, n_features: int, context: Any, index: pd.Index | None, feature_names: Any
) -> tuple[Any, pd.Index | None, np.ndarray | None]:
    """Context (a frame or a two-dimensional array), index and names, of the right lengths."""
    if context is not None and not isinstance(context, pd.DataFrame):
        context = np.asarray(context)
        if context.ndim != 2:
            raise ValueError(f"context must have shape (n_sets, n_context), but has shape {context.shape}.")
    for what, value in (("context", context), ("index", index)):
        if value is not None and len(value) != n_sets:
            raise ValueError(f"{what} has {len(value)} rows for {n_sets} sets.")
    if feature_names is not None:
        feature_names = np.array(list(feature_names), dtype=object)
        if len(feature_names) != n_features:
            raise ValueError(f"{len(feature_names)} feature names for {n_features} features.")
    return context, index, feature_names


def check_columns(frame: pd.DataFrame) -> pd.Index:
    """The names of the columns, which must be different strings."""
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise ValueError(f"{len(twice)} column names stand for several columns each: {list(twice)}.")
    if not all(isinstance(name, str) for name in frame.columns):
        raise TypeError(f"The names of the columns of elements must be strings, but are {list(frame.columns)}.")
    return frame.columns


def take_attached(context: Any, index: pd.Index | None, key: slice | np.ndarray) -> dict[str, Any]:
    """The context and index of the sets at these positions."""
    if context is not None:
        context = context.iloc[key] if isinstance(context, pd.DataFrame) else context[key]
    return {"context": context, "index": None if index is None else index[key]}


def positions(key: Any, n_sets: int) -> np.ndarray:
    """The numbers of the sets that integers, booleans or a slice choose."""
    if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
        key = key[0]  # scikit-learn takes rows of anything with a shape as X[key, ...]
    if isinstance(key, list) and not key:
        key = np.empty(0, dtype=np.int64)
    numbers = np.arange(n_sets)[key]
    if numbers.ndim != 1:
        raise IndexError(f"Sets are indexed along one axis, but the key has shape {np.shape(key)}.")
    return numbers
