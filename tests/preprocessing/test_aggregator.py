import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import get_tags

from sk_deepsets import ElementTransformer, RaggedSets, SetAggregator

EVERY = ("size", "sum", "mean", "std", "min", "max", "median", 0, 0.1, 0.25, 0.75, 1.0)
VALUE = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float) | st.just(np.nan)
SETS = st.lists(st.lists(st.tuples(VALUE, VALUE), max_size=6), min_size=1, max_size=6).filter(any)


def ragged(lists, **attached):
    rows = np.array([row for one_set in lists for row in one_set], dtype=float).reshape(-1, 2)
    return RaggedSets(rows, np.concatenate([[0], np.cumsum([len(one_set) for one_set in lists])]), **attached)


def by_hand(one_set, statistic):
    """One statistic of one set, column by column."""
    if statistic == "size":
        return [len(one_set)]
    row = []
    for column in np.reshape(one_set, (-1, 2)).T:
        known = column[~np.isnan(column)]
        if not len(known):
            row.append(0 if statistic == "sum" and not len(column) else np.nan)
        elif isinstance(statistic, str):
            row.append(getattr(np, statistic)(known))
        else:
            row.append(np.quantile(known, statistic))
    return row


@settings(deadline=None)
@given(SETS, st.lists(st.sampled_from(EVERY), min_size=1, unique=True))
def test_statistics_are_those_of_each_set_by_hand(lists, statistics):
    out = SetAggregator(statistics).fit_transform(ragged(lists))
    expected = [[number for s in statistics for number in by_hand(one_set, s)] for one_set in lists]
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-7)
    assert out.dtype == np.float64


@settings(deadline=None)
@given(SETS, st.randoms())
def test_the_order_of_elements_does_not_matter(lists, random):
    shuffled = [random.sample(one_set, len(one_set)) for one_set in lists]
    aggregator = SetAggregator(EVERY).fit(ragged(lists))
    np.testing.assert_allclose(
        aggregator.transform(ragged(shuffled)), aggregator.transform(ragged(lists)), rtol=1e-9, atol=1e-7
    )


@settings(deadline=None)
@given(SETS, st.data())
def test_each_set_is_described_by_itself(lists, data):
    sets = ragged(lists)
    chosen = data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1))
    aggregator = SetAggregator(EVERY).fit(sets)
    np.testing.assert_allclose(
        aggregator.transform(sets[chosen]), aggregator.transform(sets)[chosen], rtol=1e-12, atol=1e-9
    )


@settings(deadline=None)
@given(SETS, st.floats(0, 1))
def test_quantiles_are_to_the_digit_those_of_numpy(lists, q):
    out = SetAggregator([q]).fit_transform(ragged(lists))
    np.testing.assert_array_equal(out, [by_hand(one_set, q) for one_set in lists])


def test_pandas_groups_agree():
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.integers(0, 50, size=2000))
    table = pd.DataFrame(rng.lognormal(size=(2000, 2)), columns=["a", "b"])
    table[rng.random(table.shape) < 0.1] = np.nan
    sets = RaggedSets(table, np.concatenate([[0], np.cumsum(np.bincount(numbers))]))
    groups = table.groupby(numbers)
    aggregator = SetAggregator(("mean", "median", 0.9, "sum")).fit(sets)
    expected = [groups.mean(), groups.median(), groups.quantile(0.9), groups.sum()]
    np.testing.assert_allclose(aggregator.transform(sets), np.hstack(expected))
    described = groups["a"].describe()[["min", "25%", "50%", "75%", "max"]]
    quartiles = SetAggregator(("min", 0.25, 0.5, 0.75, "max")).fit_transform(sets)
    np.testing.assert_allclose(quartiles[:, ::2], described)
    np.testing.assert_allclose(SetAggregator(("std",)).fit_transform(sets), groups.std(ddof=0))


