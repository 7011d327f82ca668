"""SetStatistics: mean, spread, extremes and quantiles of each set, for all sets at once and aware of NaN."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

# A column of which a set has NaN only has no sum; the spread is that of the population.
OPTIONS: dict[str, dict[str, Any]] = {"sum": {"min_count": 1}, "std": {"ddof": 0}}


class SetStatistics:
    """Statistics by pandas' groups, of which there is one for each set with elements; quantiles as NumPy has them."""

    def __init__(self, values: np.ndarray, sizes: np.ndarray) -> None:
        self.sizes = sizes
        self.filled = sizes > 0
        self.values = values
        self.segments = np.repeat(np.arange(len(sizes)), sizes)
        self.groups = pd.DataFrame(values, copy=False).groupby(self.segments)

    def __call__(self, statistic: Any) -> np.ndarray:
        """One statistic of all sets, of shape (n_sets, n_features)."""
        if statistic == "size":
            return self.sizes[:, None]
        rows = np.full((len(self.sizes), self.values.shape[1]), 0.0 if statistic == "sum" else np.nan)
        if isinstance(statistic, str) and statistic != "median":
            rows[self.filled] = getattr(self.groups, statistic)(**OPTIONS.get(statistic, {}))
        else:
            rows[self.filled] = self._quantile(0.5 if statistic == "median" else statistic)
        return rows

    @cached_property
    def _sorted(self) -> np.ndarray:
        """Each column sorted within each set, NaN last."""
        return np.column_stack([column[np.lexsort((column, self.segments))] for column in self.values.T])

    def _quantile(self, q: float) -> np.ndarray:
        starts = (np.cumsum(self.sizes) - self.sizes)[self.filled, None]
        last = np.maximum(self.groups.count().to_numpy() - 1, 0)
        place = q * last
        lower = np.floor(place).astype(np.int64)
        below, above = (
            np.take_along_axis(self._sorted, starts + rank, axis=0) for rank in (lower, np.minimum(lower + 1, last))
        )
        part, step = place - lower, above - below
        # from the nearer end, as NumPy does; and without infinity - infinity
        between = np.where(part < 0.5, below + step * part, above - step * (1 - part))
        return np.where((part == 0) | (below == above), below, between)
