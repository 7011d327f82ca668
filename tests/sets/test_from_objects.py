"""Sets that are Python objects: arrays of all kinds, and baskets, which are sets of strings."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from sk_deepsets import DeepSetsClassifier, ElementTransformer, SetAggregator, check_sets
from sk_deepsets.sets._from_objects import sets_from_arrays

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


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(-9, 9), st.floats(-9, 9)), max_size=4), min_size=1, max_size=6))
def test_the_table_is_all_elements_one_after_another(rows):
    arrays = [np.array(one_set, dtype=float).reshape(-1, 2) for one_set in rows]
    sets = sets_from_arrays(arrays)
    assert sets.elements.tolist() == [[float(a), b] for one_set in rows for a, b in one_set]
    assert sets.elements.shape == (sum(map(len, rows)), 2)
    assert sets.offsets.tolist() == [sum(map(len, rows[:i])) for i in range(len(rows) + 1)]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        ([np.array([1, 2]), np.array([3, 4])], [[1, 2], [3, 4]]),
        ([5, 6, 7], [[5], [6], [7]]),
        (range(2), [[0], [1]]),
        (np.array([5.0, 6.0]), [[5], [6]]),
        (np.array([[1, 2.5]], dtype=object), [[1, 2.5]]),
        (np.array([True, False]), [[1], [0]]),
        (pd.Series([5, 6], index=[8, 9]), [[5], [6]]),
        (pd.DataFrame({"a": [1, 2], "b": [3.5, 4]}, index=[8, 9]), [[1, 3.5], [2, 4]]),
        (pd.DataFrame({"a": pd.array([1, 2], dtype="Int64")}), [[1], [2]]),
        (torch.tensor([[1.0, 2.0]], requires_grad=True), [[1, 2]]),
        (torch.tensor([5, 6]), [[5], [6]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_set_may_take_many_forms(item, expected):
    assert sets_from_arrays([item]).elements.tolist() == expected


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["float32"], np.float32),
        (["float16", "int16", "uint16", "bool", "int8", "uint8"], np.float32),
        (["float64"], np.float64),
        (["float32", "float64"], np.float64),
        (["float32", "int32"], np.float64),
        (["int64"], np.int64),
        (["uint64", "int64"], np.float64),
        (["float32", "object"], np.float64),
    ],
)
def test_the_table_has_the_smallest_dtype_that_holds_all_sets(dtypes, expected):
    sets = sets_from_arrays([np.ones((2, 1), dtype=dtype) for dtype in dtypes])
    assert sets.elements.dtype == expected
    assert sets.elements.tolist() == [[1]] * (2 * len(dtypes))


def test_large_integers_keep_the_digits_that_float32_would_lose():
    assert sets_from_arrays([np.array([2**24 + 1])]).elements.tolist() == [[2**24 + 1]]


@pytest.mark.parametrize("empty", [[], (), np.empty(0), np.empty((0, 0)), np.empty((0, 3)), torch.empty(0, 3)])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_empty_sets_take_the_width_of_the_others(empty, place):
    items = [np.ones((2, 3)), np.zeros((1, 3))]
    items.insert(place, empty)
    sets = sets_from_arrays(items)
    assert sets.sizes.tolist() == [len(item) for item in items]
    assert sets.elements.tolist() == [[1] * 3, [1] * 3, [0] * 3]


def test_an_empty_list_does_not_widen_float32_sets():
    # np.asarray([]) is float64, but holds no value that would need it
    assert sets_from_arrays([np.ones((2, 3), dtype=np.float32), []]).elements.dtype == np.float32


def test_empty_sets_with_a_width_of_their_own_must_agree():
    with pytest.raises(ValueError, match="Set 1 has 2 features; the sets before it have 3"):
        sets_from_arrays([np.ones((1, 3)), np.empty((0, 2))])


def test_no_sets_at_all_make_an_empty_table():
    sets = sets_from_arrays([])
    assert len(sets) == 0
    assert sets.elements.shape == (0, 0)


def test_a_single_array_is_not_copied():
    array = np.ones((3, 2))
    assert np.shares_memory(sets_from_arrays([array]).elements, array)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 3))], "Set 2 has 3 features; the sets before it have 2"),
        ([[[1.0, 2.0]], [], [3.0]], "Set 2 has 1 feature; the sets before it have 2"),
        ([[], np.ones((1, 3)), [1.0], [], [2.0]], "Set 1 has 3 features; the sets after it have 1"),
        ([np.ones((1, 3)), [1.0], np.ones((1, 3)), [2.0]], "Set 1 has 1 feature; the sets before it have 3"),
        ([[1.0], [[1.0, 2.0], [3.0]]], "Set 1 is not an array: its elements have unequal lengths"),
        ([[1.0], [[1.0, [2.0]]]], "Set 1 is not an array: its elements have unequal lengths"),
        ([[1.0], [[[1.0]], [[2.0]]]], r"Set 1 has shape \(2, 1, 1\); expected \(n_elements, n_features\)"),
        ([np.ones((1, 1)), np.array(3.0)], r"Set 1 has shape \(\); expected \(n_elements, n_features\)"),
        ([[1.0], 2.0], r"Set 1 is 2\.0; expected an array"),
        ([[1.0], "abc"], "Set 1 is 'abc'; expected an array"),
        ([[1.0], b"abc"], "Set 1 is b'abc'; expected an array"),
        ([[1.0], ["a", "b"]], "Set 1 holds strings; expected numbers"),
        ([[1.0], np.array([1.0, "b"], dtype=object)], "Set 1 holds strings; expected numbers"),
        ([[1.0], np.array(["2020-01-01"], dtype="M8[D]")], r"Set 1 has dtype datetime64\[D\]; expected numbers"),
        ([[1.0], [1j]], "Complex data not supported\nSet 1 has dtype complex128"),
        ([[1.0], [10**400]], "Set 1 holds"),
    ],
)
def test_errors_name_the_set_and_what_arrived(items, message):
    with pytest.raises(ValueError, match=message):
        sets_from_arrays(items)


@pytest.mark.parametrize("thing", [object(), {"a": 1}, pd.NA])
def test_objects_that_are_no_numbers_are_refused_by_the_set_that_holds_them(thing):
    with pytest.raises(TypeError, match="Set 1 holds values that are not numbers"):
        sets_from_arrays([[1.0], [thing]])


TIMES = [
    pd.Timestamp("2020-01-01"),
    pd.Timedelta(5, "s"),
    np.datetime64("2020-01-01"),
    np.timedelta64(5, "s"),
    datetime.date(2020, 1, 1),
    datetime.time(5),
    datetime.timedelta(5),
]


@pytest.mark.parametrize("time", TIMES, ids=lambda time: type(time).__name__)
def test_times_are_not_numbers_in_any_form(time):
    for item in ([time], (3.0, time), np.array([[1.0, time]], dtype=object), pd.Series([time]), pd.array([time])):
        with pytest.raises((TypeError, ValueError), match=r"Set 1 .*expected numbers"):
            sets_from_arrays([[1.0], item])


@pytest.mark.parametrize("item", [bytearray(b"12"), memoryview(b"12"), b"12"])
def test_bytes_are_neither_sets_nor_numbers(item):
    with pytest.raises(ValueError, match=r"Set 1 is .*; expected an array"):
        sets_from_arrays([[1.0], item])
    with pytest.raises(ValueError, match="Set 1 holds strings; expected numbers"):
        sets_from_arrays([[1.0], [item]])


def test_masked_values_are_refused_however_deep():
    masked = np.ma.array([1.0, 999.0], mask=[False, True])
    for item in (masked, masked[:, None], [masked, [1.0, 2.0]], ([1.0, 2.0], masked), np.ma.array([[5.0]], mask=True)):
        with pytest.raises(ValueError, match="Set 1 has masked values"):
            sets_from_arrays([[1.0], item])
    assert sets_from_arrays([np.ma.array([1.0, 2.0])]).elements.tolist() == [[1], [2]]


def test_arrays_of_arrays_are_elements_with_several_features():
    nested = np.empty(2, dtype=object)
    nested[:] = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    assert sets_from_arrays([nested, np.ones((1, 2))]).elements.tolist() == [[1, 2], [3, 4], [1, 1]]
    nested[1] = np.array([3.0])
    with pytest.raises(ValueError, match="Set 1 is not an array: its elements have unequal lengths"):
        sets_from_arrays([np.ones((1, 2)), nested])


def test_lazy_tensors_are_read_as_what_they_stand_for():
    imaginary = torch.tensor([1 + 2j, 3 - 4j]).conj().imag
    assert imaginary.is_neg()
    assert sets_from_arrays([imaginary]).elements.tolist() == [[-2], [4]]
    with pytest.raises(ValueError, match="Complex data not supported\nSet 0"):
        sets_from_arrays([torch.tensor([1 + 2j]).conj()])


def test_dtypes_unknown_to_numpy_are_refused_by_the_set_that_holds_them():
    with pytest.raises((TypeError, ValueError), match=r"Set 1 .*bfloat16"):
        sets_from_arrays([torch.ones(1), torch.ones(1, dtype=torch.bfloat16)])
