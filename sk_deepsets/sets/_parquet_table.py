"""The columns of a long table in Parquet, read some rows at a time."""

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
from sk_deepsets.sets._mapped import VALUES_AT_ONCE
from sk_deepsets.sets._stored_values import put_values


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


class Column:
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
