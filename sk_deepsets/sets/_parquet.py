"""A long table in Parquet, one row per element, as sets in files: what RaggedSets.from_parquet does."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import import_pyarrow, kind_of
from sk_deepsets.sets._folder import SetFolder
from sk_deepsets.sets._long_table import check_ids, constant_columns, keys_of, number_keys, roles_of_columns, rows_of
from sk_deepsets.sets._mapped import VALUES_AT_ONCE
from sk_deepsets.sets._regrouping import Regrouping
from sk_deepsets.sets._rows import concat_frames
from sk_deepsets.sets._sequence import offsets_of
from sk_deepsets.sets._stored_values import put_values

# Results of the first pass that wait to be joined.
MOST_PARTS = 32


class LongTable:
    """A data set of Parquet files that is read some rows at a time.

    Parameters
    ----------
    path : str or Path
        A file, a folder, or a pattern such as ``"events/*.parquet"``.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import_pyarrow()
        ds = import_module("pyarrow.dataset")
        files: Any = os.fspath(path)
        if not Path(files).exists():
            files = sorted(glob.glob(files, recursive=True))
            if not files:
                raise FileNotFoundError(f"There is no file or folder {path}.")
        # partitions as pandas.read_parquet reads them
        partitions = ds.HivePartitioning.discover(infer_dictionary=True)
        self.dataset = ds.dataset(files, format="parquet", partitioning=partitions)
        self.types = {field.name: field.type for field in self.dataset.schema}
        self.no_rows: pd.DataFrame = self.dataset.schema.empty_table().to_pandas()

    def read(self, columns: list[str]) -> Iterator[Any]:
        """Some rows after others, in Arrow."""
        pa, at_once = import_pyarrow(), max(1, VALUES_AT_ONCE // len(columns))
        # none of them first, since there may be no others
        yield pa.RecordBatch.from_arrays([pa.array([], self.types[name]) for name in columns], columns)
        for fragment in self.dataset.get_fragments():
            yield from fragment.to_batches(
                schema=self.dataset.schema,
                columns=columns,
                batch_size=at_once,
                batch_readahead=0,
                fragment_readahead=0,
                use_threads=False,
            )

    def has_nulls(self, column: str) -> bool:
        """Whether a value is missing; where the files say so in their statistics, no value is read."""
        field = import_module("pyarrow.compute").field(column)
        return self.dataset.count_rows(filter=field.is_null()) > 0


class _Column:
    """One column of the elements: of numbers, or of the codes of categories.

    Parameters
    ----------
    table : LongTable
    name : str
    """

    def __init__(self, table: LongTable, name: str) -> None:
        self.name = name
        self.categories: Any = None
        self.arrow_type = table.types[name]
        kind = kind_of(self.arrow_type)
        self.is_text, self.is_number = kind == "string", kind == "number"
        if kind not in ("number", "string", "dictionary"):
            raise TypeError(
                f"The column {name!r} has the type {self.arrow_type}; expected numbers, booleans, strings or "
                "categories. Choose the others with columns=[…]."
            )
        if self.is_number:
            dtype = np.dtype(self.arrow_type.to_pandas_dtype())
            # what pandas makes of integers that are missing
            self.dtype = np.dtype("f8") if dtype.kind in "biu" and table.has_nulls(name) else dtype

    def learn(self, values: Any) -> None:
        """Add the categories of some rows."""
        found = pd.Index(self._encoded(values).dictionary.to_pandas())
        new = found if self.categories is None else self.categories.append(found[~found.isin(self.categories)])
        self.categories = new.sort_values() if self.is_text else new  # as pandas' astype("category")
        self.dtype = pd.Categorical([], categories=self.categories).codes.dtype

    def convert(self, values: Any) -> np.ndarray:
        """Some rows as an array of the dtype."""
        if self.is_number:
            cast = self.dtype.kind == "f" and not str(values.type).startswith(("float", "double", "halffloat"))
            return (values.cast("float64", safe=False) if cast else values).to_numpy(zero_copy_only=False)
        encoded = self._encoded(values)
        places = np.append(self.categories.get_indexer(encoded.dictionary.to_pandas()), -1)
        return places[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)].astype(self.dtype)

    def put_kind(self, name: str, files: SetFolder) -> dict[str, Any]:
        """The description of the column in a folder, where its categories are written."""
        if self.is_number:
            return {"dtype": self.dtype.name}
        categories = put_values(self.categories, f"{name}.categories", files.put)
        return {"dtype": "category", "ordered": not self.is_text and self.arrow_type.ordered, "categories": categories}

    def _encoded(self, values: Any) -> Any:
        return values.dictionary_encode() if self.is_text else values


def stream_table(path: str | os.PathLike[str], by: Any, columns: Any, ids: Any, context: Any, files: SetFolder) -> None:
    """Write the sets of a long table to files, some rows at a time; the parameters are those of ``from_parquet``.

    The first pass reads the ids, and counts the elements of each set; the second brings each row to its place.
    """
    table = LongTable(path)
    names, shared, chosen = roles_of_columns(table.no_rows, by, columns, context)
    elements = [_Column(table, name) for name in chosen]
    counts, distinct = _count_rows(table, names, shared, elements)
    if ids is None:
        ids, sizes = counts.index, counts.to_numpy()
    else:
        ids = check_ids(ids, names)
        sizes = np.zeros(len(ids), dtype=np.int64)
        sizes[number_keys(counts.index, ids, counts.to_numpy())] = counts
    offsets = offsets_of(sizes)
    if shared:
        context = constant_columns(distinct[shared], number_keys(keys_of(distinct, names), ids), ids)
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
    description["elements"], description["rows"] = _regroup_rows(table, names, ids, elements, offsets, files)
    files.put("offsets", offsets)
    files.describe(description)


def _count_rows(
    table: LongTable, names: list[str], shared: list[str], elements: list[_Column]
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
    table: LongTable, names: list[str], ids: pd.Index, elements: list[_Column], offsets: np.ndarray, files: SetFolder
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
    n_rows = 0
    for batch in table.read(list(dict.fromkeys([*names, *chosen]))):
        order, places = _places(ids.get_indexer(keys_of(_ids(batch, names), names)), free)
        numbers = order + n_rows
        values = [column.convert(batch.column(column.name)) for column in elements]
        parts = [part[order] for part in ([np.column_stack(values)] if is_one_array else values)]
        if regrouping is None and not np.array_equal(numbers, places):
            rows = files.new("rows.0", (n_elements,), np.int64)
            rows[:n_rows] = np.arange(n_rows)
            regrouping = Regrouping([*arrays, rows], files.temporary((n_elements,), np.int64), n_rows)
        if regrouping is not None:
            regrouping.add(places, [*parts, numbers])
        else:
            for array, part in zip(arrays, parts, strict=True):
                array[n_rows : n_rows + len(part)] = part
        n_rows += batch.num_rows
    if regrouping is None:
        return about, {"names": [None], "range": [0, n_rows, 1]}
    regrouping.finish()
    return about, {"names": [None], "kinds": [{"dtype": "int64"}]}


def _places(numbers: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of their sets, and where each goes; ``free``, the next place of each set, moves on."""
    order = np.argsort(numbers, kind="stable")
    present, starts, sizes = np.unique(numbers[order], return_index=True, return_counts=True)
    places = np.repeat(free[present] - starts, sizes) + np.arange(len(numbers))
    free[present] += sizes
    return order, places
