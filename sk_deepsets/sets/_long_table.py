"""From a long table, one row per element, to sets and back: what RaggedSets.from_frame and to_frame do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import to_pandas
from sk_deepsets.sets._sequence import offsets_of


def group_rows(frame: pd.DataFrame, by: Any, columns: Any, ids: Any, context: Any) -> tuple[dict[str, Any], np.ndarray]:
    """The arguments of ``RaggedSets`` for a long frame, and where each element stood in it.

    The parameters are those of ``RaggedSets.from_frame``.
    """
    frame = to_pandas(frame)
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame must be a DataFrame, one row per element, but is {type(frame).__name__}.")
    if isinstance(by, pd.Series | np.ndarray):
        raise TypeError("by must name columns or index levels of the frame: make its values a column first.")
    names, shared, columns = roles_of_columns(frame, by, columns, context)
    keys = keys_of(frame, names)
    if ids is None:
        groups = keys.to_frame(index=False).groupby(keys.names, sort=True, observed=True)
        numbers, ids = groups.ngroup().to_numpy(), groups.size().index
    else:
        ids = check_ids(ids, names)
        numbers = number_keys(keys, ids)
    # a stable sort of small integers takes linear time, and rows that are in order already are not moved
    in_order = bool((np.diff(numbers) >= 0).all())
    places = np.arange(len(frame)) if in_order else np.argsort(numbers, kind="stable")
    elements = frame[columns] if in_order else frame[columns].take(places)
    offsets = offsets_of(np.bincount(numbers, minlength=len(ids)))
    if shared:
        context = constant_columns(frame[shared], numbers, ids)
    elif context is not None:
        context = rows_of(context, ids, names)
    return {"elements": elements, "offsets": offsets, "context": context, "index": ids}, places


def roles_of_columns(
    frame: pd.DataFrame, by: Any, columns: Any, context: Any
) -> tuple[list[Any], list[Any], list[Any]]:
    """The columns, or index levels, of the ids; the columns that are the same within a set; those of the elements."""
    names = list(by) if isinstance(by, list | tuple) else [by]
    _check_known(frame, names, "by", levels=True)
    shared = list(context) if isinstance(context, list | tuple | pd.Index) else []
    _check_known(frame, shared, "context")
    columns = [columns] if isinstance(columns, str) else columns
    columns = [c for c in frame.columns if c not in {*names, *shared}] if columns is None else list(columns)
    _check_known(frame, columns, "columns")
    return names, shared, columns


def ungroup_rows(sets: Any) -> pd.DataFrame:
    """The long frame of sets: what ``RaggedSets.to_frame`` does."""
    names = [f"x{i}" for i in range(sets.n_features)] if sets.feature_names is None else sets.feature_names
    frame = pd.DataFrame(sets.elements, columns=pd.Index(names), index=sets._rows, copy=True)
    ids = pd.RangeIndex(len(sets)) if sets.index is None else sets.index
    element_ids = ids.take(sets.segments)
    for level in range(ids.nlevels):
        name = ids.names[level] or ("set" if ids.nlevels == 1 else f"set_{level}")
        values = element_ids.get_level_values(level)
        at = list(frame.index.names).index(name) if name in frame.index.names else None
        if at is not None and frame.index.get_level_values(at).equals(values):
            continue  # the frame that from_frame grouped has its ids there
        frame.insert(frame.shape[1] - sets.n_features, name, values.array)
    return frame


def _check_known(frame: pd.DataFrame, names: list[Any], what: str, levels: bool = False) -> None:
    known = [*frame.columns, *(frame.index.names if levels else [])]
    missing = [name for name in names if name not in known]
    if missing:
        raise KeyError(f"{what} names {missing}, but the frame has the columns {list(frame.columns)}.")
    twice = sorted({str(name) for name in names if known.count(name) > 1 or names.count(name) > 1})
    if twice:
        raise ValueError(f"Names in {what} stand for more than one column each: {twice}.")


def keys_of(frame: pd.DataFrame, names: list[Any], n_before: int = 0) -> pd.Index:
    """The id of the set of each row; the rows are those of a longer table after its first ``n_before``."""
    values = [frame[name] if name in frame.columns else frame.index.get_level_values(name) for name in names]
    for name, column in zip(names, values, strict=True):
        missing = pd.isna(column)
        if missing.any():
            seen = f"{len(frame):,} rows" if not n_before else f"the {len(frame):,} rows from {n_before:,} on"
            raise ValueError(
                f"Row {n_before + int(np.argmax(missing))} has no {name!r}, so it belongs to no set (so in "
                f"{missing.sum():,} of {seen}): drop or fill such rows first."
            )
    if len(names) > 1:
        return pd.MultiIndex.from_arrays(values, names=names)
    return _without_categories(pd.Index(values[0], name=names[0]))


def number_keys(keys: pd.Index, ids: pd.Index, n_rows: np.ndarray | None = None) -> np.ndarray:
    """The number of the set of each key, of which ``n_rows`` have so many rows each; an error for a key not in ids."""
    numbers = ids.get_indexer(keys)
    unknown = numbers < 0
    if unknown.any():
        sets = keys[unknown].unique()
        way_out = _other_types(keys, ids, "ids") or "Drop these rows, or add their sets to ids."
        raise ValueError(
            f"The frame holds sets that are not in ids: {_first(sets)} (sets: {len(sets):,}, rows: "
            f"{unknown.sum() if n_rows is None else n_rows[unknown].sum():,}). {way_out}"
        )
    return numbers


def _without_categories(index: pd.Index) -> pd.Index:
    """A category is its value: ids of another set of categories still match."""
    return index.astype(index.categories.dtype) if isinstance(index, pd.CategoricalIndex) else index


def check_ids(ids: Any, names: list[Any]) -> pd.Index:
    if isinstance(ids, pd.DataFrame):
        if list(ids.columns) != names:
            raise TypeError(f"ids is a DataFrame of {list(ids.columns)}: pass its index, or the columns {names} of it.")
        ids = ids.set_index(names).index
    ids = _with_levels(ids if isinstance(ids, pd.Index) else pd.Index(ids), names, "ids")
    missing = ids.to_frame().isna().any(axis=1)
    if missing.any():
        raise ValueError(f"{missing.sum():,} of {len(ids):,} ids {'is' if missing.sum() == 1 else 'are'} missing.")
    return ids


def _with_levels(index: pd.Index, names: list[Any], what: str) -> pd.Index:
    """Ids, all different, with the levels in the order of ``names``: by position where they have none of their own."""
    if index.nlevels != len(names):
        raise ValueError(f"{what} have {index.nlevels} levels, but by names {len(names)}: {names}.")
    if isinstance(index, pd.MultiIndex) and list(index.names) not in (names, [None] * len(names)):
        if set(index.names) != set(names):
            raise ValueError(f"The levels of {what} are called {list(index.names)}, but by names {names}.")
        index = index.reorder_levels(names)
    twice = index[index.duplicated()].unique()
    if len(twice):
        raise ValueError(f"Ids occur more than once in {what}: {_first(twice)} (ids: {len(twice):,}).")
    return _without_categories(index).set_names(names)


def constant_columns(values: pd.DataFrame, numbers: np.ndarray, ids: pd.Index) -> pd.DataFrame:
    """The context that is repeated in the rows of the long frame, once for each set."""
    present, first = np.unique(numbers, return_index=True)
    if len(present) < len(ids):
        empty = ids.delete(present)
        raise ValueError(
            f"Sets without rows have nothing to take their context from: {_first(empty)} (sets: {len(empty):,}). Pass "
            "the context as a frame with one row per set."
        )
    context = values.iloc[first]
    for name in values.columns:
        same = values[name].array == context[name].array[numbers]
        differs = ~np.asarray(same, dtype=bool) & ~(values[name].isna() & context[name].isna().to_numpy()[numbers])
        if differs.any():
            label = ids[numbers[np.argmax(differs)]]
            raise ValueError(f"The context column {name!r} has different values within the set {label!r}.")
    return context.set_axis(ids)


def rows_of(context: Any, ids: pd.Index, names: list[Any]) -> pd.DataFrame:
    """The rows of a frame of context in the order of the sets."""
    if not isinstance(context, pd.DataFrame):
        raise TypeError(
            "context must be a DataFrame whose index holds the ids of the sets, or a list of columns of the frame, "
            f"but is {type(context).__name__}."
        )
    rows = _with_levels(context.index, names, "the ids of the context").get_indexer(ids)
    if (rows < 0).any():
        raise ValueError(
            f"The context lacks rows for the sets {_first(ids[rows < 0])} (sets: {(rows < 0).sum():,}). "
            f"{_other_types(ids, context.index, 'the labels of the context')}".rstrip()
        )
    return context.iloc[rows].set_axis(ids)


def _other_types(keys: pd.Index, ids: pd.Index, what: str) -> str:
    """What to do about ids of two types, such as strings and integers, which are never equal; "" otherwise."""
    for level, name in enumerate(keys.names):
        ours, theirs = keys.get_level_values(level), ids.get_level_values(level)
        if len(ours) and len(theirs) and not ours.unique().isin(theirs).any() and ours.dtype != theirs.dtype:
            return (
                f"In the frame, {name!r} has the type {_type(ours)}, such as {_first(ours[:1])}; {what} have the type "
                f"{_type(theirs)}, such as {_first(theirs[:1])}. Convert one to the type of the other."
            )
    return ""


def _type(index: pd.Index) -> str:
    return f"{index.inferred_type} ({index.dtype})"


def _first(ids: pd.Index) -> str:
    shown = ", ".join(map(repr, ids[:5].tolist()))
    return shown + (", …" if len(ids) > 5 else "")
