"""SetAggregator: one row of statistics for each set, a baseline for any scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import _fit_context, clone
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sk_deepsets.preprocessing._features import SetTransformer, are_columns, as_labelled, check_features, columns_of
from sk_deepsets.sets import RaggedSets, SetCollections, check_collections, check_sets

STATISTICS = ("size", "sum", "mean", "std", "min", "max", "median")
# A column of which a set has NaN only has no sum; the spread is that of the population.
OPTIONS: dict[str, dict[str, Any]] = {"sum": {"min_count": 1}, "std": {"ddof": 0}}


class SetAggregator(SetTransformer):
    """Describe each set by statistics of its columns.

    Parameters
    ----------
    statistics : tuple or list, default=("size", "mean", "std", "min", "max")
        Any of "size", "sum", "mean", "std" (of the population, ``ddof=0``), "min", "max", "median", and quantiles
        as numbers from 0 to 1 (with linear interpolation).

    Attributes
    ----------
    n_features_in_ : int
        Number of features of an element.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Names of the features, if they are strings.

    See Also
    --------
    ElementTransformer : Encodes or imputes elements first.
    DeepSetsClassifier : Learns how to aggregate elements instead.

    Notes
    -----
    Missing values (NaN) are ignored, except by "size". If all values of a column are missing in a set, its statistics
    are NaN there. An empty set has a "size" and a "sum" of 0; its other statistics are NaN.

    Examples
    --------
    >>> from sk_deepsets import SetAggregator
    >>> aggregator = SetAggregator(statistics=("size", "max", 0.25))
    >>> aggregator.fit_transform([[[1.0, 5.0], [3.0, 1.0]], [[2.0, 2.0]]])
    array([[2. , 3. , 5. , 1.5, 2. ],
           [1. , 2. , 2. , 2. , 2. ]])
    >>> aggregator.get_feature_names_out()
    array(['size', 'x0__max', 'x1__max', 'x0__q0.25', 'x1__q0.25'],
          dtype=object)
    """

    _parameter_constraints = {"statistics": [tuple, list]}  # noqa: RUF012 - scikit-learn's name and form

    _collections: dict[str, SetAggregator] | None = None
    """Of several collections the aggregator of each"""

    def __init__(self, statistics: Sequence[Any] = ("size", "mean", "std", "min", "max")) -> None:
        self.statistics = statistics

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> SetAggregator:
        """Learn the number and the names of the features and of the context columns; nothing else is learned.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes, with numbers and booleans; or a table with several columns of sets.
        y : ignored

        Returns
        -------
        self : SetAggregator
        """
        self._suffixes()
        given = check_collections(X, ensure_all_finite=False)
        self._collections = None
        if isinstance(given, SetCollections):
            return self._fit_collections(given, columns_of(X))
        sets = given
        self._learn_features(X, sets)
        self._context_names = list(_context_of(sets))
        twice = set(self._statistic_names()) & set(self._context_names)
        if twice:
            raise ValueError(f"The context has a column {min(twice)!r}, the name of a statistic, too; rename it.")
        return self

    def transform(self, X: Any) -> Any:
        """Compute the statistics.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes, with numbers and booleans.

        Returns
        -------
        ndarray of shape (n_sets, n_statistics), float64, or DataFrame
            For each statistic, one column per feature; one column for "size". If the sets have a context, a
            DataFrame with the statistics, the unchanged context (``context0``, ``context1``, ... if it is an
            array) and the index of the sets. Of several collections, a DataFrame with the statistics of each, such as
            ``orders__amount__mean`` and ``orders__size``, and the context.
        """
        check_is_fitted(self)
        if self._collections is not None:
            return self._transform_collections(X)
        sets = check_sets(X, ensure_all_finite=False, ensure_min_elements=0)
        sets = check_features(self, sets, reset=False)
        context, names = _context_of(sets), self._context_names
        if sorted(map(str, context)) != sorted(map(str, names)):
            raise ValueError(f"The context has the columns {list(context)}; in fit it had {names}.")
        compute = SetStatistics(sets.elements.astype(np.float64, copy=False), sets.sizes)
        with np.errstate(all="ignore"):  # infinity and overflow give infinity or NaN
            rows = np.hstack([compute(statistic) for statistic in self.statistics], dtype=np.float64)
        if sets.context is None:
            return as_labelled(self, rows, sets.index)
        index = context.index if sets.index is None else sets.index
        table = pd.DataFrame(rows, index=index, columns=self._statistic_names())
        return pd.concat([table, context[names].set_axis(table.index)], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns, ``feature__statistic``, ``feature__q0.25`` and ``size``, and of the context."""
        check_is_fitted(self)
        return np.array([*self._statistic_names(input_features), *self._context_names], dtype=object)

    def _fit_collections(self, given: SetCollections, columns: list[Any] | None) -> SetAggregator:
        """An aggregator for each collection; the columns of the context are unchanged."""
        found = {name: clone(self).fit(sets) for name, sets in given.collections.items()}
        self.n_features_in_ = given.n_features
        self.feature_names_in_ = np.array(given.feature_names, dtype=object)
        self._columns = columns
        self._context_names = [] if given.context is None else list(given.context)
        self._collections = found
        return self

    def _transform_collections(self, X: Any) -> pd.DataFrame:
        """The statistics of each collection, and the context."""
        given = check_collections(X, ensure_all_finite=False, ensure_min_elements=0)
        assert self._collections is not None
        found = [*given.collections] if isinstance(given, SetCollections) else "one alone"
        if not isinstance(given, SetCollections) or found != [*self._collections]:
            raise ValueError(f"X has the collections {found}; in fit it had {[*self._collections]}.")
        context = pd.DataFrame(index=pd.RangeIndex(len(given))) if given.context is None else given.context
        if sorted(map(str, context)) != sorted(map(str, self._context_names)):
            raise ValueError(f"The context has the columns {list(context)}; in fit it had {self._context_names}.")
        rows = [self._collections[name].transform(sets) for name, sets in given.collections.items()]
        table = pd.DataFrame(np.hstack([np.asarray(part) for part in rows]), columns=self._statistic_names())
        table = table.set_axis(context.index if given.index is None else given.index)
        return pd.concat([table, context[self._context_names].set_axis(table.index)], axis=1)

    def _statistic_names(self, input_features: Any = None) -> list[str]:
        if self._collections is not None:
            pairs = ((name, each._statistic_names()) for name, each in self._collections.items())
            return [f"{name}__{statistic}" for name, names in pairs for statistic in names]
        names = _check_feature_names_in(self, None if are_columns(input_features, self._columns) else input_features)
        columns = ([s] if s == "size" else [f"{name}__{s}" for name in names] for s in self._suffixes())
        return list(chain.from_iterable(columns))

    def _suffixes(self) -> list[str]:
        """The names of the statistics, which must be known and different."""
        for statistic in self.statistics:
            number = isinstance(statistic, Real) and not isinstance(statistic, bool)
            if not (0 <= statistic <= 1 if number else isinstance(statistic, str) and statistic in STATISTICS):
                raise ValueError(
                    f"statistics has {statistic!r}; expected {', '.join(map(repr, STATISTICS))} and quantiles as "
                    "numbers from 0 to 1."
                )
        names = [s if isinstance(s, str) else f"q{float(s)}" for s in self.statistics]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"Expected one or more different statistics, but got statistics={self.statistics}.")
        return names


