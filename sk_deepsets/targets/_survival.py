"""SurvivalTarget: times that are known to the end, or censored; and the curves that belong to risks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from sk_deepsets.sets import check_labels, check_unmasked
from sk_deepsets.targets._rank_metrics import concordance_index
from sk_deepsets.targets._target import Target
from sk_deepsets.training import SetDataset

EXPECTED = (
    "expected a structured array of an event (True if it was observed, False if the time is censored) and a time, "
    'np.array(list(zip(event, time)), dtype=[("event", bool), ("time", float)]), or a DataFrame with two such columns'
)
# By which, in lower case, one of two columns of zeros and ones is known.
EVENT_NAMES, TIME_NAMES = {"event", "status", "observed"}, {"time", "duration"}
# Of the events of a mini-batch, on average: with fewer, most steps compare nothing.
EVENTS_IN_BATCH = 8
LEAST_IN_BATCH, MOST_IN_BATCH = 32, 2048


@dataclass
class SurvivalTarget(Target):
    """A time for each set, and whether it is that of an event; the output is a log risk.

    Attributes
    ----------
    least_in_batch : int
        Of sets, so that some have events.
    event_times : ndarray of shape (n_event_times,)
        The times of events in training, in ascending order.
    log_hazard : ndarray of shape (n_event_times,)
        The logarithms of the cumulative hazard, at these times, of a set whose output is 0.
    """

    least_in_batch: int = LEAST_IN_BATCH
    event_times: np.ndarray | None = None
    log_hazard: np.ndarray | None = None

    loss: ClassVar[str] = "partial_likelihood"
    output_dim: ClassVar[int] = 1
    is_flat: ClassVar[bool] = True
    learns_from_outputs: ClassVar[bool] = True

    def read(self, y, sets, name="", classes=None):
        """Times and events, (n_sets, 2), in float64."""
        times, events = read_survival(y, sets, f"y{name}")
        if not events.any():
            raise ValueError(
                f"y{name} has no event: all {len(times)} times are censored, and no risk can be learned from them."
            )
        return np.column_stack([times, events]).astype(np.float64)

    def strata(self, values):
        """The events."""
        return values[:, 1].astype(np.int64)

    def fit(self, encoded, weight):
        """Learn how many sets a mini-batch needs."""
        share = np.average(encoded.values[:, 1], weights=weight)
        if not share:
            raise ValueError("y has no event among the sets that are trained on.")
        wanted = 2 ** np.ceil(np.log2(EVENTS_IN_BATCH / share))
        self.least_in_batch = int(np.clip(wanted, LEAST_IN_BATCH, MOST_IN_BATCH))

    def dataset(self, encoded):
        """Ranks of the times, which float32 tells apart, and events."""
        ranks = np.unique(encoded.values[:, 0], return_inverse=True)[1]
        return SetDataset(encoded.sets, np.column_stack([ranks, encoded.values[:, 1]]), encoded.weight)

    def can_evaluate(self, encoded, numbers):
        """Whether one of these sets has an event."""
        return bool(encoded.values[numbers, 1].any())

    def learn_from(self, outputs, encoded):
        """Learn the baseline hazard of Breslow (1972) from outputs for the training sets; NaN for those left out."""
        weight = np.ones(len(outputs)) if encoded.weight is None else encoded.weight
        used = np.isfinite(outputs[:, 0]) & (weight > 0)
        order = np.flatnonzero(used)[np.argsort(-encoded.values[used, 0], kind="stable")]
        (time, event), weight = encoded.values[order].T, weight[order]
        log_at_risk = np.logaddexp.accumulate(np.log(weight) + outputs[order, 0])
        last = np.flatnonzero(np.r_[time[1:] != time[:-1], True])  # at risk are all up to there
        n_events = np.add.reduceat(weight * event, np.r_[0, last[:-1] + 1])
        last, n_events = last[n_events > 0][::-1], n_events[n_events > 0][::-1]
        self.event_times = time[last]
        self.log_hazard = np.logaddexp.accumulate(np.log(n_events) - log_at_risk[last])

    def log_cumulative_hazard(self, outputs, times):
        """The logarithms of the cumulative hazards, (n, n_times); -inf before the first event."""
        baseline = np.r_[-np.inf, self.log_hazard][np.searchsorted(self.event_times, times, side="right")]
        return baseline + outputs[:, :1]

    def answers(self, outputs, sets=None):
        """The log risks, (n,)."""
        return super().answers(outputs)[:, 0]

    def score(self, values, outputs, weight, sets):
        """The concordance index."""
        return concordance_index(values[:, 1] > 0, values[:, 0], outputs[:, 0], weight)


def read_survival(y, sets, name):
    """The times, and which of them are those of events, of each set: two arrays (n_sets,).

    Parameters
    ----------
    y : structured array or DataFrame, of two columns
    sets : RaggedSets
    name : str
        Of y in messages.
    """
    check_labels(y, sets.index, name)
    check_unmasked(y, name)
    if isinstance(y, np.ndarray) and y.dtype.names is not None:
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        y = pd.DataFrame({field: y[field] for field in y.dtype.names}) if y.ndim == 1 else None
    if not isinstance(y, pd.DataFrame) or y.shape[1] != 2:
        got = f"the columns {list(y.columns)}" if isinstance(y, pd.DataFrame) else f"{type(y).__name__}"
        raise ValueError(f"{name}: {EXPECTED}, but got {got}.")
    if len(y) != len(sets):
        raise ValueError(f"X has {len(sets)} sets, but {name} has {len(y)} rows; expected one for each set.")
    event, time = find_event(y, name)
    return _check_times(y.iloc[:, time], name), _check_events(y.iloc[:, event], name)


def find_event(table, name):
    """Which of two columns is the event and which the time: by dtype, else by name, else by values of 0 and 1."""
    columns = [table.iloc[:, place] for place in (0, 1)]
    names = [str(column.name).lower() for column in columns]
    rules = [
        [is_bool_dtype(column.dtype) for column in columns],
        [names[place] in EVENT_NAMES or names[1 - place] in TIME_NAMES for place in (0, 1)],
        [is_numeric_dtype(column.dtype) and bool(column.isin([0, 1]).all()) for column in columns],
    ]
    for rule in rules:
        if sum(rule) == 1:
            event = rule.index(True)
            return event, 1 - event
    raise ValueError(
        f"{name} has the columns {list(table.columns)}, of which neither, or both, may be the event: make it boolean, "
        f'True where the event was observed, such as {name}["event"].astype(bool).'
    )


def _check_events(column, name):
    missing = column.isna()
    if missing.any():
        raise ValueError(_first(f"The event {column.name!r} of {name} is missing", missing))
    wrong = ~column.isin([0, 1])
    if wrong.any():
        raise ValueError(
            f"The event {column.name!r} of {name} must be boolean, or 0 and 1, but "
            + _first(f"is {column[wrong.to_numpy()].tolist()[0]!r}", wrong)
        )
    return column.to_numpy(dtype=bool)


def _check_times(column, name):
    what = f"The time {column.name!r} of {name}"
    if not is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype):
        raise ValueError(f"{what} has dtype {column.dtype}; expected numbers, such as days.")
    times = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(times).any():
        raise ValueError(_first(f"{what} is missing, NaN,", np.isnan(times)))
    wrong = ~((times >= 0) & (times < np.inf))
    if wrong.any():
        raise ValueError(f"{what} must be finite and at least 0, but " + _first(f"is {times[wrong][0]}", wrong))
    return times


def _first(what, wrong):
    wrong = np.asarray(wrong)
    return f"{what} for {wrong.sum():,} of {len(wrong):,} sets; the first is set {np.argmax(wrong)}."
