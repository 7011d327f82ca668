"""SetSequence: what RaggedSets and PaddedSets share, which is context, labels and names, and how sets are indexed."""

from __future__ import annotations

from contextlib import suppress
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._labels import check_labels, counts_rows
from sk_deepsets.sets._values import as_ndarray, shown, to_table

CONTEXT_SHAPE = "(n_sets, n_context)"


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """Where sets of these sizes begin."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def as_offsets(given: Any) -> np.ndarray:
    """Where sets begin, as int64."""
    array = as_ndarray(given, "The array of offsets")
    if array.dtype == object:
        with suppress(ValueError):  # of unequal lists
            array = np.array(array.tolist())
    if array.ndim == 1 and len(array) and array.dtype.kind in "iuf" and np.isfinite(array).all():
        offsets = array.astype(np.int64)
        if offsets[0] == 0 and (np.diff(offsets) >= 0).all() and (offsets == array).all():
            return offsets
    raise ValueError(
        "offsets must be a one-dimensional array of whole numbers that begins with 0 and never falls, but are "
        f"{shown(given)}."
    )


def names_of_columns(table: pd.DataFrame, feature_names: Any) -> pd.Index:
    """The names of the columns, which must be different strings, and those given if some are."""
    twice = table.columns[table.columns.duplicated()].unique()
    if len(twice):
        raise ValueError(f"Several columns have the same name: {list(twice)}.")
    if not all(isinstance(name, str) for name in table.columns):
        raise TypeError(f"The names of the columns of elements must be strings, but are {list(table.columns)}.")
    if feature_names is not None and list(feature_names) != list(table.columns):
        raise ValueError(f"feature_names are {list(feature_names)}, but the DataFrame has {list(table.columns)}.")
    return table.columns


class SetSequence:
    """A sequence of sets with a context, labels and the names of features, all of which are taken along by indexing.

    A subclass has ``__len__``, ``__iter__``, ``_item(number)`` and ``_take(slice or numbers)``.
    """

    def _attach(self, n_sets: int, n_features: int, context: Any, index: pd.Index | None, feature_names: Any) -> None:
        """Check the lengths of context, index and names, and keep them."""
        context = None if context is None else to_table(context, "The context", CONTEXT_SHAPE, strings=True)
        if context is not None and context.ndim != 2:
            raise ValueError(f"context must have shape {CONTEXT_SHAPE}, but has shape {context.shape}.")
        if index is not None:
            index = index if isinstance(index, pd.Index) else pd.Index(index)
        elif isinstance(context, pd.DataFrame) and not counts_rows(context.index):
            index = context.index
        for what, value in (("context", context), ("index", index)):
            if value is not None and len(value) != n_sets:
                raise ValueError(f"{what} has {len(value)} rows for {n_sets} sets.")
        check_labels(context, index, "context", index_name="index")
        if feature_names is not None:
            feature_names = np.array(list(feature_names), dtype=object)
            if len(feature_names) != n_features:
                raise ValueError(f"{len(feature_names)} feature names for {n_features} features.")
        self.context, self.index, self.feature_names = context, index, feature_names

    def _attached(self, key: slice | np.ndarray) -> dict[str, Any]:
        """The context and index of the sets at these positions, and the names."""
        context = self.context.iloc if isinstance(self.context, pd.DataFrame) else self.context
        return {
            "context": None if context is None else context[key],
            "index": None if self.index is None else self.index[key],
            "feature_names": self.feature_names,
        }

    def __getitem__(self: Any, key: Any) -> Any:
        """One set for an integer, as an array or a DataFrame; several for a slice, integers or booleans."""
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn takes rows of anything with a shape as X[key, ...]
        if isinstance(key, Integral) and not isinstance(key, bool):
            return self._item(range(len(self))[int(key)])
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop, _ = key.indices(len(self))
            return self._take(slice(start, max(start, stop)))
        if isinstance(key, list) and not key:
            key = np.empty(0, dtype=np.int64)
        numbers = np.arange(len(self))[key]
        if numbers.ndim != 1:
            raise IndexError(f"Sets are indexed along one axis, but the key has shape {np.shape(key)}.")
        return self._take(numbers)

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A one-dimensional object array of the sets."""
        if dtype is not None and np.dtype(dtype) != object:
            raise ValueError(f"Sets of unequal sizes do not fit into an array of {np.dtype(dtype)}; use .elements.")
        return np.fromiter(self, dtype=object, count=len(self))
