"""Sets that are Python objects: arrays, tables, lists of strings (baskets) or of dicts; and those that are missing."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import is_table, to_pandas
from sk_deepsets.sets._concat import concat_frames
from sk_deepsets.sets._dtypes import FIRST_FEATURE, find_missing, is_missing
from sk_deepsets.sets._from_arrays import find_odd, sets_from_arrays
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._rows import number_rows
from sk_deepsets.sets._sequence import names_of_columns, offsets_of
from sk_deepsets.sets._to_array import TEXT, UNZIP

WANTED: dict[type, str] = {str: "strings", dict: "dicts"}


def sets_from_objects(items: list[Any]) -> tuple[RaggedSets, np.ndarray]:
    """One table of the elements of all sets, with the kinds of their columns, and which sets are missing.

    A missing set is empty in the table, and an empty list is an empty set beside sets of any form.
    """
    missing = find_missing(items)
    if missing.any():
        items = [[] if gone else item for gone, item in zip(missing, items, strict=True)]
    if any(map(is_table, set(map(type, items)))):
        return _from_frames(items), missing
    _check_no_pairs(items)
    kind = _kind_of_values(items)
    return sets_from_arrays(items) if kind is None else _from_values(items, kind), missing


def _from_frames(items: list[Any]) -> RaggedSets:
    """Tables with the same columns; the index of those in pandas tells which rows of a frame the elements were."""
    first = next(number for number, item in enumerate(items) if is_table(type(item)))
    in_pandas = isinstance(items[first], pd.DataFrame)
    example = to_pandas(items[first])
    frames = []
    for number, item in enumerate(items):
        if isinstance(item, list | tuple) and not item:
            item = example.iloc[:0]
        elif not is_table(type(item)):
            raise ValueError(
                f"Set {first} is a table, but set {number} is {type(item).__name__}; expected all sets to be "
                "tables, or none."
            )
        elif isinstance(item, pd.DataFrame) != in_pandas:
            raise ValueError(
                f"Sets {first} and {number} are tables of different libraries; expected tables of one library."
            )
        frames.append(to_pandas(item))
    columns = [frame.columns.tolist() for frame in frames]
    if any(own != columns[0] for own in columns):
        number, other, where = find_odd(columns)
        raise ValueError(f"Set {number} has the columns {columns[number]}; the sets {where} it have {columns[other]}.")
    sizes = np.array([len(frame) for frame in frames])
    rows = None if in_pandas else number_rows(np.arange(len(sizes)), sizes)
    if all(isinstance(name, str) for name in example.columns):
        names_of_columns(example, None)
        return RaggedSets(concat_frames(frames), offsets_of(sizes), rows=rows)
    index = frames[0].index.append([frame.index for frame in frames[1:]])
    return sets_from_arrays([frame.to_numpy() for frame in frames])._with(rows=index)


def _check_no_pairs(items: list[Any]) -> None:
    """Raise for pairs of a set and its target: an array beside a number is no set of either."""
    first = items[0] if items else None
    if not isinstance(first, tuple) or len(first) != 2:
        return
    one_set, target = first
    holds_values = hasattr(type(one_set), "__len__") and not isinstance(one_set, (dict, *TEXT))
    # not np.ndim, which fails for lists of unequal lists
    is_single = not hasattr(type(target), "__len__") or getattr(target, "ndim", 1) == 0
    if holds_values and (is_single or isinstance(target, TEXT)):
        raise ValueError(f"Set 0 is a pair of {type(one_set).__name__} and {target!r:.40}. {UNZIP}")


def _kind_of_values(items: list[Any]) -> type | None:
    """``str`` or ``dict`` if the first value that is not missing is one; otherwise None."""
    for item in items:
        if not _is_sequence(item) or (len(item) and getattr(getattr(item, "dtype", None), "kind", "O") in "biufc"):
            return None
        value = next((value for value in item if not is_missing(value)), None)
        if value is not None:
            return next((kind for kind in WANTED if isinstance(value, kind)), None)
    return None


def _from_values(items: list[Any], kind: type) -> RaggedSets:
    """One sequence of strings, which make one column, or of dicts, which make one for each key, for each set."""
    for number, item in enumerate(items):
        if not _is_sequence(item):
            raise ValueError(
                f"Set {number} is {item!r:.80}; expected a sequence of {WANTED[kind]}, as in the sets before it."
            )
    sizes = np.fromiter(map(len, items), np.int64, len(items))
    values = list(chain.from_iterable(items))
    cuts = RaggedSets(np.empty((len(values), 0)), offsets_of(sizes))
    row = next((row for row, value in enumerate(values) if not isinstance(value, kind) and not is_missing(value)), None)
    if row is not None:
        number, _ = cuts.locate(row)
        raise ValueError(f"Set {number} holds {values[row]!r:.80}; expected {WANTED[kind]}, as in the sets before it.")
    if kind is dict:
        table = pd.DataFrame.from_records([{} if is_missing(value) else value for value in values])
    else:
        table = pd.DataFrame({FIRST_FEATURE: pd.Series(values, dtype="str")})
    return cuts.replace(table)


def _is_sequence(item: Any) -> bool:
    if isinstance(item, (dict, *TEXT)) or hasattr(item, "toarray"):  # the last of sparse arrays, which have no length
        return False
    return hasattr(type(item), "__len__") and getattr(item, "ndim", 1) == 1
