"""Sets in a table: which of its columns holds them, and which row of another each element is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import LISTS, import_pyarrow, is_arrow, is_arrow_table, kind_of
from sk_deepsets.sets._concat import without_rows
from sk_deepsets.sets._from_arrow import sets_from_arrow
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype


def find_sets(table: pd.DataFrame) -> int | None:
    """The position of the one column that holds sets, found by its content; None if none does."""
    places = [place for place in range(table.shape[1]) if _holds_sets(table.iloc[:, place])]
    if not places:
        return None
    if len(places) > 1:
        raise ValueError(
            f"X has {len(places)} columns of sets, {list(table.columns[places])}, but exactly one is expected; the "
            "others are the context of its sets."
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise ValueError(f"{len(twice)} column names stand for several columns of X each: {list(twice)}.")
    return places[0]


def put_sets(X: Any, sets: RaggedSets) -> Any:
    """These sets in the place of those of X, where X is a table; otherwise themselves."""
    if is_arrow_table(X):
        X = table_from_arrow(X)
    place = find_sets(X) if isinstance(X, pd.DataFrame) else None
    if place is None:
        return sets
    table = pd.DataFrame(X).copy(deep=False)
    table.isetitem(place, SetArray(sets))
    return table


def table_from_arrow(X: Any) -> pd.DataFrame:
    """A table of polars, pyarrow or the like in pandas, with lists as sets, and with the index that pandas wrote."""
    table = import_pyarrow().table(X)
    of_sets = [place for place, column in enumerate(table.columns) if kind_of(column.type) in LISTS]
    frame = table.select([place for place in range(table.num_columns) if place not in of_sets]).to_pandas()
    if len(frame) != len(table):  # nothing but sets
        frame = pd.DataFrame(index=pd.RangeIndex(len(table)))
    for place in of_sets:
        sets = SetArray(without_rows(sets_from_arrow(table.column(place))))
        frame.insert(min(place, frame.shape[1]), table.column_names[place], sets, allow_duplicates=True)
    return frame


def row_labels(X: Any) -> pd.Index | None:
    """The labels of all rows, where X, or its column of sets, has one DataFrame for each set; otherwise None."""
    if isinstance(X, pd.DataFrame):
        place = find_sets(X)
        X = X if place is None else X.iloc[:, place]
    dtype = getattr(X, "dtype", None)
    if not isinstance(X, list | tuple) and not (isinstance(dtype, np.dtype) and dtype.kind == "O"):
        return None
    indexes = [item.index for item in X if isinstance(item, pd.DataFrame)]
    return indexes[0].append(indexes[1:]) if indexes and len(indexes) == len(X) else None


def _holds_sets(column: pd.Series) -> bool:
    if isinstance(column.dtype, SetDtype) or is_arrow(column):
        return True
    if column.dtype != object:
        return False
    first = next((value for value in column if value is not None and value is not pd.NA), None)
    return hasattr(first, "__len__") and not isinstance(first, str | bytes | dict)
