"""SetAggregator: one row of statistics for each set, the baseline that any classifier of tables can read."""

from __future__ import annotations

from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sk_deepsets.preprocessing._features import are_columns_of_table, check_features, columns_of_table
from sk_deepsets.preprocessing._set_statistics import SetStatistics
from sk_deepsets.sets import check_sets

STATISTICS = ("size", "sum", "mean", "std", "min", "max", "median")


class SetAggregator(TransformerMixin, BaseEstimator):
    """Describe each set by statistics of its columns.

    Parameters
    ----------
    statistics : tuple or list, default=("size", "mean", "std", "min", "max")
        Of "size", "sum", "mean", "std" (of the population, ``ddof=0``), "min", "max", "median", and quantiles
        as numbers from 0 to 1 (interpolated linearly).

    Attributes
    ----------
    n_features_in_ : int
        Features of an element.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Names of the features, where they are strings.

    See Also
    --------
    ElementTransformer : Encodes or imputes elements first.
    DeepSetsClassifier : Learns what to add up instead.

    Notes
    -----
    Missing elements (NaN) are left out, except from "size". A column of which a set has NaN only gives NaN; an
    empty set gives NaN, too, but a "size" and "sum" of 0.

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

    def __init__(self, statistics=("size", "mean", "std", "min", "max")):
        self.statistics = statistics

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the number and names of the features and of the context; no value is learned.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes, with numbers and booleans.
        y : ignored

        Returns
        -------
        self : SetAggregator
        """
        self._suffixes()
        sets = check_sets(X, ensure_all_finite=False)
        check_features(self, sets, reset=True)
        self._columns = columns_of_table(X)
        self._context_names = _context_names(sets.context)
        twice = set(self._statistic_names()) & set(self._context_names)
        if twice:
            raise ValueError(f"The context has a column {min(twice)!r}, the name of a statistic, too; rename it.")
        return self

    def transform(self, X):
        """Compute the statistics.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes, with numbers and booleans.

        Returns
        -------
        ndarray of shape (n_sets, n_statistics), float64, or DataFrame
            For each statistic in turn all columns, of which "size" has one. Where the sets have a context, a
            DataFrame: the statistics, then the context as it is (``context0``, ``context1``, ... if it is an
            array), with the index of the sets.
        """
        check_is_fitted(self)
        sets = check_sets(X, ensure_all_finite=False, ensure_min_elements=0)
        sets = check_features(self, sets, reset=False)
        names, context = self._context_names, sets.context
        if sorted(map(str, _context_names(context))) != sorted(map(str, names)):
            raise ValueError(f"The context has the columns {_context_names(context)}; in fit it had {names}.")
        of_sets = SetStatistics(sets.elements.astype(np.float64, copy=False), sets.sizes)
        with np.errstate(all="ignore"):  # infinity and overflow give infinity or NaN
            rows = np.hstack([of_sets(statistic) for statistic in self.statistics], dtype=np.float64)
        index = sets.index
        if context is None:
            as_frame = index is not None and _get_output_config("transform", self)["dense"] == "pandas"
            # scikit-learn's wrapper keeps the index of a DataFrame, but knows none of an array made of sets
            return pd.DataFrame(rows, index=index, columns=self.get_feature_names_out()) if as_frame else rows
        if isinstance(context, pd.DataFrame):
            index = context.index if index is None else index
            context = context[names]
        context = pd.DataFrame(context).set_axis(names, axis=1)
        table = pd.DataFrame(rows, index=index, columns=self._statistic_names())
        return pd.concat([table, context.set_axis(table.index)], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns, ``feature__statistic``, ``feature__q0.25`` and ``size``, and of the context."""
        check_is_fitted(self)
        return np.array([*self._statistic_names(input_features), *self._context_names], dtype=object)

    def _statistic_names(self, input_features: Any = None) -> list[str]:
        given = None if are_columns_of_table(self, input_features) else input_features
        names = _check_feature_names_in(self, given)
        columns = ([s] if s == "size" else [f"{name}__{s}" for name in names] for s in self._suffixes())
        return list(chain.from_iterable(columns))

    def _suffixes(self) -> list[str]:
        """The names of the statistics, which must be known and different."""
        for statistic in self.statistics:
            number = isinstance(statistic, Real) and not isinstance(statistic, bool)
            if not (0 <= statistic <= 1 if number else isinstance(statistic, str) and statistic in STATISTICS):
                raise ValueError(
                    f"statistics has {statistic!r}; wanted are {', '.join(map(repr, STATISTICS))} and quantiles as "
                    "numbers from 0 to 1."
                )
        names = [s if isinstance(s, str) else f"q{float(s)}" for s in self.statistics]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"statistics must be different ones and at least one, but are {self.statistics}.")
        return names

    def __sklearn_tags__(self):
        """Sets are not two-dimensional arrays."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _context_names(context: Any) -> list[Any]:
    if context is None:
        return []
    if isinstance(context, pd.DataFrame):
        return list(context.columns)
    return [f"context{column}" for column in range(context.shape[1])]
