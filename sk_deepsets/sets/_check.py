"""check_sets: reads every accepted form of X as a RaggedSets, or raises an error that says why it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sk_deepsets.sets._arrow import is_arrow, is_table
from sk_deepsets.sets._arrow_lists import sets_from_arrow
from sk_deepsets.sets._check_values import as_block, as_floating, check_finite, check_shape, warn_of_padding
from sk_deepsets.sets._from_objects import sets_from_arrays, sets_from_objects
from sk_deepsets.sets._labels import counts_rows
from sk_deepsets.sets._padded import PaddedSets
from sk_deepsets.sets._protocols import Dataset, HasArray, TorchTensor, offers
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray
from sk_deepsets.sets._set_column import check_no_text, columns_beside, find_sets, read_table, zip_lists
from sk_deepsets.sets._values import TEXT, as_ndarray, is_text_of_list, read_text, shown


def check_sets(
    X: Any,
    *,
    dtype: str | None = "numeric",
    ensure_all_finite: bool = True,
    ensure_min_elements: int = 1,
    missing_sets: str = "error",
) -> RaggedSets:
    """Read sets of any accepted form as a :class:`RaggedSets`, and check every value.

    This is to sets what :func:`sklearn.utils.check_array` is to arrays.

    Parameters
    ----------
    X : sets
        One of

        - a list or tuple of arrays of shape ``(n_i, n_features)``: NumPy arrays, torch CPU tensors, nested
          lists, or tables (pandas, polars, pyarrow) with the same columns. One-dimensional arrays are sets of
          scalars. Lists of dicts are tables; lists of strings (baskets) too, with the one column ``"x0"``;
        - an object array or a pandas Series of such arrays;
        - an array of shape ``(n_sets, set_size, n_features)``;
        - a DataFrame, or a table of polars or pyarrow, in which one column holds sets, or several columns hold lists of
          numbers or strings, one list for each feature, as of ``groupby(...).agg(list)``; its other columns become the
          context;
        - Arrow lists of numbers, of strings, of fixed-size lists or of structs: pandas, nested-pandas, pyarrow,
          polars, Awkward Array;
        - a :class:`RaggedSets` or a :class:`PaddedSets`.
    dtype : "numeric" or None, default="numeric"
        Whether elements must be numbers. None keeps the dtypes of the columns, if elements are DataFrames.
    ensure_all_finite : bool, default=True
        Whether missing values, NaN, infinity and values beyond float32 are errors.
    ensure_min_elements : int, default=1
        Minimum number of elements of all sets together.
    missing_sets : {"error", "empty"}, default="error"
        What to do with missing sets (None, NaN, NA, an Arrow null, a label that pandas filled in): raise an error,
        since a missing set is not an empty one, or read them as empty, for rows without elements after a left join.

    Returns
    -------
    sets : RaggedSets
        With float32 or float64 elements: float64 is kept, so that standardising can use its precision. With
        ``dtype=None``, tables are DataFrames. ``rows`` holds the row labels of DataFrames.

    Raises
    ------
    ValueError, TypeError
        For anything else; the message names the set, and says what was expected and what was passed.

    Examples
    --------
    >>> from sk_deepsets import check_sets
    >>> check_sets([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]])
    RaggedSets(2 sets of 1 to 2 elements, 3 elements, 2 features, float64)
    >>> check_sets([[[1.0, 2.0]], [[3.0]]])
    Traceback (most recent call last):
        ...
    ValueError: Set 1 has 1 feature; the sets before it have 2. ...
    """
    sets, missing = _read(X)
    if missing_sets not in ("error", "empty"):
        raise ValueError(f'missing_sets must be "error" or "empty", but is {missing_sets!r}.')
    if missing_sets == "error" and missing.any():
        first = int(np.argmax(missing))
        label = "" if sets.index is None else f", with the label {sets.index[first : first + 1].tolist()[0]!r}"
        raise ValueError(
            f"{missing.sum():,} of {len(missing):,} sets {'is' if missing.sum() == 1 else 'are'} missing; the first is "
            f"set {first}{label}. A missing set is not an empty one: RaggedSets.from_frame(frame, by=..., ids=...) "
            'makes an empty set for each of the ids without rows, and missing_sets="empty", of check_sets and the '
            "estimators, reads missing sets as empty."
        )
    if dtype == "numeric" or isinstance(sets.elements, np.ndarray):
        sets = as_floating(sets)
    check_shape(sets, ensure_min_elements)
    # containers know their padding
    block = None if isinstance(X, RaggedSets | PaddedSets | SetArray) else as_block(sets)
    if ensure_all_finite:
        check_finite(sets, block, X)
    if block is not None:
        warn_of_padding(block, X)
    return sets


def _read(X: Any) -> tuple[RaggedSets, np.ndarray]:
    """The sets of X, before their values are checked, and which of them are missing."""
    if isinstance(X, PaddedSets):
        X = X.to_ragged()
    if isinstance(X, RaggedSets):
        return X, np.zeros(len(X), dtype=bool)
    if isinstance(X, pd.Series | SetArray):
        return _from_column(X)
    if is_table(type(X)):
        if isinstance(X, pd.DataFrame):
            return _from_table(X, "DataFrame", "X.to_numpy()")
        return _without_row_numbers(*_from_table(read_table(X), type(X).__name__, "X.to_numpy()"))
    if isinstance(X, list | tuple) and not hasattr(X, "_fields"):
        return sets_from_objects(list(X))
    if is_arrow(X):
        return sets_from_arrow(X)
    if offers(X, TorchTensor) and X.is_nested:
        return sets_from_objects(list(X.unbind()))
    return _from_ndarray(X)


def _from_column(X: pd.Series | SetArray) -> tuple[RaggedSets, np.ndarray]:
    """The sets of a column of any dtype, with the index of a Series."""
    array = X.array if isinstance(X, pd.Series) else X
    if isinstance(array, SetArray):
        sets, missing = array.sets, array.missing
    elif is_arrow(X):
        sets, missing = sets_from_arrow(X)
    elif X.dtype == object:
        sets, missing = sets_from_objects(X.tolist())
    else:
        text = next((value for value in X if is_text_of_list(value)), None)
        way_out = "" if text is None else f" {read_text(text, 'X')}"
        raise ValueError(f"A Series of sets holds one array per row, but this one has dtype {X.dtype}.{way_out}")
    return sets._with(index=X.index if isinstance(X, pd.Series) else None), missing


def _from_table(X: pd.DataFrame, kind: str, array: str) -> tuple[RaggedSets, np.ndarray]:
    """The sets of a table with one column of sets; the others are context."""
    places = find_sets(X)
    if not places:
        check_no_text(X)
        no_sets = f"None of its columns holds sets{_first_object(X)}. " if kind == "DataFrame" else ""
        raise ValueError(
            f"X is a 2-D {kind} of shape {X.shape}, which can be read in two ways. {no_sets}Pass "
            f"{array}[:, :, None] if each row is a set of {X.shape[1]} scalars, or {array}[:, None, :] if each row is "
            f"a set of one element with {X.shape[1]} features. Of a long table, whose rows are elements, "
            "RaggedSets.from_frame(frame, by=..., columns=...) makes sets."
        )
    if len(places) == 1:
        sets, missing = _from_column(X.iloc[:, places[0]])
    else:
        sets, missing = zip_lists([X.iloc[:, place] for place in places])
    return sets._with(index=X.index, context=columns_beside(X, places)), missing


def _without_row_numbers(sets: RaggedSets, missing: np.ndarray) -> tuple[RaggedSets, np.ndarray]:
    """The same sets without the index that pandas has made for a table that had none."""
    return sets if sets.index is None or not counts_rows(sets.index) else sets._with(index=None), missing


def _first_object(X: pd.DataFrame) -> str:
    """What stands in place of the first set in a column of objects, if there is one."""
    places = [place for place, dtype in enumerate(X.dtypes) if isinstance(dtype, np.dtype) and dtype.hasobject]
    if not places or X.empty:
        return ""
    return f": column {X.columns[places[0]]!r} begins with {shown(X.iat[0, places[0]])}"


def _from_ndarray(X: Any) -> tuple[RaggedSets, np.ndarray]:
    """Sets of one size in a three-dimensional array; or an array of objects, of sets alone or beside their context."""
    if isinstance(X, str | bytes | Sequence) or not (offers(X, HasArray) or sparse.issparse(X)):
        raise ValueError(
            f"Expected sets, such as a list of arrays of shape (n_i, n_features), but got {shown(X)}.{_way_out(X)}"
        )
    array = as_ndarray(X, "X")
    if array.dtype == object and array.ndim == 1:
        return sets_from_objects(list(array))
    if array.ndim == 2:  # what a ColumnTransformer makes of a table with a column of sets
        return _without_row_numbers(*_from_table(pd.DataFrame(array).infer_objects(), "array", "X"))
    if array.ndim != 3:
        raise ValueError(
            f"Expected sets, such as a list of arrays of shape (n_i, n_features), but got {type(X).__name__} "
            f"of shape {array.shape}. Reshape your data either using [X] if it is one set of scalars or "
            "X[:, None, None] if each number is a set of its own."
        )
    n_sets, set_size, n_features = array.shape
    if array.dtype.kind in "biuf":
        sets = RaggedSets(array.reshape(n_sets * set_size, n_features), np.arange(n_sets + 1) * set_size)
    else:
        sets = sets_from_arrays(list(array))  # one by one, to name the set that is not an array of numbers
    return sets, np.zeros(n_sets, dtype=bool)


def _way_out(X: Any) -> str:
    """What makes sets of X, where that is clear."""
    if isinstance(X, Mapping):
        return " Pass list(X.values()), and the targets in the same order."
    if isinstance(X, Iterator):
        return " Pass list(X): it has to be read more than once."
    if isinstance(X, Sequence) and not isinstance(X, tuple | str | bytes | bytearray | memoryview | range):
        return " Pass list(X), and np.array(list(y)) as the targets."  # such as a SliceDataset of skorch
    if type(X).__name__ == "PackedSequence":
        return " Pass torch.nn.utils.rnn.unpack_sequence(X)."
    if isinstance(X, tuple):
        return " Pass list(X), if each field of the named tuple is a set."
    if isinstance(X, pd.api.typing.DataFrameGroupBy):
        return " RaggedSets.from_frame(frame, by=..., columns=...) makes one set of each group."
    if offers(X, Dataset) and not isinstance(X, TEXT):
        return " If it holds pairs, use X, y = zip(*(data[i] for i in range(len(data)))); if it holds sets, list(data)."
    if isinstance(X, Iterable) and not isinstance(X, TEXT):
        return " Pass list(X), if each item is one set; a DataLoader yields batches, so pass the sets of its dataset."
    return ""
