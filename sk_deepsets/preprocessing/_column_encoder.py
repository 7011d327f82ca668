"""ColumnEncoder: the columns of a table as numbers, codes of categories behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets import as_floats, is_category, is_dictionary, is_number, pieces


class ColumnEncoder:
    """Numbers as they are, then the codes of categories: 1, 2, …, and 0 for a category that ``fit`` has not seen.

    No value may be missing: that is checked before.

    Parameters
    ----------
    what : str
        What the columns belong to, for messages.
    categorical : "from_dtype", array-like or None
        Which columns hold categories: those of a categorical or string dtype; these, by name, position or mask; none.
    last : int, optional
        The position of a column of numbers that goes behind the others.
    """

    def __init__(self, what: str, categorical: Any = "from_dtype", last: int | None = None) -> None:
        self.what = what
        self.categorical = categorical
        self.last = last

    def fit(self, table: Any) -> ColumnEncoder:
        """Learn the columns, their kinds and their categories; returns the encoder itself."""
        self.names = list(table.columns) if isinstance(table, pd.DataFrame) else None
        table = as_frame(table)
        chosen = self._chosen(table)
        numbers = [place for place in range(table.shape[1]) if place not in chosen]
        self.numbers = sorted(numbers, key=lambda place: place == self.last)
        for name, dtype in table.dtypes.iloc[self.numbers].items():
            if not is_number(dtype):
                raise ValueError(
                    f"{self.what} column {name!r} has dtype {dtype}; expected numbers, booleans, categories or "
                    "strings. Turn it into one of these first."
                )
        self.categories = {place: self._known(table.columns[place], table.iloc[:, place]) for place in sorted(chosen)}
        return self

    @property
    def n_categories(self) -> list[int]:
        """Number of categories of each column that has some."""
        return [len(known) for known in self.categories.values()]

    def align(self, table: Any) -> Any:
        """The same table with the columns in the order of ``fit``, if both have names."""
        if self.names is None or not isinstance(table, pd.DataFrame):
            return table
        missing = [name for name in self.names if name not in table.columns]
        extra = [name for name in table.columns if name not in self.names]
        if missing or extra:
            raise ValueError(
                f"{self.what} has the columns {list(table.columns)}; in fit it had {self.names} "
                f"(missing: {missing}, not seen in fit: {extra})."
            )
        return table[self.names]

    def transform(self, table: Any) -> np.ndarray:
        """Numbers and codes, (n_rows, n_columns) in float32 or float64."""
        table = as_frame(table)
        in_order = self.numbers == list(range(table.shape[1]))
        numbers = table if in_order else table.iloc[:, self.numbers]  # which may be mapped
        for name, dtype in numbers.dtypes.items():
            if not is_number(dtype):
                raise ValueError(f"{self.what} column {name!r} has dtype {dtype}; in fit it held numbers.")
        numbers = as_floats(numbers)
        if not self.categories:
            return numbers
        codes = [self._codes(table.columns[place], table.iloc[:, place], place) for place in self.categories]
        # float32 holds whole numbers up to 2 ** 24
        dtype = np.float64 if max(self.n_categories) >= 2**24 else numbers.dtype
        return np.column_stack([numbers, *codes]).astype(dtype, copy=False)

    def _known(self, name: Any, column: pd.Series) -> pd.Index:
        """The categories that occur in a column; a category is its value, whatever its dtype."""
        array: Any = column.array
        if isinstance(array, pd.Categorical):
            codes = [np.unique(array.codes[part]) for part in pieces(array)]
            values = array.categories[np.unique(np.concatenate([np.empty(0, np.int8), *codes]))]
        else:
            values = pd.Index(column.unique())
        return self._check_exact(name, values)

    def _check_exact(self, name: Any, values: pd.Index) -> pd.Index:
        """The values of a column, after a check that they are not floats too large to be exact."""
        array = values.to_numpy()
        exact = 2.0 ** (np.finfo(array.dtype).nmant + 1) if array.dtype.kind == "f" else np.inf
        large = array[np.abs(array) >= exact] if exact < np.inf else []
        if len(large):
            raise ValueError(
                f"{self.what} column {name!r} of categories holds {large[0]:.0f}: {array.dtype}, which arrays of sets "
                f"may become, cannot tell whole numbers from {exact:.0f} on apart. Give such ids as strings, or as "
                "integers in DataFrames."
            )
        return values

    def _codes(self, name: Any, column: pd.Series, place: int) -> np.ndarray:
        known = self.categories[place]
        is_categorical = isinstance(column.dtype, pd.CategoricalDtype)
        values = self._check_exact(name, column.cat.categories if is_categorical else pd.Index(column))
        if len(values) and len(known) and (values.inferred_type == "string") != (known.inferred_type == "string"):
            raise ValueError(
                f"{self.what} column {name!r} holds values of type {values.inferred_type}; in fit it held "
                f"{known.inferred_type}, so all are unknown. Convert them to the type in fit."
            )
        codes = known.get_indexer(values) + 1
        return codes[column.cat.codes] if is_categorical else codes

    def _chosen(self, table: pd.DataFrame) -> set[int]:
        """The positions of the columns that hold categories."""
        if self.categorical is None:
            return set()
        if isinstance(self.categorical, str):
            return {place for place in range(table.shape[1]) if is_category(table.iloc[:, place])}
        chosen = np.asarray(self.categorical, dtype=None if len(self.categorical) else int)
        if chosen.dtype == bool:
            if chosen.shape != (table.shape[1],):
                raise ValueError(f"categorical_features has {chosen.size} booleans for {table.shape[1]} features.")
            return set(np.flatnonzero(chosen))
        if chosen.dtype.kind in "iu":
            outside = chosen[(chosen < 0) | (chosen >= table.shape[1])]
            if len(outside):
                raise ValueError(f"categorical_features names feature {outside[0]}, but there are {table.shape[1]}.")
            return set(chosen.tolist())
        unknown = [name for name in chosen.tolist() if name not in table.columns]
        if unknown:
            raise ValueError(f"categorical_features names {unknown}, but the features are {list(table.columns)}.")
        return set(table.columns.get_indexer(pd.Index(chosen)).tolist())


def as_frame(table: Any) -> pd.DataFrame:
    """A DataFrame in which objects that are numbers are so by dtype, and Arrow's dictionaries are categories."""
    frame = (table if isinstance(table, pd.DataFrame) else pd.DataFrame(np.asarray(table))).infer_objects()
    dictionaries = [name for name, dtype in frame.dtypes.items() if is_dictionary(dtype)]
    return frame.astype(dict.fromkeys(dictionaries, "category")) if dictionaries else frame
