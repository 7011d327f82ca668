"""Fit a transformer of rows so that a DataFrame stays one, with the dtypes of its columns."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.utils._set_output import _safe_set_output


def fit_rows(transformer: Any, table: Any, labels: Any, *, transform: bool, in_frames: bool) -> tuple[Any, Any]:
    """A fitted clone of a transformer, and the rows that it makes of the table.

    Parameters
    ----------
    transformer : transformer
    table : ndarray or DataFrame of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows, ...) or None
    transform : bool
        Whether all rows are wanted; else it is the first.
    in_frames : bool
        Whether a DataFrame is asked for; of a DataFrame one is made anyway, unless ``set_output`` says otherwise.
    """
    if in_frames or (isinstance(table, pd.DataFrame) and not has_output(transformer)):
        # what cannot: a step before the last with a sparse output, functions for arrays, no set_output at all
        with suppress(Exception), warnings.catch_warnings():
            warnings.filterwarnings("error", "When `set_output` is configured")
            framed = clone(transformer)
            _safe_set_output(framed, transform="pandas")
            _make_dense(framed)
            return framed, _fit(framed, table, labels, transform)
    fitted = clone(transformer)
    return fitted, _fit(fitted, table, labels, transform)


def _fit(transformer: Any, table: Any, labels: Any, transform: bool) -> Any:
    if transform and hasattr(transformer, "fit_transform"):
        return transformer.fit_transform(table, labels)
    return transformer.fit(table, labels).transform(table if transform else table[:1])


def has_output(transformer: Any) -> bool:
    """Whether somebody has called ``set_output`` of a transformer, for which the last step of a pipeline stands."""
    while isinstance(transformer, Pipeline):
        transformer = transformer.steps[-1][1]
    return bool(getattr(transformer, "_sklearn_output_config", None))


def _make_dense(transformer: Any) -> None:
    """Switch sparse outputs off, which no DataFrame can hold, where they are what comes out in the end."""
    if isinstance(transformer, Pipeline):
        _make_dense(transformer.steps[-1][1])
    elif isinstance(transformer, ColumnTransformer):
        for part in (*(part for _, part, _ in transformer.transformers), transformer.remainder):
            _make_dense(part)
    elif isinstance(transformer, FeatureUnion):
        for _, part in transformer.transformer_list:
            _make_dense(part)
    elif isinstance(transformer, KBinsDiscretizer) and transformer.encode == "onehot":
        transformer.set_params(encode="onehot-dense")
    elif not isinstance(transformer, str) and transformer.get_params(deep=False).get("sparse_output") is True:
        transformer.set_params(sparse_output=False)
