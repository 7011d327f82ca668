"""check_sets: the one front door. Whatever holds sets becomes a RaggedSets here, or an error that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import is_arrow, is_arrow_table
from sk_deepsets.sets._columns import as_floats, is_number
from sk_deepsets.sets._concat import concat_frames, offsets_of
from sk_deepsets.sets._from_arrays import common_columns, sets_from_arrays
from sk_deepsets.sets._from_arrow import sets_from_arrow
from sk_deepsets.sets._from_values import kind_of_values, sets_from_values
from sk_deepsets.sets._in_table import find_sets, table_from_arrow
from sk_deepsets.sets._padded import PaddedSets
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray

FLOAT32_MAX = float(np.finfo(np.float32).max)


def check_sets(
    X: Any, *, dtype: str | None = "numeric", ensure_all_finite: bool = True, ensure_min_elements: int = 1
) -> RaggedSets:
    """Read sets of any accepted form as a :class:`RaggedSets`, and check every value.

    To this package what :func:`sklearn.utils.check_array` is to scikit-learn.

    Parameters
    ----------
    X : sets
        One of

        - a list or tuple of arrays of shape ``(n_i, n_features)``: NumPy arrays, torch CPU tensors, nested
          lists or DataFrames with the same columns. One-dimensional arrays are sets of scalars. Lists of dicts
          are DataFrames; lists of strings (baskets) too, with the one column ``"x0"``;
        - an object array or a pandas Series of such arrays;
        - an array of shape ``(n_sets, set_size, n_features)``;
        - a DataFrame, or a table of polars or pyarrow, in which one column holds sets; its other columns become the
          context;
        - Arrow lists of numbers, of strings, of fixed-size lists or of structs: pandas, nested-pandas, pyarrow,
          polars, Awkward Array;
        - a :class:`RaggedSets` or a :class:`PaddedSets`.
    dtype : "numeric" or None, default="numeric"
        Whether elements must be numbers. None keeps the kinds of the columns, where elements stand in DataFrames.
    ensure_all_finite : bool, default=True
        Whether missing values, NaN, infinity and values beyond float32 are errors.
    ensure_min_elements : int, default=1
        How many elements all sets together must hold at least.

    Returns
    -------
    sets : RaggedSets
        With float32 or float64 elements: float64 is kept, so that standardising can use its precision. With
        ``dtype=None``, DataFrames of several kinds stay DataFrames.

    Raises
    ------
    ValueError, TypeError
        For anything else; the message names the set, what arrived and what was wanted.

    Examples
    --------
    >>> from sk_deepsets import check_sets
    >>> check_sets([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]])
    RaggedSets(2 sets of 1 to 2 elements, 3 elements, 2 features, float64)
    >>> check_sets([[[1.0, 2.0]], [[3.0]]])
    Traceback (most recent call last):
        ...
    ValueError: Set 1 has 1 feature; the sets before it have 2.
    """
    sets = _read(X)
    if dtype == "numeric":
        sets = _as_floating(sets)
    _check_shape(sets, ensure_min_elements)
    if ensure_all_finite:
        _check_finite(sets)
    return sets


def _read(X: Any) -> RaggedSets:
    """The sets of X, before their values are looked at."""
    if isinstance(X, RaggedSets):
        return X if isinstance(X.elements, pd.DataFrame) else _as_floating(X)
    if isinstance(X, PaddedSets):
        return _as_floating(X.to_ragged())
    if isinstance(X, list | tuple):
        return _from_items(list(X))
    if isinstance(X, pd.Series) and isinstance(X.array, SetArray):
        sets = _read(X.array.sets)
        return RaggedSets(sets.elements, sets.offsets, index=X.index, feature_names=sets.feature_names)
    if is_arrow_table(X):
        return _from_table(table_from_arrow(X), type(X).__name__, "X.to_numpy()")
    if is_arrow(X):
        return _read(sets_from_arrow(X))
    if isinstance(X, pd.Series):
        if X.dtype != object:
            raise ValueError(f"A Series of sets holds one array a row, but this one has dtype {X.dtype}.")
        return _from_items(X.tolist(), X.index)
    if isinstance(X, pd.DataFrame):
        return _from_table(X, "DataFrame", "X.to_numpy()")
    if hasattr(X, "toarray"):
        raise TypeError("Sparse data was passed for X, but dense sets are required: use .toarray().")
    if np.ma.is_masked(X):
        raise ValueError("X has masked values: a set with fewer elements is a shorter array in a list of arrays.")
    array = _as_array(X)
    if array.dtype == object and array.ndim == 1:
        return _from_items(list(array))
    if array.ndim == 3 and array.dtype.kind not in "biuf":
        return sets_from_arrays(list(array))  # one by one, to name the set that is no array of numbers
    if array.ndim == 3:
        n_sets, set_size, n_features = array.shape
        table = sets_from_arrays([array.reshape(n_sets * set_size, n_features)])
        return RaggedSets(table.elements, np.arange(n_sets + 1) * set_size)
    if array.ndim == 2:  # what a ColumnTransformer makes of a table with a column of sets
        return _from_table(pd.DataFrame(array).infer_objects(), "array", "X")
    raise ValueError(
        f"Expected sets, such as a list of arrays of shape (n_i, n_features), but got {type(X).__name__} "
        f"of shape {array.shape}. Reshape your data either using [X] if it is one set of scalars or "
        "X[:, None, None] if each number is a set of its own."
    )


def _from_items(items: list[Any], index: pd.Index | None = None) -> RaggedSets:
    """One array or DataFrame for each set; strings, dicts and DataFrames of several kinds keep their kinds."""
    kind = kind_of_values(items)
    if kind is not None:
        return sets_from_values(items, kind, index)
    frames = [item for item in items if isinstance(item, pd.DataFrame)]
    if len(frames) < len(items) or all(is_number(dtype) for frame in frames for dtype in frame.dtypes):
        return sets_from_arrays(items, index=index)
    common_columns(items)
    elements = concat_frames(frames)
    return RaggedSets(elements, offsets_of(np.array([len(frame) for frame in frames])), index=index)


def _as_array(X: Any) -> np.ndarray:
    if X is None or isinstance(X, str | bytes) or not hasattr(X, "__array__"):
        raise ValueError(f"Expected sets, such as a list of arrays of shape (n_i, n_features), but got {X!r:.80}.")
    return np.asarray(X.detach() if hasattr(X, "detach") else X)


def _two_readings(kind: str, shape: tuple[int, ...], array: str) -> str:
    no_sets = "None of its columns holds sets. " if kind == "DataFrame" else ""
    return (
        f"X is a 2-D {kind} of shape {shape}, which can be read in two ways. {no_sets}Pass {array}[:, :, None] if each "
        f"row is a set of {shape[1]} scalars, or {array}[:, None, :] if each row is a set of one element with "
        f"{shape[1]} features."
    )


def _from_table(X: pd.DataFrame, kind: str, array: str) -> RaggedSets:
    """A table with one column of sets; the others are context."""
    place = find_sets(X)
    if place is None:
        raise ValueError(_two_readings(kind, X.shape, array))
    sets = _read(X.iloc[:, place])
    # not drop, which nested-pandas' frames warn about
    context = X.iloc[:, np.arange(X.shape[1]) != place] if X.shape[1] > 1 else None
    return RaggedSets(sets.elements, sets.offsets, context=context, index=X.index, feature_names=sets.feature_names)


def _as_floating(sets: RaggedSets) -> RaggedSets:
    """The same sets with float32 or float64 elements; themselves if they have."""
    table = sets.elements
    if isinstance(table, pd.DataFrame):
        for name, dtype in table.dtypes.items():
            if not is_number(dtype):
                raise ValueError(
                    f"The column {name!r} of the elements has dtype {dtype}; wanted numbers. Encode it first, for "
                    "instance with ElementTransformer(OneHotEncoder()), or keep its kind with "
                    "check_sets(X, dtype=None), as the estimators do, which embed categories themselves."
                )
        table = as_floats(table)
    elif table.dtype in (np.float32, np.float64):
        return sets
    else:
        table = sets_from_arrays([table] if table.dtype.kind in "biuf" else list(sets)).elements
    return RaggedSets(table, sets.offsets, context=sets.context, index=sets.index, feature_names=sets.feature_names)


def _check_shape(sets: RaggedSets, ensure_min_elements: int) -> None:
    if len(sets) == 0:
        raise ValueError("Found an input with 0 sets, but at least one is required.")
    if len(sets.elements) < ensure_min_elements:
        empty = "" if len(sets.elements) else ": all sets are empty"
        raise ValueError(
            f"The {len(sets)} sets hold {len(sets.elements)} elements, but at least {ensure_min_elements} is "
            f"required{empty}."
        )
    if sets.n_features == 0 and len(sets.elements):
        raise ValueError(f"Found 0 feature(s) (shape={sets.elements.shape}) while a minimum of 1 is required.")


def _check_finite(sets: RaggedSets) -> None:
    """Raise for the first value that is NaN, infinite or beyond float32."""
    elements = sets.elements
    if elements.size == 0:
        return
    names: Any = sets.feature_names
    if isinstance(elements, pd.DataFrame):
        elements, names = _numbers_of(sets)
    # NaN survives min and max, and fails every comparison: two passes and no temporary array
    if not elements.size or (elements.min() >= -FLOAT32_MAX and elements.max() <= FLOAT32_MAX):
        return
    with np.errstate(invalid="ignore"):
        row, column = np.argwhere(~(np.abs(elements) <= FLOAT32_MAX))[0]
    number = int(np.searchsorted(sets.offsets, row, side="right")) - 1
    feature = f"feature {column}" if names is None else f"feature {names[column]!r}"
    value = elements[row, column]
    where = f"Set {number} holds {{}} (element {row - sets.offsets[number]}, {feature})"
    if np.isnan(value):
        raise ValueError(where.format("NaN") + "; impute missing values, or drop those elements, first.")
    if np.isinf(value):
        raise ValueError(where.format(f"infinity ({value})") + "; elements must be finite.")
    raise ValueError(where.format(f"{value}, a value too large for dtype('float32')") + "; scale this feature first.")


def _numbers_of(sets: RaggedSets) -> tuple[np.ndarray, list[str]]:
    """The columns of numbers of a DataFrame of elements; nothing may be missing in the others."""
    table = sets.elements
    numbers = [name for name, dtype in table.dtypes.items() if is_number(dtype)]
    for name in table.columns.difference(numbers, sort=False):
        missing = table[name].isna().to_numpy()
        if missing.any():
            row = int(np.argmax(missing))
            number = int(np.searchsorted(sets.offsets, row, side="right")) - 1
            raise ValueError(
                f"Set {number} has no value in column {name!r} (element {row - sets.offsets[number]}; "
                f"{missing.sum():,} elements in all); impute missing values, or make them a category of their own."
            )
    return (as_floats(table[numbers]) if numbers else np.empty((len(table), 0))), numbers
