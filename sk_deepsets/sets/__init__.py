"""What a set is: the containers and the front door (NumPy and pandas only)."""

from sk_deepsets.sets._arrow import is_arrow, is_arrow_table
from sk_deepsets.sets._check import check_sets
from sk_deepsets.sets._columns import as_floats, is_category, is_number
from sk_deepsets.sets._concat import is_missing
from sk_deepsets.sets._from_arrow import lists_from_arrow
from sk_deepsets.sets._in_table import put_sets, row_labels
from sk_deepsets.sets._padded import PaddedSets
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype

__all__ = [
    "PaddedSets",
    "RaggedSets",
    "SetArray",
    "SetDtype",
    "as_floats",
    "check_sets",
    "is_arrow",
    "is_arrow_table",
    "is_category",
    "is_missing",
    "is_number",
    "lists_from_arrow",
    "put_sets",
    "row_labels",
]
