"""The column of sets in a table: found by its content, and put back."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import ElementTransformer, RaggedSets, check_sets
from sk_deepsets.sets import put_sets

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

NUMBERS = RaggedSets(np.arange(8.0).reshape(4, 2), [0, 3, 3, 4])


def test_sets_are_put_into_the_table_that_they_came_from():
    frame = pd.DataFrame({"age": [30, 40, 50], "events": NUMBERS.to_series().array}, index=[7, 8, 9])
    reverse = NUMBERS[[2, 1, 0]]
    for table in (frame, pl.from_pandas(frame)):
        out = put_sets(table, reverse)
        assert out.columns.tolist() == ["age", "events"]
        assert [one.tolist() for one in out["events"]] == [one.tolist() for one in reverse]
    assert [one.tolist() for one in frame["events"]] == [one.tolist() for one in NUMBERS]
    assert put_sets(frame, reverse).index.tolist() == [7, 8, 9]
    assert put_sets([*NUMBERS], reverse) is reverse


@pytest.mark.parametrize("dtype", ["sets", object])
def test_sets_that_are_missing_in_the_table_stay_missing(dtype):
    frame = pd.DataFrame({"events": pd.Series([np.ones((1, 2)), None, np.ones((2, 2))], dtype=dtype)})
    out = put_sets(frame, check_sets(frame, missing_sets="empty"))
    assert out["events"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_missing_values_in_the_first_rows_do_not_hide_a_column_of_sets(nothing):
    frame = pd.DataFrame({"age": [1, 2, 3], "events": pd.Series([nothing, nothing, [1.0, 2.0]], dtype=object)})
    sets = check_sets(frame, missing_sets="empty")
    assert sets.sizes.tolist() == [0, 0, 2]
    assert sets.context.columns.tolist() == ["age"]


TABLES = {
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "batch": pa.RecordBatch.from_pandas,
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_a_table_of_polars_or_pyarrow_is_a_frame_with_a_column_of_sets(make):
    events = pd.DataFrame({"amount": [1.5, 2.0, 3.0], "kind": pd.Categorical(["b", "a", "b"])})
    filled = RaggedSets(events, [0, 2, 2, 3])
    frame = pd.DataFrame({"age": [30, 40, 50], "events": filled.to_series(), "country": ["de", "fr", "de"]})
    sets = check_sets(make(frame), dtype=None)
    assert sets.sizes.tolist() == [2, 0, 1]
    assert sets.elements.to_numpy().tolist() == events.to_numpy().tolist()
    assert sets.context.columns.tolist() == ["age", "country"]
    assert sets.context.to_numpy().tolist() == [[30, "de"], [40, "fr"], [50, "de"]]


def test_tables_without_or_with_two_columns_of_sets():
    with pytest.raises(ValueError, match=r"2-D DataFrame of shape \(1, 1\)"):
        check_sets(pl.DataFrame({"a": [1.0]}))
    with pytest.raises(ValueError, match=r"2 columns of sets, \['a', 'b'\]"):
        check_sets(pl.DataFrame({"a": [[1.0]], "b": [[[2.0]]]}))


def test_the_index_that_pandas_wrote_is_no_context():
    frame = pd.DataFrame(
        {"age": [1, 2, 3], "s": NUMBERS.to_series().array}, index=pd.Index(["p", "q", "r"], name="who")
    )
    sets = check_sets(pa.Table.from_pandas(frame))
    assert sets.context.columns.tolist() == ["age"]
    assert sets.index.tolist() == ["p", "q", "r"]
    alone = check_sets(pa.Table.from_pandas(frame[["s"]]))
    assert alone.context is None
    assert alone.sizes.tolist() == [3, 0, 1]


def test_columns_of_a_table_are_known_by_name():
    frame = pd.DataFrame({"age": [1, 2, 3], "s": NUMBERS.to_series()})
    for table in (pa.Table.from_pandas(frame), pa.RecordBatch.from_pandas(frame), pl.from_pandas(frame)):
        fitted = ElementTransformer("passthrough").fit(table)
        assert fitted.get_feature_names_out(["age", "s"]).tolist() == ["age", "s"]
        assert len(pickle.dumps(fitted)) < 5000


def test_a_column_of_missing_values_alone_is_that_of_the_sets():
    frame = pd.DataFrame({"age": [30, 40], "events": pd.Series([None, None], dtype=object)})
    sets = check_sets(frame, missing_sets="empty", ensure_min_elements=0)
    assert sets.sizes.tolist() == [0, 0]
    assert list(sets.context) == ["age"]
    with pytest.raises(ValueError, match="2 of 2 sets are missing"):
        check_sets(frame)
    with pytest.raises(ValueError, match="None of its columns holds sets: column 'events' begins with None"):
        check_sets(frame.assign(other=pd.Series([None, None], dtype=object)), missing_sets="empty")


def test_what_stands_in_place_of_the_first_set_is_shown():
    frame = pd.DataFrame({"age": [30, 40], "events": pd.Series(["ab", np.ones((2, 1))], dtype=object)})
    with pytest.raises(ValueError, match="None of its columns holds sets: column 'events' begins with 'ab'"):
        check_sets(frame)
