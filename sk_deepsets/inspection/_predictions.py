"""The predictions of any estimator on sets in one form: RaggedSets in, a table of floats out."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from sk_deepsets.estimators import DeepSetsElementClassifier, DeepSetsElementRegressor, FarSetWarning
from sk_deepsets.sets import (
    PaddedSets,
    RaggedSets,
    SetDtype,
    check_collections,
    check_labels,
    collection_names,
    is_table,
    numpy_dtype,
    put_collection,
    put_sets,
)
from sk_deepsets.targets import check_one_for_each_set


def read_sets(X: Any, collection: str | None = None) -> RaggedSets:
    """The sets of X without checks of their values, which are up to the estimator.

    Parameters
    ----------
    X : sets
    collection : str, optional
        Which of several. None: of several, sets of all elements, without columns.
    """
    options: dict[str, Any] = {"dtype": None, "ensure_all_finite": False, "missing_sets": "empty"}
    given = check_collections(X, ensure_min_elements=0, **options)
    if isinstance(given, RaggedSets):
        return given
    if collection is not None:
        return given.collections[collection]
    sizes = np.sum([sets.sizes for sets in given.collections.values()], axis=0)
    return RaggedSets(np.empty((sizes.sum(), 0)), np.append(0, np.cumsum(sizes)), index=given.index)


def rebuild_like(X: Any, sets: RaggedSets, numbers: np.ndarray, collection: str | None = None) -> Any:
    """Sets, and their context, in the form of X, so that any first step of a pipeline can read them.

    Parameters
    ----------
    X : sets
        As the user gave them.
    sets : RaggedSets
    numbers : ndarray of int, shape (n_sets,)
        The row of X that each of the sets replaces.
    collection : str, optional
        Which of several the sets are; the others, and the context, are those of X.
    """
    if collection is not None:
        return put_collection(X, collection, sets, numbers)
    if isinstance(X, pd.Series):
        return rebuild_like(X.to_frame(), sets, numbers).iloc[:, 0].rename(X.name)
    if isinstance(X, PaddedSets):
        return PaddedSets.from_ragged(sets, max(X.shape[1], int(sets.sizes.max(initial=0))))
    if isinstance(X, np.ndarray) and X.ndim == 3 and len(np.unique(sets.sizes)) == 1:
        return sets.elements.reshape(len(sets), sets.sizes[0], sets.n_features)
    if isinstance(X, np.ndarray) and X.ndim == 2:  # a table of objects
        return rebuild_like(pd.DataFrame(X), sets, numbers).to_numpy(dtype=object)
    if isinstance(X, list | tuple) and isinstance(sets.elements, np.ndarray):
        return list(sets)
    if isinstance(X, np.ndarray) and X.ndim == 1:
        return np.asarray(sets)
    if not is_table(type(X)):
        return sets
    table = put_sets(put_sets(X, read_sets(X)).iloc[numbers], sets)
    beside = [place for place, dtype in enumerate(table.dtypes) if not isinstance(dtype, SetDtype)]
    for column, place in enumerate(beside):
        table.isetitem(place, sets.context.iloc[:, column].array)
    return table


def ignore_far_sets() -> AbstractContextManager[Any]:
    """A context without warnings for modified sets: the user is warned about the sets that were passed alone."""
    return warnings.catch_warnings(action="ignore", category=FarSetWarning)


def regroup(sets: RaggedSets, rows: np.ndarray, sizes: np.ndarray, numbers: np.ndarray) -> RaggedSets:
    """New sets of these sizes, made of rows of the elements, each with the context and label of one of the sets.

    Parameters
    ----------
    sets : RaggedSets
    rows : ndarray of int, shape (sizes.sum(),)
    sizes : ndarray of int, shape (n_new,)
    numbers : ndarray of int, shape (n_new,)
        The set that gives its context.
    """
    return RaggedSets(sets._cut(rows), np.append(0, np.cumsum(sizes)), **sets._attached(numbers))


def read_targets(y: Any, sets: RaggedSets) -> Any:
    """Targets of sets, as ``score`` takes them: one for each, in the order of the sets; a column is flat.

    Raises
    ------
    ValueError
        For another number of targets, for targets of elements, and for labels of the sets in another order.
    """
    check_labels(y, sets.index, "y")
    check_one_for_each_set(y, "y", "DeepSetsElementClassifier and DeepSetsElementRegressor")
    shape = np.shape(y)
    if not shape or shape[0] != len(sets):
        given = f"has {shape[0]} targets{f' (shape {shape})' if len(shape) > 1 else ''}" if shape else f"is {y!r:.80}"
        raise ValueError(f"X has {len(sets)} sets, but y {given}: expected one for each set.")
    if len(shape) == 2 and shape[1] == 1:
        return y.iloc[:, 0] if isinstance(y, pd.DataFrame) else np.asarray(y)[:, 0]
    return y


def read_known_targets(y: Any, sets: RaggedSets, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """What ``read_targets`` gives as an array, of this shape if one is named; no target may be missing."""
    targets = read_targets(y, sets)
    missing = pd.DataFrame(targets).isna().to_numpy().any(axis=1)
    if missing.any():
        first = int(missing.argmax())
        raise ValueError(f"y is missing for {missing.sum():,} of {len(sets):,} sets; the first is set {first}.")
    # NumPy would make objects of pandas' numbers
    values = np.asarray(
        targets, dtype=numpy_dtype(targets.dtype) if isinstance(targets, pd.Series | ExtensionArray) else None
    )
    if shape is not None and values.shape != shape:
        raise ValueError(f"y has shape {values.shape}; expected {shape}, as predict gives.")
    return values


def predict_table(estimator: Any, X: Any) -> np.ndarray:
    """Probabilities or values in float64: (n_sets, k), or (n_elements, k) for an element-wise estimator."""
    found = estimator.predict_proba(X) if has_probabilities(estimator) else estimator.predict(X)
    if isinstance(found, list) and not is_element_wise(estimator):  # as scikit-learn's forests, a table for each label
        if any(label.shape[1] != 2 for label in found):
            raise TypeError(f"{type(estimator).__name__} has several outputs that are not labels of zeros and ones.")
        found = np.column_stack([label[:, 1] for label in found])
    table = np.concatenate(found) if isinstance(found, list) and len(found) else np.asarray(found)
    if table.dtype.kind not in "biuf":
        raise TypeError(f"{type(estimator).__name__} has no predict_proba, and its predict gives no numbers.")
    return table.reshape(len(table), -1).astype(np.float64)


def predict_modified(
    estimator: Any, X: Any, sets: RaggedSets, numbers: np.ndarray, collection: str | None = None
) -> np.ndarray:
    """What ``predict_table`` gives for modified sets of X, see ``rebuild_like``, without warnings for these."""
    with ignore_far_sets():
        return predict_table(estimator, rebuild_like(X, sets, numbers, collection))


def log_odds(table: np.ndarray, columns: np.ndarray, are_labels: bool) -> np.ndarray:
    """The logarithm of the odds of one class or label in each row of probabilities (n, k): (n,), within -36 and 36."""
    rows, others = np.arange(len(table)), table.copy()
    chosen = table[rows, columns]
    others[rows, columns] = 0
    # not 1 - chosen, of which few digits are left where the class is all but certain
    against = 1 - chosen if are_labels else others.sum(axis=1)
    least = np.finfo(np.float64).eps
    return np.log(np.maximum(chosen, least)) - np.log(np.maximum(against, least))


def is_element_wise(estimator: Any) -> bool:
    """Whether an estimator has one prediction per element."""
    return isinstance(last_step(estimator), DeepSetsElementClassifier | DeepSetsElementRegressor)


def has_probabilities(estimator: Any) -> bool:
    """Whether an estimator, which may be of any library, predicts probabilities."""
    return hasattr(estimator, "predict_proba")


def last_step(estimator: Any) -> Any:
    """The estimator at the end of pipelines and searches."""
    return unwrap(estimator, None)[0]


def unwrap(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The estimator at the end of pipelines and searches, and its input for X, if that is not None."""
    while True:
        if isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if X is not None and len(estimator) > 1 else X
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator, X


