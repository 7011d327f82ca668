"""SetStatistics: mean, spread, extremes and quantiles of each set, for all sets at once and aware of NaN."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np


class SetStatistics:
    """Statistics of sets, computed over those that have elements: ``reduceat`` knows no empty ones."""

    def __init__(self, values: np.ndarray, sizes: np.ndarray) -> None:
        self.values = values
        self.sizes = sizes
        self.filled = sizes > 0
        self.starts = (np.cumsum(sizes) - sizes)[self.filled]
        self.known = ~np.isnan(values)
        self.counts = self._add(self.known, dtype=np.int64)

    def __call__(self, statistic: Any) -> np.ndarray:
        """One statistic of all sets, of shape (n_sets, n_features)."""
        if statistic == "size":
            return self.sizes[:, None]
        rows = np.full((len(self.sizes), self.values.shape[1]), 0.0 if statistic == "sum" else np.nan)
        rows[self.filled] = getattr(self, statistic) if isinstance(statistic, str) else self.quantile(statistic)
        return rows

    def _add(self, values: np.ndarray, **options: Any) -> np.ndarray:
        return np.add.reduceat(values, self.starts, axis=0, **options)

    def _spread(self, rows: np.ndarray) -> np.ndarray:
        """The row of its set for each element."""
        return np.repeat(rows, self.sizes[self.filled], axis=0)

    @cached_property
    def sum(self) -> np.ndarray:
        return np.where(self.counts > 0, self._add(np.where(self.known, self.values, 0.0)), np.nan)

    @cached_property
    def mean(self) -> np.ndarray:
        return self.sum / self.counts

    @property
    def std(self) -> np.ndarray:
        # in two passes: the difference of two large sums of squares would be noise
        squares = np.where(self.known, self.values - self._spread(self.mean), 0.0) ** 2
        return np.sqrt(self._add(squares) / self.counts)

    @property
    def min(self) -> np.ndarray:
        return np.fmin.reduceat(self.values, self.starts, axis=0)

    @property
    def max(self) -> np.ndarray:
        return np.fmax.reduceat(self.values, self.starts, axis=0)

    @property
    def median(self) -> np.ndarray:
        return self.quantile(0.5)

    @cached_property
    def _sorted(self) -> np.ndarray:
        """Each column sorted within each set, NaN last."""
        numbers = self._spread(np.arange(len(self.starts)))
        return np.column_stack([column[np.lexsort((column, numbers))] for column in self.values.T])

    def quantile(self, q: float) -> np.ndarray:
        last = np.maximum(self.counts - 1, 0)
        place = q * last
        lower = np.floor(place).astype(np.int64)
        below, above = (
            np.take_along_axis(self._sorted, self.starts[:, None] + rank, axis=0)
            for rank in (lower, np.minimum(lower + 1, last))
        )
        part, step = place - lower, above - below
        # from the nearer end, as NumPy does; and without infinity - infinity
        between = np.where(part < 0.5, below + step * part, above - step * (1 - part))
        return np.where((part == 0) | (below == above), below, between)
