import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from sk_deepsets import PaddedSets, RaggedSets, check_sets

SIZES = st.lists(st.integers(0, 4), max_size=6)


def ragged(sizes, dtype=np.float64):
    elements = np.arange(1, 2 * sum(sizes) + 1).reshape(-1, 2).astype(dtype)
    n = len(sizes)
    return RaggedSets(
        elements,
        [sum(sizes[:i]) for i in range(n + 1)],
        context=pd.DataFrame({"c": np.arange(n)}),
        index=pd.RangeIndex(10, 10 + n),
        feature_names=["a", "b"],
    )


def assert_same(sets, other):
    np.testing.assert_array_equal(sets.elements, other.elements, strict=True)
    np.testing.assert_array_equal(sets.offsets, other.offsets, strict=True)
    pd.testing.assert_frame_equal(sets.context, other.context)
    pd.testing.assert_index_equal(sets.index, other.index)
    assert list(sets.feature_names) == list(other.feature_names)


@pytest.fixture
def padded():
    """Four sets whose masks are no prefixes; -1 fills."""
    mask = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1]], dtype=bool)
    values = np.where(mask[:, :, None], np.arange(24.0).reshape(4, 3, 2), -1)
    return PaddedSets(
        values, mask, context=pd.DataFrame({"c": [0, 1, 2, 3]}), index=pd.Index([*"pqrs"]), feature_names=["a", "b"]
    )


@settings(deadline=None)
@given(SIZES, st.none() | st.integers(4, 6), st.sampled_from([0.0, -7.0, np.nan]), st.sampled_from(["f4", "f8"]))
def test_padding_puts_each_element_in_its_place_and_unpadding_gives_the_sets_back(sizes, width, pad_value, dtype):
    sets = ragged(sizes, dtype)
    padded = PaddedSets.from_ragged(sets, width, pad_value)
    expected_width = max(sizes, default=0) if width is None else width
    expected = np.full((len(sizes), expected_width, 2), pad_value, dtype=dtype)
    for number, one_set in enumerate(sets):
        for place, element in enumerate(one_set):
            expected[number, place] = element
    np.testing.assert_array_equal(padded.values, expected, strict=True)
    assert padded.mask.dtype == bool
    assert padded.mask.tolist() == [[place < size for place in range(expected_width)] for size in sizes]
    assert padded.shape == (len(sizes), expected_width, 2)
    assert len(padded) == len(sizes)
    assert_same(padded.to_ragged(), sets)


def test_a_mask_that_is_no_prefix_chooses_the_elements_in_their_order(padded):
    sets = padded.to_ragged()
    assert [one_set.tolist() for one_set in sets] == [
        [[0, 1], [2, 3], [4, 5]],
        [[8, 9]],
        [],
        [[18, 19], [22, 23]],
    ]
    assert sets.context["c"].tolist() == [0, 1, 2, 3]
    assert [*sets.index] == [*"pqrs"]
    assert [*sets.feature_names] == ["a", "b"]


@pytest.mark.parametrize("dtype", [bool, int, float, np.uint8])
def test_a_mask_of_booleans_or_zeros_and_ones_becomes_boolean(dtype):
    padded = PaddedSets(np.zeros((1, 2, 1)), np.array([[1, 0]], dtype=dtype))
    assert padded.mask.dtype == bool
    assert padded.mask.tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (slice(3, 0, -2), [3, 1]),
        ([2, -1, 2], [2, 3, 2]),
        (np.array([0, 3]), [0, 3]),
        ([], []),
        ([True, False, False, True], [0, 3]),
        (np.array([False, True, False, True]), [1, 3]),
        (pd.Series([False, True, False, True]), [1, 3]),
        (pd.Series([False, True, False, True], index=[*"pqrs"]), [1, 3]),
        (pd.Series([True, True, False, False], index=[3, 2, 1, 0]), [0, 1]),
        (([1, 0], ...), [1, 0]),
    ],
)
def test_indexing_chooses_sets_with_context_and_index(padded, key, numbers):
    chosen = padded[key]
    assert isinstance(chosen, PaddedSets)
    assert chosen.values.tolist() == [padded.values[number].tolist() for number in numbers]
    assert chosen.mask.tolist() == [padded.mask[number].tolist() for number in numbers]
    assert chosen.context["c"].tolist() == numbers
    assert [*chosen.index] == ["pqrs"[number] for number in numbers]
    assert [*chosen.feature_names] == ["a", "b"]


