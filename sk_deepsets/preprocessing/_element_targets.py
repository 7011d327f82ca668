"""One target for each element: read, and matched to the elements."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from sk_deepsets.sets import RaggedSets, SetArray, SetDtype, is_arrow, is_missing, lists_from_arrow, row_labels


class RowSets(RaggedSets):
    """Checked sets that know which rows of a frame their elements were.

    Attributes
    ----------
    rows : Index or None
        The labels of these rows; None where the sets came as arrays or in Arrow.
    in_one_table : bool
        Whether the rows are those of one frame; else of one for each set.
    """

    def __init__(self, sets, rows, in_one_table):
        attached = {"context": sets.context, "index": sets.index, "feature_names": sets.feature_names}
        super().__init__(sets.elements, sets.offsets, **attached)
        self.rows = rows
        self.in_one_table = in_one_table


def with_rows(sets, X):
    """Checked sets, and the labels of the rows that X held them in."""
    if isinstance(X, RowSets):  # what a step of a pipeline made of them
        return RowSets(sets, X.rows, X.in_one_table)
    dtypes = X.dtypes if isinstance(X, pd.DataFrame) else [getattr(X, "dtype", None)]
    if isinstance(X, RaggedSets) or any(isinstance(dtype, SetDtype) for dtype in dtypes):
        return RowSets(sets, sets.elements.index if isinstance(sets.elements, pd.DataFrame) else None, True)
    return RowSets(sets, row_labels(X), False)


def read_targets(y, sets, name=""):
    """The targets of all elements, (n_elements,), in the order of the table of elements.

    Parameters
    ----------
    y : sets of one feature, such as a list of arrays or a RaggedSets; or a flat array or Series, one value an element
        What is flat in pandas, or a column of a frame, is matched to a DataFrame of elements by its index.
    sets : RowSets
        As checked, before their elements are encoded.
    name : str
        What follows X and y in messages.
    """
    sets = sets if isinstance(sets, RowSets) else with_rows(sets, sets)
    if y is None:
        raise ValueError("One target for each element is required, but y is None.")
    if isinstance(y, pd.DataFrame):
        if y.shape[1] != 1:
            raise ValueError(f"y{name} must be one column of targets, but is a DataFrame of {list(y.columns)}.")
        y = y.iloc[:, 0]
    if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1 and len(y) != len(sets):
        y = y[:, 0]
    y = y.array.sets if isinstance(y, pd.Series) and isinstance(y.array, SetArray) else y
    if isinstance(y, RaggedSets):
        return _from_sets(y, sets, name)
    items = lists_from_arrow(y) if is_arrow(y) else list(y)
    if not any(isinstance(item, list | tuple) or getattr(item, "ndim", 0) for item in items):
        return _flat(y if isinstance(y, pd.Series) else items, sets, name)
    return _from_parts(items, sets, name)


def _from_parts(items, sets, name):
    """Targets that come as one sequence for each set; None for one stands for a set without targets."""
    _check_number(len(items), sets, name)
    items = [item.iloc[:, 0] if isinstance(item, pd.DataFrame) and item.shape[1] == 1 else item for item in items]
    missing = [is_missing(item) for item in items]
    parts = [
        np.full(size, None) if left_out else _as_array(item).reshape(-1)
        for item, size, left_out in zip(items, sets.sizes, missing, strict=True)
    ]
    _check_sizes(np.array([len(part) for part in parts]), sets, name)
    filled = [part for part in parts if len(part)]
    if len({part.dtype.kind in "US" for part in filled}) > 1:
        filled = [part.astype(object) for part in filled]
    flat = np.concatenate(filled) if filled else np.empty(0)
    labelled = [isinstance(item, pd.Series) for item in items]
    if sets.rows is None or not any(labelled) or not all(labelled | (sets.sizes == 0) | missing):
        return flat
    cuts = pairwise(sets.offsets)
    first, *others = [
        item.index if own else sets.rows[a:b] for item, own, (a, b) in zip(items, labelled, cuts, strict=True)
    ]
    return flat[_rows_of(first.append(others), sets, name)]


def _from_sets(y, sets, name):
    """Targets that are sets of one feature."""
    if y.n_features != 1:
        raise ValueError(f"y{name} must be one column of targets, but {y!r} has {y.n_features}.")
    _check_number(len(y), sets, name)
    _check_sizes(y.sizes, sets, name)
    if not isinstance(y.elements, pd.DataFrame):
        return y.elements[:, 0]
    return _plain(y.elements.iloc[:, 0])[_rows_of(y.elements.index, sets, name)]


def _rows_of(index, sets, name):
    """Where the targets stand, whose labels these are: those of the elements, perhaps in another order within a set."""
    if sets.rows is None or not sets.rows.is_unique or not index.is_unique:
        return slice(None)
    rows = index.get_indexer(sets.rows)
    if (rows < 0).any():
        return slice(None)  # labels of something else
    numbers = np.repeat(np.arange(len(sets)), sets.sizes)
    wrong = numbers[rows] != numbers
    if wrong.any():
        row = int(np.argmax(wrong))
        ours, theirs = numbers[row], numbers[rows[row]]
        raise ValueError(
            f"The row {sets.rows[row : row + 1].tolist()[0]!r} is in set {ours} of X{name}, but in set {theirs} of "
            f"y{name}: give both the same ids in the same order, or pass arrays, which have no labels."
        )
    return rows


def _check_number(n_parts, sets, name):
    if n_parts != len(sets):
        raise ValueError(f"X{name} has {len(sets)} sets, but y{name} has targets for {n_parts}.")


def _check_sizes(sizes, sets, name):
    wrong = np.flatnonzero(sizes != sets.sizes)
    if len(wrong):
        number = wrong[0]
        raise ValueError(
            f"Set {number} of X{name} has {sets.sizes[number]} elements, but {sizes[number]} targets in y{name} "
            f"({len(wrong)} sets differ): one target for each element is wanted."
        )


def _as_array(values):
    """Values as they are: among strings, NumPy would make a missing one the string "nan"."""
    if isinstance(values, list | tuple):
        objects = np.array(values, dtype=object)
        return objects if pd.isna(objects).any() else np.asarray(values)
    return np.asarray(values)


def _flat(values, sets, name):
    """One value an element, in one array or Series."""
    if isinstance(values, pd.Series) and sets.rows is not None:
        return _plain(_aligned(values, sets, name))
    if len(values) != len(sets.elements):
        raise ValueError(_wrong_length(values, sets, name))
    if isinstance(values, pd.Series):
        return _plain(values)
    return _as_array(values)


def _wrong_length(values, sets, name):
    return (
        f"X{name} has {len(sets.elements)} elements in {len(sets)} sets, but y{name} has {len(values)} targets: one "
        "for each element is wanted, as one flat array, or as one array for each set."
    )


def _plain(values):
    """A Series as an array, in which missing values stay what they are."""
    return values.to_numpy(dtype=object) if values.dtype.kind == "O" or values.isna().any() else values.to_numpy()


def _aligned(values, sets, name):
    """The targets in the order of the elements, by the labels of their rows: grouping a frame moves its rows."""
    index = sets.rows
    if not index.is_unique:
        if len(values) != len(index):
            raise ValueError(_wrong_length(values, sets, name))
        if values.index.equals(index) and _labels_stay_in_one_set(index, sets):
            return values
        raise ValueError(
            f"Rows of X{name} share their labels, so the Series y{name} cannot be matched to them: call reset_index() "
            "on the frame before the sets are made of it, or pass an array in the order of the elements."
        )
    rows = values.index.get_indexer(index) if values.index.is_unique else np.array([-1])
    if (rows < 0).any():
        if len(values) != len(index):
            raise ValueError(_wrong_length(values, sets, name))
        raise ValueError(
            f"The index of y{name} does not hold the rows of X{name}: pass the Series of the frame that the sets were "
            "made of, or an array in the order of the elements."
        )
    return values.iloc[rows]


def _labels_stay_in_one_set(index, sets):
    """Whether equal labels stand in one set, whose rows keep their order."""
    numbers = np.repeat(np.arange(len(sets)), sets.sizes)
    labels, known = pd.factorize(index)
    first = np.empty(len(known), dtype=np.int64)
    first[labels[::-1]] = numbers[::-1]
    return (first[labels] == numbers).all()
