"""The rows before the cutoff of each set, and no others: compared with a loop over the ids in pandas."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sk_deepsets import RaggedSets, check_sets

DAYS = [9, 3, 4, 6, 1, 4, 2]
EVENTS = pd.DataFrame(
    {
        "customer": [7, 3, 7, 5, 3, 7, 3],
        "when": pd.Timestamp("2024-03-01") + pd.to_timedelta(DAYS, unit="D"),
        "amount": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        "item": pd.Categorical(list("xyxzzyx")),
    },
    index=list("pqrstuv"),
)
CUTOFFS = pd.Series(pd.to_datetime(["2024-03-05", "2024-03-01", "2024-03-04", "2024-03-08"]), index=[7, 5, 3, 9])


def amounts(sets):
    return [one_set["amount"].tolist() for one_set in sets]


def test_a_set_holds_the_rows_before_its_cutoff_in_their_order():
    sets = RaggedSets.from_frame(EVENTS, "customer", before=CUTOFFS, time="when")
    assert amounts(sets) == [
        [],
        [],
        [5.0, 7.0],
        [],
    ]  # the row at the cutoff, 2024-03-05 or 2024-03-04, is not before it
    assert sets.index.equals(pd.Index([7, 5, 3, 9], name="customer"))
    assert sets.elements.columns.tolist() == ["amount", "item"]
    assert sets.elements["item"].dtype == EVENTS["item"].dtype
    later = CUTOFFS + pd.Timedelta("1s")
    sets = RaggedSets.from_frame(EVENTS, "customer", ids=[3, 5, 7], before=later, time="when")
    assert amounts(sets) == [[2.0, 5.0, 7.0], [], [3.0, 6.0]]
    np.testing.assert_array_equal(sets.elements.index, ["q", "t", "v", "r", "u"])


def test_within_is_closed_at_its_beginning_as_in_rolling():
    events = EVENTS.sort_values("when").query("customer == 3")
    rolled = events.rolling("2D", on="when", closed="left")["amount"].sum().fillna(0.0)
    cutoffs = events.rename(columns={"when": "at"})[["customer", "at"]]
    sets = RaggedSets.from_frame(events, "customer", ["amount"], before=cutoffs, time="when", within="2D")
    np.testing.assert_array_equal([one_set["amount"].sum() for one_set in sets], rolled)


@st.composite
def tables(draw):
    """Rows, and cutoffs of which an id may have several, or none of its rows before them."""
    keys = draw(st.lists(st.integers(0, 4), max_size=25))
    times = draw(st.lists(st.integers(-8, 8), min_size=len(keys), max_size=len(keys)))
    sets = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(-9, 9)), max_size=5))
    cutoffs = pd.DataFrame([*sets, *((key, 0) for key in set(keys))], columns=["id", "at"], dtype=np.int64)
    frame = pd.DataFrame({"id": np.array(keys, dtype=np.int64), "t": np.array(times, dtype=np.int64)})
    return frame.assign(row=np.arange(len(keys))), cutoffs.set_axis(np.arange(len(cutoffs))[::-1] * 10)


MAKE = {
    "integers": lambda t: t,
    "floats": lambda t: t / 4,
    "dates": lambda t: pd.Timestamp("2024-02-28") + pd.to_timedelta(t * 6, unit="h"),
    "nanoseconds": lambda t: (pd.Timestamp("2024-02-28") + pd.to_timedelta(t, unit="ns")).as_unit("ns"),
    "zone": lambda t: pd.Timestamp("2024-03-30 20:00", tz="Europe/Berlin") + pd.to_timedelta(t * 30, unit="min"),
    "lengths": lambda t: pd.to_timedelta(t * 7, unit="min"),
}


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(sorted(MAKE)), st.one_of(st.none(), st.integers(1, 9)))
def test_every_set_is_what_a_loop_over_the_cutoffs_finds(table, kind, within):
    frame, cutoffs = table
    make = MAKE[kind]
    length = None if within is None else make(np.array([within]))[0] - make(np.array([0]))[0]
    frame["t"], cutoffs["at"] = make(frame["t"].to_numpy()), make(cutoffs["at"].to_numpy())
    sets = RaggedSets.from_frame(frame, "id", ["t", "row"], before=cutoffs, time="t", within=length)
    assert sets.index.equals(cutoffs.index)
    unit = 1 if kind in ("integers", "floats") else pd.Timedelta("1D")
    for one_set, (key, at) in zip(sets, cutoffs.itertuples(index=False), strict=True):
        inside = (frame["id"] == key) & (frame["t"] < at)
        mine = frame[inside if length is None else inside & (frame["t"] >= at - length)]
        assert one_set["row"].tolist() == mine["row"].tolist()
        np.testing.assert_allclose(one_set["t"], (at - mine["t"]) / unit, rtol=1e-12)


def test_the_time_is_a_feature_where_it_is_named_as_days_before_the_cutoff():
    sets = RaggedSets.from_frame(
        EVENTS, "customer", ["when", "amount"], before=CUTOFFS + pd.Timedelta("12h"), time="when"
    )
    want = pd.DataFrame({"when": [0.5, 0.5, 0.5, 2.5, 1.5], "amount": [3.0, 6.0, 2.0, 5.0, 7.0]}, index=list("ruqtv"))
    assert_frame_equal(sets.elements, want)
    check_sets(sets)
    assert EVENTS["when"].dtype.kind == "M"
    cycles = EVENTS.assign(when=DAYS)
    sets = RaggedSets.from_frame(cycles, "customer", ["when"], before=7, time="when", within=5)
    assert [one_set["when"].tolist() for one_set in sets] == [[4, 5], [1], [3, 3]]
    sets = RaggedSets.from_frame(EVENTS.set_index("when"), "customer", ["when"], before="2024-03-04", time="when")
    assert sets.elements["when"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    "before",
    [
        "2024-03-05",
        pd.Timestamp("2024-03-05"),
        datetime.date(2024, 3, 5),
        datetime.datetime(2024, 3, 5),
        np.datetime64("2024-03-05"),
        dict.fromkeys([3, 5, 7], datetime.date(2024, 3, 5)),
        "at",
        "end",
    ],
    ids=repr,
)
def test_one_cutoff_for_all_a_mapping_and_names_of_columns(before):
    frame = EVENTS.assign(at=pd.Timestamp("2024-03-05"))
    context = pd.DataFrame({"age": [30, 50, 70], "end": pd.Timestamp("2024-03-05")}, index=[3, 5, 7])
    columns = None if before == "at" else ["amount"]
    sets = RaggedSets.from_frame(frame, "customer", columns, context=context, before=before, time="when")
    assert amounts(sets) == [[2.0, 5.0, 7.0], [], []]
    assert "at" not in sets.elements
    assert sets.context["age"].tolist() == [30, 50, 70]
    assert ("end" in sets.context) == (before != "end")
    only = RaggedSets.from_frame(frame, "customer", ["amount"], context=["at"], before="at", time="when")
    assert only.context is None


def test_a_cutoff_beyond_all_nanoseconds_and_months_before_it():
    never = pd.Timestamp("9999-12-31")
    times = EVENTS.assign(when=EVENTS["when"].astype("datetime64[ns]"))
    sets = RaggedSets.from_frame(times, "customer", ["amount"], before=never, time="when")
    assert sets.sizes.tolist() == [3, 1, 3]
    assert not RaggedSets.from_frame(times, "customer", before=never, time="when", within="90D").sizes.any()
    months = pd.DateOffset(months=1)  # February 2024 has 29 days
    sets = RaggedSets.from_frame(EVENTS, "customer", before="2024-04-03", time="when", within=months)
    assert sets.sizes.tolist() == [2, 1, 3]  # from 2024-03-03 on


def test_several_keys_tables_of_arrow_and_rows_without_sets():
    frame = EVENTS.assign(shop=list("abbaabb"))
    cutoffs = {
        (7, "b"): CUTOFFS[7],
        (3, "b"): CUTOFFS[7],
        (3, "a"): CUTOFFS[7],
        (5, "a"): CUTOFFS[7],
        (7, "a"): CUTOFFS[7],
    }
    sets = RaggedSets.from_frame(frame, ["customer", "shop"], before=cutoffs, time="when")
    assert amounts(sets) == [[], [2.0, 7.0], [5.0], [], []]
    assert sets.index.names == ["customer", "shop"]
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {"id": [1, 1], "day": pa.array([datetime.date(2024, 3, 4), datetime.date(2024, 3, 5)]), "x": [1, 2]}
    )
    before = pa.table({"id": [1, 1, 2], "at": pa.array([datetime.datetime(2024, 3, 4, 1)] * 3)})
    assert RaggedSets.from_frame(table, "id", before=before, time="day").sizes.tolist() == [1, 1, 0]
    arrow = table.to_pandas(types_mapper=pd.ArrowDtype)
    assert RaggedSets.from_frame(arrow, "id", before="2024-03-05", time="day").sizes.tolist() == [1]
    empty = EVENTS[:0]
    assert RaggedSets.from_frame(empty, "customer", before=CUTOFFS, time="when").sizes.tolist() == [0] * 4
    assert len(RaggedSets.from_frame(empty, "customer", before="2024-03-05", time="when", within="1D")) == 0


def test_labels_and_context_of_a_set_for_each_cutoff():
    cutoffs = pd.DataFrame(
        {"customer": [3, 7, 3], "at": pd.to_datetime(["2024-03-03", "2024-03-20", "2024-03-20"])}, index=list("abc")
    )
    context = pd.DataFrame({"age": [50, 30, 70]}, index=[5, 3, 7])
    frame = EVENTS[EVENTS["customer"] != 5]
    sets = RaggedSets.from_frame(frame, "customer", ["amount"], context=context, before=cutoffs, time="when")
    assert sets.context.equals(pd.DataFrame({"age": [30, 70, 30]}, index=list("abc")))
    assert cutoffs.assign(events=sets.to_series())["events"].sets.sizes.tolist() == [1, 3, 3]
    assert amounts(sets) == [[5.0], [1.0, 3.0, 6.0], [2.0, 5.0, 7.0]]
    answers = sets[[1, 0]].to_rows([one_set["amount"].to_numpy() for one_set in sets[[1, 0]]])
    assert answers.index.tolist() == ["p", "r", "t", "u"]
    assert answers.tolist() == [1.0, 3.0, 5.0, 6.0]


ZONED = pd.Timestamp("2024-03-05", tz="UTC")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"before": None, "within": "9D"}, ValueError, "time and within choose the rows before the cutoff"),
        ({"before": None}, ValueError, "pass the cutoffs as before"),
        (
            {"time": None},
            ValueError,
            "before needs the time of each row: pass its column as time, one of ['customer', ",
        ),
        ({"time": "whn"}, KeyError, "time names ['whn']"),
        ({"time": "item"}, TypeError, "in the column 'item', got categorical values"),
        ({"before": CUTOFFS.drop(7)}, ValueError, "sets that are not in before: 7 (sets: 1, rows: 3)"),
        ({"before": CUTOFFS.drop(7), "ids": [3, 5, 7]}, ValueError, "before lacks rows for the sets 7 (sets: 1)"),
        ({"before": CUTOFFS.replace(CUTOFFS[5], pd.NaT)}, ValueError, "no cutoff for the set 5 (so for 1 of 4 sets)"),
        (
            {"before": pd.concat([CUTOFFS, CUTOFFS[:2]])},
            ValueError,
            "several cutoffs for the id 7 (ids: 2); expected one",
        ),
        ({"before": CUTOFFS.set_axis(list("abcd"))}, ValueError, "before has the type string"),
        (
            {"before": CUTOFFS.dt.tz_localize("UTC")},
            ValueError,
            "Expected times without a time zone in before, as in the",
        ),
        ({"before": ZONED}, ValueError, "such as 2024-03-10 00:00:00; got times with a time zone, such as 2024-03-05"),
        ({"before": 5}, ValueError, "got numbers, such as 5"),
        ({"before": "whenn"}, ValueError, "before is 'whenn'; expected a time, or the name of a column"),
        ({"before": CUTOFFS.astype(str)}, TypeError, "in before, got string values"),
        ({"before": CUTOFFS.dt.to_period("D")}, TypeError, "A period is known once it is over: .dt.end_time."),
        ({"before": CUTOFFS.tolist()}, TypeError, "before must be a Series of cutoffs whose index holds the ids"),
        (
            {"before": CUTOFFS.to_frame("at")},
            ValueError,
            "a DataFrame of ['at']; expected the columns ['customer'] of by",
        ),
        ({"before": EVENTS[["customer", "when"]], "ids": [3]}, ValueError, "expected ids=None with it"),
        ({"within": 90}, ValueError, "Expected a length of time, such as '90D'"),
        ({"within": "90"}, ValueError, "got '90'"),
        (
            {"within": "-9D"},
            ValueError,
            "above zero as within, since before holds times without a time zone; got '-9D'",
        ),
        ({"within": pd.DateOffset(months=-1)}, ValueError, "got <DateOffset: months=-1>"),
        ({"within": "3 moons"}, ValueError, "got '3 moons'"),
        ({"time": "amount", "before": 3, "within": "9D"}, ValueError, "Expected a number above zero as within"),
        ({"time": "amount", "before": 3, "within": 0.0}, ValueError, "since before holds numbers; got 0.0"),
    ],
)
def test_what_has_no_time_is_an_error(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        RaggedSets.from_frame(EVENTS, "customer", **{"before": CUTOFFS, "time": "when"} | arguments)


def test_rows_without_a_time_are_counted():
    frame = EVENTS.assign(when=EVENTS["when"].where(EVENTS["amount"] > 2))
    with pytest.raises(ValueError, match=r"Row 0 has no 'when', .* \(so in 2 of 7 rows\)"):
        RaggedSets.from_frame(frame, "customer", before=CUTOFFS, time="when")
