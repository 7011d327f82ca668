"""Which sets are trained on and which are held out: folds for the members of an ensemble, one part for a plain net."""

import numpy as np

# Share of the sets that a fold has at most: a member that is trained on fewer than the rest is no match for the others.
MOST_HELD_OUT = 2 / 3
# Fewer sets are all trained on.
FEWEST_SETS = 4
# Share of the sets in folds that are of other classes than as many of all sets, at most.
OTHER_CLASSES = 0.25


def assign_folds(n_folds, labels, groups, random_state):
    """The fold of each set: folds of like size, with like shares of the classes, and no group in two folds.

    Unlike scikit-learn's splitters it takes classes, and groups, that are fewer than the folds.

    Parameters
    ----------
    n_folds : int
    labels : ndarray of shape (n_sets,)
        Classes; zeros where there are none.
    groups : ndarray of shape (n_sets,) or None
    random_state : RandomState

    Returns
    -------
    ndarray of int, shape (n_sets,)
    """
    _, labels = np.unique(labels, return_inverse=True)
    if groups is None:
        order = random_state.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        folds = np.empty(len(labels), dtype=np.int64)
        folds[order] = (np.arange(len(labels)) + random_state.randint(n_folds)) % n_folds
        return folds
    names, groups = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), labels.max(initial=0) + 1))
    np.add.at(counts, (groups, labels), 1)
    share = counts.sum(axis=0) / n_folds
    filled, fold_of_group = np.zeros((n_folds, counts.shape[1])), np.empty(len(names), dtype=np.int64)
    order = random_state.permutation(len(names))
    for group in order[np.argsort(-counts[order].max(axis=1), kind="stable")]:
        # into the fold that is then nearest to its share of each class, as in StratifiedGroupKFold
        excess = (((filled + counts[group]) ** 2 - filled**2) / share**2).sum(axis=1)
        fold = np.argmin(excess)
        fold_of_group[group] = fold
        filled[fold] += counts[group]
    return fold_of_group[groups]


def needed_in_training(folds, labels, groups):
    """Which sets cannot be held out with their fold: without them there is a class, or too little, left to train on.

    Parameters
    ----------
    folds, labels, groups
        As ``assign_folds`` gives and takes them.

    Returns
    -------
    ndarray of bool, shape (n_sets,)
        True for a fold of more than ``MOST_HELD_OUT`` of the sets, for a class that one fold has alone, and for the
        groups of such sets.
    """
    _, labels = np.unique(labels, return_inverse=True)
    counts = np.zeros((folds.max(initial=0) + 1, labels.max(initial=0) + 1))
    np.add.at(counts, (folds, labels), 1)
    too_large = counts.sum(axis=1) > MOST_HELD_OUT * len(folds)
    needed = too_large[folds] | (counts == counts.sum(axis=0))[folds, labels]
    if groups is None:
        return needed
    _, groups = np.unique(groups, return_inverse=True)
    return (np.bincount(groups, weights=needed) > 0)[groups]


def member_folds(n_folds, labels, groups, random_state):
    """The fold of each set that members hold out, -1 for sets that all of them train on; None if that tells nothing.

    Members are chosen by their predictions for the folds. These must hold enough sets, with about the classes of all.

    Parameters
    ----------
    n_folds, labels, groups, random_state
        As for ``assign_folds``.
    """
    n_sets = len(labels)
    folds = assign_folds(n_folds, labels, groups, random_state)
    needed = needed_in_training(folds, labels, groups)
    if n_sets < FEWEST_SETS or (~needed).sum() < np.sqrt(n_sets):
        return None
    _, labels = np.unique(labels, return_inverse=True)
    shares, fold_shares = (
        np.bincount(part, minlength=labels.max() + 1) / len(part) for part in (labels, labels[~needed])
    )
    if np.abs(shares - fold_shares).sum() / 2 > OTHER_CLASSES:
        return None
    return np.where(needed, -1, folds)


def hold_out(fraction, labels, groups, random_state):
    """Choose sets to hold out at random, with like shares of the classes, and no group in part.

    Unlike :func:`sklearn.model_selection.train_test_split` it never fails on rare classes: one set of each class
    always stays for training, and the rest is shared out among the classes as evenly as whole sets allow.

    Parameters
    ----------
    fraction : float
        Share of the sets to hold out, rounded to whole sets.
    labels, groups, random_state
        As for ``assign_folds``.

    Returns
    -------
    ndarray of bool, shape (n_sets,)
        True for the sets held out; none when there are too few.
    """
    if groups is not None:
        folds = assign_folds(max(2, round(1 / fraction)), labels, groups, random_state)
        folds[needed_in_training(folds, labels, groups)] = -1
        return (folds == folds.max()) & (folds >= 0)
    n_sets = len(labels)
    order = random_state.permutation(n_sets)
    order = order[np.argsort(labels[order], kind="stable")]
    first_of_class = np.r_[True, np.diff(labels[order]) != 0]
    candidates = order[~first_of_class]
    n_held_out = min(round(fraction * n_sets), len(candidates))
    # every k-th candidate in the order of their classes: a systematic sample
    steps = (np.arange(n_held_out) + random_state.random_sample()) * len(candidates) / max(n_held_out, 1)
    held_out = np.zeros(n_sets, dtype=bool)
    held_out[candidates[np.minimum(steps.astype(np.int64), len(candidates) - 1)]] = True
    return held_out
