"""How well predictions order what they are of: concordance_index of risks, mean_ndcg of the scores of elements."""

import numpy as np
from sklearn.metrics import ndcg_score


def concordance_index(event, time, risk, weight=None):
    """The share of pairs in which the set with the earlier event has the higher risk (Harrell et al., 1982).

    Pairs count in which one set has an event, and the other is known to have had none until then: its time is later, or
    the same and censored. Risks that are equal count one half. In time O(n log² n).

    Parameters
    ----------
    event : ndarray of bool, shape (n,)
    time : ndarray of shape (n,)
    risk : ndarray of shape (n,)
        Higher where events are expected earlier.
    weight : ndarray of shape (n,), optional
        A pair has the product of the weights of both.

    Returns
    -------
    float
        NaN if there is no such pair.
    """
    weight = np.ones(len(time)) if weight is None else weight
    _, rank = np.unique(risk, return_inverse=True)
    _, when = np.unique(time, return_inverse=True)
    when = 2 * when + ~event  # censored at the time of an event is later
    # events at one time are no pairs: with those of lower risk first, none of them seems concordant
    order = np.lexsort((rank, when))
    event, rank, when, weight = event[order], rank[order], when[order], weight[order]
    event_weight = np.where(event, weight, 0)
    after = np.r_[np.cumsum(weight[::-1])[::-1], 0][np.searchsorted(when, when, side="right")]
    n_pairs = event_weight @ after
    if not n_pairs:
        return np.nan
    seeming_ties = _products_within(len(when) * when + rank, event_weight)
    return float((_concordant(rank, event_weight, weight) - seeming_ties / 2) / n_pairs)


def _concordant(rank, event_weight, weight):
    """Over pairs of rows i < j, the sum of event_weight[i] weight[j], where i has the higher rank; half of it if equal.

    Each pair is in the two halves of one block of 2, 4, 8, … rows; within all blocks of a size, the halves are compared
    by cumulative sums in the order of the ranks.
    """
    n_rows, total, rows = len(rank), 0.0, np.argsort(rank, kind="stable")
    size = 1
    while size < n_rows:
        size *= 2
        by_rank = rows[np.argsort(rows // size, kind="stable")]  # block by block
        block, ranks = by_rank // size, rank[by_rank]
        is_second = by_rank % size >= size // 2
        first = np.where(is_second, 0, event_weight[by_rank])
        sums = np.r_[0, np.cumsum(np.where(is_second, weight[by_rank], 0))]
        new_block = np.r_[True, block[1:] != block[:-1]]
        below, up_to = _ends(sums, new_block | np.r_[True, ranks[1:] != ranks[:-1]])
        total += first @ ((below + up_to) / 2 - _ends(sums, new_block)[0])
    return total


def _ends(sums, is_first):
    """For each row, the cumulative sums before the first and after the last row of its run; these are one by one."""
    starts = np.flatnonzero(is_first)
    ends = np.r_[starts[1:], len(is_first)]
    return np.repeat(sums[starts], ends - starts), np.repeat(sums[ends], ends - starts)


def _products_within(labels, weight):
    """The sum of the products of the weights of all pairs of rows with one label."""
    _, labels = np.unique(labels, return_inverse=True)
    return float((np.bincount(labels, weight) ** 2 - np.bincount(labels, weight**2)).sum() / 2)


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
        The mean over sets with two or more graded elements, of which scikit-learn gives those whose grades are all 0
        a value of 0; NaN if there are none.
    """
    graded = ~np.isnan(relevance)
    relevance, scores, segments = relevance[graded], scores[graded], segments[graded]
    if (relevance < 0).any():
        raise ValueError(f"ndcg requires grades of at least 0, but got {relevance.min()}.")
    sizes = np.bincount(segments)
    counted = sizes > 1  # of one element there is no order, and scikit-learn has no NDCG
    total = 0.0
    for size in np.unique(sizes[counted]):  # sets of one size are a table
        rows = (counted & (sizes == size))[segments]
        tables = (values[rows].reshape(-1, size) for values in (relevance, scores))
        total += ndcg_score(*tables, k=k) * rows.sum() / size
    return float(total / counted.sum()) if counted.any() else np.nan
