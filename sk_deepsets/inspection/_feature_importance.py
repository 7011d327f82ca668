"""feature_importance: permutation importance of element columns, of context columns and of the set's size, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state

from sk_deepsets.inspection._predictions import (
    ignore_far_sets,
    is_element_wise,
    read_sets,
    read_targets,
    rebuild_like,
    regroup,
)
from sk_deepsets.sets import RaggedSets

SIZE = "set size"


def feature_importance(
    estimator: Any, X: Any, y: Any, n_repeats: int = 5, scoring: Any = None, random_state: Any = None
) -> Bunch:
    """Measure how much the score drops when one column is permuted (Breiman, 2001, "Random forests").

    Each column of the elements is permuted across all elements of all sets; each column of the context across the sets.
    The size of a set counts as another feature: sizes are permuted among the non-empty sets. A set that gets a
    smaller size keeps a random selection of its elements; a set that gets a larger size repeats all of them, and adds a
    random selection for the remainder. So the distribution of its elements stays about the same, except for the
    extremes of a set that gets smaller; empty sets stay empty.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of sets, such as a pipeline.
    X : sets
        Any form that :func:`check_sets` takes. Held-out sets show which columns matter for new data.
    y : array-like
        As for ``estimator.score``.
    n_repeats : int, default=5
        Number of times to permute each column.
    scoring : str or callable, default=None
        As in scikit-learn. None: ``estimator.score``.
    random_state : int, RandomState instance or None, default=None
        Of the permutations.

    Returns
    -------
    Bunch
        As from :func:`sklearn.inspection.permutation_importance`: ``importances_mean`` and ``importances_std`` of shape
        (n_columns,), ``importances`` (n_columns, n_repeats); besides ``feature_names`` (n_columns,) and ``kinds``
        (n_columns,): "element", "context" or "size". With one prediction per element there is no row for the size.

    See Also
    --------
    FeatureImportanceDisplay : Draws it.
    element_importance : Which elements matter, in each set.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.inspection import feature_importance
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 9, 300)]
    >>> y = [one_set[:, 1].mean() for one_set in sets]
    >>> reg = DeepSetsRegressor(n_members=1, max_epochs=50, random_state=0).fit(sets, y)
    >>> found = feature_importance(reg, sets, y, random_state=0)
    >>> print(found.feature_names, found.feature_names[found.importances_mean.argmax()])
    ['x0' 'x1' 'set size'] x1
    """
    sets = read_sets(X)
    y = y if y is None or is_element_wise(estimator) else read_targets(y, sets)
    scorer, random = check_scoring(estimator, scoring=scoring), check_random_state(random_state)
    numbers = np.arange(len(sets))

    def score(changed: RaggedSets) -> float:
        return scorer(estimator, rebuild_like(X, changed, numbers), y)

    changes = [("element", name, _permute_element_column) for name in _names(sets.elements, sets.feature_names, "x")]
    if sets.context is not None:
        changes += [("context", name, _permute_context_column) for name in _names(sets.context, None, "context")]
    if not is_element_wise(estimator):
        changes.append(("size", SIZE, _permute_sizes))
    kinds = [kind for kind, _, _ in changes]
    places = [kinds[:number].count(kind) for number, kind in enumerate(kinds)]
    baseline = scorer(estimator, X, y)
    pairs = list(zip(changes, places, strict=True))
    with ignore_far_sets():
        scores = [[score(change(sets, place, random)) for _ in range(n_repeats)] for (_, _, change), place in pairs]
    importances = baseline - np.array(scores).reshape(len(changes), n_repeats)
    return Bunch(
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
        importances=importances,
        feature_names=np.array([name for _, name, _ in changes], dtype=object),
        kinds=np.array(kinds),
    )


def _names(table: Any, names: Any, prefix: str) -> list[str]:
    """The names of the columns of a table, or numbers behind a prefix."""
    if isinstance(table, pd.DataFrame):
        return list(table.columns)
    return [f"{prefix}{place}" for place in range(table.shape[1])] if names is None else list(names)


def _permute_element_column(sets: RaggedSets, place: int, random: np.random.RandomState) -> RaggedSets:
    """The sets with one column of the elements permuted across all elements."""
    return sets.replace(_permuted(sets.elements, place, random))


def _permute_context_column(sets: RaggedSets, place: int, random: np.random.RandomState) -> RaggedSets:
    """The sets with one column of the context permuted across the sets."""
    return sets._with(context=_permuted(sets.context, place, random))


def _permuted(table: Any, place: int, random: np.random.RandomState) -> Any:
    """A copy of a table with one column permuted."""
    order = random.permutation(len(table))
    table = table.copy()
    if isinstance(table, pd.DataFrame):
        table.isetitem(place, table.iloc[order, place].array)
    else:
        table[:, place] = table[order, place]
    return table


def _permute_sizes(sets: RaggedSets, place: int, random: np.random.RandomState) -> RaggedSets:
    """The sets with sizes permuted among those that have elements."""
    sizes, filled = sets.sizes, np.flatnonzero(sets.sizes)
    new = sizes.copy()
    new[filled] = random.permutation(sizes[filled])
    # the elements of each set in random order, repeated as often as needed; then in their old order
    shuffled = np.lexsort((random.random_sample(len(sets.elements)), sets.segments))
    segments = np.repeat(np.arange(len(sets)), new)
    turn = np.arange(len(segments)) - (np.cumsum(new) - new)[segments]
    rows = np.sort(shuffled[sets.offsets[segments] + turn % np.maximum(sizes, 1)[segments]])
    return regroup(sets, rows, new, np.arange(len(sets)))
