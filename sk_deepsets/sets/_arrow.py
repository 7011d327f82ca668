"""Sets from Arrow and back: columns of lists, one list for each set. pyarrow is imported only where there are some."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from sk_deepsets.sets._dtypes import FIRST_FEATURE
from sk_deepsets.sets._ragged import RaggedSets, offsets_of

LISTS = ("list", "large_list", "list_view", "large_list_view", "fixed_size_list")
NUMBERS = ("integer", "floating", "boolean")
STRINGS = ("string", "large_string", "string_view")
WANTED = (
    "lists of numbers, of strings, of lists of one size of numbers, or of structs of numbers, booleans, strings and "
    "dictionaries"
)
# In the metadata of a field of a struct: the dtype of the column that it was.
DTYPE = b"pandas_dtype"


def is_arrow(X: Any) -> bool:
    """Whether ``sets_from_arrow`` is the reader for X; never imports pyarrow for what does not hold Arrow data."""
    if isinstance(X, pd.Series | ExtensionArray):  # a Series of any dtype offers itself to Arrow
        if isinstance(X.dtype, pd.ArrowDtype):
            return kind_of(X.dtype.pyarrow_dtype) in LISTS
        return type(X.dtype).__name__ == "NestedDtype"
    if isinstance(X, pd.DataFrame):
        return False
    return hasattr(X, "__arrow_c_array__") or hasattr(X, "__arrow_c_stream__") or _is_awkward(X)


def is_table(kind: type) -> bool:
    """Whether a type is one of tables: of pandas, polars, pyarrow or the like."""
    return issubclass(kind, pd.DataFrame) or (hasattr(kind, "__arrow_c_stream__") and hasattr(kind, "columns"))


def import_pyarrow() -> Any:
    try:
        return import_module("pyarrow")  # a plain import would need stubs that pyarrow lacks
    except ImportError as error:
        raise ImportError('Reading Arrow data needs pyarrow: pip install "sk-deepsets[arrow]".') from error


def sets_from_arrow(X: Any, *, missing_values: bool = False) -> tuple[RaggedSets, np.ndarray]:
    """Read a column of lists, one list for each set, from the sizes of the lists and their flat values.

    Numbers without nulls share the memory of X, which Arrow makes read-only, unless X comes in several chunks.
    No cost but that of the offsets depends on the number of sets.

    Parameters
    ----------
    X : pandas Series or ExtensionArray, pyarrow Array or ChunkedArray, polars Series, or an object like these
        Lists, whose elements are one of

        - numbers or booleans: sets of scalars;
        - strings or a dictionary: baskets, in a DataFrame with one column;
        - lists of these that all have one size: sets of elements with that many features;
        - structs of numbers, booleans, strings and dictionaries: one column for each field, in a DataFrame that keeps
          their kinds. A struct of lists of equal sizes, as nested-pandas may store it, is read likewise.
    missing_values : bool, default=False
        Whether fields of structs may be null, and of any type that pandas has, as ``sets_to_arrow`` writes them.

    Returns
    -------
    sets : RaggedSets
        With the ``index`` of a Series.
    missing : ndarray of shape (n_sets,)
        Which lists are null; their sets are empty.

    Raises
    ------
    ValueError, TypeError, ImportError
        For other types, for nulls in a set, where the message names the set, the element and the field, and without
        pyarrow.
    """
    array = _storage(_as_one_array(X))
    missing = array.is_null().to_numpy(zero_copy_only=False)
    names, lists = ([], [array]) if kind_of(array.type) in LISTS else _fields_of_lists(array)
    cuts = _cuts(lists, names, X.index if isinstance(X, pd.Series) else None)
    fields = [_storage(one.flatten()) for one in lists]
    about: list[dict[bytes, bytes]] = [{}]
    if not names:
        _check_filled(fields[0], cuts)
        kind = kind_of(fields[0].type)
        if kind == "struct":
            names = [field.name for field in fields[0].type]
            about = [field.metadata or {} for field in fields[0].type]
            fields = [fields[0].field(number) for number in range(len(names))]
        elif kind in (*STRINGS, "dictionary"):
            names = [FIRST_FEATURE]
        else:
            return cuts.replace(_as_ndarray(fields[0], cuts, array.type)), missing
    if missing_values:
        columns = [_as_written(field, of_field.get(DTYPE, b"")) for field, of_field in zip(fields, about, strict=True)]
    else:
        columns = [_as_column(field, cuts, name) for field, name in zip(fields, names, strict=True)]
    elements = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(len(cuts.elements)), copy=False)
    elements.columns = pd.Index(names)  # only now, as Arrow allows a name to occur twice
    return cuts.replace(elements), missing


def sets_to_arrow(sets: RaggedSets, missing: np.ndarray) -> Any:
    """A pyarrow array with one list for each set, null where the set is missing; ``check_sets`` reads it.

    Elements with named features are structs, one field for each feature and of its kind; those without are lists of
    one size. Only offsets and values that Arrow stores in another way (booleans, strings) are copied. From Parquet,
    categories that are no strings come back as those that occur, without an order.
    """
    pa = import_pyarrow()
    table, names = sets.elements, sets.feature_names
    if names is not None:
        columns = [table[name] for name in names] if isinstance(table, pd.DataFrame) else table.T
        arrays = [_to_arrow(column, name) for column, name in zip(columns, names, strict=True)]
        kept = [isinstance(column.dtype, np.dtype) for column in columns]  # Arrow, or Parquet, has no word for others
        fields = [
            pa.field(name, array.type, metadata=None if known else {DTYPE: str(column.dtype)})
            for name, array, column, known in zip(names, arrays, columns, kept, strict=True)
        ]
        values = pa.StructArray.from_arrays(arrays, fields=fields)
    elif sets.n_features == 0:  # nothing tells what the elements would be
        values = pa.nulls(0)
    else:
        values = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), sets.n_features)
    return pa.LargeListArray.from_arrays(pa.array(sets.offsets), values, mask=pa.array(missing))


def _to_arrow(values: Any, name: str) -> Any:
    pa = import_pyarrow()
    try:
        # from_pandas would make nulls of NaN, which are errors where sets are read
        array = pa.array(values, from_pandas=False)
    except (TypeError, pa.ArrowException) as error:
        raise TypeError(
            f"Column {name!r} of the elements has dtype {values.dtype}, which Arrow lacks: {error}"
        ) from error
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def from_arrow(X: Any) -> np.ndarray:
    """The values of any column as an array, of arrays for lists; what is missing is None or NaN."""
    return _as_one_array(X).to_pandas(integer_object_nulls=True).to_numpy()


def _is_awkward(X: Any) -> bool:
    """Whether X is an Awkward Array, which offers itself to Arrow by ``ak.to_arrow`` alone."""
    return type(X).__module__ == "awkward.highlevel"


def kind_of(dtype: Any) -> str:
    """A short name for the Arrow types that are of use here; all others in their own words."""
    types = import_pyarrow().types
    kinds = (*LISTS, *NUMBERS, *STRINGS, "struct", "dictionary", "null")
    return next((kind for kind in kinds if getattr(types, f"is_{kind}")(dtype)), str(dtype))


def _as_one_array(X: Any) -> Any:
    """X as a pyarrow Array; copied only if it comes in several chunks."""
    pa = import_pyarrow()
    array = X.array if isinstance(X, pd.Series) else X
    if _is_awkward(X):
        try:
            array = import_module("awkward").to_arrow(X, extensionarray=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise TypeError(f"X is an Awkward Array of type {X.type}, which Arrow cannot hold: {error}") from error
    if isinstance(array, ExtensionArray) and hasattr(array, "__arrow_array__"):
        array = array.__arrow_array__()
    if not isinstance(array, pa.Array | pa.ChunkedArray):
        what = f"a Series of dtype {X.dtype}" if isinstance(X, pd.Series) else type(X).__name__
        if not hasattr(array, "__arrow_c_array__") and not hasattr(array, "__arrow_c_stream__"):
            raise TypeError(f"Expected an Arrow array, but got {what}; wanted {WANTED}.")
        if isinstance(array, pa.RecordBatchReader) or is_table(type(array)):
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


def _fields_of_lists(array: Any) -> tuple[list[str], list[Any]]:
    """The names and the lists of a struct of lists."""
    names = [field.name for field in array.type] if kind_of(array.type) == "struct" else []
    lists = [_storage(field) for field in array.flatten()] if names else []  # flatten hands nulls down to the fields
    if not lists or any(kind_of(field.type) not in LISTS for field in lists):
        raise ValueError(f"X holds {array.type}; wanted {WANTED}.")
    return names, lists


def _cuts(lists: list[Any], names: list[str], index: pd.Index | None) -> RaggedSets:
    """Sets of elements without features yet, which know where each set begins: one set for each list."""
    sizes = np.array([one.value_lengths().fill_null(0).to_numpy() for one in lists], dtype=np.int64)
    unequal = np.flatnonzero((sizes != sizes[0]).any(axis=0))
    if len(unequal):
        counts = dict(zip(names, sizes[:, unequal[0]].tolist(), strict=True))
        raise ValueError(f"Set {unequal[0]} has unequal numbers of elements in its fields: {counts}.")
    return RaggedSets(np.empty((sizes[0].sum(), 0)), offsets_of(sizes[0]), index=index)


def _as_ndarray(values: Any, cuts: RaggedSets, dtype: Any) -> np.ndarray:
    """Elements that are numbers, or lists of one size of numbers."""
    width = 1
    if kind_of(values.type) in LISTS:
        sizes = values.value_lengths().to_numpy()
        unequal = np.flatnonzero(sizes != sizes[:1])
        if len(unequal):
            number, place = cuts.locate(unequal[0])
            raise ValueError(
                f"Set {number} has {sizes[unequal[0]]} features (element {place}); the elements before it have "
                f"{sizes[0]}."
            )
        width = getattr(values.type, "list_size", sizes[0] if len(sizes) else 0)
        values = _storage(values.flatten())
        _check_filled(values, cuts, width)
    if kind_of(values.type) == "null":  # nothing tells what the elements would be: all sets are empty
        return np.empty((0, 0), dtype=np.float32)
    if kind_of(values.type) not in NUMBERS:
        raise ValueError(f"X holds {dtype}; wanted {WANTED}.")
    return _plain(values).reshape(len(cuts.elements), width)


def _as_column(field: Any, cuts: RaggedSets, name: str) -> Any:
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
        _check_filled(codes, cuts, field=f", field {name!r}")
        return pd.Categorical.from_codes(codes.to_numpy(), pd.Index(_plain(values.dictionary)), field.type.ordered)
    _check_filled(values, cuts, field=f", field {name!r}")
    return _plain(values)


def _as_written(field: Any, dtype: bytes) -> Any:
    """One field with its nulls and, as Parquet knows fewer dtypes than pandas, the dtype that it had."""
    column = field.to_pandas(integer_object_nulls=bool(dtype))  # as floats, large integers would change
    return column.astype(dtype.decode()) if dtype else column


def _plain(values: Any) -> Any:
    """Numbers as they are in memory, booleans unpacked, strings as pandas' ``str``."""
    if kind_of(values.type) in STRINGS:
        return pd.Series(values.cast(import_pyarrow().large_string()).to_pandas(), dtype="str").array
    return values.to_numpy(zero_copy_only=kind_of(values.type) != "boolean")


def _check_filled(values: Any, cuts: RaggedSets, width: int = 1, field: str = "") -> None:
    """Raise for the first null among the elements, or among the features of elements of this width."""
    if values.null_count == 0:
        return
    row, feature = divmod(int(np.argmax(values.is_null().to_numpy(zero_copy_only=False))), width)
    number, place = cuts.locate(row)
    where = f"element {place}{field}" + (f", feature {feature}" if width > 1 else "")
    raise ValueError(f"Set {number} holds a null ({where}); fill missing values, or drop those elements, first.")
