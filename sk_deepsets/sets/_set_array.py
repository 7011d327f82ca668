"""A column of sets in a pandas DataFrame: an extension array over one table of elements, like GeoPandas' of shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, register_extension_dtype, take
from pandas.api.indexers import check_array_indexer
from pandas.api.types import is_object_dtype, pandas_dtype

from sk_deepsets.sets._arrow_lists import sets_from_arrow, sets_to_arrow
from sk_deepsets.sets._concat import concat_sets, equal_sets
from sk_deepsets.sets._from_objects import sets_from_objects
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_objects import PrintedFrame, label, to_objects, to_texts
from sk_deepsets.sets._values import is_missing


@register_extension_dtype
class SetDtype(ExtensionDtype):
    """The dtype of a column of sets: ``pd.Series(list_of_arrays, dtype="sets")``."""

    name = "sets"
    type = object  # a set is an array or a DataFrame
    na_value = pd.NA

    def __repr__(self) -> str:
        return self.name

    @classmethod
    def construct_array_type(cls) -> Any:
        """The array that holds such values."""
        return SetArray

    def __from_arrow__(self, array: Any) -> SetArray:
        """Back from Parquet, missing values in the elements included, which ``check_sets`` refuses."""
        return SetArray(*sets_from_arrow(array, as_written=True))


def is_one_set(value: Any) -> bool:
    """Whether a value is one set, or a missing one, rather than a sequence of sets."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 1 and value.dtype != object)
    return isinstance(value, pd.DataFrame) or is_missing(value)


def _refused(what: str) -> Callable[..., Any]:
    """A method of pandas for values with an order, a hash or a sum, which raises."""

    def method(self: SetArray, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"Sets have no order, hash or sum, so there is no {what} of a column of dtype 'sets'.")

    return method


