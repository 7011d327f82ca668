"""ElementTransformer: any scikit-learn transformer, on the elements of all sets at once."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, _is_fitted, check_is_fitted

from sk_deepsets.preprocessing._element_targets import labels_of_elements
from sk_deepsets.preprocessing._features import SetTransformer, are_columns, check_features, fitted_names
from sk_deepsets.preprocessing._row_transformers import (
    check_rows,
    describe_columns,
    fit_rows,
    has_output,
    is_array,
    to_dense,
    without_rows,
)
from sk_deepsets.sets import RaggedSets, check_sets, columns_with_sets, is_table, put_sets


def _transformer_has(method: str) -> Callable[[Any], bool]:
    """Whether the transformer has a method; "passthrough" has all."""

    def check(self: Any) -> bool:
        transformer = self.transformer_ if _is_fitted(self) else self.transformer
        return isinstance(transformer, str) or hasattr(transformer, method)

    return check


class ElementTransformer(SetTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Apply a transformer of rows to the elements of sets.

    The elements of all sets form one table with one row per element; the transformer is fitted to it, and its output
    is split into the same sets. The context, the index and the labels of the rows are kept.

    Parameters
    ----------
    transformer : transformer or "passthrough"
        Any scikit-learn transformer that returns one row per row. If the features have names, its input is a DataFrame
        (so that a ``ColumnTransformer`` finds its columns), and so is its output if it supports that, so that columns
        keep their dtypes; otherwise both are arrays. Call its own ``set_output(transform="default")`` to get an array
        in any case. Missing values are passed on to it.

    Attributes
    ----------
    transformer_ : transformer or "passthrough"
        The fitted clone; if it returns a DataFrame, with dense output.
    n_features_in_ : int
        Number of features of an element.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Names of the features, if they are strings.

    See Also
    --------
    SetAggregator : Turns each set into one row.

    Notes
    -----
    Large sets have more elements, and so more influence on what the transformer learns. A supervised
    transformer gets the label of the set for each of its elements: the elements of one set are not independent
    samples, and its own cross-fitting (as in ``TargetEncoder``) may separate them.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.preprocessing import MinMaxScaler, OneHotEncoder
    >>> from sk_deepsets import ElementTransformer, RaggedSets
    >>> table = pd.DataFrame({"price": [1.0, 3.0, 2.0], "kind": ["tea", "cup", "tea"]})
    >>> sets = RaggedSets(table, offsets=[0, 2, 3])
    >>> encode = make_column_transformer((MinMaxScaler(), ["price"]), (OneHotEncoder(), ["kind"]))
    >>> encoded = ElementTransformer(encode).fit_transform(sets)
    >>> encoded.feature_names
    array(['minmaxscaler__price', 'onehotencoder__kind_cup',
           'onehotencoder__kind_tea'], dtype=object)
    >>> encoded[0]
    array([[0., 0., 1.],
           [1., 1., 0.]])

    Columns that are passed through keep their dtypes: the estimators embed categories themselves.

    >>> scale = make_column_transformer((MinMaxScaler(), ["price"]), remainder="passthrough")
    >>> ElementTransformer(scale).fit_transform(sets).elements
       minmaxscaler__price remainder__kind
    0                  0.0             tea
    1                  1.0             cup
    2                  0.5             tea
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        "transformer": [HasMethods(["fit", "transform"]), StrOptions({"passthrough"})],
    }

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> ElementTransformer:
        """Fit the transformer to all elements.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        y : array-like of shape (n_sets,) or (n_sets, n_outputs), or list of arrays, default=None
            Labels of the sets, which are repeated for their elements; or labels of the elements: one array per set, or
            one flat array or Series.

        Returns
        -------
        self : ElementTransformer
        """
        self._fit(X, y, transform=False)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit the transformer and transform the same sets, with its own ``fit_transform`` if it has one.

        Parameters
        ----------
        X, y
            As in ``fit``.

        Returns
        -------
        RaggedSets or DataFrame
            As in ``transform``.
        """
        sets, output = self._fit(X, y, transform=True)
        return self._rebuild_like(X, sets if output is None else self._cut(output, sets))

    def transform(self, X: Any) -> Any:
        """Transform all elements.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        RaggedSets or DataFrame
            A table with a column of sets comes back as a DataFrame, its other columns as they are, and sets that are
            missing in it stay missing. The elements are a DataFrame where the transformer gives columns of several
            dtypes, such as categories beside numbers, and where ``set_output`` asks for pandas; elsewhere an array.

        Raises
        ------
        ValueError
            If the transformer gives more or fewer rows than it got, or in another order; and for missing sets
            elsewhere than in a table.
        """
        check_is_fitted(self)
        sets = check_features(self, _read(X), reset=False)
        if not isinstance(self.transformer_, str):
            some = len(sets.elements) > 0
            output = self.transformer_.transform(self._table(sets)) if some else without_rows(self._no_output)
            sets = self._cut(output, sets)
        return self._rebuild_like(X, sets)

    @available_if(_transformer_has("inverse_transform"))
    def inverse_transform(self, X: Any) -> Any:
        """Undo ``transform``, where the transformer can.

        Parameters
        ----------
        X : sets
            With the features that ``transform`` gives.

        Returns
        -------
        RaggedSets or DataFrame
            As in ``transform``.
        """
        check_is_fitted(self)
        sets = _read(X)
        names, known_names = sets.feature_names, fitted_names(self)
        if isinstance(self.transformer_, str):
            sets = check_features(self, sets, reset=False)
        elif not len(sets.elements):
            sets = sets.replace(without_rows(self._no_input), feature_names=known_names)
        else:
            # few inverses look at names, and some take no DataFrame; those that do expect the names of fit
            same = names is not None and known_names is not None and np.array_equal(names, known_names)
            table = _named(sets.elements, names) if same else np.asarray(sets.elements)
            output = self.transformer_.inverse_transform(table)
            sets = self._cut(output, sets, inverse=True)
        return self._rebuild_like(X, sets)

    @available_if(_transformer_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features of a transformed element; for the columns of the table seen in ``fit``, these."""
        check_is_fitted(self)
        if are_columns(input_features, self._columns):
            return np.array(self._table_columns, dtype=object)
        names = _check_feature_names_in(self, input_features)
        return names if isinstance(self.transformer_, str) else self.transformer_.get_feature_names_out(names)

    def set_output(self, *, transform: str | None = None) -> ElementTransformer:
        """Choose the container of what ``transform`` gives, the transformer inside included.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            "pandas": elements in a DataFrame, whatever they came in. "polars": the same, and a table that holds the
            sets is one of polars. "default": as ``transform`` says. None: no change.

        Returns
        -------
        self : ElementTransformer
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}  # where scikit-learn's own set_output has it
        return self

    def _fit(self, X: Any, y: Any, *, transform: bool) -> tuple[RaggedSets, Any]:
        """The sets of X, and their elements as transformed, for which "passthrough" has None."""
        sets = _read(X, ensure_min_elements=1)
        labels = None if y is None else labels_of_elements(y, sets)
        self._learn_features(X, sets)
        self._table_columns = None if self._columns is None else columns_with_sets(X)
        if isinstance(self.transformer, str):
            self.transformer_ = self.transformer
            return sets, None
        table = self._table(sets)
        how = {"transform": transform, "in_frames": self._output_kind() != "default"}
        self.transformer_, output = fit_rows(self.transformer, table, labels, **how)
        # many transformers refuse 0 rows; so their columns are kept, for sets that are all empty
        self._no_input, self._no_output = describe_columns(sets.elements), describe_columns(to_dense(output))
        return sets, output

    def _output_kind(self) -> str:
        """What ``set_output``, or scikit-learn's configuration, asks for."""
        return str(_get_output_config("transform", self)["dense"])

    def _table(self, sets: RaggedSets) -> Any:
        """What the transformer gets; with the names of ``fit``, which ``check_features`` has compared."""
        return _named(sets.elements, fitted_names(self))

    def _cut(self, output: Any, sets: RaggedSets, *, inverse: bool = False) -> RaggedSets:
        """The transformer's output, cut like the sets that it was made of."""
        output = to_dense(output)
        check_rows(output, sets.elements, type(self.transformer_).__name__)
        if isinstance(output, pd.DataFrame):
            if self._output_kind() != "default" or has_output(self.transformer) or not is_array(output):
                return sets.replace(output)
            return sets.replace(np.ascontiguousarray(output.to_numpy()), feature_names=output.columns)
        names = fitted_names(self)
        if not inverse:
            try:
                names = self.get_feature_names_out()
            except (AttributeError, ValueError):  # a part of a pipeline or ColumnTransformer may have no names
                names = None
        names = names if np.size(names) == output.shape[1] else None
        if inverse or self._output_kind() == "default":
            return sets.replace(output, feature_names=names)
        columns = [f"x{number}" for number in range(output.shape[1])] if names is None else names
        return sets.replace(pd.DataFrame(output, columns=columns, index=sets.rows).infer_objects())

    def _rebuild_like(self, X: Any, sets: RaggedSets) -> Any:
        """The sets in the form that they came in."""
        output = put_sets(X, sets)
        if output is not sets and self._output_kind() == "polars":
            return import_module("polars").from_pandas(output)
        return output


def _named(elements: Any, names: Any) -> Any:
    """A DataFrame where there are names."""
    return elements if names is None or isinstance(elements, pd.DataFrame) else pd.DataFrame(elements, columns=names)


def _read(X: Any, ensure_min_elements: int = 0) -> RaggedSets:
    """Checked sets; those that are missing in a table count as empty here, and stay missing there."""
    return check_sets(
        X,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_elements=ensure_min_elements,
        missing_sets="empty" if is_table(type(X)) else "error",
    )
