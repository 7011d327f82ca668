"""One element of each set: shares by a softmax, and the first of the largest scores."""

from __future__ import annotations

import numpy as np


def softmax_over_sets(scores, offsets):
    """Softmax of scores (n_elements,) over each set."""
    sizes = np.diff(offsets)
    starts = offsets[:-1][sizes > 0]
    if not len(starts):
        return scores
    spread = sizes[sizes > 0]
    weights = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), spread))
    return weights / np.repeat(np.add.reduceat(weights, starts), spread)


def first_largest(scores, offsets):
    """The row of the largest score of each set that has elements."""
    numbers = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((-scores, numbers))  # stable: the first of equal scores
    return order[offsets[:-1][np.diff(offsets) > 0]]
