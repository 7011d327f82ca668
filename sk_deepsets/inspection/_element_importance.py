"""element_importance: how much each element of a set contributes to the prediction for the set."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators import SetEstimator
from sk_deepsets.inspection._predictions import (
    has_probabilities,
    is_element_wise,
    log_odds,
    predict_modified,
    predict_table,
    read_outputs,
    read_sets,
    regroup,
    unwrap,
)
from sk_deepsets.sets import RaggedSets, collection_names

# Elements of the sets without one of their elements that are predicted at once.
ELEMENTS_AT_ONCE = 262_144


@validate_params(
    {"method": [StrOptions({"auto", "occlusion", "attention", "gradient"})]}, prefer_skip_nested_validation=True
)
def element_importance(
    estimator: Any, X: Any, method: str = "auto", target: Any = None
) -> list[np.ndarray] | dict[str, list[np.ndarray]]:
    """Measure how much each element of a set matters for the prediction.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator with one prediction per set, alone or behind other steps in a pipeline.
    X : sets
        Any form that :func:`check_sets` takes.
    method : {"auto", "occlusion", "attention", "gradient"}, default="auto"
        ``"occlusion"``: the output for the set minus that for the set without the element. The output of a classifier
        is the log-odds, log(p / (1 - p)), of the class or label: unlike the probability they still tell elements apart
        where the class is all but certain. That of a regressor is the prediction, with every loss in units of y. A
        positive value: the element is evidence for the class, or raises the prediction. For the estimators of this
        package it is exact and takes three to seven times as long as a prediction, in bounded memory; for everything
        else, which includes a ``module`` of your own, an ``encoder`` in which elements see each other, and models of
        :class:`SetAggregator`, a set of m elements takes m predictions for sets of m - 1, and probabilities nearer to
        0 or 1 than 2e-16 count as that.

        ``"attention"``: the weights of ``pool_type="attention"`` or ``"pma"``, which are not negative and sum to 1 in
        each set.
        They show which elements the net uses, not whether these count for or against the prediction.

        ``"gradient"``: integrated gradients, see :meth:`DeepSetsClassifier.integrated_gradients`, which share out the
        probability, or the prediction. Equal elements share their effect, where leaving out
        one of them may change nothing.

        ``"auto"``: attention, if it is the only pool and no ``target`` is given; otherwise occlusion.
    target : object, default=None
        The class to explain, or the number of the output where there are several (multi-label, several targets). None:
        the class that is predicted for each set, or the only output.

    Returns
    -------
    list of ndarray of shape (n_i,)
        One array per set, in float64; ``sets.to_rows`` puts them beside the rows of a frame. Of several collections a
        dict of such lists, by their names.

    Raises
    ------
    TypeError
        For an estimator with one prediction per element.
    ValueError
        For an unknown target, and for a method that the estimator does not allow.

    See Also
    --------
    ElementImportanceDisplay : Draws it.
    feature_importance : Which columns matter, over all sets.

    Notes
    -----
    The only element of a set is compared with the empty set, which the model may never have seen.

    Examples
    --------
    Which element makes the maximum?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.inspection import element_importance
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 1)) for size in rng.integers(2, 9, 300)]
    >>> reg = DeepSetsRegressor(n_members=1, max_epochs=50, random_state=0)
    >>> reg = reg.fit(sets, [one_set.max() for one_set in sets])
    >>> importance = element_importance(reg, [[[0.1], [2.0], [-0.3]]])
    >>> importance[0].argmax()
    np.int64(1)
    """
    if is_element_wise(estimator):
        raise TypeError(
            f"element_importance explains one prediction per set, but {type(estimator).__name__} gives one per element."
        )
    return explain(estimator, X, method, target).importance


class Explanation(NamedTuple):
    """The importance of the elements, and what it is measured in."""

    importance: Any
    """One array (n_i,) per set, or a dict of such lists by collection"""
    unit: str
    """Weight, log-odds, probability or prediction"""


def explain(estimator: Any, X: Any, method: str, target: Any) -> Explanation:
    """What :func:`element_importance` gives, with its unit."""
    sets = read_sets(X)
    check_is_fitted(estimator)
    model, inputs = unwrap(estimator, X)
    is_ours = isinstance(model, SetEstimator)
    # an earlier step of a pipeline may take elements away
    names: list[Any] = [*collection_names(X)] or [None]
    sizes = [read_sets(X, name).sizes for name in names]
    is_ours = is_ours and len(collection_names(inputs) or [None]) == len(names)
    is_ours = is_ours and np.array_equal([read_sets(inputs, name).sizes for name in names], sizes)
    has_attention = is_ours and hasattr(model, "attention")
    if method == "auto":
        only_attention = has_attention and model.pool_type in ("attention", ("attention",), "pma", ("pma",))
        method = "attention" if only_attention and target is None else "occlusion"
    if method == "attention":
        if not has_attention:
            raise ValueError('method="attention" needs a Deep Sets estimator with pool_type="attention" or "pma".')
        if target is not None:
            raise ValueError('method="attention" is the same for all targets; use "occlusion" or "gradient".')
        return Explanation(model.attention(inputs), "weight")
    if method == "gradient" and not is_ours:
        raise ValueError(f'method="gradient" needs a Deep Sets estimator, but got {type(model).__name__}.')
    outputs, are_odds = read_outputs(estimator, X), has_probabilities(estimator)
    column = outputs.find(target)
    if method == "occlusion" and is_ours and hasattr(model, "occlusion"):
        return Explanation(model.occlusion(inputs, column), "log-odds" if are_odds else "prediction")
    table = predict_table(estimator, X)
    columns = table.argmax(axis=1) if column is None else np.full(len(sets), column)
    if method == "gradient":
        found = model.integrated_gradients(inputs, columns)
        return Explanation(found, "probability" if are_odds else "prediction")
    are_labels = outputs.classes is None if are_odds else None
    importance = {name: _occlusion(estimator, X, name, table, columns, are_labels) for name in names}
    return Explanation(importance.get(None, importance), "log-odds" if are_odds else "prediction")


def _occlusion(
    estimator: Any, X: Any, collection: str | None, table: np.ndarray, columns: np.ndarray, are_labels: bool | None
) -> list[np.ndarray]:
    """How much the predictions ``table`` change without each element; of probabilities, their log-odds.

    Parameters
    ----------
    estimator, X
    collection : str or None
        Whose elements.
    table : ndarray of shape (n_sets, k)
    columns : ndarray of int, shape (n_sets,)
        Which column of each row.
    are_labels : bool or None
        Whether probabilities are those of labels; None: there are values.
    """
    sets = read_sets(X, collection)
    without, segments = _without_each(estimator, X, sets, table.shape[1], collection), sets.segments
    element_columns = columns[segments]
    if are_labels is None:
        changes = table[segments, element_columns] - without[np.arange(len(without)), element_columns]
    else:
        changes = log_odds(table, columns, are_labels)[segments] - log_odds(without, element_columns, are_labels)
    return np.split(changes, sets.offsets[1:-1])


def _without_each(estimator: Any, X: Any, sets: RaggedSets, n_columns: int, collection: str | None) -> np.ndarray:
    """Predictions for the sets without each of their elements, (n_elements, k), by as many predictions."""
    found = [np.empty((0, n_columns))]
    cost = np.cumsum(np.repeat(sets.sizes, sets.sizes))
    for part in np.split(np.arange(len(cost)), np.flatnonzero(np.diff(cost // ELEMENTS_AT_ONCE)) + 1):
        if len(part):
            numbers = sets.segments[part]
            sizes, segments = sets.sizes[numbers], np.repeat(np.arange(len(part)), sets.sizes[numbers])
            rows = np.arange(len(segments)) - (np.cumsum(sizes) - sizes - sets.offsets[numbers])[segments]
            rows = rows[rows != part[segments]]
            found.append(predict_modified(estimator, X, regroup(sets, rows, sizes - 1, numbers), numbers, collection))
    return np.concatenate(found)
