"""hold_out: which sets early stopping looks at."""

from __future__ import annotations

import numpy as np


def hold_out(
    n_sets: int, fraction: float, random_state: np.random.RandomState, labels: np.ndarray | None = None
) -> np.ndarray:
    """Choose sets for validation at random.

    Unlike :func:`sklearn.model_selection.train_test_split` it never fails on rare classes: one set of each class
    always stays for training, and the rest is shared out among the classes as evenly as whole sets allow.

    Parameters
    ----------
    n_sets : int
    fraction : float
        Share of the sets to hold out, rounded to whole sets.
    random_state : RandomState
    labels : ndarray of shape (n_sets,), optional
        Classes to keep the shares of.

    Returns
    -------
    ndarray of bool, shape (n_sets,)
        True for the sets held out; none when there are too few.
    """
    order = random_state.permutation(n_sets)
    if labels is None:
        candidates = order[1:]
    else:
        order = order[np.argsort(labels[order], kind="stable")]
        first_of_class = np.r_[True, np.diff(labels[order]) != 0]
        candidates = order[~first_of_class]
    n_held_out = min(round(fraction * n_sets), len(candidates))
    # every k-th candidate in the order of their classes: a systematic sample
    steps = (np.arange(n_held_out) + random_state.random_sample()) * len(candidates) / max(n_held_out, 1)
    held_out = np.zeros(n_sets, dtype=bool)
    held_out[candidates[np.minimum(steps.astype(np.int64), len(candidates) - 1)]] = True
    return held_out