def _context_of(sets: RaggedSets) -> pd.DataFrame:
    """The context, without columns if there is none; the columns of an array get names."""
    if isinstance(sets.context, pd.DataFrame):
        return sets.context
    n_columns = 0 if sets.context is None else sets.context.shape[1]
    names = [f"context{column}" for column in range(n_columns)]
    return pd.DataFrame(sets.context, index=pd.RangeIndex(len(sets)), columns=names)


class SetStatistics:
    """Statistics by pandas' groups, of which there is one for each set with elements; quantiles as NumPy has them."""

    def __init__(self, values: np.ndarray, sizes: np.ndarray) -> None:
        self.sizes = sizes
        self.filled = sizes > 0
        self.values = values
        self.segments = np.repeat(np.arange(len(sizes)), sizes)
        self.groups = pd.DataFrame(values, copy=False).groupby(self.segments)

    def __call__(self, statistic: Any) -> np.ndarray:
        """One statistic of all sets, of shape (n_sets, n_features)."""
        if statistic == "size":
            return self.sizes[:, None]
        rows = np.full((len(self.sizes), self.values.shape[1]), 0.0 if statistic == "sum" else np.nan)
        if isinstance(statistic, str) and statistic != "median":
            rows[self.filled] = self.groups.agg(statistic, **OPTIONS.get(statistic, {}))
        else:
            rows[self.filled] = self._quantile(0.5 if statistic == "median" else statistic)
        return rows

    @cached_property
    def _sorted(self) -> np.ndarray:
        """Each column sorted within each set, NaN last."""
        return np.column_stack([column[np.lexsort((column, self.segments))] for column in self.values.T])

    def _quantile(self, q: float) -> np.ndarray:
        starts = (np.cumsum(self.sizes) - self.sizes)[self.filled, None]
        last = np.maximum(self.groups.count().to_numpy() - 1, 0)
        place = q * last
        lower = np.floor(place).astype(np.int64)
        below, above = (
            np.take_along_axis(self._sorted, starts + rank, axis=0) for rank in (lower, np.minimum(lower + 1, last))
        )
        part, step = place - lower, above - below
        # from the nearer end, as NumPy does; and without infinity - infinity
        between = np.where(part < 0.5, below + step * part, above - step * (1 - part))
        return np.where((part == 0) | (below == above), below, between)
