"""Transformers of rows: fit them so that a DataFrame keeps its dtypes, and describe what they return."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
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
        Whether to transform all rows; otherwise only the first.
    in_frames : bool
        Whether the output is a DataFrame; for a DataFrame it is one anyway, unless ``set_output`` has been called.
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


def check_rows(output: Any, elements: Any, name: str) -> None:
    """Check that a transformer, of this name, has returned one row for each element, in their order."""
    if output.ndim != 2:
        raise ValueError(f"{name} returned an array of shape {output.shape}; expected one row for each element.")
    if len(output) != len(elements):
        raise ValueError(f"{name} returned {len(output)} rows; expected one for each of {len(elements)} elements.")
    if isinstance(output, pd.DataFrame):
        index = elements.index if isinstance(elements, pd.DataFrame) else pd.RangeIndex(len(output))
        labelled = len(index) and index.is_unique and output.index.is_unique
        if labelled and not output.index.equals(index) and (output.index.get_indexer(index) >= 0).all():
            raise ValueError(f"{name} returned the elements in another order, which would move them to other sets.")


def describe_columns(table: np.ndarray | pd.DataFrame) -> Any:
    """Names and dtypes of the columns of a DataFrame, as a dict; of an array, the array without its rows."""
    if not isinstance(table, pd.DataFrame):
        return table[:0].copy()
    return {"names": list(table.columns), "dtypes": [_describe(dtype) for dtype in table.dtypes]}


def without_rows(described: Any) -> np.ndarray | pd.DataFrame:
    """The table with these columns and no rows."""
    if isinstance(described, np.ndarray):
        return described.copy()
    columns = {place: pd.Series(dtype=_dtype(dtype)) for place, dtype in enumerate(described["dtypes"])}
    table = pd.DataFrame(columns, index=pd.RangeIndex(0))
    table.columns = described["names"]
    return table


def _describe(dtype: Any) -> Any:
    """The name of a dtype; of categories that are numbers, dates or strings, also these."""
    if not isinstance(dtype, pd.CategoricalDtype):
        return str(dtype)
    known = dtype.categories
    values: Any = [] if known.inferred_type != "string" else known.tolist()
    if isinstance(known.dtype, np.dtype) and known.dtype.kind in "biufmM":
        values = known.to_numpy()
    return {"categories": values, "dtype": str(known.dtype), "ordered": bool(dtype.ordered)}


def _dtype(described: Any) -> Any:
    try:
        if isinstance(described, str):
            return pd.api.types.pandas_dtype(described)
        categories = pd.Index(described["categories"], dtype=described["dtype"])
        return pd.CategoricalDtype(categories, ordered=described["ordered"])
    except (TypeError, NotImplementedError):  # whose name does not tell all, such as a dictionary of Arrow
        return np.dtype(object)


def is_array(table: pd.DataFrame) -> bool:
    """Whether an array and names would lose nothing: the columns are numbers of one dtype."""
    dtypes = set(table.dtypes)
    is_numeric = len(dtypes) == 1 and isinstance(only := dtypes.pop(), np.dtype) and only.kind in "biuf"
    return is_numeric and all(isinstance(name, str) for name in table.columns)


def to_dense(table: Any) -> Any:
    """A DataFrame unchanged; a sparse or other array as one of NumPy."""
    table = table.toarray() if sparse.issparse(table) else table
    return table if isinstance(table, pd.DataFrame) else np.asarray(table)
