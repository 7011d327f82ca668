"""Sizes of sets: those that a model was trained on, and a warning where others are far from them."""

import warnings

# In 5-fold splits of fifteen data sets, held-out sets were at most 1.5 times as large as the largest set trained on and
# a quarter of the smallest; with 30 sets to train on, at most 2.5 times as large.
FAR = 4


def size_range(sets, before=None):
    """The sizes of the smallest and of the largest set, empty sets aside, together with a range from before."""
    sizes = sets.sizes[sets.sizes > 0]
    smallest, largest = int(sizes.min(initial=sets.sizes.max())), int(sizes.max(initial=0))
    return (smallest, largest) if before is None else (min(smallest, before[0]), max(largest, before[1]))


def warn_of_sizes(sets, trained_on, stacklevel):
    """Warn if there is a set far larger, or smaller, than any that was trained on."""
    smallest, largest = trained_on
    for far, what, extreme in (
        (sets.sizes > FAR * largest, "larger", f"the largest has {largest}"),
        ((sets.sizes > 0) & (FAR * sets.sizes < smallest), "smaller", f"the smallest has {smallest}"),
    ):
        if far.any():
            number = int(far.argmax())
            warnings.warn(
                f"Set {number} has {sets.sizes[number]:,} elements, but of the sets trained on {extreme} "
                f"({far.sum():,} sets are more than {FAR} times {what}): what the model says of them is a guess. "
                "SetSizeDisplay in sk_deepsets.inspection shows the error by size; SetPadder cuts sets down.",
                UserWarning,
                stacklevel=stacklevel + 1,
            )
