"""One target for each element: read, cut like the sets, and given back in the form that the sets came in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sk_deepsets.sets import RaggedSets, SetArray


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
    if isinstance(y, pd.Series) and isinstance(y.array, SetArray):
        y = y.array.sets
    if isinstance(y, RaggedSets):
        y = list(y)
    items = list(y)
    if not any(
        isinstance(item, list | tuple | np.ndarray | pd.Series | pd.api.extensions.ExtensionArray) for item in items
    ):
        return _flat(y, sets, name)
    if len(items) != len(sets):
        raise ValueError(f"X{name} has {len(sets)} sets, but y{name} has targets for {len(items)}.")
    lengths = np.array([np.size(item) for item in items])
    wrong = np.flatnonzero(lengths != sets.sizes)
    if len(wrong):
        number = wrong[0]
        raise ValueError(
            f"Set {number} of X{name} has {sets.sizes[number]} elements, but {lengths[number]} targets in y{name} "
            f"({len(wrong)} sets differ): one target for each element is wanted."
        )
    parts = [np.asarray(item, dtype=object if _has_none(item) else None).reshape(-1) for item in items if np.size(item)]
    return np.concatenate(parts) if parts else np.empty(0)


def _has_none(item):
    return isinstance(item, list | tuple) and any(value is None for value in item)


def _flat(values, sets, name):
    """One value an element, in one array or Series."""
    n_elements = len(sets.elements)
    if len(values) != n_elements:
        raise ValueError(
            f"X{name} has {n_elements} elements in {len(sets)} sets, but y{name} has {len(values)} targets: one for "
            "each element is wanted, as one flat array, or as one array for each set."
        )
    if not isinstance(values, pd.Series):
        return np.asarray(values, dtype=object if _has_none(values) else None)
    index = getattr(sets.elements, "index", values.index)
    values = values if values.index.equals(index) else _aligned(values, index, name)
    return values.to_numpy(dtype=object) if values.dtype.kind == "O" or values.isna().any() else values.to_numpy()


def _aligned(values, index, name):
    """The targets in the order of the elements, by the labels of their rows."""
    rows = values.index.get_indexer(index) if values.index.is_unique else np.array([-1])
    if (rows < 0).any():
        raise ValueError(
            f"The index of y{name} does not hold the rows of X{name}: pass the Series of the frame that the sets were "
            "made of, or an array in the order of the elements."
        )
    return values.iloc[rows]


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
        A Series or DataFrame with the rows of the frame of elements, where the sets hold one and did not come as a
        list of frames.
    """
    if isinstance(sets.elements, pd.DataFrame) and isinstance(X, RaggedSets | pd.Series | pd.DataFrame):
        index = sets.elements.index
        return pd.Series(flat, index=index) if flat.ndim == 1 else pd.DataFrame(flat, index=index, columns=columns)
    return ElementAnswers(np.split(flat, sets.offsets[1:-1]))
