from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sk_deepsets import PaddedSets, RaggedSets, check_sets

FLOAT32_MAX = float(np.finfo(np.float32).max)


def object_array(items):
    array = np.empty(len(items), dtype=object)
    for number, item in enumerate(items):
        array[number] = item
    return array


def ragged(arrays):
    return RaggedSets(np.concatenate(arrays), [0, *np.cumsum([len(array) for array in arrays])])


FORMS = {
    "tuple": tuple,
    "nested lists": lambda arrays: [array.tolist() for array in arrays],
    "tensors": lambda arrays: [torch.tensor(array, requires_grad=True) for array in arrays],
    "frames": lambda arrays: [pd.DataFrame(array) for array in arrays],
    "object array": object_array,
    "Series": lambda arrays: pd.Series(arrays, dtype=object),
    "Series of lists": lambda arrays: pd.Series([array.tolist() for array in arrays], dtype=object),
    "RaggedSets": ragged,
    "PaddedSets": lambda arrays: PaddedSets.from_ragged(ragged(arrays), pad_value=np.nan),
}


@settings(deadline=None)
@given(
    st.lists(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), max_size=4), min_size=1, max_size=5).filter(any),
    st.sampled_from(list(FORMS)),
)
def test_every_form_reads_as_the_list_of_arrays_does(rows, form):
    arrays = [np.array(one_set, dtype=float).reshape(-1, 2) for one_set in rows]
    sets = check_sets(FORMS[form](arrays))
    assert isinstance(sets, RaggedSets)
    assert [[tuple(element) for element in one_set] for one_set in sets] == rows
    assert sets.sizes.tolist() == [len(one_set) for one_set in rows]
    assert sets.elements.dtype == np.float64


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, lambda array: array.astype(object)])
def test_a_three_dimensional_array_holds_sets_of_one_size(convert):
    array = np.arange(12.0).reshape(2, 3, 2)
    sets = check_sets(convert(array))
    assert [one_set.tolist() for one_set in sets] == array.tolist()
    assert check_sets(convert(array[:1, :1])).sizes.tolist() == [1]


def test_both_readings_of_a_table_that_the_refusal_offers_are_taken():
    table = np.arange(6.0).reshape(2, 3)
    assert [s.tolist() for s in check_sets(table[:, :, None])] == [[[0], [1], [2]], [[3], [4], [5]]]
    assert [s.tolist() for s in check_sets(table[:, None, :])] == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize(
    ("table", "kind", "name"),
    [
        (np.zeros((2, 3)), "array", "X"),
        (np.zeros((2, 3), dtype=object), "array", "X"),
        (torch.zeros(2, 3), "array", "X"),
        (pd.DataFrame(np.zeros((2, 3))), "DataFrame", "X.to_numpy()"),
    ],
)
def test_a_table_is_refused_with_both_readings(table, kind, name):
    with pytest.raises(ValueError, match="two ways") as error:
        check_sets(table)
    assert f"X is a 2-D {kind} of shape (2, 3)" in str(error.value)
    assert f"Pass {name}[:, :, None] if each row is a set of 3 scalars" in str(error.value)
    assert f"or {name}[:, None, :] if each row is a set of one element with 3 features" in str(error.value)


def test_the_index_of_a_series_and_the_parts_of_ragged_and_padded_sets_are_kept():
    assert list(check_sets(pd.Series([[1.0], [2.0]], index=["p", "q"])).index) == ["p", "q"]
    parts = {"context": pd.DataFrame({"c": [5, 6]}), "index": pd.Index(["p", "q"]), "feature_names": ["a"]}
    for sets in (
        RaggedSets(np.array([[1], [2]]), [0, 1, 2], **parts),
        RaggedSets(np.array([[1.0], [2.0]]), [0, 1, 2], **parts),
        PaddedSets(np.array([[[1]], [[2]]]), np.ones((2, 1)), **parts),
    ):
        read = check_sets(sets)
        assert read.context["c"].tolist() == [5, 6]
        assert list(read.index) == ["p", "q"]
        assert list(read.feature_names) == ["a"]
        assert read.elements.tolist() == [[1], [2]]


