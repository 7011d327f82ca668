"""One target for each element: read in any form, and matched to the elements by the labels of their rows."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.extensions import ExtensionArray

from sk_deepsets.sets import (
    HasArray,
    RaggedSets,
    SetArray,
    as_ndarray,
    check_labels,
    find_missing,
    from_arrow,
    is_arrow,
    join_values,
    n_dimensions,
    offers,
)


def read_element_targets(y: Any, sets: RaggedSets, name: str = "") -> np.ndarray:
    """The targets of all elements, in the order of ``sets.elements``.

    Parameters
    ----------
    y : sets of one feature, or array-like of shape (n_elements,)
        Sets in any form, such as a list with one array per set, or None for a set without targets. What is flat is in
        the order of the elements; but a Series is matched by label to ``sets.rows``, where these are those of a frame,
        or where it has the numbers that ``to_rows`` gives. So are Series in a list, and sets made of a frame, whose
        labels are known there.
    sets : RaggedSets
        As checked.
    name : str
        What follows X and y in messages, such as "_val".

    Returns
    -------
    ndarray of shape (n_elements,)
        With targets that are missing as they came: None, NaN or NA.

    Raises
    ------
    ValueError
        For another number of sets or of targets in a set, for labels that are unknown in part or belong to another
        set, and for a Series where rows share their labels.
    """
    if y is None:
        raise ValueError(f"One target for each element is required, but y{name} is None.")
    if isinstance(y, pd.DataFrame):
        if y.shape[1] != 1:
            raise ValueError(f"y{name} must be one column of targets, but is a DataFrame of {list(y.columns)}.")
        y = y.iloc[:, 0]
    column = _column(y, f"y{name}")
    if isinstance(column, RaggedSets):
        check_labels(y, sets.index, f"y{name}")
        return _read_sets(column, sets, name)
    if isinstance(column, np.ndarray) and column.ndim == 2 and column.shape[1] == 1 and len(column) != len(sets):
        column = column[:, 0]
    if isinstance(column, np.ndarray) and column.ndim == 2 and len(column) == len(sets.elements) != len(sets):
        raise ValueError(
            f"y{name} has the shape {column.shape}; expected one target for each element, ({len(column)},): pass one "
            "column."
        )
    if _is_flat(column):
        return _read_flat(_as_array(column, f"y{name}"), y, sets, name)
    check_labels(y, sets.index, f"y{name}")
    return _read_parts(list(column), sets, name)


def labels_of_elements(y: Any, sets: RaggedSets) -> np.ndarray:
    """The label of each element: its own, or that of its set, which may be several numbers."""
    column = _column(y, "y")
    if isinstance(column, RaggedSets):
        return read_element_targets(y, sets)
    table = isinstance(column, np.ndarray) and column.ndim == 2
    sizes = [] if table or _is_flat(column) else [len(item) if _is_sequence(item) else -1 for item in column]
    has_parts = max(sizes, default=-1) >= 0 and (len(set(sizes)) > 1 or sizes == sets.sizes.tolist())
    if not has_parts and len(column) == len(sets):
        check_labels(y, sets.index, "y")
        return np.asarray(column)[sets.segments]
    if not has_parts and len(column) != len(sets.elements):
        shape = np.shape(column) if table else (len(column),)
        raise ValueError(f"X has {len(sets)} sets, but y has {n_targets(shape)}: expected one for each set.")
    return column if table else read_element_targets(y, sets)


def _column(y: Any, what: str) -> Any:
    """Targets as RaggedSets, an array or a list, in which missing values stay what they are."""
    if is_arrow(y):
        return from_arrow(y)
    array = y.array if isinstance(y, pd.Series) else y
    if isinstance(array, SetArray):
        return list(array) if array.missing.any() else array.sets
    if isinstance(array, RaggedSets | list | tuple):
        return array
    if isinstance(y, torch.Tensor) and y.is_nested:
        return list(y.unbind())
    if not isinstance(array, ExtensionArray):
        return _as_array(y, what)
    in_numpy = isinstance(y.dtype, np.dtype)
    return np.asarray(y, dtype=None if in_numpy or not array.isna().any() else object)


def _is_flat(values: Any) -> bool:
    """Whether the values are those of elements, rather than one sequence for each set."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.ndim == 1
    return not any(map(_is_sequence, values))


