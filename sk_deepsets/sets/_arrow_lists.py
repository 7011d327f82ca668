"""Sets in Arrow: read from columns of lists, one list for each set, and written as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import as_one_array, import_pyarrow, kind_of
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._sequence import offsets_of
from sk_deepsets.sets._values import FIRST_FEATURE

EXPECTED = (
    "lists of numbers, of strings, of lists of one size of numbers, or of structs of numbers, booleans, strings and "
    "dictionaries"
)
# In the metadata of a field of a struct: the dtype of the column that it was.
DTYPE = b"pandas_dtype"


def sets_from_arrow(X: Any, *, as_written: bool = False) -> tuple[RaggedSets, np.ndarray]:
    """The sets of a column of lists, one list for each set, and which lists are null, whose sets are empty.

    The elements may be

    - numbers or booleans: sets of scalars;
    - strings or a dictionary: baskets, in a DataFrame with one column;
    - lists of numbers that all have one size: elements with that many features;
    - structs of numbers, booleans, strings and dictionaries: a DataFrame with one column for each field, of its kind;
      a struct of lists of equal sizes, as nested-pandas may store it, is read likewise.

    A null among them is an error that names the set, the element and the field. With ``as_written``, fields of structs
    may be null, and of any type that pandas has, as ``sets_to_arrow`` writes them.

    Numbers without nulls share the memory of X, which Arrow makes read-only, unless X comes in several chunks.
    No cost but that of the offsets depends on the number of sets.
    """
    array = _storage(as_one_array(X))
    missing = array.is_null().to_numpy(zero_copy_only=False)
    names, lists = [], [array]
    if kind_of(array.type) == "struct":  # of lists; flatten hands nulls down to its fields
        names, lists = [field.name for field in array.type], [_storage(field) for field in array.flatten()]
    if not lists or any(kind_of(column.type) != "list" for column in lists):
        raise ValueError(f"X holds {array.type}; expected {EXPECTED}.")
    cuts = _cuts(lists, names)
    fields = [_storage(column.flatten()) for column in lists]
    dtypes = [None for _ in fields]
    if not names:
        values = fields[0]
        _check_filled(values, cuts)
        kind = kind_of(values.type)
        if kind in ("string", "dictionary"):
            names = [FIRST_FEATURE]
        elif kind == "struct":
            names = [field.name for field in values.type]
            dtypes = [(field.metadata or {}).get(DTYPE) for field in values.type]
            fields = [values.field(number) for number in range(len(names))]
        else:
            return cuts.replace(_as_ndarray(values, cuts, array.type)), missing
    if as_written:
        columns = [_as_written(field, dtype) for field, dtype in zip(fields, dtypes, strict=True)]
    else:
        columns = [_as_column(field, cuts, name) for field, name in zip(fields, names, strict=True)]
    elements = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(len(cuts.elements)), copy=False)
    elements.columns = pd.Index(names)  # only now, as Arrow allows a name to occur twice
    return cuts.replace(elements), missing


def sets_to_arrow(sets: RaggedSets, missing: np.ndarray) -> Any:
    """A pyarrow array with one list for each set, null where the set is missing; ``check_sets`` reads it.

    Elements with named features are structs, one field for each feature and of its kind; those without are lists of
    one size. Only offsets and values that Arrow stores in another way (booleans, strings) are copied. From Parquet,
    categories other than strings come back as those that occur, without an order.
    """
    pa = import_pyarrow()
    table, names = sets.elements, sets.feature_names
    if names is not None:
        columns = [table[name] for name in names] if isinstance(table, pd.DataFrame) else list(table.T)
        arrays = [_to_arrow(column, name) for column, name in zip(columns, names, strict=True)]
        # Arrow, or Parquet, cannot store some of pandas' own dtypes
        metadata = [None if isinstance(c.dtype, np.dtype) else {DTYPE: str(c.dtype)} for c in columns]
        parts = zip(names, arrays, metadata, strict=True)
        fields = [pa.field(name, array.type, metadata=data) for name, array, data in parts]
        values = pa.StructArray.from_arrays(arrays, fields=fields)
    elif sets.n_features == 0:  # nothing tells what the elements would be
        values = pa.nulls(0)
    else:
        values = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), sets.n_features)
    return pa.LargeListArray.from_arrays(pa.array(sets.offsets), values, mask=pa.array(missing))


def _to_arrow(column: Any, name: str) -> Any:
    pa = import_pyarrow()
    try:
        # from_pandas would make nulls of NaN, which are errors where sets are read
        array = pa.array(column, from_pandas=False)
    except (TypeError, pa.ArrowException) as error:
        raise TypeError(
            f"Column {name!r} of the elements has dtype {column.dtype}, which Arrow cannot store: {error}"
        ) from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _storage(array: Any) -> Any:
    """What an array of an extension type, such as Awkward Array's, is made of; other arrays themselves."""
    pa = import_pyarrow()
    while isinstance(array, pa.ExtensionArray):
        if isinstance(array.type, pa.FixedShapeTensorType) and len(array.type.shape) > 1:
            raise ValueError(f"X holds tensors of shape {array.type.shape}; expected {EXPECTED}.")
        array = array.storage
    return array