def test_a_small_spread_around_a_large_mean_is_not_lost():
    X = 1e9 + np.array([[1.0, 2.0, 3.0, 4.0]])[:, :, None]
    assert SetAggregator(("std",)).fit_transform(X)[0, 0] == np.std([1, 2, 3, 4])


def test_float32_sets_are_computed_in_float64():
    X = np.full((1, 100_001, 1), 0.1, dtype=np.float32)
    out = SetAggregator(("sum", "std")).fit_transform(X)
    np.testing.assert_allclose(out, [[100_001 * float(np.float32(0.1)), 0]], rtol=1e-11, atol=1e-11)


def test_infinity_and_overflow_give_no_warning():
    X = [[np.inf, -np.inf, 1.0], [1e308, 1e308], [np.inf, np.inf]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = SetAggregator(("sum", "mean", "std", "min", "max", "median")).fit_transform(X)
    assert out[0, 3:].tolist() == [-np.inf, np.inf, 1]
    assert out[1, [0, 3, 4, 5]].tolist() == [np.inf, 1e308, 1e308, 1e308]
    assert out[2, [0, 1, 3, 4, 5]].tolist() == [np.inf] * 5
    assert np.isnan(out[[0, 0, 0, 2], [0, 1, 2, 2]]).all()


@pytest.mark.parametrize("X", [[[], []], [np.empty((0, 2))] * 2, np.empty((2, 0, 2))])
def test_transform_takes_sets_that_are_all_empty(X):
    out = SetAggregator(("size", "sum", "mean", 0.5)).fit(ragged([[(1, 2)]])).transform(X)
    np.testing.assert_array_equal(out, [[0, 0, 0] + [np.nan] * 4] * 2)


@pytest.mark.parametrize("kind", ["int64", "bool", "Int64", "boolean", "float32", "Float64"])
def test_numbers_and_booleans_of_every_kind_are_taken(kind):
    table = pd.DataFrame({"a": np.array([0, 1, 1, 1])}).astype(kind)
    if kind[0].isupper() or kind == "boolean":
        table.iloc[1] = pd.NA
    out = SetAggregator(("mean", "max")).fit_transform(RaggedSets(table, [0, 2, 4]))
    assert out.tolist() == [[0 if table["a"].isna().any() else 0.5, table["a"].iloc[:2].max()], [1, 1]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["u", "v"], "str|object"),
        (pd.Categorical([1, 2]), "category"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), "datetime64"),
        ([1j, 2j], "complex128"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_another_kind_of_column_is_named_and_the_way_out_too(values, kind, method):
    aggregator = SetAggregator()
    if method == "transform":
        aggregator.fit([pd.DataFrame({"a": [1.0], "colour": [1.0]})])
    sets = RaggedSets(pd.DataFrame({"a": [1.0, 2.0], "colour": values}), [0, 2])
    with pytest.raises(ValueError, match=f"The column 'colour' of the elements has dtype ({kind})") as error:
        getattr(aggregator, method)(sets)
    assert "ElementTransformer(OneHotEncoder())" in str(error.value)


@pytest.mark.parametrize("names", [None, ["a", "b"]])
def test_names_tell_the_column_and_the_statistic(names):
    aggregator = SetAggregator(("mean", "size", 0.25, np.float64(1))).fit(ragged([[(1, 2)]], feature_names=names))
    a, b = names or ["x0", "x1"]
    expected = [f"{a}__mean", f"{b}__mean", "size", f"{a}__q0.25", f"{b}__q0.25", f"{a}__q1.0", f"{b}__q1.0"]
    out = aggregator.get_feature_names_out()
    assert out.dtype == object
    assert list(out) == expected
    assert aggregator.n_features_in_ == 2
    with pytest.raises(ValueError, match="input_features"):
        aggregator.get_feature_names_out(["p"])


@pytest.mark.parametrize("index", [None, pd.Index([*"pq"], name="set")])
def test_a_frame_of_context_comes_behind_the_statistics_as_it_is(index):
    context = pd.DataFrame({"age": [3, 4], "town": pd.Categorical(["u", "v"])}, index=[8, 9])
    sets = ragged([[(1, 2), (3, 4)], []], context=context, index=index, feature_names=["a", "b"])
    aggregator = SetAggregator(("size", "max"))
    out = aggregator.fit_transform(sets)
    expected = pd.DataFrame({"size": [2.0, 0.0], "a__max": [3, np.nan], "b__max": [4, np.nan]})
    expected = pd.concat([expected, context.reset_index(drop=True)], axis=1)
    pd.testing.assert_frame_equal(out, expected.set_axis(context.index if index is None else index))
    assert list(aggregator.get_feature_names_out()) == list(out.columns)
    pd.testing.assert_frame_equal(aggregator.set_output(transform="pandas").transform(sets), out)
    assert list(context.index) == [8, 9]


def test_an_array_of_context_gets_names():
    sets = ragged([[(1, 2)], [(3, 4)]], context=np.array([[5, 6], [7, 8]]), index=pd.Index([*"pq"]))
    out = SetAggregator(("min",)).fit_transform(sets)
    assert list(out.columns) == ["x0__min", "x1__min", "context0", "context1"]
    assert out.loc["q"].tolist() == [3, 4, 7, 8]


def test_rows_stay_apart_where_labels_of_sets_repeat():
    sets = ragged([[(1, 2)], [(3, 4)]], context=pd.DataFrame({"c": [5, 6]}, index=[7, 8]), index=pd.Index([0, 0]))
    out = SetAggregator(("min",)).fit_transform(sets)
    assert out.to_numpy().tolist() == [[1, 2, 5], [3, 4, 6]]
    assert list(out.index) == [0, 0]


def test_a_table_with_a_column_of_sets_gives_one_without():
    table = pd.DataFrame({"age": [3, 4], "sets": [np.array([[1.0], [2.0]]), np.array([[5.0]])]}, index=[*"pq"])
    out = SetAggregator(("size", "mean")).fit_transform(table)
    pd.testing.assert_frame_equal(
        out, pd.DataFrame({"size": [2.0, 1.0], "x0__mean": [1.5, 5.0], "age": [3, 4]}, index=[*"pq"])
    )


def test_a_context_with_the_name_of_a_statistic_is_an_error():
    sets = ragged([[(1, 2)]], context=pd.DataFrame({"size": [3]}))
    with pytest.raises(ValueError, match="The context has a column 'size', the name of a statistic, too"):
        SetAggregator().fit(sets)
    assert SetAggregator(("min",)).fit_transform(sets)["size"].tolist() == [3]


@pytest.mark.parametrize("context", [None, pd.DataFrame({"d": [3]}), np.ones((1, 1))])
def test_another_context_than_in_fit_is_an_error(context):
    fitted = SetAggregator().fit(ragged([[(1, 2)]], context=pd.DataFrame({"c": [3]})))
    with pytest.raises(ValueError, match=r"The context has the columns \[.*\]; in fit it had \['c'\]"):
        fitted.transform(ragged([[(1, 2)]], context=context))


@pytest.mark.parametrize("everywhere", [False, True])
def test_as_a_frame_it_has_names_and_the_index_of_the_sets(everywhere):
    sets = ragged([[(1, 2)], [(3, 4)]], index=pd.Index([*"pq"]))
    aggregator = SetAggregator(("size", "min"))
    assert isinstance(aggregator.fit_transform(sets), np.ndarray)
    with sklearn.config_context(transform_output="pandas" if everywhere else "default"):
        out = aggregator.transform(sets) if everywhere else aggregator.set_output(transform="pandas").transform(sets)
    expected = pd.DataFrame({"size": [1.0, 1.0], "x0__min": [1.0, 3.0], "x1__min": [2.0, 4.0]}, index=[*"pq"])
    pd.testing.assert_frame_equal(out, expected)


def test_as_a_frame_it_counts_rows_where_sets_have_no_labels():
    aggregator = SetAggregator(("min",)).set_output(transform="pandas")
    pd.testing.assert_frame_equal(aggregator.fit_transform([[1.0, 2.0], [3.0]]), pd.DataFrame({"x0__min": [1.0, 3.0]}))
    series = pd.Series([np.array([1.0]), np.array([2.0])], index=[*"pq"])
    assert list(aggregator.fit_transform(series).index) == [*"pq"]


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        (("mean", "mode"), "statistics has 'mode'; expected 'size', 'sum', .* and quantiles as numbers from 0 to 1"),
        ((1.5,), r"statistics has 1\.5; expected"),
        ((-0.1,), r"statistics has -0\.1; expected"),
        ((np.nan,), "statistics has nan; expected"),
        ((True,), "statistics has True; expected"),
        ((np.mean,), "statistics has <function mean"),
        ((), "one or more different statistics"),
        (("mean", "mean"), "one or more different statistics"),
        ((0, 0.0), "one or more different statistics"),
        ("mean", "The 'statistics' parameter of SetAggregator must be an instance of"),
    ],
)
def test_wrong_statistics_are_named_in_fit(statistics, message):
    with pytest.raises(ValueError, match=message):
        SetAggregator(statistics).fit([[1.0]])