def _is_sequence(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return True
    return offers(value, HasArray) and isinstance(value, Sized) and n_dimensions(value) > 0


def _as_array(values: Any, what: str) -> np.ndarray:
    """Values unchanged: NumPy would turn missing values among strings into "nan". Masked values are missing."""
    if isinstance(values, list | tuple):
        values = [None if value is np.ma.masked else value for value in values]
        objects = np.array(values, dtype=object)
        return objects if pd.isna(objects).any() else as_ndarray(values, what)
    if np.ma.is_masked(values):
        found = np.ma.getdata(values).astype(object)
        found[np.ma.getmaskarray(values)] = None
        return found
    return as_ndarray(values, what)


def _read_flat(flat: np.ndarray, y: Any, sets: RaggedSets, name: str) -> np.ndarray:
    """Targets that are flat, in the order of the elements or with the labels of their rows."""
    labelled = isinstance(y, pd.Series) and _may_name_rows(y.index, sets)
    places = sets._places
    within = labelled and places is not None and len(y) > places.max(initial=-1)
    if within and not y.index.equals(sets.rows) and y.index[places].equals(sets.rows):
        return flat[places]  # a column of the frame that the sets were made of, whose labels may occur twice
    if labelled and sets.rows.is_unique and y.index.is_unique:
        places = y.index.get_indexer(sets.rows)
        if (places >= 0).all():
            return flat[places]
    if len(flat) != len(sets.elements):
        raise ValueError(
            f"X{name} has {len(sets.elements)} elements in {len(sets)} sets, but y{name} has {len(flat)} targets; "
            "expected one for each element, in one flat array or in one array for each set."
        )
    if not labelled:
        return flat
    rows = sets.rows
    if rows.is_unique:
        raise ValueError(
            f"The index of y{name} does not hold the rows of X{name}: pass the Series of the frame that the sets were "
            "made of, or an array in the order of the elements."
        )
    row_sets = pd.DataFrame({"row": pd.factorize(rows)[0], "set": sets.segments}).drop_duplicates()
    if y.index.equals(rows) and row_sets["row"].is_unique:  # ids of sets: rows of a set keep their order
        return flat
    raise ValueError(
        f"Rows of X{name} share their labels, so the Series y{name} cannot be matched to them: call reset_index() on "
        "the frame before the sets are made of it, or pass an array in the order of the elements."
    )


def _read_sets(y: RaggedSets, sets: RaggedSets, name: str) -> np.ndarray:
    """Targets that are sets of one feature."""
    if y.n_features != 1:
        raise ValueError(f"y{name} must be one column of targets, but {y!r} has {y.n_features}.")
    _check_sizes(y.sizes, sets, name)
    flat = y.elements if isinstance(y.elements, np.ndarray) else _column(y.elements.iloc[:, 0], f"y{name}")
    return flat.reshape(-1)[slice(None) if y._rows is None else _places(y.rows, sets, name)]


def _read_parts(items: list[Any], sets: RaggedSets, name: str) -> np.ndarray:
    """Targets that come as one sequence for each set, or as a missing value for a set without targets."""
    missing = find_missing(items)
    sizes = sets.sizes if len(items) == len(sets) else np.zeros(len(items), dtype=np.int64)
    arrays = [
        np.full(size, None) if gone else _as_array(item, f"The target of set {number} in y{name}")
        for number, (gone, size, item) in enumerate(zip(missing, sizes, items, strict=True))
    ]
    parts = [array.reshape(-1) for array in arrays]
    _check_sizes(np.array([len(part) for part in parts]), sets, name, [array.shape for array in arrays])
    flat = join_values([part for part in parts if len(part)])
    labelled = [isinstance(item, pd.Series | pd.DataFrame) for item in items]
    if not any(labelled) or not all(labelled | missing | (sizes == 0)):
        return flat
    rows, cuts = sets.rows, pairwise(sets.offsets)
    indexes = [item.index if own else rows[a:b] for item, own, (a, b) in zip(items, labelled, cuts, strict=True)]
    return flat[_places(indexes[0].append(indexes[1:]), sets, name)]


def n_targets(shape: tuple[int, ...]) -> str:
    """How many targets there are in an array of this shape, and the shape where that tells more."""
    return f"targets of shape {shape}" if len(shape) > 1 else f"{shape[0] if shape else 1} targets"


def _check_sizes(sizes: np.ndarray, sets: RaggedSets, name: str, shapes: Sequence[tuple[int, ...]] = ()) -> None:
    if len(sizes) != len(sets):
        raise ValueError(f"X{name} has {len(sets)} sets, but y{name} has targets for {len(sizes)}.")
    wrong = np.flatnonzero(sizes != sets.sizes)
    if len(wrong):
        number = wrong[0]
        raise ValueError(
            f"Set {number} of X{name} has {sets.sizes[number]} elements, but "
            f"{n_targets(shapes[number] if shapes else (sizes[number],))} in y{name} ({len(wrong)} sets differ): "
            f"expected one target for each element, ({sets.sizes[number]},)."
        )


def _may_name_rows(index: pd.Index, sets: RaggedSets) -> bool:
    """Whether labels may be those of the rows: of a frame; without one only all the numbers that ``to_rows`` gives."""
    if sets._rows is not None:
        return True
    rows = sets.rows
    return index.names == rows.names and len(index) == len(rows) and rows.is_unique and bool(index.isin(rows).all())


def _places(index: pd.Index, sets: RaggedSets, name: str) -> Any:
    """The positions of the targets of the elements among targets that come set by set with these labels."""
    rows = sets.rows
    if not (_may_name_rows(index, sets) and rows.is_unique and index.is_unique):
        return slice(None)
    places = index.get_indexer(rows)
    unknown = places < 0
    if unknown.all():
        return slice(None)  # unrelated labels
    advice = "give both the same rows in the same sets, or pass arrays, which have no labels."
    if unknown.any():
        label = rows[unknown][:1].tolist()[0]
        raise ValueError(
            f"{unknown.sum():,} of {len(rows):,} rows of X{name}, such as {label!r}, have no target of their label in "
            f"y{name}, though others have: {advice}"
        )
    segments = sets.segments
    wrong = segments[places] != segments
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"The row {rows[row : row + 1].tolist()[0]!r} is in set {segments[row]} of X{name}, but in set "
            f"{segments[places[row]]} of y{name}: {advice}"
        )
    return places
