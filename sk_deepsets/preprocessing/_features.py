"""The features of an element: the same ones in predict as in fit, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_feature_names, _check_n_features

from sk_deepsets.sets import RaggedSets, is_table


def check_features(estimator: Any, sets: RaggedSets, *, reset: bool) -> RaggedSets:
    """Record the number and names of the features (``reset``), or compare them with those of ``fit``.

    scikit-learn's own rules and messages, told through an empty table of the elements' columns. Sets that are
    all empty and of unknown width (``[[], []]``) come back with the width of ``fit``.
    """
    if not reset and sets.n_features == 0:
        elements = np.empty((0, estimator.n_features_in_), dtype=np.float32)
        sets = sets.replace(elements, feature_names=getattr(estimator, "feature_names_in_", None))
    names = sets.feature_names
    table = np.empty((0, sets.n_features)) if names is None else pd.DataFrame(columns=pd.Index(names))
    _check_feature_names(estimator, table, reset=reset)
    _check_n_features(estimator, table, reset=reset)
    return sets


def columns_of_table(X: Any) -> list[Any] | None:
    """The names of the columns of a table, one of which holds the sets; None for sets alone."""
    # pyarrow's columns are data
    return list(getattr(X, "column_names", X.columns)) if is_table(type(X)) else None


def are_columns_of_table(estimator: Any, input_features: Any) -> bool:
    """Whether names are those of the table seen in ``fit``, which a ``ColumnTransformer`` passes, not of features."""
    columns = estimator._columns
    return columns is not None and input_features is not None and list(input_features) == columns
