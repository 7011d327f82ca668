"""A column of sets in Arrow, for Parquet, polars and what else reads it: lists of structs or of equal lists."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sk_deepsets.sets._from_arrow import import_pyarrow
from sk_deepsets.sets._ragged import RaggedSets


def sets_to_arrow(sets: RaggedSets) -> Any:
    """A pyarrow array with one list a set; ``check_sets`` reads it.

    Elements with named features are structs, one field a feature and of its kind; those without are lists of one
    size. Only offsets and values that Arrow stores in another way (booleans, strings) are copied.
    """
    pa = import_pyarrow()
    table = sets.elements
    names = sets.feature_names
    if names is not None:
        columns = [table[name] for name in names] if isinstance(table, pd.DataFrame) else table.T
        values = pa.StructArray.from_arrays([_column(column) for column in columns], [*names])
    elif sets.n_features == 0:  # nothing tells what the elements would be
        values = pa.nulls(0)
    else:
        values = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), sets.n_features)
    return pa.LargeListArray.from_arrays(pa.array(sets.offsets), values)


def _column(values: Any) -> Any:
    # from_pandas would make nulls of NaN, which are errors where sets are read
    array = import_pyarrow().array(values, from_pandas=False)
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array
