"""The features of an element: the same ones in predict as in fit, and their names; and what transformers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names, _check_n_features

from sk_deepsets.sets import RaggedSets, is_table


def check_features(estimator: Any, sets: RaggedSets, *, reset: bool) -> RaggedSets:
    """Record the number and names of the features (``reset``), or compare them with those of ``fit``.

    scikit-learn's own rules and messages, by means of an empty table with the columns of the elements. Sets that are
    all empty and of unknown width (``[[], []]``) come back with the width of ``fit``.
    """
    if not reset and sets.n_features == 0:
        elements = np.empty((0, estimator.n_features_in_), dtype=np.float32)
        sets = sets.replace(elements, feature_names=fitted_names(estimator))
    names = sets.feature_names
    table = np.empty((0, sets.n_features)) if names is None else pd.DataFrame(columns=pd.Index(names))
    _check_feature_names(estimator, table, reset=reset)
    try:
        _check_n_features(estimator, table, reset=reset)
    except ValueError as error:
        if not len(sets) or (sets.sizes != estimator.n_features_in_).any():
            raise
        raise ValueError(
            f"{error} All sets have {estimator.n_features_in_} rows: if these are features, one column for each "
            "element (channels first), transpose each: [one_set.T for one_set in X]."
        ) from error
    return sets


def fitted_names(estimator: Any) -> Any:
    """The names of the features that an estimator was fitted with; None if they had none."""
    return getattr(estimator, "feature_names_in_", None)


def columns_of(X: Any) -> list[Any] | None:
    """The names of the columns of a table, if all are strings, as scikit-learn's names of features are."""
    if not is_table(type(X)):
        return None
    names = list(getattr(X, "column_names", X.columns))  # pyarrow's columns are data
    return names if all(isinstance(name, str) for name in names) else None


def are_columns(input_features: Any, columns: list[Any] | None) -> bool:
    """Whether names are those of the table seen in ``fit``, which a ``ColumnTransformer`` passes for features."""
    return input_features is not None and list(input_features) == columns


def as_labelled(estimator: Any, rows: np.ndarray, index: pd.Index | None) -> Any:
    """Rows for sets as a DataFrame with the labels of these, where ``set_output`` asks for pandas.

    scikit-learn's wrapper keeps the index of a DataFrame, but not the labels of other sets.
    """
    if index is None or _get_output_config("transform", estimator)["dense"] != "pandas":
        return rows
    return pd.DataFrame(rows, index=index, columns=estimator.get_feature_names_out())


class SetTransformer(TransformerMixin, BaseEstimator):
    """What the transformers of sets share: tags, and the column names of the table that a pipeline passes."""

    _takes_nan = True

    def _learn_features(self, X: Any, sets: RaggedSets) -> None:
        """Record the features of the sets, and the columns of X where it is a table."""
        check_features(self, sets, reset=True)
        self._columns = columns_of(X)

    def __sklearn_tags__(self) -> Any:
        """Sets are not two-dimensional arrays."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self._takes_nan
        return tags
