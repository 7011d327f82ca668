import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets.sets._from_objects import sets_from_arrays


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
