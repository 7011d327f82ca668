"""Containers of sets, and the check of all input (NumPy and pandas only)."""

from sk_deepsets.sets._accessor import SetsAccessor
from sk_deepsets.sets._arrow import from_arrow, is_arrow, is_table
from sk_deepsets.sets._check import check_sets
from sk_deepsets.sets._collections import (
    SetCollections,
    as_table,
    check_collections,
    collection_names,
    collection_rows,
    join_collections,
    put_collection,
    split_collections,
)
from sk_deepsets.sets._labels import check_labels, counts_rows, labels_of
from sk_deepsets.sets._mapped import ScatteredReads, converted, pieces
from sk_deepsets.sets._padded import PaddedSets
from sk_deepsets.sets._protocols import HasArray, n_dimensions, numpy_dtype, offers
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._rows import join_values
from sk_deepsets.sets._set_array import SetArray, SetDtype
from sk_deepsets.sets._set_column import columns_with_sets, put_sets
from sk_deepsets.sets._values import (
    FLOAT32_MAX,
    as_floats,
    as_ndarray,
    check_no_times,
    check_unmasked,
    find_missing,
    is_category,
    is_dictionary,
    is_number,
    user_stacklevel,
)

__all__ = [
    "FLOAT32_MAX",
    "HasArray",
    "PaddedSets",
    "RaggedSets",
    "ScatteredReads",
    "SetArray",
    "SetCollections",
    "SetDtype",
    "SetsAccessor",
    "as_floats",
    "as_ndarray",
    "as_table",
    "check_collections",
    "check_labels",
    "check_no_times",
    "check_sets",
    "check_unmasked",
    "collection_names",
    "collection_rows",
    "columns_with_sets",
    "converted",
    "counts_rows",
    "find_missing",
    "from_arrow",
    "is_arrow",
    "is_category",
    "is_dictionary",
    "is_number",
    "is_table",
    "join_collections",
    "join_values",
    "labels_of",
    "n_dimensions",
    "numpy_dtype",
    "offers",
    "pieces",
    "put_collection",
    "put_sets",
    "split_collections",
    "user_stacklevel",
]
