"""The labels of sets, and values that come with the same labels in another order."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

# In a fold, values in another order have about as large a part of its labels as the fold is of all sets: half and more
# in training. By chance, few labels are the same.
LEAST_IN_COMMON = 1 / 3
# Labels of a fold that number rows are a part of 0, 1, 2, …; ids leave larger gaps.
LEAST_PART_OF_NUMBERS = 1 / 6
# Rows of a fold that come after the last of its sets.
MOST_BEYOND = 0.02


@runtime_checkable
class Labelled(Protocol):
    """Pandas' tables and columns, and sets; lists have a method of that name."""

    index: Any


def labels_of(values: Any) -> pd.Index | None:
    """The index of a table, of a column or of sets; None where there is none."""
    return values.index if isinstance(values, Labelled) and isinstance(values.index, pd.Index) else None


def counts_rows(index: pd.Index) -> bool:
    """Whether an index is the one that pandas makes by default; a named one, such as that of ids, is not."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def check_labels(values: Any, index: pd.Index | None, name: str, index_name: str = "X{}.index") -> None:
    """Raise where values, one per set, carry the labels of the sets in another order.

    Values are matched to sets by position, as everywhere in scikit-learn. There is no error where one of the two has no
    labels: no index, or the default range that pandas counts rows with. In a fold, many labels are those of both, and
    there is no error where these have the same order, such as dates and the dates one day later, or may number rows.

    Parameters
    ----------
    values : object
        Targets or weights; only those of a Series, a DataFrame or of sets have labels.
    index : Index or None
        Labels of the sets.
    name : str
        What the values are called in the message.
    index_name : str
        What the labels of the sets are called there; ``{}`` stands for the end of a name such as ``y_val``.

    Raises
    ------
    ValueError
        With the line that puts the values in the order of the sets.
    """
    labels = labels_of(values)
    if labels is None or index is None or not are_in_another_order(labels, index):
        return
    index_name = index_name.format("_val" if name.endswith("_val") else "")
    if not index.is_unique:
        way_out = "labels occur more than once, so put both in one order before they get these labels"
    elif isinstance(values, pd.Series | pd.DataFrame):
        way_out = f"pass {name}.loc[{index_name}]"
    else:
        way_out = f"pass {name}[{name}.index.get_indexer({index_name})]"
    raise ValueError(
        f"{name} has the labels of the sets in another order, but is matched to them by position: {way_out}."
    )


def are_in_another_order(labels: pd.Index, index: pd.Index) -> bool:
    """Whether these labels are those of the index, or in a fold many of them, in another order."""
    if len(labels) != len(index) or counts_rows(labels) or labels.equals(index):
        return False
    place = dict(zip(index, range(len(index)), strict=True))  # not get_indexer, which casts unrelated kinds
    found = np.array([place.get(label, -1) for label in labels])
    if (found >= 0).all() and len(set(labels)) == len(place):
        return True
    common = found[found >= 0]
    if not (labels.is_unique and index.is_unique) or len(common) < LEAST_IN_COMMON * len(labels):
        return False
    if (np.diff(common) > 0).all():
        return False
    if not _number_rows(labels, index):
        return True
    # One of the two may have no labels but these numbers, unless the sets are in their order, and the values have no
    # numbers beyond, as rows of a longer table would have.
    return index.is_monotonic_increasing and (labels > index[-1]).mean() <= MOST_BEYOND


def _number_rows(labels: pd.Index, index: pd.Index) -> bool:
    """Whether one of the two may be a part of the default index that pandas counts rows with, which has no name."""
    both = (labels, index)
    if None not in (labels.name, index.name) or not all(pd.api.types.is_integer_dtype(each.dtype) for each in both):
        return False
    numbers = labels.union(index)
    return numbers[0] >= 0 and len(numbers) >= LEAST_PART_OF_NUMBERS * (numbers[-1] + 1)
