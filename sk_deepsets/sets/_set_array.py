"""A column of sets in a pandas DataFrame: an extension array over one table of elements, as GeoPandas' of shapes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, register_extension_dtype
from pandas.api.indexers import check_array_indexer

from sk_deepsets.sets._concat import concat_sets, equal_sets, is_missing, is_one_set, offsets_of, without_rows
from sk_deepsets.sets._from_arrow import sets_from_arrow
from sk_deepsets.sets._labels import is_printing, label
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._read_many import read_many
from sk_deepsets.sets._to_arrow import sets_to_arrow


@register_extension_dtype
class SetDtype(ExtensionDtype):
    """The dtype of a column of sets: ``pd.Series(list_of_arrays, dtype="sets")``."""

    name = "sets"
    type = object  # a set is an array or a DataFrame
    na_value = pd.NA  # what an empty set may be given as; no set is ever missing

    def __repr__(self) -> str:
        return self.name

    @classmethod
    def construct_array_type(cls) -> Any:
        """The array that holds such values."""
        return SetArray

    def __from_arrow__(self, array: Any) -> SetArray:
        """Back from Parquet, with what is missing in the elements; ``check_sets`` will say what it is."""
        return SetArray(without_rows(sets_from_arrow(array, missing=True)))


def _refused(what: str) -> Callable[..., Any]:
    """A method that pandas has for values with an order, a hash or a sum."""

    def method(self: SetArray, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"Sets have no order, hash or sum, so there is no {what} of a column of dtype 'sets'.")

    return method


class SetArray(ExtensionArray):
    """A pandas array whose values are sets.

    A Series of objects would hold one array or DataFrame for each set; here all of them stay one table, so that
    slicing, taking, concatenating, pickling and printing a column of 100,000 sets costs milliseconds. A missing set
    is an empty set: wherever pandas fills in missing values, for labels without a set, there are empty sets.

    Writing a set makes a new table: write many at once, not one by one. Views of the array do not see what is
    written.

    Parameters
    ----------
    sets : RaggedSets
        Their context and index are left out: those are further columns and the index of the DataFrame.

    Attributes
    ----------
    sets : RaggedSets

    Notes
    -----
    Why not the dtype of nested-pandas, which holds such columns as well? It is one more dependency, and it stores
    what Arrow can hold; here every dtype pandas has is kept, categories included. Arrow columns are read as well, and
    written: ``pandas.read_parquet`` gives such an array back once ``sk_deepsets`` is imported. The labels of the
    elements' rows are not written; read back, they are the numbers of the set and of the element in it.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sk_deepsets import RaggedSets
    >>> column = SetArray(RaggedSets(np.arange(8.0).reshape(4, 2), offsets=[0, 3, 3, 4]))
    >>> data = pd.DataFrame({"age": [30, 40, 50], "orders": column})
    >>> data
       age      orders
    0   30  3 elements
    1   40       empty
    2   50   1 element
    >>> data["orders"].iloc[2]
    array([[6., 7.]])
    """

    __array_priority__ = 1000
    _readonly = False  # pandas 3 sets it on what it hands out

    def __init__(self, sets: RaggedSets) -> None:
        if not isinstance(sets, RaggedSets):
            raise TypeError(f"sets must be a RaggedSets, but is {type(sets).__name__}.")
        if sets.context is not None or sets.index is not None:
            sets = RaggedSets(sets.elements, sets.offsets, feature_names=sets.feature_names)
        self.sets = sets

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> SetArray:
        array = cls(read_many(scalars))
        return array.copy() if copy else array

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[SetArray]) -> SetArray:
        return cls(concat_sets([array.sets for array in to_concat]))

    def _cast_pointwise_result(self, values: Any) -> Any:
        # results of a function applied to each value: sets only if they look it
        if any(is_one_set(value) for value in values):
            try:
                return self._from_sequence(list(values))
            except (TypeError, ValueError):
                pass
        array = np.empty(len(values), dtype=object)
        for number, value in enumerate(values):
            array[number] = value
        return pd.Series(array).infer_objects().array

    @property
    def dtype(self) -> SetDtype:
        """``SetDtype()``, whatever the columns of the elements are."""
        return SetDtype()

    @property
    def nbytes(self) -> int:
        """Bytes of the table and the offsets."""
        table = self.sets.elements
        used = table.memory_usage(index=False).sum() if isinstance(table, pd.DataFrame) else table.nbytes
        return int(used) + self.sets.offsets.nbytes

    def __len__(self) -> int:
        return len(self.sets)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.sets)

    def __getitem__(self, key: Any) -> Any:
        """One set for an integer, as an array or a DataFrame; otherwise a ``SetArray``."""
        key = self._check_key(key)
        if isinstance(key, int):
            return self.sets[key]
        array = SetArray(self.sets[key])
        if isinstance(key, slice):
            array._readonly = self._readonly
        return array

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._readonly:
            raise ValueError("Cannot modify read-only array")
        if isinstance(value, float) and np.isnan(value):
            # what `df.loc[label, "sets"] = frame` makes of the frame, by aligning its columns
            raise TypeError("NaN is no set: write None for an empty set, and a DataFrame with df.at[label, column].")
        key = self._check_key(key)
        numbers = np.arange(len(self))[[key] if isinstance(key, int) else key]
        single = is_one_set(value) or (isinstance(key, int) and isinstance(value, list))
        values = read_many([value]) if single else read_many(value)
        if len(values) != len(numbers) and not single:
            raise ValueError(f"cannot set {len(values)} sets at {len(numbers)} positions.")
        if len(numbers):
            order = np.arange(len(self))
            order[numbers] = len(self) + (0 if single else np.arange(len(numbers)))
            self.sets = concat_sets([self.sets, values])[order]

    def _check_key(self, key: Any) -> Any:
        """A key as an int, a slice or an array of integers or booleans."""
        if isinstance(key, tuple):
            key = next((part for part in key if part is not Ellipsis), Ellipsis)  # pandas slices with [..., key]
        key = slice(None) if key is Ellipsis else check_array_indexer(self, key)
        if isinstance(key, slice | np.ndarray):
            return key
        if not isinstance(key, int | np.integer) or isinstance(key, bool):
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays "
                "are valid indices"
            )
        if not -len(self) <= key < len(self):
            raise IndexError(f"index {key} is out of bounds for axis 0 with size {len(self)}")
        return int(key)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> SetArray:
        """The sets at these positions; with ``allow_fill``, -1 is ``fill_value``: an empty set unless given."""
        numbers = np.asarray(indices, dtype=np.intp)
        if len(numbers) and not len(self) and (not allow_fill or (numbers >= 0).any()):
            raise IndexError("cannot do a non-empty take from an empty axes.")
        if not allow_fill:
            return SetArray(self.sets[numbers])
        if (numbers < -1).any():
            raise ValueError("With allow_fill, positions must be -1 or more.")
        if (numbers >= len(self)).any():
            raise IndexError(f"index {numbers.max()} is out of bounds for axis 0 with size {len(self)}")
        there = numbers >= 0
        if not there.all() and not is_missing(fill_value):
            return SetArray(concat_sets([self.sets, read_many([fill_value])])[np.where(there, numbers, len(self))])
        taken = self.sets[numbers[there]]
        sizes = np.zeros(len(numbers), dtype=np.int64)
        sizes[there] = taken.sizes
        return SetArray(RaggedSets(taken.elements, offsets_of(sizes), feature_names=taken.feature_names))

    def copy(self) -> SetArray:
        """A copy of the table, too."""
        return SetArray(
            RaggedSets(self.sets.elements.copy(), self.sets.offsets.copy(), feature_names=self.sets.feature_names)
        )

    def isna(self) -> np.ndarray:
        """False for all: an empty set is a value."""
        return np.zeros(len(self), dtype=bool)

    def _where(self, mask: np.ndarray, value: Any) -> SetArray:
        # pandas asks is_list_like of the value, which an array that is one set is as well
        array = SetArray(self.sets)
        if is_missing(value):
            array[~mask] = None
        else:
            array[~mask] = value if is_one_set(value) else self._from_sequence(value)[~mask]
        return array

    def fillna(self, *args: Any, copy: bool = True, **kwargs: Any) -> SetArray:
        """The same sets: none is missing."""
        return self.copy() if copy else self[:]

    def __eq__(self, other: Any) -> Any:
        """For each set, whether it has the same elements in the same order; a missing feature equals a missing one."""
        if isinstance(other, pd.Series | pd.Index):
            return NotImplemented
        if is_one_set(other):
            theirs = read_many([other])[np.zeros(len(self), dtype=np.intp)]
        elif isinstance(other, Sequence | np.ndarray | ExtensionArray) and not isinstance(other, str):
            if len(other) != len(self):
                raise ValueError("Lengths must match to compare")
            theirs = read_many(other)
        else:
            return np.zeros(len(self), dtype=bool)
        return equal_sets(self.sets, theirs)

    def __ne__(self, other: Any) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else ~equal

    def __contains__(self, item: Any) -> Any:
        return not is_missing(item) and bool((self == item).any())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A one-dimensional object array of the sets: one object for each."""
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        if is_printing(sys._getframe(1)):
            return self.sets.sizes.astype(object)
        return self.sets.__array__(dtype)

    def __arrow_array__(self, type: Any = None) -> Any:
        """Lists of structs, or of lists of one size where features have no names; ``check_sets`` reads them."""
        array = sets_to_arrow(self.sets)
        return array if type is None else array.cast(type)

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str | None]:
        return label

    def _get_repr_footer(self) -> str:
        sets = self.sets
        return f"Length: {len(self)}, dtype: {self.dtype}, {len(sets.elements):,} elements, {sets.n_features} features"

    argsort = _values_for_argsort = _rank = searchsorted = _refused("order")
    argmin = argmax = _quantile = _refused("least or greatest")
    factorize = _values_for_factorize = _hash_pandas_object = _refused("grouping or hash")
    unique = duplicated = value_counts = _mode = isin = _refused("finding of equal values")
    _reduce = _accumulate = _refused("sum, mean or other reduction")
