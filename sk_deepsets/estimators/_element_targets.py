"""One target for each element: read, cut like the sets, and given back in the form that the sets came in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sk_deepsets.sets import RaggedSets, SetArray
from sk_deepsets.sets._set_array import SetDtype


class ElementAnswers(list):
    """A list with one array for each set, which NumPy reads as an object array of these arrays.

    So that scikit-learn's ``cross_val_predict``, which concatenates what the folds give, can do so.
    """

    def __array__(self, dtype=None, copy=None):
        array = np.empty(len(self), dtype=object)
        array[:] = list(self)
        return array


def read_targets(y, sets, name=""):
    """The targets of all elements, (n_elements,), in the order of the table of elements.

    Parameters
    ----------
    y : list, object array or Series of arrays, one a set; or a flat array or Series, one value an element
        A flat Series is matched to a DataFrame of elements by its index.
    sets : RaggedSets
        As checked, before their elements are encoded.
    name : str
        What follows X and y in messages.
    """
    if y is None:
        raise ValueError("One target for each element is required, but y is None.")
    if isinstance(y, pd.DataFrame):
        raise ValueError(f"y{name} must be one column of targets, but is a DataFrame of {list(y.columns)}.")
    if isinstance(y, pd.Series) and isinstance(y.array, SetArray):
        y = y.array.sets
    if isinstance(y, RaggedSets):
        y = list(y)
    items = list(y)
    if not any(isinstance(item, list | tuple) or getattr(item, "ndim", 0) for item in items):
        return _flat(y, sets, name)
    if len(items) != len(sets):
        raise ValueError(f"X{name} has {len(sets)} sets, but y{name} has targets for {len(items)}.")
    parts = [_as_array(item).reshape(-1) for item in items]
    lengths = np.array([len(part) for part in parts])
    wrong = np.flatnonzero(lengths != sets.sizes)
    if len(wrong):
        number = wrong[0]
        raise ValueError(
            f"Set {number} of X{name} has {sets.sizes[number]} elements, but {lengths[number]} targets in y{name} "
            f"({len(wrong)} sets differ): one target for each element is wanted."
        )
    parts = [part for part in parts if len(part)]
    if len({part.dtype.kind in "US" for part in parts}) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts) if parts else np.empty(0)


def _as_array(values):
    """Values as they are: among strings, NumPy would make a missing one the string "nan"."""
    if isinstance(values, list | tuple):
        objects = np.array(values, dtype=object)
        return objects if pd.isna(objects).any() else np.asarray(values)
    return np.asarray(values)


def _flat(values, sets, name):
    """One value an element, in one array or Series."""
    n_elements = len(sets.elements)
    if len(values) != n_elements:
        raise ValueError(
            f"X{name} has {n_elements} elements in {len(sets)} sets, but y{name} has {len(values)} targets: one for "
            "each element is wanted, as one flat array, or as one array for each set."
        )
    if not isinstance(values, pd.Series):
        return _as_array(values)
    if isinstance(sets.elements, pd.DataFrame):
        values = _aligned(values, sets, name)
    return values.to_numpy(dtype=object) if values.dtype.kind == "O" or values.isna().any() else values.to_numpy()


def _aligned(values, sets, name):
    """The targets in the order of the elements, by the labels of their rows: grouping a frame moves its rows."""
    index = sets.elements.index
    if not index.is_unique:
        if values.index.equals(index) and _labels_stay_in_one_set(index, sets):
            return values
        raise ValueError(
            f"Rows of X{name} share their labels, so the Series y{name} cannot be matched to them: call reset_index() "
            "on the frame before the sets are made of it, or pass an array in the order of the elements."
        )
    rows = values.index.get_indexer(index) if values.index.is_unique else np.array([-1])
    if (rows < 0).any():
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


def cut_like(flat, X, sets, columns=None):
    """Answers of elements in the form that the sets came in.

    Parameters
    ----------
    flat : ndarray of shape (n_elements,) or (n_elements, n_columns)
    X : sets
        As passed by the user.
    sets : RaggedSets
        As checked, before their elements are encoded.
    columns : array-like, optional
        Names of the columns of a table of answers.

    Returns
    -------
    ElementAnswers, Series or DataFrame
        A Series or DataFrame with the rows of the frame of elements, where the sets hold one whose labels differ, and
        did not come as one frame for each set.
    """
    # by labels that rows share, pandas would align answers to the wrong rows
    if isinstance(sets.elements, pd.DataFrame) and sets.elements.index.is_unique and _holds_one_table(X):
        index = sets.elements.index
        return pd.Series(flat, index=index) if flat.ndim == 1 else pd.DataFrame(flat, index=index, columns=columns)
    return ElementAnswers(np.split(flat, sets.offsets[1:-1]))


def _holds_one_table(X):
    """Whether the elements of X are rows of one table, whose index its user knows."""
    if isinstance(X, pd.DataFrame):
        return any(isinstance(dtype, SetDtype) for dtype in X.dtypes)
    return isinstance(X, RaggedSets) or (isinstance(X, pd.Series) and isinstance(X.dtype, SetDtype))


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
