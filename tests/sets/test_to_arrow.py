"""A column of sets in Arrow and back: Parquet, polars, pyarrow."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

from sk_deepsets import DeepSetsElementRegressor, ElementTransformer, RaggedSets, check_sets  # noqa: E402 - only where pyarrow is
from sk_deepsets.sets import SetDtype, put_sets, row_labels  # noqa: E402
from sk_deepsets.sets._to_arrow import sets_to_arrow  # noqa: E402

KINDS = pd.DataFrame(
    {
        "amount": [1.5, np.nan, 3.0, 4.0],
        "count": np.array([1, 2, 3, 4], dtype=np.int16),
        "kind": pd.Categorical(["b", "a", "b", "b"], categories=["b", "a", "c"]),
        "text": pd.Series(["x", "y", "z", "x"], dtype="str"),
        "flag": [True, False, True, True],
    }
)
SETS = RaggedSets(KINDS, [0, 2, 2, 4])
NUMBERS = RaggedSets(np.arange(8.0).reshape(4, 2), [0, 3, 3, 4])


def same(ours, theirs):
    assert ours.offsets.tolist() == theirs.offsets.tolist()
    if isinstance(ours.elements, pd.DataFrame):
        assert_frame_equal(ours.elements.reset_index(drop=True), theirs.elements.reset_index(drop=True))
    else:
        np.testing.assert_array_equal(ours.elements, theirs.elements)
        assert ours.elements.dtype == theirs.elements.dtype


def test_named_features_are_structs_and_others_lists_of_one_size():
    assert sets_to_arrow(NUMBERS).to_pylist() == [[[0, 1], [2, 3], [4, 5]], [], [[6, 7]]]
    named = RaggedSets(NUMBERS.elements, NUMBERS.offsets, feature_names=["a", "b"])
    assert sets_to_arrow(named).to_pylist()[2] == [{"a": 6.0, "b": 7.0}]
    rows = [[{**row, "amount": row["amount"]} for row in one.to_dict("records")] for one in SETS]
    written = sets_to_arrow(SETS).to_pylist()
    assert written[2] == rows[2]
    assert np.isnan(written[0][1]["amount"])  # as it was, and no null


@pytest.mark.parametrize("sets", [SETS, NUMBERS, NUMBERS[:1], SETS[1:], SETS[[2, 0]], NUMBERS[1:2]])
def test_parquet_keeps_the_column_of_sets(sets, tmp_path):
    frame = pd.DataFrame({"age": np.arange(len(sets)), "events": sets.to_series().array})
    frame.to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")
    assert isinstance(back["events"].dtype, SetDtype)
    same(back["events"].array.sets, sets)
    assert back["age"].tolist() == frame["age"].tolist()


def test_parquet_keeps_what_is_missing_and_every_type_of_pandas(tmp_path):
    table = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["a", None, "b"]),
            "time": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        }
    )
    pd.DataFrame({"s": RaggedSets(table, [0, 2, 3]).to_series()}).to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"].array.sets
    assert back.sizes.tolist() == [2, 1]
    assert back.elements.isna().to_numpy().tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert_frame_equal(back.elements.reset_index(drop=True), table)


def test_parquet_keeps_dtypes_that_it_has_no_word_for(tmp_path):
    table = pd.DataFrame(
        {
            "id": pd.Categorical([3, 1, 3]),
            "gap": pd.Categorical([3, None, 1]),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "text": pd.array(["a", None, "b"], dtype="string"),
            "small": pd.array([1, 2, None], dtype="Int8"),
        }
    )
    pd.DataFrame({"s": RaggedSets(table, [0, 2, 3]).to_series()}).to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"].array.sets.elements
    assert back.index.tolist() == [(0, 0), (0, 1), (1, 0)]
    assert_frame_equal(back.reset_index(drop=True), table)


def test_values_that_arrow_cannot_hold_name_the_column():
    table = pd.DataFrame({"x": [1.0, 2.0], "odd": [1, "a"]})
    with pytest.raises(TypeError, match="Column 'odd' of the elements has dtype object, which Arrow lacks"):
        pa.array(RaggedSets(table, [0, 1, 2]).to_series())


def test_lists_of_structs_as_pandas_reads_them_are_sets(tmp_path):
    pl.from_pandas(pd.DataFrame({"age": [1, 2, 3], "s": SETS.to_series()})).write_parquet(tmp_path / "sets.parquet")
    frame = pd.read_parquet(tmp_path / "sets.parquet")
    assert frame["s"].dtype == object  # arrays of dicts
    sets = check_sets(frame, dtype=None, ensure_all_finite=False)
    assert sets.offsets.tolist() == SETS.offsets.tolist()
    assert_frame_equal(sets.elements, KINDS.astype({"kind": "str"}), check_dtype=False)


def test_sets_that_are_all_empty_of_unknown_width():
    sets = check_sets([[], []], ensure_min_elements=0)
    assert sets_to_arrow(sets).to_pylist() == [[], []]
    back = check_sets(sets_to_arrow(sets), ensure_min_elements=0)
    assert (back.elements.shape, back.sizes.tolist()) == ((0, 0), [0, 0])


def test_a_type_may_be_asked_for():
    wanted = pa.list_(pa.list_(pa.float32(), 2))
    assert pa.array(NUMBERS.to_series(), type=wanted).type == wanted


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    dtype=st.sampled_from(["float32", "float64"]),
    names=st.booleans(),
    order=st.sampled_from("CF"),
)
def test_arrow_and_back(sizes, dtype, names, order):
    table = np.asarray(np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype(dtype), order=order)
    sets = RaggedSets(table, np.r_[0, np.cumsum(sizes)], feature_names=list("abc") if names else None)
    same(check_sets(sets_to_arrow(sets), ensure_min_elements=0), sets)


TABLES = {
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "batch": pa.RecordBatch.from_pandas,
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_a_table_of_polars_or_pyarrow_is_a_frame_with_a_column_of_sets(make):
    filled = RaggedSets(KINDS.fillna({"amount": 0.0}), SETS.offsets)
    frame = pd.DataFrame({"age": [30, 40, 50], "events": filled.to_series(), "country": ["de", "fr", "de"]})
    sets = check_sets(make(frame), dtype=None)
    same(
        RaggedSets(sets.elements.astype({"kind": "str"}), sets.offsets),
        RaggedSets(filled.elements.astype({"kind": "str"}), filled.offsets),
    )
    assert sets.context.columns.tolist() == ["age", "country"]
    assert sets.context.to_numpy().tolist() == [[30, "de"], [40, "fr"], [50, "de"]]


def test_tables_without_or_with_two_columns_of_sets():
    with pytest.raises(ValueError, match=r"2-D DataFrame of shape \(1, 1\)"):
        check_sets(pl.DataFrame({"a": [1.0]}))
    with pytest.raises(ValueError, match=r"2 columns of sets, \['a', 'b'\]"):
        check_sets(pl.DataFrame({"a": [[1.0]], "b": [[2.0]]}))


def test_sets_are_put_into_the_table_that_they_came_from():
    frame = pd.DataFrame({"age": [30, 40, 50], "events": NUMBERS.to_series().array}, index=[7, 8, 9])
    reverse = NUMBERS[[2, 1, 0]]
    for table in (frame, pl.from_pandas(frame)):
        out = put_sets(table, reverse)
        assert out.columns.tolist() == ["age", "events"]
        same(out["events"].array.sets, reverse)
    same(frame["events"].array.sets, NUMBERS)
    assert put_sets(frame, reverse).index.tolist() == [7, 8, 9]
    assert put_sets([*NUMBERS], reverse) is reverse


def test_rows_have_labels_where_each_set_is_a_frame():
    frames = [pd.DataFrame({"a": [1.0]}, index=["p"]), pd.DataFrame({"a": [2.0, 3.0]}, index=["q", "r"])]
    series = pd.Series(frames)
    for X in (frames, series, series.to_numpy(), pd.DataFrame({"age": [1, 2], "s": series})):
        assert row_labels(X).tolist() == ["p", "q", "r"]
    for X in ([], [frames[0], [[1.0]]], NUMBERS, NUMBERS.to_series(), np.ones((2, 2, 2)), pl.Series([[1.0]])):
        assert row_labels(X) is None


def test_large_integers_beside_nulls_stay_what_they_are(tmp_path):
    ids = pd.array([1, None, 2**62 + 1], dtype="Int64")
    frame = pd.DataFrame({"s": RaggedSets(pd.DataFrame({"id": ids}), [0, 2, 3]).to_series()})
    frame.to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"].array.sets.elements["id"]
    assert back.array.equals(ids)


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


@pytest.mark.parametrize("way", ["parquet", "table", "strings", "dicts"])
def test_rows_of_no_frame_are_matched_to_none(way, tmp_path):
    events = pd.DataFrame({"g": [1, 0, 1, 0], "a": [10.0, 11.0, 12.0, 13.0]})
    frame = pd.DataFrame({"s": RaggedSets.from_frame(events, by="g").to_series()})
    if way == "parquet":
        frame.to_parquet(tmp_path / "sets.parquet")
        frame = pd.read_parquet(tmp_path / "sets.parquet")
    elif way == "table":
        frame = ElementTransformer("passthrough").fit_transform(pa.Table.from_pandas(frame))
    else:
        items = [["a", "b"], ["c", "d"]] if way == "strings" else [[{"a": 1.0}, {"a": 2.0}]] * 2
        frame = pd.DataFrame({"s": pd.Series(items, dtype="sets")})
    model = DeepSetsElementRegressor(max_epochs=1)
    with pytest.raises(ValueError, match="The index of y does not hold the rows of X"):
        model.fit(frame, events["a"])
    answers = model.fit(frame, [[11.0, 13.0], [10.0, 12.0]]).predict(frame)
    assert answers.index.tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_columns_of_a_table_are_known_by_name():
    frame = pd.DataFrame({"age": [1, 2, 3], "s": NUMBERS.to_series()})
    for table in (pa.Table.from_pandas(frame), pa.RecordBatch.from_pandas(frame), pl.from_pandas(frame)):
        fitted = ElementTransformer("passthrough").fit(table)
        assert fitted.get_feature_names_out(["age", "s"]).tolist() == ["age", "s"]
        assert len(pickle.dumps(fitted)) < 5000
