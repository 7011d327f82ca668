"""Tables with sets: in one column, found by its content and put back, or in one column of lists for each feature."""

import io
import pickle

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsClassifier, ElementTransformer, RaggedSets, SetAggregator, check_sets
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


RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame(
    {
        "id": RNG.integers(0, 30, 200),
        "amount": RNG.normal(size=200),
        "n": RNG.integers(0, 9, 200),
        "item": RNG.choice(["x", "y"], 200),
    }
)
LISTS = EVENTS.groupby("id").agg(list)
SETS = RaggedSets.from_frame(EVENTS, by="id")
X = LISTS.assign(age=np.arange(30.0))


def written(frame):
    pytest.importorskip("pyarrow")
    file = io.BytesIO()
    frame.to_parquet(file)
    return file


FORMS = {
    "lists": lambda frame: frame,
    "arrays": lambda frame: frame.assign(**{name: frame[name].map(np.array) for name in LISTS}),
    "parquet": lambda frame: pd.read_parquet(written(frame)),
    "arrow": lambda frame: pd.read_parquet(written(frame), dtype_backend="pyarrow"),
    "pyarrow": lambda frame: pytest.importorskip("pyarrow.parquet").read_table(written(frame)),
    "polars": lambda frame: pytest.importorskip("polars").from_pandas(frame),
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_of_one_row_are_the_features_of_its_elements(form):
    sets = check_sets(FORMS[form](X), dtype=None)
    assert_frame_equal(sets.elements.reset_index(drop=True), SETS.elements.reset_index(drop=True))
    np.testing.assert_array_equal(sets.offsets, SETS.offsets)
    assert sets.context["age"].tolist() == X["age"].tolist()
    assert list(sets.context) == ["age"]
    assert form == "polars" or sets.index.tolist() == X.index.tolist()


def test_one_column_of_lists_stays_sets_of_scalars():
    sets = check_sets(X[["amount", "age"]])
    assert sets.feature_names is None
    np.testing.assert_array_equal(sets.elements, SETS.elements[["amount"]])


def test_empty_and_missing_lists_are_told_apart():
    frame = pd.DataFrame({"a": [[1.0, 2.0], [], None], "b": [["x", "y"], [], None]}, index=["p", "q", "r"])
    with pytest.raises(ValueError, match="1 of 3 sets is missing; the first is set 2, with the label 'r'"):
        check_sets(frame, dtype=None)
    assert check_sets(frame, dtype=None, missing_sets="empty").sizes.tolist() == [2, 0, 0]
    out = ElementTransformer("passthrough").fit(frame).transform(frame)
    assert out["sets"].isna().tolist() == [False, False, True]
    half = frame.assign(b=[["x", "y"], [], []])
    with pytest.raises(
        ValueError, match=r"Set 2, with the label 'r', has .*\{'a': 'missing', 'b': 0\} \(so in 1 of 3 sets\)"
    ):
        check_sets(half, dtype=None)
    empty = pd.DataFrame({"a": [[], []], "b": [[], []]})
    assert check_sets(empty, ensure_min_elements=0).sizes.tolist() == [0, 0]


def test_unequal_lengths_and_wrong_values_are_named():
    frame = LISTS.copy()
    frame.at[3, "n"] = [1]
    size = int(SETS.sizes[3])
    found = rf"\{{'amount': {size}, 'n': 1, 'item': {size}\}}"
    with pytest.raises(ValueError, match=rf"Set 3, with the label 3, has lists of unequal lengths: {found}"):
        check_sets(frame, dtype=None)
    with pytest.raises(ValueError, match=r"several tables.*check_sets\(X\[\[\.\.\.\]\], dtype=None\)\.to_series\(\)"):
        check_sets(frame, dtype=None)
    columns = [check_sets(frame[names], dtype=None).to_series() for names in (["amount", "item"], ["n"])]
    assert [part.sets.sizes[3] for part in columns] == [size, 1]
    frame = pd.DataFrame({"a": [[1.0], [2.0]], "b": [["x"], [3]]})
    with pytest.raises(ValueError, match="Column 'b' of lists: Set 1 holds 3; expected strings"):
        check_sets(frame, dtype=None)


def test_collections_are_not_zipped():
    numbers = RaggedSets(np.zeros((3, 1)), [0, 1, 3]).to_series()
    for other in ([[1.0], [1.0, 2.0]], [np.zeros((1, 1)), np.zeros((2, 1))], numbers.array):
        with pytest.raises(ValueError, match=r"2 columns of sets, \['a', 'b'\]"):
            check_sets(pd.DataFrame({"a": numbers, "b": pd.Series(list(other), dtype=object)}))
    vectors = pd.DataFrame({"a": [[[1.0, 2.0]], [[1.0, 2.0]]], "b": [[1.0], [2.0]]})
    with pytest.raises(ValueError, match=r"2 columns of sets, \['a', 'b'\]"):
        check_sets(vectors)


def test_estimators_and_transformers_take_them():
    y = np.arange(30) % 2
    clf = DeepSetsClassifier(n_members=1, max_epochs=2, random_state=0)
    wanted = clone(clf).fit(X.assign(s=SETS.to_series())[["age", "s"]], y)
    found = clone(clf).fit(X, y)
    assert found.feature_names_in_.tolist() == ["amount", "n", "item"]
    by_column = X[["age"]].assign(s=SETS.to_series())
    np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(by_column), atol=1e-6)

    numbers = X[["age", "amount", "n"]]
    scale = ElementTransformer(StandardScaler())
    out = clone(scale).fit_transform(numbers)
    assert out.columns.tolist() == ["age", "sets"]
    scaled = StandardScaler().fit_transform(SETS.elements[["amount", "n"]])
    np.testing.assert_allclose(check_sets(out).elements, scaled)
    make_pipeline(scale, clone(clf)).fit(numbers, y).predict(numbers)
    both = ColumnTransformer([("age", StandardScaler(), ["age"]), ("sets", clone(scale), ["amount", "n"])]).set_output(
        transform="pandas"
    )
    assert both.fit_transform(numbers).columns.tolist() == ["age__age", "sets__sets"]
    rows = SetAggregator(("max",)).set_output(transform="pandas").fit_transform(numbers)
    np.testing.assert_array_equal(rows["amount__max"], EVENTS.groupby("id")["amount"].max())


def test_arrays_of_a_column_transformer_have_no_names():
    array = np.empty((30, 3), dtype=object)
    array[:] = X[["age", "amount", "n"]].to_numpy()
    sets = check_sets(array)
    assert sets.feature_names is None
    np.testing.assert_array_equal(sets.elements, SETS.elements[["amount", "n"]])