def _cuts(lists: list[Any], names: list[str]) -> RaggedSets:
    """Sets of elements that have no features yet: one set for each list."""
    sizes = np.array([column.value_lengths().fill_null(0).to_numpy() for column in lists], dtype=np.int64)
    unequal = np.flatnonzero((sizes != sizes[0]).any(axis=0))
    if len(unequal):
        counts = dict(zip(names, sizes[:, unequal[0]].tolist(), strict=True))
        raise ValueError(f"Set {unequal[0]} has unequal numbers of elements in its fields: {counts}.")
    return RaggedSets(np.empty((sizes[0].sum(), 0)), offsets_of(sizes[0]))


def _as_ndarray(values: Any, cuts: RaggedSets, dtype: Any) -> np.ndarray:
    """Elements that are numbers, or lists of one size of numbers."""
    width = 1
    if kind_of(values.type) == "list":
        sizes = values.value_lengths().to_numpy()
        unequal = np.flatnonzero(sizes != sizes[:1])
        if len(unequal):
            number, place = cuts.locate(unequal[0])
            raise ValueError(
                f"Set {number} has {sizes[unequal[0]]} features (element {place}); the elements before it have "
                f"{sizes[0]}."
            )
        is_fixed = isinstance(values.type, import_pyarrow().FixedSizeListType)
        width = values.type.list_size if is_fixed else sizes[0] if len(sizes) else 0
        values = _storage(values.flatten())
        _check_filled(values, cuts, width)
    if kind_of(values.type) == "null":  # nothing tells what the elements would be: all sets are empty
        return np.empty((0, 0), dtype=np.float32)
    if kind_of(values.type) != "number":
        raise ValueError(f"X holds {dtype}; expected {EXPECTED}.")
    return _to_numpy(values).reshape(len(cuts.elements), width)


def _as_column(field: Any, cuts: RaggedSets, name: str) -> Any:
    """One field of all elements, with its kind."""
    field = _storage(field)
    is_category = kind_of(field.type) == "dictionary"
    values = _storage(field.dictionary) if is_category else field
    if kind_of(values.type) not in ("number", "string"):
        raise ValueError(f"Field {name!r} holds {field.type}; expected numbers, booleans, strings or a dictionary.")
    if is_category:  # Arrow allows nulls and repetitions in a dictionary, pandas does not: encode it once more
        values = values.cast(import_pyarrow().large_string()) if kind_of(values.type) == "string" else values
        values = values.dictionary_encode()
        codes = values.indices.take(field.indices)
        _check_filled(codes, cuts, field=f", field {name!r}")
        return pd.Categorical.from_codes(codes.to_numpy(), pd.Index(_to_numpy(values.dictionary)), field.type.ordered)
    _check_filled(values, cuts, field=f", field {name!r}")
    return _to_numpy(values)


def _as_written(field: Any, dtype: bytes | None) -> Any:
    """One field with its nulls and, as Parquet knows fewer dtypes than pandas, the dtype that it had."""
    column = field.to_pandas(integer_object_nulls=dtype is not None)  # as floats, large integers would change
    return column if dtype is None else column.astype(dtype.decode())


def _to_numpy(values: Any) -> Any:
    """Numbers as they are in memory, booleans unpacked, strings as pandas' ``str``."""
    if kind_of(values.type) == "string":
        return pd.Series(values.cast(import_pyarrow().large_string()).to_pandas(), dtype="str").array
    return values.to_numpy(zero_copy_only=False)


def _check_filled(values: Any, cuts: RaggedSets, width: int = 1, field: str = "") -> None:
    """Raise for the first null among the elements, or among the features of elements of this width."""
    if values.null_count == 0:
        return
    row, feature = divmod(int(np.argmax(values.is_null().to_numpy(zero_copy_only=False))), width)
    number, place = cuts.locate(row)
    where = f"element {place}{field}" + (f", feature {feature}" if width > 1 else "")
    raise ValueError(f"Set {number} holds a null ({where}); fill missing values, or drop those elements, first.")
