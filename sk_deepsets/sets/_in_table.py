"""Sets in a table: which of its columns holds them."""

from __future__ import annotations

import pandas as pd

from sk_deepsets.sets._from_arrow import is_arrow
from sk_deepsets.sets._set_array import SetDtype


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


def _holds_sets(column: pd.Series) -> bool:
    if isinstance(column.dtype, SetDtype) or is_arrow(column):
        return True
    if column.dtype != object:
        return False
    first = next((value for value in column if value is not None and value is not pd.NA), None)
    return hasattr(first, "__len__") and not isinstance(first, str | bytes | dict)
