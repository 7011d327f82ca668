"""SetEncoder: checked sets, with columns of any kinds among elements and context, as sets of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sk_deepsets.preprocessing._column_encoder import ColumnEncoder, as_frame
from sk_deepsets.sets import RaggedSets, as_floats, is_number


class SetEncoder:
    """Numbers as they are, then codes of categories, for the elements and for the context of sets.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None
        Which features of the elements are categories; columns of the context are told by their dtype.

    Attributes
    ----------
    n_context_features : int or None
    n_categories, n_context_categories : list of int
        How many categories each column of codes has; these columns stand last.
    """

    def __init__(self, categorical_features: Any = "from_dtype") -> None:
        self.categorical_features = categorical_features

    def fit(self, sets: RaggedSets) -> SetEncoder:
        """Learn the columns, their kinds and their categories."""
        chosen, elements, context = self.categorical_features, sets.elements, _check_filled(sets.context)
        by_dtype = isinstance(chosen, str) or chosen is None
        # an array of numbers has nothing to encode
        plain = isinstance(elements, np.ndarray) and by_dtype
        self._elements = None if plain else ColumnEncoder("Element", chosen).fit(elements)
        self._context = None if context is None else ColumnEncoder("Context").fit(context)
        self.n_context_features = None if context is None else context.shape[1]
        self.n_categories = [] if self._elements is None else self._elements.n_categories
        self.n_context_categories = [] if self._context is None else self._context.n_categories
        return self

    def transform(self, sets: RaggedSets) -> RaggedSets:
        """The sets with arrays of elements and of context; columns of the context are matched by their names."""
        elements, context = sets.elements, sets.context
        if self._elements is not None:
            elements = self._elements.transform(elements)
        elif not isinstance(elements, np.ndarray):
            elements = as_floats(elements)
        n_columns = None if context is None else np.shape(context)[1]
        if (n_columns is None) != (self._context is None) or (
            isinstance(context, np.ndarray) and n_columns != self.n_context_features
        ):
            raise ValueError(
                f"X has {n_columns or 'no'} context features, but the estimator was fitted with "
                f"{self.n_context_features or 'none'}."
            )
        if self._context is not None:
            context = self._context.transform(_check_filled(self._context.align(context)))
        encoded = sets.replace(elements)
        encoded.context = context
        return encoded


def _check_filled(context: Any) -> Any:
    """The context, in which no value may be missing or infinite; those of the elements are known to ``check_sets``."""
    if context is None:
        return None
    table = as_frame(context)
    numbers = np.array([is_number(dtype) for dtype in table.dtypes], dtype=bool)
    wrong = np.zeros(table.shape, dtype=bool)
    wrong[:, numbers] = ~np.isfinite(as_floats(table.loc[:, numbers]))
    wrong[:, ~numbers] = table.loc[:, ~numbers].isna()
    if wrong.any():
        place = int(np.argmax(wrong.any(axis=0)))
        column, row = wrong[:, place], int(np.argmax(wrong[:, place]))
        what = "holds NaN or infinity" if numbers[place] else f"has {column.sum():,} missing values"
        raise ValueError(
            f"Context column {table.columns[place]!r} {what} (the first in row {row}); impute missing values first "
            "with a ColumnTransformer([('impute', SimpleImputer(), columns)], remainder='passthrough')"
            f"{'' if numbers[place] else ', or make them a category of their own'}."
        )
    return context
