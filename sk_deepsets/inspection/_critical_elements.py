"""critical_elements: the elements that a max pool keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators import SetEstimator
from sk_deepsets.inspection._predictions import read_sets, rebuild_like, regroup, unwrap
from sk_deepsets.preprocessing import place_of_weight
from sk_deepsets.sets import collection_names


def critical_elements(estimator: Any, X: Any) -> list[np.ndarray] | dict[str, list[np.ndarray]]:
    """Find the elements of each set that attain a maximum: these alone give the same prediction.

    The critical set of Qi et al. (2017), "PointNet: Deep learning on point sets for 3D classification and
    segmentation": of each feature of phi, the element with the largest value, so at most as many elements as phi has
    features; of several members, those that any of them keeps.

    Parameters
    ----------
    estimator : estimator
        A fitted :class:`DeepSetsClassifier` or :class:`DeepSetsRegressor` with ``pool_type="max"`` and nothing beside
        the pool, alone or behind other steps in a pipeline.
    X : sets
        Any form that :func:`check_sets` takes.

    Returns
    -------
    list of ndarray of int, shape (n_critical_i,)
        The positions of the critical elements in each set, in ascending order; none for an empty set. Of several
        collections a dict of such lists, by their names.

    Raises
    ------
    ValueError
        For any other estimator, whose predictions depend on all elements.

    See Also
    --------
    element_importance : How much each element matters, for any estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsClassifier
    >>> from sk_deepsets.inspection import critical_elements
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(40, 2)) for _ in range(200)]
    >>> y = [int(one_set[:, 0].max() > 2) for one_set in sets]
    >>> clf = DeepSetsClassifier(phi_hidden_dims=(8,), pool_type="max", n_members=1, random_state=0).fit(sets, y)
    >>> kept = critical_elements(clf, sets)
    >>> max(map(len, kept)) <= 8
    True
    >>> less = [one_set[few] for one_set, few in zip(sets, kept)]
    >>> np.allclose(clf.predict_proba(less), clf.predict_proba(sets), atol=1e-6)
    True
    """
    check_is_fitted(estimator)
    model, inputs = unwrap(estimator, X)
    reason = _why_not(model)
    if reason:
        raise ValueError(
            f"critical_elements needs a prediction that depends on the maximum alone, but {reason}: use "
            f'{type(model).__name__}(pool_type="max"), or element_importance.'
        )
    names = collection_names(inputs)
    if not names:
        return _critical(model, inputs, None, 0, 1)
    return {name: _critical(model, inputs, name, number, len(names)) for number, name in enumerate(names)}


def _critical(model: Any, X: Any, collection: str | None, number: int, n_collections: int) -> list[np.ndarray]:
    """Those of one collection, with its number among all."""
    sets = read_sets(X, collection)
    rows = np.arange(len(sets.elements))
    kept = np.zeros(len(rows), dtype=bool)
    counted = np.ones(len(rows), dtype=bool)
    weight = model.element_weight.get(collection) if collection and model.element_weight else model.element_weight
    if weight is not None:
        place, elements = place_of_weight(weight, sets), sets.elements
        counted = np.asarray(elements.iloc[:, place] if isinstance(elements, pd.DataFrame) else elements[:, place]) > 0
    if len(rows):
        # each element as a set of its own: the maximum of one element is that element
        alone = regroup(sets, rows, np.ones_like(rows), sets.segments)
        embedding = model.transform(rebuild_like(X, alone, sets.segments, collection) if collection else alone)
        # of each member, the pools of the collections stand side by side, which are equally wide
        features = np.asarray(embedding).reshape(len(rows), model.net_.module_.n_members, n_collections, -1)
        for values in features[:, :, number].reshape(len(rows), -1).T:
            # by set and value, behind those without weight: the last of each set holds its maximum
            order = np.lexsort((values, counted, sets.segments))
            kept[order[sets.offsets[1:][sets.sizes > 0] - 1]] = True
        kept &= counted
    places = rows - sets.offsets[sets.segments]
    return np.split(places[kept], np.cumsum(np.bincount(sets.segments[kept], minlength=len(sets)))[:-1])


def _why_not(model: Any) -> str | None:
    """What the predictions of a model depend on besides the maximum; None if on nothing else."""
    if not isinstance(model, SetEstimator):
        return f"{type(model).__name__} has no pool"
    if model.module is not None:
        return "nothing is known of a module of your own"
    if model.pool_type not in ("max", ("max",)):
        return f"pool_type is {model.pool_type!r}"
    if model.encoder != "elementwise":
        return f"encoder is {model.encoder!r}, with which phi sees all elements"
    if model.net_.module_.reads_statistics:
        return "members of an ensemble use statistics of the set, too"
    return None
