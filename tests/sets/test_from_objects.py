"""Baskets: sets of strings in every form that sets come in."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from sk_deepsets import DeepSetsClassifier, ElementTransformer, SetAggregator, check_sets

BASKETS = [["tea", "cup"], [], ["pot", "tea", "jam"], ["cup"]]


def object_array(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def arrow(items):
    return pytest.importorskip("pyarrow").array(items)


def polars(items, dtype=None):
    pl = pytest.importorskip("polars")
    return pl.Series(items, dtype=pl.List(getattr(pl, dtype or "String")))


def dictionaries(items):
    array = arrow(items)
    return type(array).from_arrays(array.offsets, array.values.dictionary_encode())


FORMS = {
    "lists": list,
    "tuples": lambda items: tuple(map(tuple, items)),
    "arrays": lambda items: [np.array(item, dtype="U") for item in items],
    "arrays of objects": lambda items: [np.array(item, dtype=object) for item in items],
    "Series": lambda items: [pd.Series(item, dtype="str") for item in items],
    "categories": lambda items: [pd.Series(item, dtype="category") for item in items],
    "object array": object_array,
    "Series of lists": pd.Series,
    "column of sets": lambda items: pd.Series(items, dtype="sets"),
    "frame": lambda items: pd.DataFrame({"basket": items, "age": 1.0}),
    "pyarrow": arrow,
    "pyarrow dictionaries": dictionaries,
    "polars": polars,
    "polars Categorical": lambda items: polars(items, "Categorical"),
    "awkward": lambda items: pytest.importorskip("awkward").Array(items),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_baskets_are_one_column_of_strings(form):
    sets = check_sets(form(BASKETS), dtype=None)
    assert sets.offsets.tolist() == [0, 2, 2, 5, 6]
    assert sets.feature_names.tolist() == ["x0"]
    assert sets.elements["x0"].tolist() == ["tea", "cup", "pot", "tea", "jam", "cup"]


def test_python_sets_are_sets():
    sets = check_sets([{"tea", "cup"}, frozenset(), {"pot"}], dtype=None)
    assert sorted(sets.elements["x0"][:2]) == ["cup", "tea"]
    assert sets.sizes.tolist() == [2, 0, 1]
    numbers = check_sets([{1.5, 2.5}, set(), frozenset({3.0})])
    assert sorted(numbers.elements[:, 0]) == [1.5, 2.5, 3.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.text(max_size=3), max_size=4), min_size=1, max_size=6).filter(any))
def test_any_strings(items):
    sets = check_sets(items, dtype=None)
    assert [one["x0"].tolist() for one in sets] == items


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([["a"], [1.0]], "Set 1 holds 1.0; expected strings"),
        ([["a"], ["b", 2]], "Set 1 holds 2; expected strings"),
        ([["a"], [["b", "c"]]], r"Set 1 holds \['b', 'c'\]; expected strings"),
        ([["a"], "bc"], "Set 1 is 'bc'; expected a sequence of strings"),
        ([["a"], np.array([["b"]])], r"Set 1 is array\(.*; expected a sequence of strings"),
        (["a", "b"], "Set 0 is 'a'; expected an array"),
        ([[1.0], ["a"]], "Set 1 .*string|Set 1 has dtype <U1; expected numbers"),
        ([["a", None]], "Set 0 has no value in column 'x0' \\(element 1"),
        ([[b"a"]], "Set 0 holds strings; expected numbers"),
    ],
)
def test_what_is_no_basket_names_the_set(X, message):
    with pytest.raises(ValueError, match=message):
        check_sets(X, dtype=None)


def test_where_numbers_are_wanted_strings_are_an_error():
    with pytest.raises(ValueError, match=r"column 'x0' of the elements has dtype (str|object).*; expected numbers"):
        check_sets(BASKETS)


def test_baskets_are_learned_and_encoded():
    rng = np.random.default_rng(0)
    baskets = [rng.choice(["tea", "cup", "pot", "jam"], size).tolist() for size in rng.integers(0, 5, 200)]
    y = ["tea" in basket for basket in baskets]
    clf = DeepSetsClassifier(max_epochs=40, lr=0.01, random_state=0).fit(baskets, y)
    assert clf.score(baskets, y) > 0.98
    assert clf.predict([["cup", "tea", "pot"], ["cup", "pot"], []]).tolist() == [True, False, False]
    counts = SetAggregator(("sum",)).fit_transform(ElementTransformer(OneHotEncoder()).fit_transform(BASKETS))
    np.testing.assert_array_equal(counts[:, 3], ["tea" in basket for basket in BASKETS])  # cup, jam, pot, tea


def test_dicts_are_elements_with_named_features():
    sets = check_sets([[{"price": 1.5, "kind": "tea"}], [], [{"kind": "cup", "price": 2}]], dtype=None)
    assert sets.sizes.tolist() == [1, 0, 1]
    pd.testing.assert_frame_equal(
        sets.elements.reset_index(drop=True),
        pd.DataFrame({"price": [1.5, 2.0], "kind": ["tea", "cup"]}),
        check_dtype=False,
    )
    numbers = check_sets([[{"a": 1, "b": 2.5}], [{"a": 3, "b": 4.5}]])
    np.testing.assert_array_equal(numbers.elements, [[1, 2.5], [3, 4.5]])
    assert numbers.feature_names.tolist() == ["a", "b"]


def test_what_is_missing_does_not_hide_the_kind():
    sets = check_sets([[None, "b"], [np.nan], ["c"]], dtype=None, ensure_all_finite=False)
    assert sets.elements["x0"].isna().tolist() == [True, False, True, False]
    np.testing.assert_array_equal(check_sets([[np.nan, 1.0], [2.0]], ensure_all_finite=False).elements[1:, 0], [1, 2])


def test_dicts_that_lack_a_feature_name_the_set():
    with pytest.raises(ValueError, match=r"Set 1 holds NaN \(element 0, feature 'b'\)"):
        check_sets([[{"a": 1, "b": 2.5}], [{"a": 3}]])
    with pytest.raises(ValueError, match="Set 1 holds 'x'; expected dicts"):
        check_sets([[{"a": 1}], ["x"]])


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}, index=["p", "q"])


def test_frames_keep_their_columns_and_the_labels_of_their_rows():
    sets = check_sets([FRAME, [], FRAME[:0], FRAME[1:]])
    assert sets.sizes.tolist() == [2, 0, 0, 1]
    assert list(sets.feature_names) == ["a", "b"]
    assert sets.feature_names.dtype == object
    assert sets.rows.tolist() == ["p", "q", "q"]
    np.testing.assert_array_equal(sets.elements, [[1, 3], [2, 4], [2, 4]], strict=False)
    mixed = check_sets([FRAME.assign(kind=["x", "y"]), FRAME.assign(kind=["y", "z"])], dtype=None)
    assert mixed.elements["kind"].tolist() == ["x", "y", "y", "z"]
    assert mixed.rows.tolist() == ["p", "q", "p", "q"]


def test_columns_whose_names_are_no_strings_are_columns_of_an_array():
    for columns in ([0, 1], ["a", 0]):
        sets = check_sets([FRAME.set_axis(columns, axis=1), FRAME[:1].set_axis(columns, axis=1)])
        assert sets.feature_names is None
        assert sets.elements.tolist() == [[1, 3], [2, 4], [1, 3]]
        assert sets.rows.tolist() == ["p", "q", "p"]


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_other_libraries_are_matched_by_column_and_have_no_labels(library):
    make = getattr(pytest.importorskip(library), {"polars": "DataFrame", "pyarrow": "table"}[library])
    tables = [make({"a": [1.0, 2.0], "b": ["x", "y"]}), make({"a": [3.0], "b": ["z"]})]
    sets = check_sets([*tables, []], dtype=None)
    assert sets.elements["b"].tolist() == ["x", "y", "z"]
    assert sets.rows.tolist() == [(0, 0), (0, 1), (1, 0)]
    with pytest.raises(ValueError, match=r"Set 2 has the columns \['b', 'a'\]; the sets before it have \['a', 'b'\]"):
        check_sets([*tables, make({"b": ["z"], "a": [3.0]})], dtype=None)
    with pytest.raises(ValueError, match="Sets 0 and 1 are tables of different libraries"):
        check_sets([FRAME, tables[0]], dtype=None)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([FRAME[["a"]], FRAME, FRAME], r"Set 0 has the columns \['a'\]; the sets after it have \['a', 'b'\]"),
        ([FRAME, FRAME[["a"]]], r"Set 1 has the columns \['a'\]; the sets before it have \['a', 'b'\]"),
        ([[], FRAME, FRAME[["b", "a"]]], r"Set 2 has the columns \['b', 'a'\]; the sets before it have \['a', 'b'\]"),
        ([FRAME, np.ones((1, 2))], "Set 0 is a table, but set 1 is ndarray; expected all sets to be tables, or none"),
        ([np.ones((1, 2)), FRAME], "Set 1 is a table, but set 0 is ndarray; expected all sets to be tables, or none"),
        ([FRAME.set_axis(["a", "a"], axis=1)] * 2, r"Several columns have the same name: \['a'\]"),
        ([FRAME, FRAME.assign(b="x")], "The column 'b' of the elements has dtype object; expected numbers"),
    ],
)
def test_frames_that_do_not_go_together_name_the_set(items, message):
    with pytest.raises(ValueError, match=message):
        check_sets(items)


def test_kinds_of_columns_are_united():
    ours, theirs = (pd.DataFrame({"k": pd.Categorical(list(values))}) for values in ("xy", "pz"))
    column = check_sets([ours, theirs], dtype=None).elements["k"]
    assert column.tolist() == ["x", "y", "p", "z"]
    assert isinstance(column.dtype, pd.CategoricalDtype)