def test_checked_sets_come_back_as_they_are():
    sets = check_sets([[1.0], [2.0, 3.0]])
    assert check_sets(sets) is sets


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f2", "f4"), ("f4", "f4"), ("i2", "f4"), ("?", "f4"), ("i4", "f8"), ("i8", "f8"), ("f8", "f8")],
)
def test_elements_are_float32_or_float64_in_every_form(dtype, expected):
    elements = np.ones((2, 1), dtype=dtype)
    for X in ([elements], elements[None], RaggedSets(elements, [0, 2]), PaddedSets(elements[None], np.ones((1, 2)))):
        sets = check_sets(X)
        assert sets.elements.dtype == expected
        assert sets.elements.tolist() == [[1], [1]]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place_unless_allowed(kind, value):
    # set 1 and set 3 are empty: the place must not be off by them
    X = [np.ones((2, 2), kind), [], np.array([[1, 1], [1, value]], kind), [], np.full((1, 2), value, kind)]
    what = "NaN" if np.isnan(value) else rf"infinity \({value}\)"
    with pytest.raises(ValueError, match=rf"Set 2 holds {what} \(element 1, feature 1\)"):
        check_sets(X)
    np.testing.assert_array_equal(check_sets(X, ensure_all_finite=False).elements[3:], [[1, value], [value, value]])


@pytest.mark.parametrize("sign", [1, -1])
def test_values_beyond_float32_are_refused_and_the_largest_float32_is_not(sign):
    assert check_sets([[sign * FLOAT32_MAX]]).elements.tolist() == [[sign * FLOAT32_MAX]]
    with pytest.raises(ValueError, match=r"Set 1 holds -?1e\+39, a value too large for dtype\('float32'\)"):
        check_sets([[0.0], [sign * 1e39]])
    assert check_sets([[sign * 1e39]], ensure_all_finite=False).elements.tolist() == [[sign * 1e39]]


def test_errors_about_values_use_the_name_of_the_feature():
    frames = [pd.DataFrame({"mass": [1.0], "charge": [2.0]}), pd.DataFrame({"mass": [1.0], "charge": [np.nan]})]
    with pytest.raises(ValueError, match=r"Set 1 holds NaN \(element 0, feature 'charge'\)"):
        check_sets(frames)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_value_in_a_list_is_nan(missing):
    with pytest.raises(ValueError, match=r"Set 1 holds NaN \(element 0, feature 1\)"):
        check_sets([[[1.0, 2.0]], [[1.0, missing]]])


@pytest.mark.parametrize("X", [[], (), np.empty((0, 2, 3)), np.empty(0, dtype=object), pd.Series([], dtype=object)])
def test_no_sets_are_refused(X):
    with pytest.raises(ValueError, match="Found an input with 0 sets"):
        check_sets(X)


@pytest.mark.parametrize(
    "X", [[[], []], [np.empty((0, 2)), []], np.empty((2, 0, 3)), RaggedSets(np.empty((0, 1)), [0] * 3)]
)
def test_sets_that_are_all_empty_are_refused_unless_allowed(X):
    with pytest.raises(ValueError, match="The 2 sets hold 0 elements, but at least 1 is required: all sets are empty"):
        check_sets(X)
    assert check_sets(X, ensure_min_elements=0).sizes.tolist() == [0, 0]


