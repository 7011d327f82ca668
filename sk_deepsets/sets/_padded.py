"""PaddedSets: sets padded to one size, and the mask that tells elements from padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._sequence import SetSequence, offsets_of
from sk_deepsets.sets._values import to_array


class PaddedSets(SetSequence):
    """Sets padded to a common size.

    Parameters
    ----------
    values : ndarray of shape (n_sets, max_set_size, n_features)
        The elements and the padding.
    mask : ndarray of shape (n_sets, max_set_size)
        True (or 1) where there is an element; the other values are ignored.
    context, index, feature_names
        As in :class:`RaggedSets`.

    Examples
    --------
    >>> from sk_deepsets import PaddedSets, check_sets
    >>> padded = PaddedSets.from_ragged(check_sets([[[1.0], [2.0]], [[3.0]]]))
    >>> padded
    PaddedSets(2 sets of up to 2 elements, 1 features, float64)
    >>> padded.mask
    array([[ True,  True],
           [ True, False]])
    >>> padded.to_ragged().sizes
    array([2, 1])
    """

    def __init__(
        self,
        values: np.ndarray,
        mask: np.ndarray,
        *,
        context: Any = None,
        index: pd.Index | None = None,
        feature_names: Any = None,
    ) -> None:
        if isinstance(values, list | tuple):
            values = [to_array(padded, f"Set {number}") for number, padded in enumerate(values)]
        values = to_array(values, "The array of values", "(n_sets, max_set_size, n_features)")
        mask = to_array(mask, "The mask", "(n_sets, max_set_size)")
        if values.ndim != 3:
            raise ValueError(f"values must have shape (n_sets, max_set_size, n_features), not {values.shape}.")
        if mask.shape != values.shape[:2]:
            raise ValueError(f"mask must have the shape {values.shape[:2]} of the values, not {mask.shape}.")
        if mask.dtype != bool:
            if not np.isin(mask, (0, 1)).all():
                raise ValueError("mask must hold booleans, or 0 and 1 only.")
            mask = mask.astype(bool)
        self.values = values
        self.mask = mask
        self._attach(len(values), values.shape[2], context, index, feature_names)

    @classmethod
    def from_ragged(cls, sets: RaggedSets, max_set_size: int | None = None, pad_value: float = 0.0) -> PaddedSets:
        """Pad sets to ``max_set_size``, or to the size of the largest set if that is None."""
        if isinstance(sets.elements, pd.DataFrame):
            raise TypeError(
                "Elements in a DataFrame cannot be padded; check_sets makes an array of columns of numbers."
            )
        sizes = sets.sizes
        largest = int(sizes.max(initial=0))
        width = largest if max_set_size is None else max_set_size
        if width < largest:
            raise ValueError(f"A set of {largest} elements does not fit into max_set_size={width}.")
        mask = np.arange(width) < sizes[:, None]
        dtype = np.result_type(sets.elements.dtype, pad_value)
        values = np.full((len(sets), width, sets.n_features), pad_value, dtype=dtype)
        values[mask] = sets.elements
        return cls(values, mask, context=sets.context, index=sets.index, feature_names=sets.feature_names)

    def to_ragged(self) -> RaggedSets:
        """The elements without the padding."""
        return RaggedSets(self.values[self.mask], offsets_of(self.mask.sum(axis=1)), **self._attached(slice(None)))

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_sets, max_set_size, n_features)``."""
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.to_ragged())

    def _item(self, number: int) -> np.ndarray:
        return self.values[number][self.mask[number]]

    def _take(self, numbers: Any) -> PaddedSets:
        return PaddedSets(self.values[numbers], self.mask[numbers], **self._attached(numbers))

    def __repr__(self) -> str:
        n_sets, width, n_features = self.values.shape
        return f"PaddedSets({n_sets:,} sets of up to {width} elements, {n_features} features, {self.values.dtype})"
