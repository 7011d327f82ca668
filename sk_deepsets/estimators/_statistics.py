"""mean_and_scale: what standardising needs to know, in bounded memory and without losing digits."""

import numpy as np

ROWS_AT_ONCE = 65_536


def mean_and_scale(table, weight=None):
    """Mean and standard deviation of the columns, in float64; the scale of a constant column is 1.

    A column counts as constant when its spread is no more than the rounding of its own values. Two passes over
    differences from a first row keep the digits that a large offset would take: time stamps keep their seconds.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    weight : ndarray of shape (n_rows,), optional
        A row of weight 0 does not count.
    """
    if table.size == 0 or (weight is not None and not weight.any()):
        return np.zeros(table.shape[1]), np.ones(table.shape[1])
    first = table[0 if weight is None else np.argmax(weight > 0)].astype(np.float64)
    mean = first + _mean(table, weight, lambda rows: rows - first)
    deviation = _mean(table, weight, lambda rows: rows - mean)
    variance = _mean(table, weight, lambda rows: (rows - mean) ** 2) - deviation**2
    mean, scale = mean + deviation, np.sqrt(np.maximum(variance, 0))
    precision = np.finfo(table.dtype if table.dtype.kind == "f" else np.float64).eps
    return mean, np.where(scale > precision * np.abs(mean), scale, 1.0)


def _mean(table, weight, function):
    """The weighted mean of a function of the rows, (n_columns,); sums, since a product may depend on BLAS's threads."""
    total, of_weights = np.zeros(table.shape[1]), 0.0
    for start in range(0, len(table), ROWS_AT_ONCE):
        rows = table[start : start + ROWS_AT_ONCE].astype(np.float64)
        if weight is None:
            total += function(rows).sum(axis=0)
            of_weights += len(rows)
            continue
        weights = weight[start : start + ROWS_AT_ONCE]
        counted = weights > 0
        total += (weights[counted, None] * function(rows[counted])).sum(axis=0)
        of_weights += weights.sum()
    return total / of_weights
