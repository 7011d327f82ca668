"""ElementTransformer: any scikit-learn transformer, on the elements of all sets at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sk_deepsets.preprocessing._element_rows import check_order, labels_of_elements
from sk_deepsets.preprocessing._element_targets import with_rows
from sk_deepsets.preprocessing._features import are_columns_of_table, check_features, columns_of_table
from sk_deepsets.sets import RaggedSets, check_sets, put_sets


def _transformer_has(method):
    """Whether the transformer has a method; "passthrough" has all."""

    def check(self):
        transformer = getattr(self, "transformer_", self.transformer)
        return isinstance(transformer, str) or hasattr(transformer, method)

    return check


class ElementTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Apply a transformer of rows to the elements of sets.

    The elements of all sets make one table, one row an element; the transformer is fitted to it and its output
    is cut into the same sets. Context and index of the sets stay, and the index of a DataFrame of elements.

    Parameters
    ----------
    transformer : transformer or "passthrough"
        Any that gives one row for each row. It gets a DataFrame where the features have names (so that a
        ``ColumnTransformer`` finds its columns), an array elsewhere. Missing values are its business.

    Attributes
    ----------
    transformer_ : transformer or "passthrough"
        The fitted clone.
    n_features_in_ : int
        Features of an element.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where they are strings.

    See Also
    --------
    SetAggregator : Makes one row of each set.

    Notes
    -----
    Large sets have more elements, and with them more weight in what the transformer learns. A supervised
    transformer gets the label of the set for each of its elements: elements of one set are no independent
    samples, and its own cross-fitting (as in ``TargetEncoder``) may part a set.

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
    >>> encoded[0].to_numpy()
    array([[0., 0., 1.],
           [1., 1., 0.]])
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        "transformer": [HasMethods(["fit", "transform"]), StrOptions({"passthrough"})],
    }

    def __init__(self, transformer):
        self.transformer = transformer

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the transformer to all elements.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        y : array-like of shape (n_sets,) or (n_sets, n_outputs), or list of arrays, default=None
            Labels of the sets; the transformer gets that of its set for each element. Or labels of the elements, one
            array a set or one flat array.

        Returns
        -------
        self : ElementTransformer
        """
        self._fit(X, y, lambda transformer, table, labels: transformer.fit(table, labels))
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None):
        """Fit the transformer and transform the same sets, with its own ``fit_transform`` where it has one.

        Parameters
        ----------
        X, y
            As in ``fit``.

        Returns
        -------
        RaggedSets or DataFrame
            As in ``transform``.
        """
        sets, output = self._fit(X, y, _fit_transform)
        return self._like(X, sets if output is None else self._cut(output, sets))

    def transform(self, X):
        """Transform all elements.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        RaggedSets or DataFrame
            A DataFrame with a column of sets comes back as one, its other columns as they are. The sets hold an array
            of elements, or a DataFrame: with the rows of the frame that the elements stood in, or where the
            transformer gives one (after its ``set_output(transform="pandas")``), which keeps categories.

        Raises
        ------
        ValueError
            If the transformer gives more or fewer rows than it got.
        """
        check_is_fitted(self)
        sets = check_sets(X, dtype=None, ensure_all_finite=False, ensure_min_elements=0)
        sets = check_features(self, sets, reset=False)
        return self._like(X, self._transform(sets))

    def _transform(self, sets: RaggedSets) -> RaggedSets:
        if isinstance(self.transformer_, str):
            return sets
        if len(sets.elements):
            return self._cut(self.transformer_.transform(self._table(sets)), sets)
        # many transformers refuse 0 rows: an element seen in fit shows what columns there would be
        one = RaggedSets(self._first_element, [0, 1])
        return _with_no_elements(self._cut(self.transformer_.transform(self._table(one)), one), sets)

    @available_if(_transformer_has("inverse_transform"))
    def inverse_transform(self, X):
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
        sets = check_sets(X, dtype=None, ensure_all_finite=False, ensure_min_elements=0)
        return self._like(X, self._inverse_transform(sets))

    def _inverse_transform(self, sets: RaggedSets) -> RaggedSets:
        if isinstance(self.transformer_, str):
            return check_features(self, sets, reset=False)
        if not len(sets.elements):
            names = getattr(self, "feature_names_in_", None)
            return _with_no_elements(RaggedSets(self._first_element, [0, 1], feature_names=names), sets)
        # few inverses look at names, and some take no DataFrame; those that look want the names of fit
        names, wanted = sets.feature_names, getattr(self, "feature_names_in_", None)
        same = names is not None and wanted is not None and np.array_equal(names, wanted)
        output = self.transformer_.inverse_transform(_named(sets.elements, names if same else None))
        return self._cut(output, sets, inverse=True)

    @available_if(_transformer_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features of a transformed element; for the columns of the table seen in ``fit``, these."""
        check_is_fitted(self)
        if are_columns_of_table(self, input_features):
            return np.array(self._columns, dtype=object)
        names = _check_feature_names_in(self, input_features)
        return names if isinstance(self.transformer_, str) else self.transformer_.get_feature_names_out(names)

    def set_output(self, *, transform=None):
        """Choose polars for the table that holds the sets, where one does; other sets stay what they came in.

        The transformer's own ``set_output`` chooses the table of the elements.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}  # where scikit-learn's own set_output has it
        return self

    def _fit(self, X, y, method):
        """The sets of X, and what the method of a clone gives for their elements; None for "passthrough"."""
        sets = check_sets(X, dtype=None, ensure_all_finite=False)
        labels = None if y is None else labels_of_elements(y, with_rows(sets, X))
        check_features(self, sets, reset=True)
        self._columns = columns_of_table(X)
        # a copy, which does not hold the whole table in memory
        self._first_element = sets.elements[:1].copy()
        if isinstance(self.transformer, str):
            self.transformer_ = self.transformer
            return sets, None
        transformer = clone(self.transformer)
        output = method(transformer, self._table(sets), labels)
        self.transformer_ = transformer
        return sets, output

    def _table(self, sets: RaggedSets) -> Any:
        """What the transformer gets; with the names of ``fit``, which ``check_features`` has compared."""
        return _named(sets.elements, getattr(self, "feature_names_in_", None))

    def _cut(self, output: Any, sets: RaggedSets, *, inverse: bool = False) -> RaggedSets:
        """The transformer's output, cut like the sets it was made of."""
        if hasattr(output, "toarray"):
            output = output.toarray()
        if not isinstance(output, pd.DataFrame):
            output = np.asarray(output)
        name = type(self.transformer_).__name__
        if output.ndim != 2:
            raise ValueError(f"{name} gave an array of shape {output.shape}; wanted one row for each element.")
        if len(output) != len(sets.elements):
            raise ValueError(
                f"{name} made {len(output)} rows of {len(sets.elements)} elements; one for each is wanted, as the "
                "rows could not be told apart by sets."
            )
        if isinstance(output, pd.DataFrame):
            check_order(output, self._table(sets), name)
        names = None
        if not isinstance(output, pd.DataFrame):
            names = getattr(self, "feature_names_in_", None) if inverse else self._names_out()
            names = names if names is not None and len(names) == output.shape[1] else None
        if isinstance(sets.elements, pd.DataFrame) and not (inverse and names is None):
            # elements of a frame stay rows of that frame, whose index tells which is which
            columns = [f"x{number}" for number in range(output.shape[1])] if names is None else names
            output = pd.DataFrame(output, columns=None if isinstance(output, pd.DataFrame) else columns)
            output, names = output.set_axis(sets.elements.index), None
        return RaggedSets(output, sets.offsets, context=sets.context, index=sets.index, feature_names=names)

    def _like(self, X: Any, sets: RaggedSets) -> Any:
        """The sets in the form that they came in."""
        output = put_sets(X, sets)
        if output is sets:
            return with_rows(sets, X)  # so that a list of frames, say, has a list of answers after this step, too
        if _get_output_config("transform", self)["dense"] == "polars":
            return import_module("polars").from_pandas(output)
        return output

    def _names_out(self) -> np.ndarray | None:
        try:
            return self.get_feature_names_out()
        except (AttributeError, ValueError):  # a part of a pipeline or ColumnTransformer may have no names
            return None

    def __sklearn_tags__(self):
        """Sets are no two-dimensional arrays."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _fit_transform(transformer: Any, table: Any, labels: Any) -> Any:
    if hasattr(transformer, "fit_transform"):
        return transformer.fit_transform(table, labels)
    return transformer.fit(table, labels).transform(table)


def _named(elements: Any, names: Any) -> Any:
    """A DataFrame where there are names."""
    return elements if names is None or isinstance(elements, pd.DataFrame) else pd.DataFrame(elements, columns=names)


def _with_no_elements(one: RaggedSets, sets: RaggedSets) -> RaggedSets:
    """The empty sets, with the columns of another."""
    return RaggedSets(
        one.elements[:0], sets.offsets, context=sets.context, index=sets.index, feature_names=one.feature_names
    )
