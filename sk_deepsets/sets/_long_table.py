"""From a long table, one row per element, to sets and back: what RaggedSets.from_frame and to_frame do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import to_pandas
from sk_deepsets.sets._cutoffs import Window, as_cutoffs, cutoffs_and_context
from sk_deepsets.sets._sequence import offsets_of


class Grouping(NamedTuple):
    """Which rows of a long frame are the elements of which set."""

    ids: pd.Index  # all different
    numbers: np.ndarray  # of the id of each row
    sets: pd.Index  # the label of each set
    owners: np.ndarray  # the number of the id of each set
    places: np.ndarray  # the row of each element, set by set
    offsets: np.ndarray
    time_left: np.ndarray | None = None  # from each element to the cutoff of its set


def group_rows(
    frame: pd.DataFrame, by: Any, columns: Any, ids: Any, context: Any, before: Any, time: Any, within: Any
) -> tuple[dict[str, Any], np.ndarray]:
    """The arguments of ``RaggedSets`` for a long frame, and where each element stood in it.

    The parameters are those of ``RaggedSets.from_frame``.
    """
    frame = to_pandas(frame)
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame must be a DataFrame, one row per element, but is {type(frame).__name__}.")
    if isinstance(by, pd.Series | np.ndarray):
        raise TypeError("by must name columns or index levels of the frame: make its values a column first.")
    times = [time, before] if isinstance(before, str) else [time]
    before, context = cutoffs_and_context(before, context)
    names, shared, columns = roles_of_columns(frame, by, columns, context, times)
    check_time(frame, before, time, within)
    if before is None:
        grouping = _group_all(frame, names, ids)
    else:
        grouping = _group_before(frame, names, ids, before, time, within)
    elements = _elements(frame, columns, grouping, time)
    if shared:
        context = constant_columns(frame[shared], grouping.numbers, grouping.ids)
    elif context is not None:
        context = rows_of(context, grouping.ids, names)
    if context is not None:
        context = context.iloc[grouping.owners].set_axis(grouping.sets)
    parts = {"elements": elements, "offsets": grouping.offsets, "context": context, "index": grouping.sets}
    return parts, grouping.places


def _elements(frame: pd.DataFrame, columns: list[Any], grouping: Grouping, time: Any) -> pd.DataFrame:
    """The features of the elements, of which the time, if it is one, is that to the cutoff."""
    places, time_left = grouping.places, grouping.time_left
    elements = frame[[name for name in columns if time_left is None or name != time]]
    if not np.array_equal(places, np.arange(len(frame))):  # rows that are in order already are not moved
        elements = elements.take(places)
    if time_left is not None and time in columns:
        elements = elements.copy(deep=False)
        elements.insert(columns.index(time), time, time_left)
    return elements


def _group_all(frame: pd.DataFrame, names: list[Any], ids: Any) -> Grouping:
    """All rows of each id."""
    ids, numbers = _number_rows(frame, names, ids)
    offsets = offsets_of(np.bincount(numbers, minlength=len(ids)))
    # a stable sort of small integers takes linear time
    return Grouping(ids, numbers, ids, np.arange(len(ids)), np.argsort(numbers, kind="stable"), offsets)


def _group_before(frame: pd.DataFrame, names: list[Any], ids: Any, before: Any, time: Any, within: Any) -> Grouping:
    """The rows of each id before its cutoff; where ``before`` is a DataFrame, a set for each of its rows."""
    before = as_cutoffs(before, names)
    if isinstance(before, pd.DataFrame):
        if ids is not None:
            raise ValueError("before is a DataFrame, which has a set for each of its rows; expected ids=None with it.")
        set_ids = check_ids(before[names], names, "before", unique=False)
        ids, numbers = _number_rows(frame, names, set_ids.unique(), "before")
        sets, owners, cutoffs = before.index, ids.get_indexer(set_ids), before.drop(columns=names).iloc[:, 0]
    else:
        if ids is None and isinstance(before, pd.Series):
            ids, numbers = _number_rows(frame, names, before.index, "before")
        else:
            ids, numbers = _number_rows(frame, names, ids)
        sets, owners, cutoffs = ids, np.arange(len(ids)), before
        if isinstance(before, pd.Series):
            cutoffs = rows_of(before.to_frame(), ids, names, "before").iloc[:, 0]
        elif isinstance(before, str) and before in frame.columns:
            cutoffs = constant_columns(frame[[before]], numbers, ids)[before]
    times = frame[time] if time in frame.columns else frame.index.get_level_values(time)
    window = Window(times, time, cutoffs, sets, within)
    places, offsets = window.rows(numbers, owners)
    return Grouping(ids, numbers, sets, owners, places, offsets, window.time_left(places, offsets))


def check_time(frame: pd.DataFrame, before: Any, time: Any, within: Any) -> None:
    """Cutoffs need the time of each row, and the other way round."""
    if before is not None:
        if time is None:
            raise ValueError(
                f"before needs the time of each row: pass its column as time, one of {list(frame.columns)}."
            )
        _check_known(frame, [time], "time", levels=True)
    elif time is not None or within is not None:
        raise ValueError("time and within choose the rows before the cutoff of a set: pass the cutoffs as before.")


def _number_rows(frame: pd.DataFrame, names: list[Any], ids: Any, what: str = "ids") -> tuple[pd.Index, np.ndarray]:
    """The ids, by default those of the frame in their order, and the number of the id of each row."""
    keys = keys_of(frame, names)
    if ids is None:
        groups = keys.to_frame(index=False).groupby(keys.names, sort=True, observed=True)
        return groups.size().index, groups.ngroup().to_numpy()
    ids = check_ids(ids, names, what)
    return ids, number_keys(keys, ids, what=what)


def roles_of_columns(
    frame: pd.DataFrame, by: Any, columns: Any, context: Any, times: Any = ()
) -> tuple[list[Any], list[Any], list[Any]]:
    """The columns, or index levels, of the ids; the columns that are the same within a set; those of the elements.

    Columns of ``times`` are features only where they are named.
    """
    names = list(by) if isinstance(by, list | tuple) else [by]
    _check_known(frame, names, "by", levels=True)
    shared = list(context) if isinstance(context, list | tuple | pd.Index) else []
    _check_known(frame, shared, "context")
    columns = [columns] if isinstance(columns, str) else columns
    if columns is None:
        columns = [c for c in frame.columns if c not in {*names, *shared, *times}]
    columns = list(columns)
    _check_known(frame, [c for c in columns if c not in times or c in frame.columns], "columns")
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


def number_keys(keys: pd.Index, ids: pd.Index, n_rows: np.ndarray | None = None, what: str = "ids") -> np.ndarray:
    """The number of the set of each key, of which ``n_rows`` have so many rows each; an error for a key not in ids.

    ``what`` the user gave the ids as.
    """
    numbers = ids.get_indexer(keys)
    unknown = numbers < 0
    if unknown.any():
        sets = keys[unknown].unique()
        way_out = _other_types(keys, ids, what) or f"Drop these rows, or add their sets to {what}."
        raise ValueError(
            f"The frame holds sets that are not in {what}: {_first(sets)} (sets: {len(sets):,}, rows: "
            f"{unknown.sum() if n_rows is None else n_rows[unknown].sum():,}). {way_out}"
        )
    return numbers


def _without_categories(index: pd.Index) -> pd.Index:
    """A category is its value: ids of another set of categories still match."""
    return index.astype(index.categories.dtype) if isinstance(index, pd.CategoricalIndex) else index


def check_ids(ids: Any, names: list[Any], what: str = "ids", unique: bool = True) -> pd.Index:
    if isinstance(ids, pd.DataFrame):
        if list(ids.columns) != names:
            raise TypeError(
                f"{what} is a DataFrame of {list(ids.columns)}: pass its index, or the columns {names} of it."
            )
        ids = ids.set_index(names).index
    ids = _with_levels(ids if isinstance(ids, pd.Index) else pd.Index(ids), names, what, unique)
    missing = ids.to_frame().isna().any(axis=1)
    if missing.any():
        raise ValueError(
            f"{missing.sum():,} of {len(ids):,} ids {'is' if missing.sum() == 1 else 'are'} missing in {what}."
        )
    return ids


def _with_levels(index: pd.Index, names: list[Any], what: str, unique: bool = True) -> pd.Index:
    """Ids, all different, with the levels in the order of ``names``: by position where they have none of their own."""
    if index.nlevels != len(names):
        raise ValueError(f"{what} have {index.nlevels} levels, but by names {len(names)}: {names}.")
    if isinstance(index, pd.MultiIndex) and list(index.names) not in (names, [None] * len(names)):
        if set(index.names) != set(names):
            raise ValueError(f"The levels of {what} are called {list(index.names)}, but by names {names}.")
        index = index.reorder_levels(names)
    twice = index[index.duplicated()].unique()
    if unique and len(twice):
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


def rows_of(context: Any, ids: pd.Index, names: list[Any], what: str = "The context") -> pd.DataFrame:
    """The rows of a frame of context, or of another one, in the order of the sets."""
    if not isinstance(context, pd.DataFrame):
        raise TypeError(
            "context must be a DataFrame whose index holds the ids of the sets, or a list of columns of the frame, "
            f"but is {type(context).__name__}."
        )
    rows = _with_levels(context.index, names, f"the ids of {what.lower()}").get_indexer(ids)
    if (rows < 0).any():
        raise ValueError(
            f"{what} lacks rows for the sets {_first(ids[rows < 0])} (sets: {(rows < 0).sum():,}). "
            f"{_other_types(ids, context.index, f'the labels of {what.lower()}')}".rstrip()
        )
    return context.iloc[rows].set_axis(ids)


def _other_types(keys: pd.Index, ids: pd.Index, what: str) -> str:
    """What to do about ids of two types, such as strings and integers, which are never equal; "" otherwise."""
    for level, name in enumerate(keys.names):
        ours, theirs = keys.get_level_values(level), ids.get_level_values(level)
        if len(ours) and len(theirs) and not ours.unique().isin(theirs).any() and ours.dtype != theirs.dtype:
            theirs_are = f"{what} {'has' if what == 'before' else 'have'} the type {_type(theirs)}"
            return (
                f"In the frame, {name!r} has the type {_type(ours)}, such as {_first(ours[:1])}; "
                f"{theirs_are}, such as {_first(theirs[:1])}. Convert one to the type of the other."
            )
    return ""


def _type(index: pd.Index) -> str:
    return f"{index.inferred_type} ({index.dtype})"


def _first(ids: pd.Index) -> str:
    shown = ", ".join(map(repr, ids[:5].tolist()))
    return shown + (", …" if len(ids) > 5 else "")
