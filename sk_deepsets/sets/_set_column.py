"""Tables with sets: in one column, or in one column of lists for each feature, as of ``groupby(...).agg(list)``."""

from __future__ import annotations

from collections.abc import Sized
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import import_pyarrow, is_arrow, is_table, kind_of
from sk_deepsets.sets._arrow_lists import sets_from_arrow
from sk_deepsets.sets._from_objects import sets_from_objects
from sk_deepsets.sets._protocols import n_dimensions
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype
from sk_deepsets.sets._values import TEXT, is_missing, is_text_of_list, is_text_of_numbers, read_text, shown

# The name of a column of sets that is made of several columns of lists.
SETS = "sets"


def read_table(X: Any) -> pd.DataFrame:
    """A DataFrame, or a table of polars, pyarrow or the like in pandas: lists as sets, the index that pandas wrote."""
    if isinstance(X, pd.DataFrame):
        return X
    table = import_pyarrow().table(X)
    list_places = [place for place, column in enumerate(table.columns) if kind_of(column.type) == "list"]
    frame = table.select([place for place in range(table.num_columns) if place not in list_places]).to_pandas()
    if len(frame) != len(table):  # no other columns
        frame = pd.DataFrame(index=pd.RangeIndex(len(table)))
    for place in list_places:
        lists = table.column(place)
        scalars = is_list_of_scalars(lists.type)  # which may be one feature of several
        column: Any = pd.arrays.ArrowExtensionArray(lists) if scalars else SetArray(*sets_from_arrow(lists))
        frame.insert(min(place, frame.shape[1]), table.column_names[place], column, allow_duplicates=True)
    return frame


