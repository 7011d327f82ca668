"""From an Arrow column of lists, one list a set, to one table of elements."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from sk_deepsets.sets._arrow import DTYPE, LISTS, NUMBERS, STRINGS, import_pyarrow, is_arrow_table, is_awkward, kind_of
from sk_deepsets.sets._from_values import NAME as BASKET
from sk_deepsets.sets._ragged import RaggedSets

WANTED = (
    "lists of numbers, of strings, of lists of one size of numbers, or of structs of numbers, booleans, strings and "
    "dictionaries"
)


def sets_from_arrow(X: Any, *, missing: bool = False) -> RaggedSets:
    """Read a column of lists, one list a set, from its offsets and its flat values.

    Numbers without nulls share the memory of X, which Arrow makes read-only, unless X comes in several chunks.
    No cost but that of the offsets depends on the number of sets.

    Parameters
    ----------
    X : pandas Series or ExtensionArray, pyarrow Array or ChunkedArray, polars Series, or an object like these
        Lists, whose elements are one of

        - numbers or booleans: sets of scalars;
        - strings or a dictionary: baskets, in a DataFrame with one column;
        - lists of these that all have one size: sets of elements with that many features;
        - structs of numbers, booleans, strings and dictionaries: one column a field, in a DataFrame that keeps
          their kinds. A struct of lists of equal sizes, as nested-pandas may store it, is read likewise.
    missing : bool, default=False
        Whether fields of structs may be null, and of any type that pandas has, as ``sets_to_arrow`` writes them.

    Returns
    -------
    sets : RaggedSets
        With the ``index`` of a Series. A list that is null is an empty set.

    Raises
    ------
    ValueError, TypeError, ImportError
        For other types, for nulls in a set, where the message names the set, the element and the field, and without
        pyarrow.
    """
    index = X.index if isinstance(X, pd.Series) else None
    array = _storage(_as_one_array(X))
    if kind_of(array.type) in LISTS:
        values, offsets = _cut(array)
        values = _storage(values)
        _check_filled(values, offsets)
        if kind_of(values.type) in (*STRINGS, "dictionary"):
            elements = pd.DataFrame({BASKET: _as_column(values, offsets, BASKET)}, index=pd.RangeIndex(offsets[-1]))
            return RaggedSets(elements, offsets, index=index)
        if kind_of(values.type) != "struct":
            return RaggedSets(_as_ndarray(values, offsets, array.type), offsets, index=index)
        names = [field.name for field in values.type]
        fields = [values.field(i) for i in range(len(names))]
    else:
        names, fields, offsets = _cut_each_field(array)

    if missing:
        columns = [_as_written(field, dtype) for field, dtype in zip(fields, _dtypes(array.type), strict=True)]
    else:
        columns = [_as_column(field, offsets, name) for field, name in zip(fields, names, strict=True)]
    elements = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(offsets[-1]), copy=False)
    elements.columns = pd.Index(names)  # only now, as Arrow allows a name to occur twice
    return RaggedSets(elements, offsets, index=index)


def lists_from_arrow(X: Any) -> list[Any]:
    """The values of any column as Python objects: a loop, for targets and not for sets."""
    return _as_one_array(X).to_pylist()


def _as_one_array(X: Any) -> Any:
    """X as a pyarrow Array; copied only if it comes in several chunks."""
    pa = import_pyarrow()
    if is_awkward(X):
        X = import_module("awkward").to_arrow(X, extensionarray=False)
    array = X.array if isinstance(X, pd.Series) else X
    if isinstance(array, ExtensionArray) and hasattr(array, "__arrow_array__"):
        array = array.__arrow_array__()
    if not isinstance(array, pa.Array | pa.ChunkedArray):
        what = f"a Series of dtype {X.dtype}" if isinstance(X, pd.Series) else type(X).__name__
        if not hasattr(array, "__arrow_c_array__") and not hasattr(array, "__arrow_c_stream__"):
            raise TypeError(f"Expected an Arrow array, but got {what}; wanted {WANTED}.")
        if isinstance(array, pd.DataFrame | pa.RecordBatchReader) or is_arrow_table(array):
            raise TypeError(f"Expected an Arrow array, but got {what}; pass the one column that holds the sets.")
        array = pa.array(array) if hasattr(array, "__arrow_c_array__") else pa.chunked_array(array)
    if isinstance(array, pa.ChunkedArray):
        return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    return array


def _storage(array: Any) -> Any:
    """What an array of an extension type, such as Awkward Array's, is made of; other arrays themselves."""
    while hasattr(array, "storage"):
        if len(getattr(array.type, "shape", ())) > 1:
            raise ValueError(f"X holds tensors of shape {array.type.shape}; wanted {WANTED}.")
        array = array.storage
    return array


def _cut(array: Any) -> tuple[Any, np.ndarray]:
    """The elements of all lists, one after another, and where each list begins among them."""
    kind = kind_of(array.type)
    if kind == "fixed_size_list":
        size = array.type.list_size
        begins = (array.offset + np.arange(len(array), dtype=np.int64)) * size
        sizes = np.full(len(array), size, dtype=np.int64)
    elif kind.endswith("list_view"):
        begins, sizes = (part.to_numpy().astype(np.int64) for part in (array.offsets, array.sizes))
    else:
        ends = array.offsets.to_numpy().astype(np.int64)
        begins, sizes = ends[:-1], np.diff(ends)
    if array.null_count:
        sizes = np.where(array.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)])

    # Arrow allows values that belong to a null, and a list view may have gaps and any order: only those are copied
    full = np.flatnonzero(sizes)
    if (begins[full[1:]] != (begins + sizes)[full[:-1]]).any():
        return array.flatten(), offsets
    return array.values.slice(begins[full[0]] if len(full) else 0, offsets[-1]), offsets


