"""What any estimator of sets says, in one form: sets as RaggedSets, answers as a table of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators import DeepSetsElementClassifier, DeepSetsElementRegressor
from sk_deepsets.sets import RaggedSets, check_sets, is_table, put_sets


def read_sets(X: Any) -> RaggedSets:
    """The sets of X as they come: what of them is not allowed, the estimator knows."""
    return check_sets(X, dtype=None, ensure_all_finite=False, ensure_min_elements=0, missing_sets="empty")


def like(X: Any, sets: RaggedSets, numbers: np.ndarray) -> Any:
    """Sets in the form of X: with the other columns of a table, in its rows of these numbers, beside them."""
    if not is_table(type(X)):
        return sets
    return put_sets(put_sets(X, read_sets(X)).iloc[numbers], sets)


def regroup(sets: RaggedSets, rows: np.ndarray, sizes: np.ndarray, numbers: np.ndarray) -> RaggedSets:
    """New sets of these sizes, made of rows of the elements, each with the context of one of the sets.

    Parameters
    ----------
    sets : RaggedSets
    rows : ndarray of int, shape (sizes.sum(),)
    sizes : ndarray of int, shape (n_new,)
    numbers : ndarray of int, shape (n_new,)
        The set that gives its context.
    """
    elements = sets.elements.iloc[rows] if isinstance(sets.elements, pd.DataFrame) else sets.elements[rows]
    context = sets.context
    if context is not None:
        context = context.iloc[numbers] if isinstance(context, pd.DataFrame) else context[numbers]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return RaggedSets(elements, offsets, context=context, feature_names=sets.feature_names)


def answers(estimator: Any, X: Any) -> np.ndarray:
    """Probabilities of classes, or of labels, or values: (n_sets, k), or of an element-wise estimator (n_elements, k).

    Float64.
    """
    given = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)
    table = np.concatenate(given) if isinstance(given, list) and len(given) else np.asarray(given)
    if table.dtype.kind not in "biuf":
        raise TypeError(f"{type(estimator).__name__} has no predict_proba, and its predict gives no numbers.")
    return table.reshape(len(table), -1).astype(np.float64)


def of_elements(estimator: Any) -> bool:
    """Whether an estimator has one answer per element."""
    return isinstance(last_step(estimator), DeepSetsElementClassifier | DeepSetsElementRegressor)


def last_step(estimator: Any) -> Any:
    """The estimator at the end of pipelines and searches."""
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def opened(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The last step of pipelines and searches, and what it is given of X."""
    check_is_fitted(estimator)
    while True:
        if isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator, X


def choose_columns(estimator: Any, X: Any, table: np.ndarray, target: Any) -> np.ndarray:
    """Which column of the answers to look at, for each set.

    Parameters
    ----------
    estimator : estimator
    X : sets
    table : ndarray of shape (n_sets, k)
        The answers.
    target : object
        A class, a number of a column, or None: the predicted class, or the only column.
    """
    n_sets, n_columns = table.shape
    several = len(table) > 0 and np.ndim(estimator.predict(X)) == 2
    classes = None if several or not hasattr(estimator, "classes_") else np.asarray(estimator.classes_)
    if target is None:
        if n_columns > 1 and classes is None:
            raise ValueError(f"There are {n_columns} outputs: name one, such as target=0, of 0 to {n_columns - 1}.")
        return table.argmax(axis=1)
    known = np.arange(n_columns) if classes is None else classes
    place = np.flatnonzero(known == target)
    if not len(place):
        what = "outputs" if classes is None else "classes"
        raise ValueError(f"target={target!r} is not among the {what} {known.tolist()}.")
    return np.full(n_sets, place[0])
