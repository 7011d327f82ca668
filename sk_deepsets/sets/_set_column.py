"""Tables with sets: which columns hold them, and how others are put in their place."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sk_deepsets.sets._arrow import import_pyarrow, is_arrow, is_table, kind_of
from sk_deepsets.sets._arrow_lists import sets_from_arrow
from sk_deepsets.sets._dtypes import is_missing
from sk_deepsets.sets._list_columns import holds_scalar_lists, is_list_of_scalars
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype
from sk_deepsets.sets._to_array import TEXT

# The name of a column of sets that is made of several columns of lists.
SETS = "sets"


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
        lists = table.column(place)
        scalars = is_list_of_scalars(lists.type)  # which may be one feature of several
        column: Any = pd.arrays.ArrowExtensionArray(lists) if scalars else SetArray(*sets_from_arrow(lists))
        frame.insert(min(place, frame.shape[1]), table.column_names[place], column, allow_duplicates=True)
    return frame


def find_sets(table: pd.DataFrame) -> list[int]:
    """The positions of the columns that hold sets, found by their content.

    One, or several that hold lists with one feature of the elements each; none if no column does.
    """
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    places = [place for place, column in enumerate(columns) if _holds_sets(column)]
    if not places:  # a column of nothing but missing values may be that of the sets
        unknown = [place for place, column in enumerate(columns) if column.dtype == object and column.isna().all()]
        return unknown if len(unknown) == 1 and table.columns.is_unique else []
    if len(places) > 1 and not all(holds_scalar_lists(columns[place]) for place in places):
        raise ValueError(
            f"X has {len(places)} columns of sets, {list(table.columns[places])}, but exactly one is expected; the "
            "others are the context of its sets. Only columns of lists of numbers or strings, as of "
            "groupby(...).agg(list), are read together, as the features of one set of elements."
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise ValueError(f"{len(twice)} column names stand for several columns of X each: {list(twice)}.")
    return places


def put_sets(X: Any, sets: RaggedSets) -> Any:
    """These sets in the place of those of X, where X is a table; otherwise themselves.

    Sets that are missing in X stay missing.
    """
    if not is_table(type(X)):
        return sets
    table = read_table(X)
    places = find_sets(table)
    if not places:
        return sets
    missing = table.iloc[:, places].isna().to_numpy().all(axis=1)
    table = pd.DataFrame(table).copy(deep=False)
    table.isetitem(places[0], SetArray(sets, missing))
    if len(places) == 1:
        return table
    kept = table.iloc[:, [place for place in range(table.shape[1]) if place not in places[1:]]]
    return kept.set_axis(names_with_sets(list(table.columns), places), axis=1)


def columns_with_sets(X: Any) -> list[Any]:
    """The names of the columns of a table that ``put_sets`` has put sets into."""
    table = read_table(X)
    return names_with_sets(list(table.columns), find_sets(table))


def names_with_sets(names: list[Any], places: list[int]) -> list[Any]:
    """Names of the columns once those of lists are one column of sets: "sets", and the names of the others."""
    if len(places) < 2:
        return names
    others = [name for place, name in enumerate(names) if place not in places]
    if SETS in others:
        raise ValueError(f"X has a column {SETS!r}, which its columns of lists would become; rename it.")
    return [SETS if place == places[0] else name for place, name in enumerate(names) if place not in places[1:]]


def _holds_sets(column: pd.Series) -> bool:
    if isinstance(column.dtype, SetDtype) or is_arrow(column):
        return True
    if column.dtype != object:
        return False
    first = next((value for value in column if not is_missing(value)), None)
    return hasattr(type(first), "__len__") and not isinstance(first, (dict, *TEXT))