class Outputs(NamedTuple):
    """What the columns of the predictions are."""

    n_columns: int
    classes: np.ndarray | None
    """The class of each column; None for labels and values, which are numbered"""

    def find(self, target: Any) -> int | None:
        """The column of a class, or of a number; for None the only column, or None where each set has its own class."""
        if target is None:
            if self.n_columns > 1 and self.classes is None:
                numbers = f"0 to {self.n_columns - 1}"
                raise ValueError(f"There are {self.n_columns} outputs: name one, such as target=0, of {numbers}.")
            return 0 if self.n_columns == 1 else None
        known = np.arange(self.n_columns) if self.classes is None else self.classes
        place = np.flatnonzero(known == target)
        if not len(place):
            what = "outputs" if self.classes is None else "classes"
            raise ValueError(f"target={target!r} is not among the {what} {known.tolist()}.")
        return int(place[0])


def read_outputs(estimator: Any, X: Any) -> Outputs:
    """What the columns of the predictions are, from the prediction for the first element of a set of X."""
    several = collection_names(X)
    collection = several[0] if several else None
    sets, first = read_sets(X, collection), np.zeros(1, dtype=np.int64)
    number = first + int(sets.sizes.argmax())
    size = np.minimum(sets.sizes[number], 1)
    small = rebuild_like(X, regroup(sets, sets.offsets[number][: size[0]], size, number), number, collection)
    with ignore_far_sets():
        n_columns = predict_table(estimator, small).shape[1]
        are_classes = is_classifier(estimator) and np.ndim(estimator.predict(small)) == 1
    return Outputs(n_columns, np.asarray(estimator.classes_) if are_classes else None)