@pytest.mark.parametrize("method", ["transform", "get_feature_names_out"])
def test_an_unfitted_one_says_so(method):
    with pytest.raises(NotFittedError, match="SetAggregator instance is not fitted yet"):
        getattr(SetAggregator(), method)([[1.0]])


def test_other_features_than_in_fit_are_an_error():
    fitted = SetAggregator().fit(ragged([[(1, 2)]], feature_names=["a", "b"]))
    with pytest.raises(ValueError, match="X has 1 features, but SetAggregator is expecting 2 features"):
        SetAggregator().fit(ragged([[(1, 2)]])).transform([[1.0]])
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(ragged([[(1, 2)]], feature_names=["a", "c"]))


def test_fit_learns_no_value_and_changes_no_set():
    sets = ragged([[(1, np.nan)], [(3, 4), (9, 8)]])
    before = sets.elements.copy()
    other = SetAggregator(EVERY).fit(ragged([[(7, 7)]]))
    np.testing.assert_array_equal(other.transform(sets), SetAggregator(EVERY).fit_transform(sets))
    np.testing.assert_array_equal(sets.elements, before)


@pytest.mark.parametrize("duplicate", [lambda fitted: pickle.loads(pickle.dumps(fitted)), clone])
def test_pickles_transform_alike_and_clones_are_unfitted(duplicate):
    fitted = SetAggregator(("max", 0.25)).fit([[1.0, 2.0]])
    other = duplicate(fitted)
    assert other.get_params() == {"statistics": ("max", 0.25)}
    assert hasattr(other, "n_features_in_") is (duplicate is not clone)
    assert other.fit([[1.0]]).transform([[1.0, 2.0]]).tolist() == [[2, 1.25]]


def test_the_baseline_of_trees_learns_which_sets_are_wide():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    X = [rng.normal(scale=1 + 4 * label, size=(rng.integers(2, 20), 2)) for label in labels]
    baseline = make_pipeline(SetAggregator(), HistGradientBoostingClassifier(max_iter=20, random_state=0))
    assert cross_val_score(baseline, X, labels, cv=3).mean() > 0.9


def test_kinds_become_shares_behind_an_encoder():
    sets = RaggedSets(pd.DataFrame({"kind": ["tea", "cup", "tea", "tea"]}), [0, 2, 4])
    shares = make_pipeline(ElementTransformer(OneHotEncoder()), SetAggregator(("mean",))).set_output(transform="pandas")
    pd.testing.assert_frame_equal(
        shares.fit_transform(sets), pd.DataFrame({"kind_cup__mean": [0.5, 0.0], "kind_tea__mean": [0.5, 1.0]})
    )


def test_tags_tell_of_sets_and_missing_values():
    tags = get_tags(SetAggregator()).input_tags
    assert (tags.two_d_array, tags.three_d_array, tags.allow_nan) == (False, True, True)