def find_sets(table: pd.DataFrame) -> list[int]:
    """The positions of the columns that hold sets, found by their content.

    One, or several that hold lists with one feature of the elements each; none if no column does.
    """
    places = _places_of_sets(table)
    if not places:  # a column of nothing but missing values may be that of the sets
        columns = [table.iloc[:, place] for place in range(table.shape[1])]
        unknown = [place for place, column in enumerate(columns) if column.dtype == object and column.isna().all()]
        return unknown if len(unknown) == 1 and table.columns.is_unique else []
    if len(places) > 1 and _are_collections(table, places):
        raise ValueError(
            f"X has {len(places)} columns of sets, {list(table.columns[places])}, but exactly one is expected here; "
            "DeepSetsClassifier, DeepSetsRegressor, DeepSetsSurvival and SetAggregator take several, each as a "
            "collection. To transform the elements of one collection, use make_column_transformer((ElementTransformer("
            f'...), [{table.columns[places[0]]!r}]), remainder="passthrough"). Columns of lists of numbers or strings '
            "alone, as of groupby(...).agg(list), are read together, as the features of one set of elements."
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise ValueError(f"Several columns of X have the same name: {list(twice)}.")
    return places


def find_collections(table: pd.DataFrame) -> list[int]:
    """The positions of the columns that hold sets, if there are several, which are not one feature each of one set."""
    places = _places_of_sets(table)
    return places if len(places) > 1 and _are_collections(table, places) else []


def _places_of_sets(table: pd.DataFrame) -> list[int]:
    return [place for place in range(table.shape[1]) if _holds_sets(table.iloc[:, place])]


def _are_collections(table: pd.DataFrame, places: list[int]) -> bool:
    return not all(holds_scalar_lists(table.iloc[:, place]) for place in places)


def columns_beside(table: pd.DataFrame, places: list[int]) -> pd.DataFrame | None:
    """The columns of a table but those of the sets at these places, which are context; None: there are no others."""
    others = ~np.isin(np.arange(table.shape[1]), places)
    if not others.any():
        return None
    context = table.iloc[:, others]  # not drop, which nested-pandas' frames warn about
    check_no_text(context, "; if these are categories, use X[{!r}].astype('category')")
    return context


def check_no_text(table: pd.DataFrame, or_else: str = "") -> None:
    """Raise for a column of lists that are text, as they come from files of text.

    Parameters
    ----------
    table : DataFrame
    or_else : str
        What to do where this is as it should be: then nearly all texts must be those of lists of numbers.
    """
    for name, column in table.items():
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            text = next((value for value in column if not is_missing(value)), None)
            if is_text_of_list(text) and (not or_else or _are_texts_of_numbers(column)):
                way_out = read_text(text, f"X[{name!r}]").removesuffix(".") + or_else.format(name)
                raise ValueError(f"Column {name!r} of X holds {shown(text)}. {way_out}.")


def _are_texts_of_numbers(column: pd.Series) -> bool:
    """Whether nearly all values are texts of lists of numbers, of those that are looked at."""
    values = column.dropna()
    return bool(np.mean([is_text_of_numbers(value) for value in values.iloc[:: 1 + len(values) // 1000]]) > 0.95)


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
    return isinstance(first, Sized) and not isinstance(first, (dict, *TEXT))


def holds_scalar_lists(column: pd.Series) -> bool:
    """Whether the values of a column are lists of numbers, strings and the like, rather than of elements."""
    if is_arrow(column):
        return isinstance(column.dtype, pd.ArrowDtype) and is_list_of_scalars(column.dtype.pyarrow_dtype)
    if column.dtype != object:
        return False
    lists = [value for value in column if not is_missing(value)]
    if any(isinstance(value, dict | pd.DataFrame) or n_dimensions(value) != 1 for value in lists):
        return False
    first: Any = next(chain.from_iterable(lists), None)
    return isinstance(first, TEXT) or not isinstance(first, Sized) or n_dimensions(first) == 0


def is_list_of_scalars(dtype: Any) -> bool:
    """Whether a type of Arrow is that of lists of numbers, strings or the like."""
    is_list = kind_of(dtype) == "list" and not isinstance(dtype, import_pyarrow().BaseExtensionType)
    return is_list and kind_of(dtype.value_type) not in ("list", "struct")


def zip_lists(columns: list[pd.Series]) -> tuple[RaggedSets, np.ndarray]:
    """Sets whose features are these columns, and which of them are missing: in all columns.

    Columns keep their dtypes. Without names that are strings, elements that are numbers are an array.
    """
    parts, missing = zip(*(_one_feature(column) for column in columns), strict=True)
    lost = np.array(missing)
    sizes = np.array([part.sizes for part in parts])
    wrong = (sizes != sizes[0]).any(axis=0) | (lost != lost[0]).any(axis=0)
    if wrong.any():
        number = int(np.argmax(wrong))
        found = {
            column.name: "missing" if is_lost else int(part.sizes[number])
            for column, part, is_lost in zip(columns, parts, lost[:, number], strict=True)
        }
        label = columns[0].index[number : number + 1].tolist()[0]
        raise ValueError(
            f"Set {number}, with the label {label!r}, has lists of unequal lengths: {found} "
            f"(so in {wrong.sum():,} of {len(wrong):,} sets). "
            "Columns of lists are read as the features of the same elements, one list for each feature. If they come "
            "from several tables, make the lists of each one a column of sets, such as "
            "check_sets(X[[...]], dtype=None).to_series(): these are read as several collections."
        )
    values = [_values(part) for part in parts]
    names = [column.name for column in columns]
    if not all(isinstance(name, str) for name in names):
        names = [f"x{place}" for place in range(len(columns))]
        if all(isinstance(column, np.ndarray) for column in values):
            return parts[0].replace(np.column_stack(values), feature_names=None), lost[0]
    elements = pd.DataFrame(dict(zip(names, values, strict=True)), index=pd.RangeIndex(int(sizes[0].sum())))
    return parts[0].replace(elements), lost[0]


def _one_feature(column: pd.Series) -> tuple[RaggedSets, np.ndarray]:
    try:
        return sets_from_arrow(column) if is_arrow(column) else sets_from_objects(column.tolist())
    except (TypeError, ValueError) as error:
        raise type(error)(f"Column {column.name!r} of lists: {error}") from error


def _values(sets: RaggedSets) -> Any:
    """The one feature; lists that are all empty have none."""
    if not sets.n_features:
        return np.empty(0)
    return sets.elements.iloc[:, 0].array if isinstance(sets.elements, pd.DataFrame) else sets.elements[:, 0]
