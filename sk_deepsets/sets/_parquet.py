"""A long table in Parquet, one row per element, as sets in files: what RaggedSets.from_parquet does."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import import_pyarrow, kind_of
from sk_deepsets.sets._cutoffs import Window, as_cutoffs, cutoffs_and_context, rows_before
from sk_deepsets.sets._folder import SetFolder
from sk_deepsets.sets._long_table import (
    check_ids,
    check_time,
    constant_columns,
    keys_of,
    number_keys,
    roles_of_columns,
    rows_of,
)
from sk_deepsets.sets._parquet_table import Column, LongTable
from sk_deepsets.sets._regrouping import Regrouping
from sk_deepsets.sets._rows import concat_frames
from sk_deepsets.sets._sequence import offsets_of

# Results of the first pass that wait to be joined.
MOST_PARTS = 32


class _Cutoffs:
    """The rows that are elements where each set has a cutoff.

    Parameters
    ----------
    values : Series with the index ``ids``, or one value for all
    time : str
        The column with the time of each row.
    within : str, Timedelta, DateOffset, number or None
    ids : Index
    """

    def __init__(self, values: Any, time: Any, within: Any, ids: pd.Index) -> None:
        self.values, self.time, self.within, self.ids = values, time, within, ids

    def apply(self, batch: Any, numbers: np.ndarray, n_before: int) -> tuple[Any, np.ndarray]:
        """The rows before the cutoffs, with the time left as their time, and where they are in the batch."""
        pa = import_pyarrow()
        times = batch.column(self.time).to_pandas()
        rows, left = rows_before(times, self.time, self.values, self.ids, numbers, self.within, n_before)
        kept = batch.take(pa.array(rows))
        left = pa.array(left, pa.float64())
        return kept.set_column(kept.schema.get_field_index(self.time), self.time, left), rows


def stream_table(
    path: str | os.PathLike[str],
    by: Any,
    columns: Any,
    ids: Any,
    context: Any,
    before: Any,
    time: Any,
    within: Any,
    files: SetFolder,
) -> None:
    """Write the sets of a long table to files, some rows at a time; the parameters are those of ``from_parquet``.

    The first pass reads the ids, and counts the elements of each set; the last one brings each row to its place. Where
    there are cutoffs, which the first pass may have read, another pass counts the rows before them.
    """
    table = LongTable(path)
    times = [time, before] if isinstance(before, str) else [time]
    before, context = cutoffs_and_context(before, context)
    names, shared, chosen = roles_of_columns(table.no_rows, by, columns, context, times)
    check_time(table.no_rows, before, time, within)
    before = None if before is None else as_cutoffs(before, names)
    if isinstance(before, pd.DataFrame):
        raise TypeError(
            "before is a DataFrame, with which an id may have several sets; expected one cutoff for each id: a Series "
            "whose index holds the ids, a mapping, one cutoff for all or the name of a column."
        )
    in_rows = [before] if isinstance(before, str) and before in table.types else []
    if before is not None and time in chosen:
        table.types[time] = import_pyarrow().float64()  # the time left
    elements = [Column(table, name) for name in chosen]
    counts, distinct = _count_rows(table, names, [*shared, *in_rows], elements)
    what = "ids"
    if ids is None and isinstance(before, pd.Series):
        ids, what = before.index, "before"
    ids = counts.index if ids is None else check_ids(ids, names, what)
    sizes = np.zeros(len(ids), dtype=np.int64)
    sizes[number_keys(counts.index, ids, counts.to_numpy(), what)] = counts
    if shared or in_rows:
        numbers = number_keys(keys_of(distinct, names), ids)
    cutoffs = None
    if before is not None:
        if isinstance(before, pd.Series):
            before = rows_of(before.to_frame(), ids, names, "before").iloc[:, 0]
        elif in_rows:
            before = constant_columns(distinct[in_rows], numbers, ids).iloc[:, 0]
        if len(ids):
            Window(pd.Index([]), time, before, ids, within)  # which checks the cutoffs
        cutoffs = _Cutoffs(before, time, within, ids)
        sizes = _count_rows_before(table, names, cutoffs)
    offsets = offsets_of(sizes)
    if shared:
        context = constant_columns(distinct[shared], numbers, ids)
    elif context is not None:
        context = rows_of(context, ids, names)
    description: dict[str, Any] = {
        "n_sets": len(ids),
        "n_elements": int(offsets[-1]),
        "feature_names": None,
        "places": False,
    }
    description |= {"numbers": False, "index": files.put_index("index", ids)}
    description["context"] = None if context is None else files.put_table("context", context)
    description["elements"], description["rows"] = _regroup_rows(table, names, ids, elements, offsets, cutoffs, files)
    files.put("offsets", offsets)
    files.describe(description)


def _count_rows(
    table: LongTable, names: list[str], shared: list[str], elements: list[Column]
) -> tuple[pd.Series, pd.DataFrame]:
    """The number of rows of each id, sorted by it, and the different rows of ids and context; learns categories."""
    encoded = [column for column in elements if not column.is_number]
    counted: list[pd.Series] = []
    distinct: list[pd.DataFrame] = []
    n_rows = 0
    for batch in table.read(list(dict.fromkeys([*names, *shared, *(column.name for column in encoded)]))):
        keys = keys_of(_ids(batch, names), names, n_rows)
        counted.append(keys.to_frame(index=False).groupby(names, sort=False, observed=True).size())
        if shared:
            frame = pd.DataFrame({name: batch.column(name).to_pandas() for name in [*names, *shared]})
            distinct.append(frame.drop_duplicates())
        for column in encoded:
            column.learn(batch.column(column.name))
        if len(counted) > MOST_PARTS:
            counted = [_add_up(counted)]
            distinct = [concat_frames(distinct).drop_duplicates()] if shared else []
        n_rows += batch.num_rows
    return _add_up(counted).sort_index(), concat_frames(distinct).drop_duplicates() if shared else pd.DataFrame()


def _count_rows_before(table: LongTable, names: list[str], cutoffs: _Cutoffs) -> np.ndarray:
    """The number of rows of each set before its cutoff."""
    sizes = np.zeros(len(cutoffs.ids), dtype=np.int64)
    n_rows = 0
    for batch in table.read(list(dict.fromkeys([*names, cutoffs.time]))):
        numbers = cutoffs.ids.get_indexer(keys_of(_ids(batch, names), names))
        present, counts = np.unique(numbers[cutoffs.apply(batch, numbers, n_rows)[1]], return_counts=True)
        sizes[present] += counts
        n_rows += batch.num_rows
    return sizes


def _add_up(counts: list[pd.Series]) -> pd.Series:
    """Counts of equal ids added up."""
    both = pd.concat(counts)
    return both.groupby(level=list(range(both.index.nlevels)), sort=False).sum()


def _ids(batch: Any, names: list[str]) -> pd.DataFrame:
    """The columns of the ids, of which categories count as their values."""
    columns = {name: batch.column(name) for name in names}
    is_dictionary = {name: kind_of(column.type) == "dictionary" for name, column in columns.items()}
    return pd.DataFrame({n: (c.dictionary_decode() if is_dictionary[n] else c).to_pandas() for n, c in columns.items()})


def _regroup_rows(
    table: LongTable,
    names: list[str],
    ids: pd.Index,
    elements: list[Column],
    offsets: np.ndarray,
    cutoffs: _Cutoffs | None,
    files: SetFolder,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the elements and, unless they are in the order of the sets, their rows; returns their descriptions."""
    n_elements, chosen = int(offsets[-1]), [column.name for column in elements]
    about: dict[str, Any] = {"names": chosen}
    is_one_array = len({column.dtype for column in elements}) == 1 and all(column.is_number for column in elements)
    if is_one_array:
        arrays = [files.new("elements", (n_elements, len(elements)), elements[0].dtype)]
    else:
        arrays = [files.new(f"elements.{i}", (n_elements,), column.dtype) for i, column in enumerate(elements)]
        about["kinds"] = [column.put_kind(f"elements.{i}", files) for i, column in enumerate(elements)]
    free = offsets[:-1].copy()  # where the next element of each set goes
    regrouping: Regrouping | None = None
    n_rows = n_done = 0  # of the table; brought to their places
    to_read = [*names, *chosen] if cutoffs is None else [*names, *chosen, cutoffs.time]
    for batch in table.read(list(dict.fromkeys(to_read))):
        set_numbers, kept = ids.get_indexer(keys_of(_ids(batch, names), names)), np.arange(batch.num_rows)
        n_before, n_rows = n_rows, n_rows + batch.num_rows
        if cutoffs is not None:
            batch, kept = cutoffs.apply(batch, set_numbers, n_before)
        order, places = _places(set_numbers[kept], free)
        numbers = kept[order] + n_before
        values = [column.convert(batch.column(column.name)) for column in elements]
        parts = [part[order] for part in ([np.column_stack(values)] if is_one_array else values)]
        if regrouping is None and not np.array_equal(numbers, places):
            rows = files.new("rows.0", (n_elements,), np.int64)
            rows[:n_done] = np.arange(n_done)
            regrouping = Regrouping([*arrays, rows], files.temporary((n_elements,), np.int64), n_done)
        if regrouping is not None:
            regrouping.add(places, [*parts, numbers])
        else:
            for array, part in zip(arrays, parts, strict=True):
                array[n_done : n_done + len(part)] = part
        n_done += len(order)
    if regrouping is None:
        return about, {"names": [None], "range": [0, n_elements, 1]}
    regrouping.finish()
    return about, {"names": [None], "kinds": [{"dtype": "int64"}]}


def _places(numbers: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of their sets, and where each goes; ``free``, the next place of each set, moves on."""
    order = np.argsort(numbers, kind="stable")
    present, starts, sizes = np.unique(numbers[order], return_index=True, return_counts=True)
    places = np.repeat(free[present] - starts, sizes) + np.arange(len(numbers))
    free[present] += sizes
    return order, places
