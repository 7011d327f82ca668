"""In time: of the rows of a long table those before the cutoff of their set, so that no set sees what came after it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import to_pandas
from sk_deepsets.sets._sequence import offsets_of


def cutoffs_and_context(before: Any, context: Any) -> tuple[Any, Any]:
    """``before`` and ``context`` of ``RaggedSets.from_frame`` where the former may name a column of the latter."""
    if isinstance(before, str) and isinstance(context, pd.DataFrame) and before in context:
        return context[before], context.drop(columns=before) if context.shape[1] > 1 else None
    if isinstance(before, str) and isinstance(context, list | tuple | pd.Index) and before in context:
        return before, [name for name in context if name != before] or None
    return before, context


def as_cutoffs(before: Any, names: list[Any]) -> Any:
    """``before`` of ``RaggedSets.from_frame``: a Series by id, a DataFrame with one row per set, or one value.

    Raises where an id of a Series has several cutoffs, or where a DataFrame has other columns than ids and cutoffs.
    """
    before = pd.Series(before) if isinstance(before, Mapping) else to_pandas(before)
    if isinstance(before, pd.DataFrame):
        if set(names) - set(before.columns) or before.shape[1] != len(names) + 1:
            raise ValueError(
                f"before is a DataFrame of {list(before.columns)}; expected the columns {names} of by and one of "
                "cutoffs. For one set per id pass that column alone, with the ids as its index."
            )
    elif isinstance(before, pd.Series):
        twice = before.index[before.index.duplicated()].unique()
        if len(twice):
            raise ValueError(
                f"before has several cutoffs for the id {twice.tolist()[0]!r} (ids: {len(twice):,}); expected one. "
                f"For one set per cutoff pass a DataFrame with the columns {names} and one of cutoffs."
            )
    elif not pd.api.types.is_scalar(before):
        raise TypeError(
            "before must be a Series of cutoffs whose index holds the ids, a mapping, a DataFrame with one row per "
            f"set, one cutoff for all or the name of a column, but is {type(before).__name__}."
        )
    return before


class Window:
    """The times of the rows of a table, and of each set the cutoff and the earliest time, as plain numbers.

    Parameters
    ----------
    rows : Index or Series
        The time of each row.
    name : str
        Of the column of times.
    cutoffs : Series, or one value for all
        One for each set.
    sets : Index
        The labels of the sets.
    within : str, Timedelta, DateOffset, number or None
        How long before its cutoff a set begins.
    n_before : int
        The rows are those of a longer table after so many.
    """

    def __init__(self, rows: Any, name: Any, cutoffs: Any, sets: pd.Index, within: Any, n_before: int = 0) -> None:
        absent = np.asarray(pd.isna(rows))
        if absent.any():
            raise ValueError(
                f"Row {n_before + int(np.argmax(absent))} has no {name!r}, so whether it is before the cutoff "
                f"is unknown (so in {absent.sum():,} of {len(absent):,} rows): drop or fill such rows first."
            )
        times = _as_times(rows, f"the column {name!r}")
        if not isinstance(cutoffs, pd.Series):
            cutoffs = pd.Series([_parsed(cutoffs, times)] * len(sets))
        absent = cutoffs.isna().to_numpy()
        if absent.any():
            raise ValueError(
                f"before has no cutoff for the set {sets[absent].tolist()[0]!r} (so for {absent.sum():,} of "
                f"{len(sets):,} sets); expected one for each: leave such sets out, or give them one after all rows."
            )
        upper = _as_times(cutoffs, "before") if len(cutoffs) else times[:0]
        times = times if len(times) else upper[:0]
        if _kind(times) != _kind(upper):
            raise ValueError(
                f"Expected {_kind(times)} in before, as in the column {name!r}, such as {times[0]}; got "
                f"{_kind(upper)}, such as {upper[0]}."
            )
        indexes = [times, upper] if within is None else [times, upper, _earlier(upper, within)]
        (self.times, self.upper, *lower), self.per_day = _as_counts(indexes)
        self.lower = lower[0] if lower else None

    def rows(self, numbers: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of each set, in the order of the table, and the offsets of the sets.

        Parameters
        ----------
        numbers : ndarray of shape (n_rows,)
            The number of the id of each row.
        owners : ndarray of shape (n_sets,)
            The number of the id of each set; an id may have several sets.
        """
        n_rows, n_sets = len(numbers), len(owners)
        bounds = [self.upper] if self.lower is None else [self.upper, self.lower]
        is_row = np.arange(n_rows + len(bounds) * n_sets) < n_rows
        # by id and time; a bound comes before the rows of its own time
        ids = np.concatenate([numbers, *[owners] * len(bounds)])
        order = np.lexsort((is_row, np.concatenate([self.times, *bounds]), ids))
        rows_before = np.empty(len(order), dtype=np.int64)
        rows_before[order] = np.cumsum(is_row[order])
        stop = rows_before[n_rows : n_rows + n_sets]
        if self.lower is None:
            start = offsets_of(np.bincount(numbers, minlength=owners.max(initial=-1) + 1))[owners]
        else:
            start = rows_before[n_rows + n_sets :]
        sizes = stop - start
        offsets = offsets_of(sizes)
        by_time = order[is_row[order]]
        places = by_time[np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], sizes)]
        return places[np.lexsort((places, np.repeat(np.arange(n_sets), sizes)))], offsets

    def time_left(self, places: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """How long before the cutoff of its set each element is: in days, or in the unit of times that are numbers."""
        left = np.repeat(self.upper, np.diff(offsets)) - self.times[places]
        return left if self.per_day is None else left / self.per_day


def rows_before(
    rows: Any, name: Any, cutoffs: Any, sets: pd.Index, numbers: np.ndarray, within: Any, n_before: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of some rows, each of one set, those in the window of their set, and their time left.

    The parameters are those of ``Window``; ``numbers`` are those of the sets of the rows.
    """
    if not len(numbers):  # and so no time that tells its kind
        return numbers, np.empty(0)
    own = cutoffs.iloc[numbers] if isinstance(cutoffs, pd.Series) else cutoffs
    window = Window(rows, name, own, sets[numbers], within, n_before)
    kept = window.times < window.upper
    if window.lower is not None:
        kept &= window.times >= window.lower
    left = (window.upper - window.times)[kept]
    return np.flatnonzero(kept), left if window.per_day is None else left / window.per_day


def _as_times(values: Any, what: str) -> pd.Index:
    """Times, lengths of time or numbers, in NumPy's dtypes; times of whole microseconds are counted in these."""
    index = pd.Index(values)
    kind = pd.api.types.infer_dtype(index, skipna=True)
    times: Any
    if kind in ("datetime64", "datetime", "date"):
        times = pd.to_datetime(index)
    elif kind in ("timedelta64", "timedelta"):
        times = pd.to_timedelta(index)
    elif kind in ("integer", "floating", "mixed-integer-float"):
        return pd.Index(index.to_numpy(dtype=np.int64 if kind == "integer" else np.float64))
    elif not len(index):
        return pd.Index(np.empty(0))
    else:
        way_out = {
            "string": "pd.to_datetime makes times of it.",
            "period": "A period is known once it is over: .dt.end_time.",
        }
        raise TypeError(
            f"Expected times, lengths of time or numbers in {what}, got {kind} values ({index.dtype}), such as "
            f"{index[0]!r}. {way_out.get(kind, '')}".rstrip()
        )
    in_nanoseconds = times.unit == "ns" and (times.asi8 % 1000).any()
    return times if in_nanoseconds else times.as_unit("us")


def _parsed(cutoff: Any, times: pd.Index) -> Any:
    """One cutoff for all sets; a string is a time in the time zone of the rows, or a length of time."""
    if not isinstance(cutoff, str):
        return cutoff
    try:
        if isinstance(times, pd.TimedeltaIndex):
            return pd.Timedelta(cutoff)
        time = pd.Timestamp(cutoff)
    except ValueError as error:
        raise ValueError(
            f"before is {cutoff!r}; expected a time, or the name of a column of the context or the frame."
        ) from error
    zone = times.tz if isinstance(times, pd.DatetimeIndex) else None
    return time.tz_localize(zone) if time.tz is None and zone is not None else time


def _earlier(cutoffs: Any, within: Any) -> pd.Index:
    """The time ``within`` before each cutoff."""
    is_number = isinstance(within, Real) and not isinstance(within, bool | np.timedelta64)
    if _kind(cutoffs) == "numbers":
        if is_number and 0 < within < np.inf:
            return cutoffs - within
    elif isinstance(within, pd.DateOffset) and isinstance(cutoffs, pd.DatetimeIndex):
        earlier = cutoffs - within
        if (earlier < cutoffs).all():
            return earlier
    elif not is_number and not str(within).replace(".", "").isdigit():  # pandas takes both as nanoseconds
        with suppress(ValueError, TypeError):
            length = pd.Timedelta(within)
            if length > pd.Timedelta(0):
                return cutoffs - (length if length.nanoseconds else length.as_unit("us"))
    wanted = (
        "a number" if _kind(cutoffs) == "numbers" else "a length of time, such as '90D' or pd.DateOffset(months=3),"
    )
    raise ValueError(f"Expected {wanted} above zero as within, since before holds {_kind(cutoffs)}; got {within!r}.")


def _kind(times: pd.Index) -> str:
    if isinstance(times, pd.DatetimeIndex):
        return "times without a time zone" if times.tz is None else "times with a time zone"
    return "lengths of time" if isinstance(times, pd.TimedeltaIndex) else "numbers"


def _as_counts(indexes: list[Any]) -> tuple[list[np.ndarray], float | None]:
    """Times as whole numbers of one unit, and how many of it a day has; numbers, which have no unit, as they are."""
    if _kind(indexes[0]) == "numbers":
        return [index.to_numpy() for index in indexes], None
    unit: Any = "ns" if any(index.unit == "ns" for index in indexes) else "us"
    return [index.as_unit(unit).asi8 for index in indexes], pd.Timedelta("1D") / pd.Timedelta(1, unit)
