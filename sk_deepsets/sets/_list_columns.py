"""Tables with one column of lists for each feature, as ``groupby(...).agg(list)`` and Parquet have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import import_pyarrow, is_arrow, kind_of
from sk_deepsets.sets._arrow_lists import sets_from_arrow
from sk_deepsets.sets._dtypes import is_missing
from sk_deepsets.sets._from_objects import sets_from_objects
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._to_array import TEXT


def holds_scalar_lists(column: pd.Series) -> bool:
    """Whether the values of a column are lists of numbers, strings and the like, rather than of elements."""
    if is_arrow(column):
        return isinstance(column.dtype, pd.ArrowDtype) and is_list_of_scalars(column.dtype.pyarrow_dtype)
    if column.dtype != object:
        return False
    lists = [value for value in column if not is_missing(value)]
    if any(isinstance(value, dict | pd.DataFrame) or getattr(value, "ndim", 1) != 1 for value in lists):
        return False
    first: Any = next((value for one in lists for value in one), None)
    return isinstance(first, TEXT) or not hasattr(type(first), "__len__") or np.ndim(first) == 0


def is_list_of_scalars(dtype: Any) -> bool:
    """Whether a type of Arrow is that of lists of numbers, strings or the like."""
    is_list = kind_of(dtype) == "list" and not isinstance(dtype, import_pyarrow().BaseExtensionType)
    return is_list and kind_of(dtype.value_type) not in ("list", "struct")


def zip_lists(columns: list[pd.Series]) -> tuple[RaggedSets, np.ndarray]:
    """Sets whose features are these columns, and which of them are missing: in all columns.

    Columns keep their kinds. Without names that are strings, elements that are numbers are an array.
    """
    parts, missing = zip(*(_one_feature(column) for column in columns), strict=True)
    gone = np.array(missing)
    sizes = np.array([part.sizes for part in parts])
    wrong = (sizes != sizes[0]).any(axis=0) | (gone != gone[0]).any(axis=0)
    if wrong.any():
        number = int(np.argmax(wrong))
        found = {
            column.name: "missing" if lost[number] else int(part.sizes[number])
            for column, part, lost in zip(columns, parts, missing, strict=True)
        }
        label = columns[0].index[number : number + 1].tolist()[0]
        raise ValueError(
            f"Set {number}, with the label {label!r}, has lists of unequal lengths: {found} ({wrong.sum():,} sets do). "
            "Columns of lists are read as the features of the same elements, one list for each feature."
        )
    values = [_values(part) for part in parts]
    names = [column.name for column in columns]
    if not all(isinstance(name, str) for name in names):
        names = [f"x{place}" for place in range(len(columns))]
        if all(isinstance(one, np.ndarray) for one in values):
            return parts[0].replace(np.column_stack(values), feature_names=None), gone[0]
    elements = pd.DataFrame(dict(zip(names, values, strict=True)), index=pd.RangeIndex(int(sizes[0].sum())))
    return parts[0].replace(elements), gone[0]


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
