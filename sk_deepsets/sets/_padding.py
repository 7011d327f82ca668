"""Padding that came without a mask, and would be read as elements."""

from __future__ import annotations

import warnings

import numpy as np

from sk_deepsets.sets._ragged import RaggedSets

LEAST_SETS = 10
# Of the elements, how many may look like padding.
MOST_INSIDE = 0.01


def as_block(sets: RaggedSets) -> np.ndarray | None:
    """The elements as an array of shape (n_sets, set_size, n_features), if all sets have one size; no copy."""
    table = sets.elements
    if not isinstance(table, np.ndarray) or not len(table) or (sets.sizes != sets.sizes[0]).any():
        return None
    return table.reshape(len(sets), -1, sets.n_features)


def warn_of_padding(block: np.ndarray, stacklevel: int) -> None:
    """Warn where sets end with rows of one value, such as zeros, in unequal numbers, which are nowhere else."""
    n_sets, set_size, n_features = block.shape
    if n_sets < LEAST_SETS or set_size < 2 or not n_features:
        return
    values, counts = np.unique(block[:, -1, 0], return_counts=True)
    value = values[counts.argmax()]
    if (block[:, -1] == value).all(axis=-1).mean() < 0.5:
        return
    filled = (block != value).any(axis=-1)
    sizes = np.where(filled.any(axis=1), set_size - filled[:, ::-1].argmax(axis=1), 0)
    inside = sizes.sum() - filled.sum()
    falling = n_features == 1 and (np.diff(block[..., 0]) <= 0).all()  # numbers in order may end so
    if falling or len(np.unique(sizes)) < 3 or inside > MOST_INSIDE * sizes.sum():
        return
    warnings.warn(
        f"{(sizes < set_size).sum():,} of {n_sets:,} sets end with rows that hold {value:g} only, up to "
        f"{set_size - sizes.min():,} of {set_size:,}, and are read as elements. If these are padding, pass "
        f"PaddedSets(x, (x != {value:g}).any(-1)).",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def advice_on_nan(block: np.ndarray, row: int) -> str:
    """How to leave rows of NaN out, where this row of the elements is one."""
    if not np.isnan(block.reshape(-1, block.shape[2])[row]).all():
        return ""
    return " If rows of NaN are padding, pass PaddedSets(x, ~np.isnan(x).any(-1))."
