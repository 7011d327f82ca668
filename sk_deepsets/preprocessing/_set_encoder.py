"""SetEncoder: checked sets, with columns of any kinds among elements and context, as sets of numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sk_deepsets.preprocessing._column_encoder import ColumnEncoder, as_frame
from sk_deepsets.sets import (
    FLOAT32_MAX,
    RaggedSets,
    as_floats,
    converted,
    is_number,
    pieces,
)


class NumberColumns(NamedTuple):
    """The columns of numbers of a table, which are the first."""

    names: list[Any]
    table: np.ndarray
    sizes: np.ndarray
    """How many rows there are of each set, one after another"""


class SetEncoder:
    """Numbers as they are, then codes of categories, for the elements and for the context of sets.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None
        Which features of the elements are categories; columns of the context are told by their dtype.
    element_weight : str, int or None
        A feature of the elements that weighs them, by name or position: the last of the columns of numbers.

    Attributes
    ----------
    weight_column : int or None
        Which of the columns it becomes.
    n_columns : int
        Of the elements.
    n_context_features : int or None
    n_categories, n_context_categories : list of int
        How many categories each column of codes has; these columns stand last.
    """

    element_weight: str | int | None = None
    weight_column: int | None = None

    def __init__(self, categorical_features: Any = "from_dtype", element_weight: str | int | None = None) -> None:
        self.categorical_features = categorical_features
        self.element_weight = element_weight

    def fit(self, sets: RaggedSets) -> SetEncoder:
        """Learn the columns, their kinds and their categories."""
        chosen, elements, context = self.categorical_features, sets.elements, _check_filled(sets.context)
        weight = None if self.element_weight is None else place_of_weight(self.element_weight, sets)
        by_dtype = isinstance(chosen, str) or chosen is None
        # an array of numbers has nothing to encode
        plain = isinstance(elements, np.ndarray) and by_dtype and weight in (None, sets.n_features - 1)
        self._elements = None if plain else ColumnEncoder("Element", chosen, last=weight).fit(elements)
        if weight is not None:
            n_categories = 0 if self._elements is None else len(self._elements.n_categories)
            self.weight_column = sets.n_features - n_categories - 1
            self._check_weight_column(weight, sets)
        self._context = None if context is None else ColumnEncoder("Context").fit(context)
        names = list(range(sets.n_features) if sets.feature_names is None else sets.feature_names)
        self._names = names if self._elements is None else [names[place] for place in self._elements.numbers]
        self.n_columns = sets.n_features
        self.n_context_features = None if context is None else context.shape[1]
        self.n_categories = [] if self._elements is None else self._elements.n_categories
        self.n_context_categories = [] if self._context is None else self._context.n_categories
        return self

    def number_columns(self, sets: RaggedSets) -> dict[str, NumberColumns]:
        """The columns of numbers of ``"element"`` and, if there is one, ``"context"``, of sets as ``transform`` gives.

        They are known by their names, or positions.
        """
        names = self._names[: sets.n_features - len(self.n_categories)]
        return {"element": NumberColumns(names, sets.elements, sets.sizes)} | self.context_columns(sets)

    def block_sizes(self, sets: RaggedSets) -> np.ndarray | None:
        """The sizes of the collections that encoded sets consist of, (n_sets, n_collections); None: of one."""
        return None

    def find_empty(self, sets: RaggedSets) -> tuple[np.ndarray, list[str]]:
        """Which encoded sets are empty, (n_sets, n_collections), and the names of the collections; none of one."""
        return (sets.sizes == 0)[:, None], []

    def split_elements(self, values: np.ndarray, sets: RaggedSets) -> list[np.ndarray]:
        """Values of the elements of encoded sets as one array per set."""
        return np.split(values, sets.offsets[1:-1])

    def context_columns(self, sets: RaggedSets) -> dict[str, NumberColumns]:
        """Those of the context alone."""
        if self._context is None:
            return {}
        places, columns = self._context.numbers, self._context.names
        names = places if columns is None else [columns[place] for place in places]
        return {"context": NumberColumns(names, sets.context, np.ones(len(sets), dtype=np.int64))}

    def transform(self, sets: RaggedSets) -> RaggedSets:
        """The sets with arrays of elements and of context; columns of the context are matched by their names."""
        elements, context = sets.elements, sets.context
        if self._elements is not None:
            elements = converted(elements, self._elements.transform)
        elif not isinstance(elements, np.ndarray):
            elements = converted(elements, as_floats)
        n_columns = None if context is None else np.shape(context)[1] or None
        if (n_columns is None) != (self._context is None) or (
            isinstance(context, np.ndarray) and n_columns != self.n_context_features
        ):
            raise ValueError(
                f"X has {n_columns or 'no'} context features, but the estimator was fitted with "
                f"{self.n_context_features or 'none'}."
            )
        if self._context is None:
            context = None
        else:
            context = self._context.transform(_check_filled(self._context.align(context)))
        encoded = sets.replace(elements)
        encoded.context = context
        if self.weight_column is not None:
            _check_weights(encoded, self.weight_column, self.element_weight)
        return encoded

    def _check_weight_column(self, weight: int, sets: RaggedSets) -> None:
        """Raise if what weighs the elements is no number, or is all that there is."""
        if self._elements is not None and weight in self._elements.categories:
            raise ValueError(
                f"element_weight={self.element_weight!r} is a column of categories; expected numbers that are not "
                "negative. Name another one, or leave the column out of categorical_features."
            )
        if sets.n_features == 1:
            raise ValueError(
                f"element_weight={self.element_weight!r} is the only feature of the elements, and the weight is no "
                "feature of phi: add one, such as a column of ones for a sum of the weights."
            )


def place_of_weight(name: str | int, sets: RaggedSets) -> int:
    """The position of the feature ``element_weight`` of sets, which is given by its name or position."""
    if isinstance(name, str):
        known = [] if sets.feature_names is None else list(sets.feature_names)
        if name not in known:
            what = f"are {known}" if known else "have no names: give a position, such as element_weight=0"
            raise ValueError(f"element_weight={name!r} is not among the features of the elements, which {what}.")
        return known.index(name)
    if not -sets.n_features <= name < sets.n_features:
        raise ValueError(f"element_weight={name}, but the elements have {sets.n_features} features.")
    return int(name) % sets.n_features


def _check_weights(sets: RaggedSets, column: int, name: str | int | None) -> None:
    """Raise for negative weights; others are checked with all values of the elements."""
    counts, first = 0, None
    for part in pieces(sets.elements):
        negative = np.flatnonzero(sets.elements[part, column] < 0)
        counts += len(negative)
        if first is None and len(negative):
            first = part.start + negative[0]
    if first is not None:
        number = int(np.searchsorted(sets.offsets, first, side="right")) - 1
        raise ValueError(
            f"Set {number} has an element with the weight {sets.elements[first, column]:.6g} in the column "
            f"element_weight={name!r} (negative: {counts:,} of {len(sets.elements):,} elements); expected weights of 0 "
            "or more. Clip them, or take their absolute values, and keep the sign as a feature of its own."
        )


def _check_filled(context: Any) -> Any:
    """The context, if it has columns, where no value may be missing, infinite or beyond float32.

    ``check_sets`` checks those of the elements.
    """
    if context is None or not np.shape(context)[1]:
        return None
    table = as_frame(context)
    numbers = np.array([is_number(dtype) for dtype in table.dtypes], dtype=bool)
    wrong = np.zeros(table.shape, dtype=bool)
    floats = as_floats(table.loc[:, numbers])
    wrong[:, numbers] = ~((floats >= -FLOAT32_MAX) & (floats <= FLOAT32_MAX))
    wrong[:, ~numbers] = table.loc[:, ~numbers].isna()
    if wrong.any():
        place = int(np.argmax(wrong.any(axis=0)))
        column, row = wrong[:, place], int(np.argmax(wrong[:, place]))
        if not numbers[place]:
            what, advice = f"has {column.sum():,} missing values", ", or make them a category of their own"
        elif np.isfinite(value := floats[row, numbers[:place].sum()]):
            raise ValueError(
                f"Context column {table.columns[place]!r} holds {value} (the first in row {row}), a value too large "
                "for dtype('float32'); scale this column first."
            )
        else:
            what, advice = "holds NaN or infinity", ""
        raise ValueError(
            f"Context column {table.columns[place]!r} {what} (the first in row {row}); impute missing values first "
            f"with a ColumnTransformer([('impute', SimpleImputer(), columns)], remainder='passthrough'){advice}."
        )
    return context
