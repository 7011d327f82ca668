"""mean_and_scale: what standardising needs to know, in bounded memory."""

from __future__ import annotations

import numpy as np
from sklearn import config_context
from sklearn.preprocessing import StandardScaler

ROWS_AT_ONCE = 65_536


def mean_and_scale(table: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the columns, in float64; the scale of a constant column is 1.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    weight : ndarray of shape (n_rows,), optional
    """
    if table.size == 0:
        return np.zeros(table.shape[1]), np.ones(table.shape[1])
    scaler = StandardScaler()
    with config_context(assume_finite=True):  # check_sets has looked
        for first in range(0, len(table), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            scaler.partial_fit(table[rows], sample_weight=None if weight is None else weight[rows])
    return scaler.mean_.astype(np.float64), scaler.scale_.astype(np.float64)