def test_too_few_elements_are_not_called_empty_sets():
    with pytest.raises(ValueError, match="The 2 sets hold 3 elements, but at least 5") as error:
        check_sets([[1.0], [2.0, 3.0]], ensure_min_elements=5)
    assert "empty" not in str(error.value)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (None, "Expected sets, .* but got None"),
        ("abc", "Expected sets, .* but got 'abc'"),
        (3, "Expected sets, .* but got 3"),
        ({"a": [1.0]}, r"Expected sets, .* but got \{'a'"),
        (np.float64(3), r"Expected sets, .* but got float64 of shape \(\)"),
        (np.zeros(3), r"got ndarray of shape \(3,\)\. Reshape your data either using \[X\]"),
        (np.zeros((1, 2, 3, 4)), r"got ndarray of shape \(1, 2, 3, 4\)"),
        (["ab", "cd"], "Set 0 is 'ab'; expected an array"),
        ([1.0, 2.0], r"Set 0 is 1\.0; expected an array"),
        ([[[1.0, 2.0]], [[3.0]]], "Set 1 has 1 feature; the sets before it have 2"),
        (object_array([np.ones((1, 2)), np.ones((1, 4))]), "Set 1 has 4 features; the sets before it have 2"),
        ([np.zeros((2, 0))], r"Found 0 feature\(s\) \(shape=\(2, 0\)\).*: set 0 has 2 elements without any"),
        (pd.Series([1.0, 2.0]), "A Series of sets holds one array per row, but this one has dtype float64"),
        (np.ones((1, 2, 1), dtype=complex), "Complex data not supported"),
        (RaggedSets(np.array([[1j]]), [0, 1]), "Complex data not supported"),
        (RaggedSets(np.array([[1.0], ["a"]], dtype=object), [0, 1, 2]), "Set 1 holds strings; expected numbers"),
        (np.array([[[1.0]], [["a"]]], dtype=object), "Set 1 holds strings; expected numbers"),
        ([np.ones((2, 2)), sparse.csr_array(np.eye(2))], "(?i)set 1 .*sparse"),
    ],
)
def test_anything_else_is_refused_with_what_arrived(X, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_sets(X)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix, sparse.coo_array])
def test_sparse_data_is_a_type_error(kind):
    with pytest.raises(TypeError, match=r"X is sparse.* use \.toarray\(\)"):
        check_sets(kind(np.eye(2)))


def test_sparse_columns_of_numbers_are_numbers():
    table = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0, 0.0]), "b": pd.arrays.SparseArray([1, 0, 2])})
    np.testing.assert_array_equal(check_sets(RaggedSets(table, [0, 1, 3])).elements, [[0, 1], [1, 0], [0, 2]])


def test_named_tuples_are_not_taken_for_tuples_of_sets():
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(2), torch.ones(3)], enforce_sorted=False)
    with pytest.raises(ValueError, match=r"but got PackedSequence.* Pass torch.nn.utils.rnn.unpack_sequence\(X\)"):
        check_sets(packed)
    pair = namedtuple("Pair", "a b")([1.0, 2.0], [3.0])
    with pytest.raises(ValueError, match=r"but got Pair.*Pass list\(X\), if each field of the named tuple is a set"):
        check_sets(pair)
    assert check_sets(list(pair)).sizes.tolist() == [2, 1]


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.coo_array, sparse.csc_array, sparse.lil_matrix])
def test_sparse_sets_are_read_as_the_dense_ones(kind):
    rng = np.random.default_rng(0)
    dense = [rng.integers(0, 2, (size, 5)).astype(np.float32) for size in (3, 0, 4, 1)]
    found, wanted = check_sets([*map(kind, dense)]), check_sets(dense)
    np.testing.assert_array_equal(found.elements, wanted.elements)
    np.testing.assert_array_equal(found.offsets, wanted.offsets)
    assert found.elements.dtype == wanted.elements.dtype
    assert check_sets([kind(dense[0]), [], None], missing_sets="empty").sizes.tolist() == [3, 0, 0]


def test_sparse_sets_that_cannot_be_read_are_errors(monkeypatch):
    for X, message in (
        ([sparse.csr_array(np.eye(2)), np.eye(2)], "Set 0 is sparse, but set 1 is ndarray; expected all"),
        ([sparse.csr_array(np.eye(2)), sparse.csr_array(np.eye(3))], "Set 1 has 3 features; the sets before it have 2"),
        ([sparse.coo_array(np.ones(3))], r"Set 0 is sparse and has shape \(3,\); expected \(n_elements, n_features\)"),
        ([sparse.csr_array([[np.nan]])], "Set 0 holds NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            check_sets(X)
    monkeypatch.setattr("sk_deepsets.sets._from_objects.MUCH_MEMORY", 10)
    with pytest.warns(UserWarning, match=r"take 0\.0 GB as one dense array of shape \(2, 2\)\. .* TruncatedSVD"):
        check_sets([sparse.csr_array(np.eye(2))])
