"""The answers of elements, in the form that the sets came in."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pandas as pd


def cut_like(flat, X, sets, columns=None, knows_sets=False):
    """Answers of elements in the form that the sets came in.

    Parameters
    ----------
    flat : ndarray of shape (n_elements,) or (n_elements, n_columns)
    X : sets
        As passed by the user.
    sets : RowSets
        As checked, before their elements are encoded.
    columns : array-like, optional
        Names of the columns of a table of answers.
    knows_sets : bool
        Whether a Series knows how the sets cut it, as ``cross_val_predict`` needs it.

    Returns
    -------
    ndarray, SetAnswers, Series or DataFrame
        An array for an array. In pandas with the rows of the frame of elements, where the sets hold one whose labels
        differ, and did not come as one frame for each set. Otherwise a list.
    """
    if getattr(X, "ndim", 0) == 3:
        return flat.reshape(*X.shape[:2], *flat.shape[1:])
    # by labels that rows share, pandas would align answers to the wrong rows
    index = sets.rows
    if index is None or not index.is_unique or not sets.in_one_table:
        return SetAnswers(np.split(flat, sets.offsets[1:-1]))
    order = order_of_rows(index, sets.offsets)
    if flat.ndim == 2:
        return pd.DataFrame(flat[order], index=index[order], columns=columns)
    if not knows_sets:
        return pd.Series(flat[order], index=index[order])
    numbers = np.repeat(np.arange(len(sets)), sets.sizes)
    return RowAnswers.of_sets(flat[order], index[order], numbers[order], len(sets))


def order_of_rows(index, offsets):
    """The elements in the order of the frame that they were grouped from, as far as the labels of its rows tell it.

    Grouping keeps the order of rows within each set. Where labels rise within each, they rose in the frame, as those
    of a new frame do; where they do not, elements stay as they are, set by set.
    """
    as_is = np.arange(len(index))
    if index.is_monotonic_increasing:
        return as_is
    try:
        rises = np.asarray(index[1:] > index[:-1])
    except TypeError:  # labels of several types
        return as_is
    begins = offsets[(offsets > 0) & (offsets < len(index))]
    rises[begins - 1] = True
    return np.asarray(index.argsort()) if rises.all() else as_is


def flatten(answers, sets):
    """The answers of all elements in one array, in the order of the table of elements."""
    if not isinstance(answers, pd.Series | pd.DataFrame):
        if isinstance(answers, np.ndarray) and answers.ndim == 1 and answers.dtype != object:
            raise TypeError("Expected one answer for each element, but the estimator gives one for each set.")
        return np.concatenate(list(answers))
    return (answers if sets.rows is None else answers.loc[sets.rows]).to_numpy()


class SetAnswers(list):
    """A list with one array for each set, which NumPy reads as an object array of these arrays.

    So that scikit-learn's ``cross_val_predict``, which concatenates what the folds give, can do so.
    """

    def __array__(self, dtype=None, copy=None):
        array = np.empty(len(self), dtype=object)
        array[:] = list(self)
        return array


class RowAnswers(pd.Series):
    """A Series of answers that knows the set of each row; what pandas makes of it is a Series like any other.

    ``cross_val_predict`` concatenates what the folds give, and then takes the *sets* in the order of X. Of a plain
    array it would take as many single elements, so ``numpy.concatenate`` gives one that sets can be taken from.
    """

    _metadata = [*pd.Series._metadata, "numbers", "n_sets"]  # noqa: RUF012 - pandas' name and form: what is pickled

    @classmethod
    def of_sets(cls, values, index, numbers, n_sets):
        """Values with the labels of their rows and the numbers of their sets."""
        answers = cls(values, index=index)
        answers.numbers, answers.n_sets = numbers, n_sets
        return answers

    def by_sets(self):
        """One array for each set."""
        order = np.argsort(self.numbers, kind="stable")
        ends = np.cumsum(np.bincount(self.numbers, minlength=self.n_sets))
        return np.split(self.to_numpy()[order], ends[:-1])

    def __array_function__(self, function, types, args, kwargs):
        if function is np.concatenate and all(isinstance(part, RowAnswers | SetAnswers) for part in args[0]):
            return _joined(args[0])
        return function._implementation(*args, **kwargs)


class _JoinedAnswers(np.ndarray):
    """Answers of several folds, one after another: indexed with an order of all sets, these come in that order."""

    def __array_finalize__(self, source):
        self.rows = None

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, key):
        flat = np.asarray(self)
        if self.rows is None or not isinstance(key, np.ndarray) or key.dtype.kind not in "iu":
            return flat[key]
        index, numbers, n_sets = self.rows
        if not np.array_equal(np.sort(key), np.arange(n_sets)):
            return flat[key]
        of_rows = np.argsort(key)[numbers]  # where the set of each row comes in that order
        by_set = np.argsort(of_rows, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(of_rows, minlength=n_sets))])
        order = by_set[order_of_rows(index[by_set], offsets)]
        return pd.Series(flat[order], index=index[order])


def _joined(parts):
    """Answers one after another, which are indexed by sets."""
    first, *others = [part.index for part in parts if isinstance(part, RowAnswers)]
    index = first.append(others)
    if len(others) + 1 < len(parts) or not index.is_unique:  # rows share their labels over the parts, if not in each
        of_sets = [part.by_sets() if isinstance(part, RowAnswers) else part for part in parts]
        return np.asarray(SetAnswers(chain.from_iterable(of_sets)))
    n_sets = np.cumsum([0, *(part.n_sets for part in parts)])
    numbers = np.concatenate([part.numbers + before for part, before in zip(parts, n_sets, strict=False)])
    joined = np.concatenate([part.to_numpy() for part in parts]).view(_JoinedAnswers)
    joined.rows = index, numbers, n_sets[-1]
    return joined
