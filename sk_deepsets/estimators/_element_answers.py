"""The answers of elements, in the form that the sets came in."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pandas as pd

from sk_deepsets.sets import RaggedSets, SetDtype


def cut_like(flat, X, sets, columns=None, knows_sets=False):
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
    knows_sets : bool
        Whether a Series knows how the sets cut it, as ``cross_val_predict`` needs it.

    Returns
    -------
    SetAnswers, Series or DataFrame
        With the rows of the frame of elements, where the sets hold one whose labels differ, and did not come as one
        frame for each set.
    """
    # by labels that rows share, pandas would align answers to the wrong rows
    if not (isinstance(sets.elements, pd.DataFrame) and sets.elements.index.is_unique and _holds_one_table(X)):
        return SetAnswers(np.split(flat, sets.offsets[1:-1]))
    index = sets.elements.index
    if flat.ndim == 2:
        return pd.DataFrame(flat, index=index, columns=columns)
    return RowAnswers.cut(flat, index, sets.offsets) if knows_sets else pd.Series(flat, index=index)


def flatten(answers):
    """The answers of all elements in one array."""
    return answers.to_numpy() if isinstance(answers, pd.Series | pd.DataFrame) else np.concatenate(list(answers))


class SetAnswers(list):
    """A list with one array for each set, which NumPy reads as an object array of these arrays.

    So that scikit-learn's ``cross_val_predict``, which concatenates what the folds give, can do so.
    """

    def __array__(self, dtype=None, copy=None):
        array = np.empty(len(self), dtype=object)
        array[:] = list(self)
        return array


class RowAnswers(pd.Series):
    """A Series of answers that knows how sets cut it; what pandas makes of it is a Series like any other.

    ``cross_val_predict`` concatenates what the folds give, and then takes the *sets* in the order of X. NumPy would
    hand it the values of a Series, so that it took as many single elements; ``numpy.concatenate`` of these gives
    what it can take sets from.
    """

    _metadata = [*pd.Series._metadata, "offsets"]  # noqa: RUF012 - pandas' name and form: what is pickled

    @classmethod
    def cut(cls, values, index, offsets):
        """Values with the labels of their rows, and where each set begins."""
        answers = cls(values, index=index)
        answers.offsets = offsets
        return answers

    def __array_function__(self, function, types, args, kwargs):
        if function is np.concatenate and all(isinstance(part, RowAnswers | SetAnswers) for part in args[0]):
            return _joined(args[0])
        return function._implementation(*args, **kwargs)


class _JoinedAnswers(RowAnswers):
    """Answers of several folds, one after another: indexed with an order of the sets, they come in that order."""

    def __getitem__(self, key):
        n_sets = len(self.offsets) - 1
        if isinstance(key, np.ndarray) and key.dtype.kind in "iu" and np.array_equal(np.sort(key), np.arange(n_sets)):
            return self.iloc[RaggedSets(np.arange(len(self))[:, None], self.offsets)[key].elements[:, 0]]
        return super().__getitem__(key)


def _joined(parts):
    """Answers one after another, which are indexed by sets."""
    first, *others = [part.index for part in parts if isinstance(part, RowAnswers)]
    index = first.append(others)
    if len(others) + 1 == len(parts) and index.is_unique:
        sizes = np.concatenate([np.diff(part.offsets) for part in parts])
        values = np.concatenate([part.to_numpy() for part in parts])
        return _JoinedAnswers.cut(values, index, np.concatenate([[0], np.cumsum(sizes)]))
    # rows share their labels over the parts, if not within each
    of_sets = [
        part if isinstance(part, SetAnswers) else np.split(part.to_numpy(), part.offsets[1:-1]) for part in parts
    ]
    return np.asarray(SetAnswers(chain.from_iterable(of_sets)))


def _holds_one_table(X):
    """Whether the elements of X are rows of one table, whose index its user knows."""
    if isinstance(X, pd.DataFrame):
        return any(isinstance(dtype, SetDtype) for dtype in X.dtypes)
    return isinstance(X, RaggedSets) or (isinstance(X, pd.Series) and isinstance(X.dtype, SetDtype))