class SetArray(ExtensionArray):
    """A pandas array whose values are sets.

    A Series of objects would hold one array or DataFrame for each set; here all of them stay one table, so that
    slicing, taking, concatenating, pickling and printing a column of 100,000 sets costs milliseconds. Sets may be
    missing, which does not mean empty: they are wherever pandas fills in missing values, for labels without a set.

    Writing a set makes a new table: write many at once, not one by one. Slices do not see what is written.

    Parameters
    ----------
    sets : RaggedSets
        Their context and index are left out: those are further columns and the index of the DataFrame.
    missing : ndarray of shape (n_sets,), default=None
        Which sets are missing; these must be empty. None: none is.

    Attributes
    ----------
    sets : RaggedSets
    missing : ndarray of bool

    Notes
    -----
    The dtype of nested-pandas holds such columns as well, but only what Arrow can hold; here every dtype that pandas
    has is kept, categories included. ``pandas.read_parquet`` gives such an array back once ``sk_deepsets`` is
    imported, without the labels of the elements' rows: these are the numbers of the set and of the element then.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sk_deepsets import RaggedSets
    >>> from sk_deepsets.sets import SetArray
    >>> column = SetArray(RaggedSets(np.arange(8.0).reshape(4, 2), offsets=[0, 3, 3, 4]))
    >>> data = pd.DataFrame({"age": [30, 40, 50], "orders": column})
    >>> data.reindex([0, 1, 3])
        age      orders
    0  30.0  3 elements
    1  40.0       empty
    3   NaN        <NA>
    >>> data["orders"].iloc[2]
    array([[6., 7.]])
    """

    __array_priority__ = 1000
    _readonly = False  # pandas 3 sets it on what it hands out

    def __init__(self, sets: RaggedSets, missing: Any = None) -> None:
        if not isinstance(sets, RaggedSets):
            raise TypeError(f"sets must be a RaggedSets, but is {type(sets).__name__}.")
        missing = np.zeros(len(sets), dtype=bool) if missing is None else np.asarray(missing, dtype=bool)
        if missing.shape != (len(sets),) or sets.sizes[missing].any():
            raise ValueError(
                f"missing must have one boolean for each of {len(sets)} sets, False where it has elements."
            )
        if sets.context is not None or sets.index is not None:
            sets = sets._with(context=None, index=None)
        self._held = [sets, missing]  # shared with views of the whole array, which see what is written

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> SetArray:
        """The sets of a column, of a RaggedSets or of a sequence of objects, some of which may be missing."""
        values = scalars.array if isinstance(scalars, pd.Series | pd.Index) else scalars
        if isinstance(values, np.ndarray) and values.ndim == 2:
            raise ValueError(f"An array of shape {values.shape} is one set, not many: put it into a list.")
        if isinstance(values, RaggedSets):
            values = cls(values)
        elif not isinstance(values, SetArray):
            return cls(*sets_from_objects(list(values)))
        return values.copy() if copy else values

    @classmethod
    def _from_scalars(cls, scalars: Any, *, dtype: Any) -> SetArray:
        """What a function made of each set: a column of sets if these are arrays and DataFrames, and not just lists."""
        if not all(map(is_one_set, scalars)):
            raise ValueError("These are not sets.")
        return cls._from_sequence(scalars)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[SetArray]) -> SetArray:
        missing = np.concatenate([array.missing for array in to_concat])
        return cls(concat_sets([array.sets for array in to_concat]), missing)

    @property
    def sets(self) -> RaggedSets:
        """The sets, in which those that are missing are empty."""
        return self._held[0]

    @property
    def missing(self) -> np.ndarray:
        """Which sets are missing, booleans."""
        return self._held[1]

    @property
    def dtype(self) -> SetDtype:
        """``SetDtype()``, whatever the columns of the elements are."""
        return SetDtype()

    @property
    def nbytes(self) -> int:
        """Bytes of the table, the offsets and the mask of missing sets."""
        table = self.sets.elements
        used = table.memory_usage(index=False).sum() if isinstance(table, pd.DataFrame) else table.nbytes
        return int(used) + self.sets.offsets.nbytes + self.missing.nbytes

    def __len__(self) -> int:
        return len(self.sets)

    def __iter__(self) -> Iterator[Any]:
        return (pd.NA if lost else one_set for lost, one_set in zip(self.missing, self.sets, strict=True))

    def __getitem__(self, key: Any) -> Any:
        """One set for an integer, as an array or a DataFrame, or NA; otherwise a ``SetArray``."""
        key = self._check_key(key)
        if isinstance(key, int):
            return pd.NA if self.missing[key] else self.sets[key]
        array = SetArray(self.sets[key], self.missing[key])
        if isinstance(key, slice):
            array._readonly = self._readonly
            array._held = self._held if key == slice(None) else array._held
        return array

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._readonly:
            raise ValueError("Cannot modify read-only array")
        key = self._check_key(key)
        numbers = np.arange(len(self))[[key] if isinstance(key, int) else key]
        single = is_one_set(value) or (isinstance(key, int) and isinstance(value, list))
        values = self._from_sequence([value] if single else value)
        if len(values) != len(numbers) and not single:
            raise ValueError(f"cannot set {len(values)} sets at {len(numbers)} positions.")
        if len(numbers):
            order = np.arange(len(self))
            order[numbers] = len(self) + (0 if single else np.arange(len(numbers)))
            self._held[:] = self._concat_same_type([self, values])[order]._held

    def _check_key(self, key: Any) -> Any:
        """A key as an int, a slice or an array of integers."""
        if isinstance(key, tuple):
            key = next((part for part in key if part is not Ellipsis), Ellipsis)  # pandas slices with [..., key]
        key = slice(None) if key is Ellipsis else check_array_indexer(self, key)
        if isinstance(key, slice) or (isinstance(key, int | np.integer) and -len(self) <= key < len(self)):
            return key if isinstance(key, slice) else int(key)
        return np.arange(len(self))[key]  # NumPy says what is wrong with a key

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> SetArray:
        """The sets at these positions; with ``allow_fill``, -1 is ``fill_value``: missing unless given."""
        numbers: Any = np.asarray(indices, dtype=np.intp)
        numbers = take(np.arange(len(self)), numbers, allow_fill=allow_fill, fill_value=-1)
        if not allow_fill:
            return self[numbers]
        if is_missing(fill_value):
            return SetArray(self.sets._take(numbers), np.append(self.missing, True)[numbers])
        return self._concat_same_type([self, self._from_sequence([fill_value])])[numbers]

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The sets as objects, or as JSON text: ``astype("str")``.

        Each object has its JSON text as ``str``, so ``to_csv`` writes all elements, too. ``json.loads`` of a text is a
        list that :func:`check_sets` reads; Parquet keeps the dtypes of the columns as well.
        """
        dtype = pandas_dtype(dtype)
        if isinstance(dtype, pd.StringDtype):
            return pd.Series(to_texts(self.sets), dtype=dtype).mask(self.missing).array
        if not is_object_dtype(dtype):
            return super().astype(dtype, copy)
        objects = to_objects(self.sets)
        objects[self.missing] = pd.NA
        return objects

    def map(self, mapper: Any, na_action: Any = None) -> Any:
        """What a function gives for each set; ``len`` reads no elements."""
        function = mapper.func if isinstance(mapper, partial) else mapper  # pandas 3 wraps functions without arguments
        if function is len and not self.missing.any():
            return self.sets.sizes
        return super().map(mapper, na_action=na_action)

    def copy(self) -> SetArray:
        """A copy of the table, too."""
        return SetArray(self.sets.replace(self.sets.elements.copy()), self.missing.copy())

    def isna(self) -> np.ndarray:
        """Which sets are missing; an empty set is not."""
        return self.missing.copy()

    def fillna(self, value: Any, limit: int | None = None, copy: bool = True, **old: Any) -> SetArray:
        """Fill missing sets, the first ``limit`` of them if given, with one set or with those of as many rows."""
        if isinstance(value, dict):
            raise TypeError("ExtensionArray.fillna does not support filling with a dict")
        array, places = self.copy() if copy else self[:], np.flatnonzero(self.missing)[:limit]
        if not is_one_set(value):
            if len(value) != len(self):
                raise ValueError(f"Length of 'value' does not match. Got {len(value)} sets for {len(self)} rows.")
            value = self._from_sequence(value)[places]
        array[places] = value
        return array

    def _pad_or_backfill(
        self, *, method: Any, limit: int | None = None, limit_area: Any = None, copy: bool = True
    ) -> SetArray:
        base: Any = super()  # pandas 2 asks for one where fillna is written anew
        return base._pad_or_backfill(method=method, limit=limit, limit_area=limit_area, copy=copy)

    def __eq__(self, other: Any) -> Any:
        """For each set, whether it has the same elements in the same order; a missing feature equals a missing one."""
        if isinstance(other, pd.Series | pd.Index):
            return NotImplemented
        if is_one_set(other):
            theirs = self._from_sequence([other])[np.zeros(len(self), dtype=np.intp)]
        elif isinstance(other, Sequence | np.ndarray | ExtensionArray) and not isinstance(other, str):
            if len(other) != len(self):
                raise ValueError("Lengths must match to compare")
            theirs = self._from_sequence(other)
        else:
            return np.zeros(len(self), dtype=bool)
        return equal_sets(self.sets, theirs.sets) & ~self.missing & ~theirs.missing

    def __contains__(self, item: Any) -> Any:
        return bool(self.missing.any() if item is pd.NA else (self == item).any())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A one-dimensional object array of the sets: one object for each."""
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        objects = self.sets.__array__(dtype)
        if isinstance(self.sets.elements, pd.DataFrame):
            objects = np.fromiter(map(PrintedFrame, objects), dtype=object, count=len(objects))
        objects[self.missing] = pd.NA
        return objects

    def __arrow_array__(self, type: Any = None) -> Any:
        """Lists of structs, or of lists of one size where features have no names; ``check_sets`` reads them."""
        array = sets_to_arrow(self.sets, self.missing)
        return array if type is None else array.cast(type)

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str]:
        return label

    def _get_repr_footer(self) -> str:
        sets = self.sets
        return f"Length: {len(self)}, dtype: {self.dtype}, {len(sets.elements):,} elements, {sets.n_features} features"

    argsort = _values_for_argsort = _rank = searchsorted = _refused("order")
    argmin = argmax = _quantile = _refused("least or greatest")
    factorize = _values_for_factorize = _hash_pandas_object = _refused("grouping or hash")
    unique = duplicated = value_counts = _mode = isin = _refused("finding of equal values")
    _reduce = _accumulate = _refused("sum, mean or other reduction")
