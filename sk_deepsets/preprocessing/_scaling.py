"""Middle and spread of the columns of a table, with weights: what inputs and targets are standardised with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtri

# 32 MiB in float64, and of narrow tables less
VALUES_AT_ONCE, ROWS_AT_ONCE = 4_194_304, 65_536
# Up to a tenth of the targets on either side may be outliers.
TENTHS = (0.1, 0.5, 0.9)
# Squares below are rounded, or 0: such columns are multiplied first, by a power of two, which rounds nothing.
SMALLEST_SQUARES, MAGNIFIED = 1e-280, 2.0**512


def mean_and_scale(
    table: np.ndarray, weight: np.ndarray | None = None, resolution: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the columns, in float64; the scale of a constant column is 1.

    A column counts as constant when its spread is no more than the rounding of its own values. Two passes over
    differences from a first row keep the digits that a large offset would take: time stamps keep their seconds.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    weight : ndarray of shape (n_rows,), optional
        A row of weight 0 does not count.
    resolution : float, default=0.0
        How much in values of about 1 and less may be rounding; in larger ones, it is so much of them.
    """
    if table.size == 0 or (weight is not None and not weight.any()):
        return np.zeros(table.shape[1]), np.ones(table.shape[1])
    if weight is not None:  # by a power of two, which rounds nothing: products with it do not overflow
        weight = np.ldexp(weight, -int(np.frexp(weight.max())[1]))
    first = table[0 if weight is None else np.argmax(weight > 0)].astype(np.float64)
    mean = first + _mean(table, weight, lambda rows: rows - first)
    deviation = _mean(table, weight, lambda rows: rows - mean)
    variance = _mean(table, weight, lambda rows: (rows - mean) ** 2) - deviation**2
    scale = np.sqrt(np.maximum(variance, 0))
    tiny = variance < SMALLEST_SQUARES
    if tiny.any():
        squares = _mean(table[:, tiny], weight, lambda rows: ((rows - mean[tiny]) * MAGNIFIED) ** 2)
        squares = squares - (deviation[tiny] * MAGNIFIED) ** 2
        scale[tiny] = np.sqrt(np.maximum(squares, 0)) / MAGNIFIED
    mean = mean + deviation
    precision = np.finfo(table.dtype if table.dtype.kind == "f" else np.float64).eps
    rounding = np.maximum(max(precision, resolution) * np.abs(mean), resolution)
    return mean, np.where(scale > rounding, scale, 1.0)


def _mean(table: np.ndarray, weight: np.ndarray | None, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The weighted mean of a function of the rows, (n_columns,); sums, since a product may depend on BLAS's threads."""
    total, total_weight = np.zeros(table.shape[1]), 0.0
    at_once = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // table.shape[1]))
    for start in range(0, len(table), at_once):
        rows = table[start : start + at_once].astype(np.float64)
        if weight is None:
            total += function(rows).sum(axis=0)
            total_weight += len(rows)
            continue
        weights = weight[start : start + at_once]
        counted = weights > 0
        total += (weights[counted, None] * function(rows[counted])).sum(axis=0)
        total_weight += weights.sum()
    return total / total_weight


def median_and_scale(table: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of the columns, which outliers do not move.

    The spread is the distance between the outer tenths, as a share of that of a normal distribution of deviation 1.
    Where these are the same, it is the median distance of the values that differ from the median; 1 where none does.

    Parameters
    ----------
    table, weight
        As for ``mean_and_scale``.
    """
    low, middle, high = weighted_quantiles(table, TENTHS, weight)
    scale = (high - low) / (2 * ndtri(TENTHS[2]))
    rounding = np.finfo(np.float64).eps * np.abs(middle)
    for column in np.flatnonzero(scale <= rounding):
        distance = np.abs(table[:, column] - middle[column])
        differs = (distance > rounding[column]) & (True if weight is None else weight > 0)
        weights = None if weight is None else weight[differs]
        scale[column] = weighted_quantiles(distance[differs, None], [0.5], weights)[0, 0] if differs.any() else 1
    return middle, scale


def weighted_quantiles(table: np.ndarray, shares: Sequence[float], weight: np.ndarray | None = None) -> np.ndarray:
    """Of each column the smallest values with at least these shares of the weight at or below, (n_shares, n_columns).

    Integer weights are repetitions, and twice the weights are the same.
    """
    if weight is None:
        weight = np.ones(len(table))
    table, weight = table[weight > 0], weight[weight > 0] / weight.max()
    order = np.argsort(table, axis=0)
    below = weight[order].cumsum(axis=0)
    # a share that is missed by no more than rounding is reached
    places = [(below[:-1] < share * (1 - 1e-9) * below[-1]).sum(axis=0) for share in shares]
    return np.take_along_axis(table, np.take_along_axis(order, np.array(places), axis=0), axis=0)