def _cut_each_field(array: Any) -> tuple[list[str], list[Any], np.ndarray]:
    """The names and the elements of the fields of a struct of lists, and the offsets that they share."""
    names = [field.name for field in array.type] if kind_of(array.type) == "struct" else []
    lists = [_storage(field) for field in array.flatten()] if names else []  # flatten hands nulls down to the fields
    if not lists or any(kind_of(field.type) not in LISTS for field in lists):
        raise ValueError(f"X holds {array.type}; wanted {WANTED}.")
    fields, cuts = zip(*map(_cut, lists), strict=True)
    sizes = np.diff(cuts)
    unequal = np.flatnonzero((sizes != sizes[0]).any(axis=0))
    if len(unequal):
        counts = dict(zip(names, sizes[:, unequal[0]].tolist(), strict=True))
        raise ValueError(f"Set {unequal[0]} has unequal numbers of elements in its fields: {counts}.")
    return names, list(fields), cuts[0]


def _as_ndarray(values: Any, offsets: np.ndarray, dtype: Any) -> np.ndarray:
    width = 1
    if kind_of(values.type) in LISTS:
        fixed = getattr(values.type, "list_size", None)
        values, cuts = _cut(values)
        width = _width_of_elements(np.diff(cuts), offsets) if fixed is None else fixed
        values = _storage(values)
        _check_filled(values, offsets, width)
    if kind_of(values.type) == "null":  # nothing tells what the elements would be: all sets are empty
        return np.empty((0, 0), dtype=np.float32)
    if kind_of(values.type) not in NUMBERS:
        raise ValueError(f"X holds {dtype}; wanted {WANTED}.")
    return _plain(values).reshape(offsets[-1], width)


def _width_of_elements(sizes: np.ndarray, offsets: np.ndarray) -> int:
    """The number of features that each element has, which are lists of these sizes."""
    unequal = np.flatnonzero(sizes != sizes[0]) if len(sizes) else sizes
    if len(unequal):
        number = int(np.searchsorted(offsets, unequal[0], side="right")) - 1
        where = f"Set {number} has {sizes[unequal[0]]} features (element {unequal[0] - offsets[number]})"
        raise ValueError(f"{where}; the elements before it have {sizes[0]}.")
    return int(sizes[0]) if len(sizes) else 0


def _as_column(field: Any, offsets: np.ndarray, name: str) -> Any:
    """One field of all elements, with its kind."""
    field = _storage(field)
    is_category = kind_of(field.type) == "dictionary"
    values = _storage(field.dictionary) if is_category else field
    if kind_of(values.type) not in NUMBERS + STRINGS:
        raise ValueError(f"Field {name!r} holds {field.type}; wanted numbers, booleans, strings or a dictionary.")
    if is_category:  # Arrow allows nulls and repetitions in a dictionary, pandas does not: encode it once more
        values = values.cast(import_pyarrow().large_string()) if kind_of(values.type) in STRINGS else values
        values = values.dictionary_encode()
        codes = values.indices.take(field.indices)
        _check_filled(codes, offsets, field=f", field {name!r}")
        return pd.Categorical.from_codes(codes.to_numpy(), pd.Index(_plain(values.dictionary)), field.type.ordered)
    _check_filled(values, offsets, field=f", field {name!r}")
    return _plain(values)


def _dtypes(lists: Any) -> list[str | None]:
    """What dtypes the columns had, where ``sets_to_arrow`` wrote them."""
    written = [field.metadata or {} for field in lists.value_type]
    return [about[DTYPE].decode() if DTYPE in about else None for about in written]


def _as_written(field: Any, dtype: str | None) -> Any:
    """One field with its nulls and, as Parquet knows fewer dtypes than pandas, the dtype that it had."""
    column = field.to_pandas(integer_object_nulls=dtype is not None)  # as floats, large integers would change
    return column if dtype is None else column.astype(dtype)


def _plain(values: Any) -> Any:
    """Numbers as they are in memory, booleans unpacked, strings as pandas' ``str``."""
    if kind_of(values.type) in STRINGS:
        return pd.Series(values.cast(import_pyarrow().large_string()).to_pandas(), dtype="str").array
    return values.to_numpy(zero_copy_only=kind_of(values.type) != "boolean")


def _check_filled(values: Any, offsets: np.ndarray, width: int = 1, field: str = "") -> None:
    """Raise for the first null among the elements, or among the features of elements of this width."""
    if values.null_count == 0:
        return
    row, feature = divmod(int(np.argmax(values.is_null().to_numpy(zero_copy_only=False))), width)
    number = int(np.searchsorted(offsets, row, side="right")) - 1
    where = f"element {row - offsets[number]}{field}" + (f", feature {feature}" if width > 1 else "")
    raise ValueError(f"Set {number} holds a null ({where}); fill missing values, or drop those elements, first.")
