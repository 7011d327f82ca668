"""mean_ndcg: how good rankings of the elements of sets are."""

import numpy as np
from sklearn.metrics import ndcg_score


def mean_ndcg(relevance, scores, segments, k=None):
    """The mean of :func:`sklearn.metrics.ndcg_score` over sets (Järvelin and Kekäläinen, 2002).

    Parameters
    ----------
    relevance : ndarray of shape (n_elements,)
        Non-negative grades, which are used as gains; NaN for elements without a grade.
    scores : ndarray of shape (n_elements,)
    segments : ndarray of int, shape (n_elements,)
        The set of each element, in ascending order.
    k : int, optional
        Number of top-ranked elements that count; None: all.

    Returns
    -------
    float
        The mean over sets with two or more graded elements that are not all 0; NaN if there are none.
    """
    graded = ~np.isnan(relevance)
    relevance, scores, segments = relevance[graded], scores[graded], segments[graded]
    if (relevance < 0).any():
        raise ValueError(f"ndcg requires grades of at least 0, but got {relevance.min()}.")
    sizes = np.bincount(segments)
    counted = (sizes > 1) & (np.bincount(segments, relevance) > 0)
    total = 0.0
    for size in np.unique(sizes[counted]):  # sets of one size are a table
        rows = (counted & (sizes == size))[segments]
        tables = (values[rows].reshape(-1, size) for values in (relevance, scores))
        total += ndcg_score(*tables, k=k) * rows.sum() / size
    return float(total / counted.sum()) if counted.any() else np.nan
