"""feature_importance: permutation importance of element columns, of context columns and of the set's size, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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
from sk_deepsets.sets import RaggedSets, as_table, collection_names

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
        (n_columns,): "element", "context" or "size". With one prediction per element there is no row for the size. Of
        several collections, columns have names such as ``orders__amount``, and each has sizes.

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
    names = collection_names(X)
    if not is_element_wise(estimator):
        y = y if y is None else read_targets(y, read_sets(X))
    scorer, random = check_scoring(estimator, scoring=scoring), check_random_state(random_state)
    changes = _find_changes(X, names, is_element_wise(estimator))
    baseline = scorer(estimator, X, y)
    with ignore_far_sets():
        scores = [[scorer(estimator, change.make(random), y) for _ in range(n_repeats)] for change in changes]
    importances = baseline - np.array(scores).reshape(len(changes), n_repeats)
    return Bunch(
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
        importances=importances,
        feature_names=np.array([change.name for change in changes], dtype=object),
        kinds=np.array([change.kind for change in changes]),
    )


class _Change(NamedTuple):
    """What is permuted."""

    kind: str
    name: str
    make: Callable[[np.random.RandomState], Any]
    """X with it permuted"""


def _find_changes(X: Any, collections: list[str], per_element: bool) -> list[_Change]:
    """What there is to permute: columns of the elements, columns of the context, and sizes."""
    parts = [_changes_of_sets(X, name) for name in collections or (None,)]
    kinds = ["element", "context"] if per_element else ["element", "context", "size"]
    changes = [change for part in parts for change in part]
    if collections:
        table = as_table(X)
        assert table is not None
        places = [place for place, name in enumerate(table.columns) if str(name) not in collections]
        changes += [_Change("context", table.columns[place], _permuter(table, place)) for place in places]
    return [change for kind in kinds for change in changes if change.kind == kind]


def _changes_of_sets(X: Any, collection: str | None) -> list[_Change]:
    """What there is of one collection, or of sets that are the only one."""
    sets = read_sets(X, collection)
    numbers = np.arange(len(sets))

    def make(change: Callable[..., RaggedSets], place: int) -> Callable[[np.random.RandomState], Any]:
        return lambda random: rebuild_like(X, change(sets, place, random), numbers, collection)

    def column_changes(kind: str, names: list[str], change: Callable[..., RaggedSets]) -> list[_Change]:
        return [
            _Change(kind, name if collection is None else f"{collection}__{name}", make(change, place))
            for place, name in enumerate(names)
        ]

    changes = column_changes("element", _names(sets.elements, sets.feature_names, "x"), _permute_element_column)
    if sets.context is not None:
        changes += column_changes("context", _names(sets.context, None, "context"), _permute_context_column)
    size = SIZE if collection is None else f"{collection}: {SIZE}"
    return [*changes, _Change("size", size, make(_permute_sizes, 0))]


def _permuter(table: pd.DataFrame, place: int) -> Callable[[np.random.RandomState], pd.DataFrame]:
    return lambda random: _permuted(table, place, random)


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