def test_indexing_takes_an_array_of_context_along():
    padded = PaddedSets(np.zeros((3, 1, 1)), np.ones((3, 1)), context=np.array([[5], [6], [7]]))
    assert padded[[2, 0]].context.tolist() == [[7], [5]]
    assert padded[1:].context.tolist() == [[6], [7]]


def test_train_test_split_keeps_padded_sets_with_their_context(padded):
    train, test, y_train, y_test = train_test_split(padded, np.arange(4), test_size=2, random_state=0)
    for part, numbers in ((train, y_train), (test, y_test)):
        assert isinstance(part, PaddedSets)
        np.testing.assert_array_equal(part.values, padded.values[numbers])
        assert part.context["c"].tolist() == numbers.tolist()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda sets: pickle.loads(pickle.dumps(sets))])
def test_copies_and_pickles_hold_the_same(padded, duplicate):
    assert_same(duplicate(padded).to_ragged(), padded.to_ragged())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.zeros((2, 3))}, r"values must have shape .*, not \(2, 3\)"),
        ({"mask": np.ones((2, 2), dtype=bool)}, r"mask must have the shape \(2, 3\) of the values, not \(2, 2\)"),
        ({"mask": np.ones((2, 3, 1), dtype=bool)}, r"not \(2, 3, 1\)"),
        ({"mask": np.full((2, 3), 2)}, "mask must hold booleans, or 0 and 1 only"),
        ({"mask": np.full((2, 3), np.nan)}, "mask must hold booleans, or 0 and 1 only"),
        ({"context": np.zeros((3, 1))}, "context has 3 rows for 2 sets"),
        ({"index": pd.RangeIndex(1)}, "index has 1 rows for 2 sets"),
        ({"feature_names": ["a", "b"]}, "2 feature names for 1 features"),
    ],
)
def test_the_constructor_refuses_parts_that_do_not_fit(arguments, message):
    fitting = {"values": np.zeros((2, 3, 1)), "mask": np.ones((2, 3), dtype=bool)}
    with pytest.raises(ValueError, match=message):
        PaddedSets(**(fitting | arguments))


def test_from_ragged_refuses_a_width_below_the_largest_set():
    with pytest.raises(ValueError, match="A set of 3 elements does not fit into max_set_size=2"):
        PaddedSets.from_ragged(ragged([1, 3]), max_set_size=2)


def test_from_ragged_refuses_a_frame_and_says_how_to_make_an_array_of_it():
    sets = RaggedSets(pd.DataFrame({"a": [1, 2]}), [0, 2])
    with pytest.raises(TypeError, match="cannot be padded; check_sets makes an array"):
        PaddedSets.from_ragged(sets)
    assert PaddedSets.from_ragged(check_sets(sets)).values.tolist() == [[[1], [2]]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[[1.0]], [np.ma.array([2.0], mask=[1])]], "Set 1 has masked values"),
        ([[bytearray(b"12")]], "Set 0 holds strings"),
    ],
)
def test_lists_that_numpy_would_misread_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        PaddedSets(values, np.ones((len(values), 1)))


@pytest.mark.parametrize("part", ["values", "mask", "context"])
def test_masked_arrays_are_refused(part):
    parts = {"values": np.zeros((2, 1, 1)), "mask": np.ones((2, 1)), "context": np.ones((2, 1))}
    parts[part] = np.ma.array(parts[part], mask=parts[part] < 2)
    with pytest.raises(ValueError, match="masked"):
        PaddedSets(**parts)


def test_from_ragged_fills_integers_with_the_value_asked_for():
    sets = RaggedSets(np.array([[1], [2], [3]]), [0, 2, 3])
    assert PaddedSets.from_ragged(sets, pad_value=0.5).values[..., 0].tolist() == [[1, 2], [3, 0.5]]


def test_check_sets_reads_the_elements_whatever_stands_under_the_mask(padded):
    filled = padded.values.copy()
    filled[~padded.mask] = [[np.nan, np.inf]]
    sets = check_sets(PaddedSets(filled, padded.mask))
    np.testing.assert_array_equal(sets.elements, padded.to_ragged().elements, strict=True)
    assert sets.sizes.tolist() == [3, 1, 0, 2]


def test_repr_tells_shape_and_dtype(padded):
    assert repr(padded) == "PaddedSets(4 sets of up to 3 elements, 2 features, float64)"


def test_one_set_has_no_filling():
    padded = PaddedSets(np.arange(12.0).reshape(2, 3, 2), [[1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(padded[0], [[0, 1], [4, 5]])
    assert padded[1].shape == (0, 2)
