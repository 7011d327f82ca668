"""A column of sets in Arrow, for Parquet, polars and what else reads it: lists of structs or of equal lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import DTYPE, import_pyarrow
from sk_deepsets.sets._ragged import RaggedSets


def sets_to_arrow(sets: RaggedSets) -> Any:
    """A pyarrow array with one list a set; ``check_sets`` reads it.

    Elements with named features are structs, one field a feature and of its kind; those without are lists of one
    size. Only offsets and values that Arrow stores in another way (booleans, strings) are copied. From Parquet,
    categories that are no strings come back as those that occur, without an order.
    """
    pa = import_pyarrow()
    table = sets.elements
    names = sets.feature_names
    if names is not None:
        columns = [table[name] for name in names] if isinstance(table, pd.DataFrame) else table.T
        arrays = [_column(column, name) for column, name in zip(columns, names, strict=True)]
        fields = [_field(name, *pair) for name, *pair in zip(names, arrays, columns, strict=True)]
        values = pa.StructArray.from_arrays(arrays, fields=fields)
    elif sets.n_features == 0:  # nothing tells what the elements would be
        values = pa.nulls(0)
    else:
        values = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), sets.n_features)
    return pa.LargeListArray.from_arrays(pa.array(sets.offsets), values)


def _column(values: Any, name: str) -> Any:
    pa = import_pyarrow()
    try:
        # from_pandas would make nulls of NaN, which are errors where sets are read
        array = pa.array(values, from_pandas=False)
    except (TypeError, pa.ArrowException) as error:
        raise TypeError(
            f"Column {name!r} of the elements has dtype {values.dtype}, which Arrow lacks: {error}"
        ) from error
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def _field(name: str, array: Any, column: Any) -> Any:
    """A field that tells of a dtype that Arrow, or Parquet, has no word for."""
    kept = isinstance(column.dtype, np.dtype)
    return import_pyarrow().field(name, array.type, metadata=None if kept else {DTYPE: str(column.dtype)})
