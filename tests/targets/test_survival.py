"""Reading events and times, in all the forms that they come in; and Breslow's baseline."""

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import check_sets
from sk_deepsets.targets import SurvivalTarget
from sk_deepsets.targets._target import Encoded

SETS = check_sets([np.ones((2, 1))] * 4)
EVENT, TIME = np.array([True, False, True, False]), np.array([3.0, 1.0, 0.0, 2.5])
FRAME = pd.DataFrame({"event": EVENT, "time": TIME})


def structured(*fields):
    """A structured array of pairs of a name and a column."""
    table = np.empty(4, dtype=[(name, column.dtype) for name, column in fields])
    for name, column in fields:
        table[name] = column
    return table


def read(y, sets=SETS):
    return SurvivalTarget().read(y, sets)


FORMS = {
    "scikit-survival": structured(("cens", EVENT), ("time", TIME)),
    "other order": structured(("lenfol", TIME), ("fstat", EVENT)),
    "one column": structured(("event", EVENT), ("time", TIME))[:, None],
    "whole numbers": structured(("event", EVENT), ("time", TIME.astype(np.float32))),
    "records": FRAME.to_records(index=False),
    "frame": FRAME,
    "frame of 0 and 1": FRAME.astype({"event": int}).rename(columns={"event": "dead", "time": "days"}),
    "frame by name": pd.DataFrame({"duration": TIME, "x": EVENT.astype(float)}),
    "nullable": FRAME.astype({"event": "boolean", "time": "Float64"}),
    "nullable numbers": FRAME.astype({"event": "Int64", "time": "Float64"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_events_and_times_come_in_many_forms(form):
    values = read(FORMS[form])
    np.testing.assert_array_equal(values[:, 0], TIME)
    np.testing.assert_array_equal(values[:, 1], EVENT)
    assert values.dtype == np.float64


def test_columns_of_zeros_and_ones_are_told_apart_by_their_names():
    times = np.array([1.0, 0, 1, 1])
    for event, time in (("Status", "x"), ("x", "time"), ("event", "duration")):
        values = read(pd.DataFrame({time: times, event: EVENT.astype(int)}))
        np.testing.assert_array_equal(values, np.column_stack([times, EVENT]))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (TIME, "y: expected a structured array of an event .* or a DataFrame .*, but got ndarray"),
        (np.column_stack([EVENT, TIME]), "but got ndarray"),
        (list(zip(EVENT, TIME, strict=True)), "but got list"),
        (FRAME.assign(more=1.0), r"but got the columns \['event', 'time', 'more'\]"),
        (FRAME["time"], "but got Series"),
        (FRAME.iloc[:3], "X has 4 sets, but y has 3 rows"),
        (pd.DataFrame({"a": EVENT, "b": ~EVENT}), r"columns \['a', 'b'\], of which neither, or both, may be the event"),
        (pd.DataFrame({"a": TIME, "b": TIME + 1}), "neither, or both"),
        (pd.DataFrame({"a": [0, 1, 0, 1], "b": [1, 0, 1, 1]}), "neither, or both"),
        (FRAME.assign(event=[1, 2, 2, 1]), r"event 'event' of y must be boolean, or 0 and 1, but is 2 for 2 of 4"),
        (FRAME.assign(event=["yes", "no", "no", "no"]), "must be boolean, or 0 and 1, but is 'yes'"),
        (FRAME.assign(event=pd.array([True, None, False, True])), "event 'event' of y is missing for 1 of 4 .* set 1"),
        (FRAME.assign(time=[1.0, 2, np.nan, 3]), "time 'time' of y is missing, NaN, for 1 of 4 sets; .* is set 2"),
        (FRAME.assign(time=[1.0, 2, 3, -1]), "must be finite and at least 0, but is -1.0 for 1 of 4 sets; .* set 3"),
        (FRAME.assign(time=[1.0, np.inf, 3, 1]), "but is inf"),
        (FRAME.assign(time=pd.to_timedelta(TIME, "D")), "has dtype timedelta64.*; expected numbers, such as days"),
        (FRAME.assign(event=False), "y has no event: all 4 times are censored"),
    ],
)
def test_what_are_no_events_and_times_is_an_error(y, message):
    with pytest.raises(ValueError, match=message):
        read(y)


def test_a_frame_with_the_labels_of_the_sets_in_another_order_is_an_error():
    sets = check_sets(pd.Series([np.ones((2, 1))] * 4, index=list("abcd")))
    with pytest.raises(ValueError, match=r"pass y\.loc\[X\.index\]"):
        read(FRAME.set_axis(list("badc")), sets)
    np.testing.assert_array_equal(read(FRAME.set_axis(list("abcd")), sets)[:, 0], TIME)


def test_the_baseline_is_breslows():
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 9, 30).astype(float), rng.random(30) < 0.6
    risk, weight = rng.normal(size=30), rng.integers(0, 3, 30).astype(float)
    risk[3] = np.nan  # left out
    target = SurvivalTarget()
    target.learn_from(risk[:, None], Encoded(None, np.column_stack([time, event]), weight, None))
    weight[3] = 0
    score = weight * np.exp(np.nan_to_num(risk))
    times = np.unique(time[event & (weight > 0)])
    steps = [weight[event & (time == t)].sum() / score[time >= t].sum() for t in times]
    np.testing.assert_array_equal(target.event_times, times)
    found = np.exp(target.log_cumulative_hazard(np.array([[0.0], [1.0]]), np.r_[0, times, 99]))
    np.testing.assert_allclose(found, np.outer([1, np.e], np.r_[0, np.cumsum(steps), np.sum(steps)]))


def test_times_that_float32_does_not_tell_apart_stay_apart():
    values = np.column_stack([1e9 + np.arange(4), EVENT])
    y = SurvivalTarget().dataset(Encoded(SETS, values, None, None)).y
    assert y[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("share", "least"), [(0.5, 32), (0.1, 128), (1e-4, 2048)])
def test_a_mini_batch_has_about_eight_events(share, least):
    values = np.column_stack([np.arange(10_000), np.arange(10_000) < 10_000 * share])
    target = SurvivalTarget()
    target.fit(Encoded(None, values, None, None), None)
    assert target.least_in_batch == least
