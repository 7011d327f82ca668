"""Tables with a column of sets: which column it is, and how others are put in its place."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sk_deepsets.sets._arrow import import_pyarrow, is_arrow, is_table, kind_of
from sk_deepsets.sets._arrow_lists import sets_from_arrow
from sk_deepsets.sets._dtypes import is_missing
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype
from sk_deepsets.sets._to_array import TEXT


def read_table(X: Any) -> pd.DataFrame:
    """A DataFrame, or a table of polars, pyarrow or the like in pandas: lists as sets, the index that pandas wrote."""
    if isinstance(X, pd.DataFrame):
        return X
    table = import_pyarrow().table(X)
    of_sets = [place for place, column in enumerate(table.columns) if kind_of(column.type) == "list"]
    frame = table.select([place for place in range(table.num_columns) if place not in of_sets]).to_pandas()
    if len(frame) != len(table):  # nothing but sets
        frame = pd.DataFrame(index=pd.RangeIndex(len(table)))
    for place in of_sets:
        column = SetArray(*sets_from_arrow(table.column(place)))
        frame.insert(min(place, frame.shape[1]), table.column_names[place], column, allow_duplicates=True)
    return frame


def find_sets(table: pd.DataFrame) -> int | None:
    """The position of the one column that holds sets, found by its content; None if none does."""
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    places = [place for place, column in enumerate(columns) if _holds_sets(column)]
    if not places:  # a column of nothing but missing values may be that of the sets
        unknown = [place for place, column in enumerate(columns) if column.dtype == object and column.isna().all()]
        return unknown[0] if len(unknown) == 1 and table.columns.is_unique else None
    if len(places) > 1:
        raise ValueError(
            f"X has {len(places)} columns of sets, {list(table.columns[places])}, but exactly one is expected; the "
            "others are the context of its sets. Columns of one table, as of groupby(...).agg(list), stay together in "
            "RaggedSets.from_frame(frame, by=..., columns=...), which takes the long table."
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise ValueError(f"{len(twice)} column names stand for several columns of X each: {list(twice)}.")
    return places[0]


def put_sets(X: Any, sets: RaggedSets) -> Any:
    """These sets in the place of those of X, where X is a table; otherwise themselves.

    Sets that are missing in X stay missing.
    """
    if not is_table(type(X)):
        return sets
    table = read_table(X)
    place = find_sets(table)
    if place is None:
        return sets
    missing = table.iloc[:, place].isna().to_numpy()
    table = pd.DataFrame(table).copy(deep=False)
    table.isetitem(place, SetArray(sets, missing))
    return table


def _holds_sets(column: pd.Series) -> bool:
    if isinstance(column.dtype, SetDtype) or is_arrow(column):
        return True
    if column.dtype != object:
        return False
    first = next((value for value in column if not is_missing(value)), None)
    return hasattr(type(first), "__len__") and not isinstance(first, (dict, *TEXT))
