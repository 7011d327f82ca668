import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sk_deepsets import PaddedSets, RaggedSets, SetPadder, check_sets

NUMBERS = st.lists(st.lists(st.integers(-99, 99), max_size=6), min_size=1, max_size=6).filter(any)


def filled(lists, width, value):
    """Padding by plain Python, for sets of scalars."""
    return [[*one_set, *[value] * (width - len(one_set))] for one_set in lists]


@settings(deadline=None)
@given(NUMBERS, st.none() | st.integers(6, 8), st.sampled_from([0.0, -5.0]))
def test_sets_are_filled_up_with_a_mask_and_come_back_unfilled(lists, max_set_size, pad_value):
    padder = SetPadder(max_set_size=max_set_size, pad_value=pad_value)
    padded = padder.fit_transform(lists)
    width = max_set_size or max(map(len, lists))
    assert padded.values[..., 0].tolist() == filled(lists, width, pad_value)
    assert padded.mask.tolist() == filled([[True] * len(one_set) for one_set in lists], width, False)
    back = padder.inverse_transform(padded)
    assert isinstance(back, RaggedSets)
    assert [one_set[:, 0].tolist() for one_set in back] == lists


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 7))
def test_truncate_first_keeps_the_first_elements(lists, max_set_size):
    padded = SetPadder(max_set_size=max_set_size, truncate="first").fit_transform(lists)
    cut = [one_set[:max_set_size] for one_set in lists]
    assert padded.values[..., 0].tolist() == filled(cut, max_set_size, 0)
    assert padded.to_ragged().sizes.tolist() == [len(one_set) for one_set in cut]


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any), st.integers(1, 7), st.integers(0, 99))
def test_truncate_random_keeps_elements_of_the_set_in_their_order_and_an_int_repeats_it(sizes, max_set_size, seed):
    # every element of every set is a number of its own, and numbers rise
    sets = RaggedSets(np.arange(sum(sizes), dtype=float)[:, None], np.concatenate([[0], np.cumsum(sizes)]))
    padder = SetPadder(max_set_size=max_set_size, truncate="random", random_state=seed)
    cut = padder.fit_transform(sets).to_ragged()
    for before, after in zip(sets, cut, strict=True):
        assert len(after) == min(len(before), max_set_size)
        assert after.ravel().tolist() == sorted(set(after.ravel().tolist()))
        assert set(after.ravel()) <= set(before.ravel())
    np.testing.assert_array_equal(padder.transform(sets).to_ragged().elements, cut.elements)


def test_truncate_random_keeps_every_pair_of_elements_about_equally_often():
    # 6 pairs of 4 elements, 6,000 sets: 1,000 of each, with a standard deviation of 29
    array = np.broadcast_to(np.arange(4.0), (6000, 4))[:, :, None]
    padded = SetPadder(max_set_size=2, truncate="random", random_state=0).fit_transform(array)
    pairs, counts = np.unique(padded.values[..., 0], axis=0, return_counts=True)
    assert pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert abs(counts - 1000).max() < 150


def test_a_random_state_instance_gives_another_choice_in_the_next_call():
    X = np.arange(200.0).reshape(1, 200, 1)
    padder = SetPadder(max_set_size=20, truncate="random", random_state=np.random.RandomState(0)).fit(X)
    assert not np.array_equal(padder.transform(X).values, padder.transform(X).values)


def test_truncate_without_a_size_cuts_nothing():
    padded = SetPadder(truncate="first").fit_transform([[1.0, 2.0, 3.0], [4.0]])
    assert padded.values[..., 0].tolist() == [[1, 2, 3], [4, 0, 0]]


@pytest.mark.parametrize("truncate", ["first", "random"])
def test_cutting_keeps_several_features_context_index_names_and_dtype(truncate):
    sets = RaggedSets(
        np.arange(8, dtype=np.float32).reshape(4, 2),
        [0, 3, 3, 4],
        context=pd.DataFrame({"c": [5, 6, 7]}),
        index=pd.Index([*"pqr"]),
        feature_names=["a", "b"],
    )
    padded = SetPadder(max_set_size=2, truncate=truncate, random_state=0).fit_transform(sets)
    assert padded.values.dtype == np.float32
    assert padded.context["c"].tolist() == [5, 6, 7]
    assert list(padded.index) == [*"pqr"]
    assert list(padded.feature_names) == ["a", "b"]
    assert padded.mask.tolist() == [[True, True], [False, False], [True, False]]
    rows = padded.values[padded.mask].tolist()
    assert all(row in sets.elements.tolist() for row in rows)
    assert rows[-1] == [6, 7]
    assert sets.sizes.tolist() == [3, 0, 1]


@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_set_that_is_too_large_is_an_error_without_truncate(step):
    padder = SetPadder(max_set_size=2)
    X = [[1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]]
    if step == "transform":
        padder.fit([[1.0]])
    with pytest.raises(ValueError, match=r"Set 1 has 3 elements, but max_set_size=2 \(larger: 2 of 3 sets\)") as error:
        getattr(padder, step)(X)
    assert 'truncate="random"' in str(error.value)
    assert 'truncate="first"' in str(error.value)


@pytest.mark.parametrize("max_set_size", [None, 2])
@pytest.mark.parametrize("truncate", [None, "first", "random"])
@pytest.mark.parametrize("X", [[[], []], [np.empty((0, 2))] * 2, np.empty((2, 0, 2))])
def test_transform_takes_sets_that_are_all_empty(max_set_size, truncate, X):
    padder = SetPadder(max_set_size=max_set_size, truncate=truncate).fit([np.ones((2, 2))])
    padded = padder.transform(X)
    assert padded.shape == (2, max_set_size or 0, 2)
    assert padder.inverse_transform(padded).elements.shape == (0, 2)


def test_padded_sets_whose_mask_is_no_prefix_are_packed_and_nan_under_the_mask_is_harmless():
    values = np.array([[[np.nan], [1.0], [2.0]], [[3.0], [np.inf], [4.0]], [[np.nan]] * 3])
    padder = SetPadder(pad_value=-1)
    padded = padder.fit_transform(PaddedSets(values, np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0]])))
    assert padded.values[..., 0].tolist() == [[1, 2], [3, 4], [-1, -1]]
    assert padded.mask.tolist() == [[True, True], [True, True], [False, False]]


def test_a_pad_value_of_nan_comes_back_unfilled():
    padder = SetPadder(pad_value=np.nan)
    padded = padder.fit_transform([[1.0, 2.0], [3.0]])
    np.testing.assert_array_equal(padded.values[..., 0], [[1, 2], [3, np.nan]])
    assert check_sets(padded).elements.ravel().tolist() == [1, 2, 3]
    assert padder.fit_transform(padded).mask.tolist() == padded.mask.tolist()


@pytest.mark.parametrize("X", [[[1.0]], np.ones((1, 1, 1)), RaggedSets(np.ones((1, 1)), [0, 1])])
def test_inverse_transform_takes_padded_sets_only(X):
    with pytest.raises(TypeError, match=f"inverse_transform takes PaddedSets, but got {type(X).__name__}"):
        SetPadder().fit([[1.0]]).inverse_transform(X)


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_another_number_of_features_than_in_fit_is_an_error(method):
    padder = SetPadder().fit([[1.0]])
    with pytest.raises(ValueError, match="X has 2 features, but SetPadder is expecting 1 features"):
        getattr(padder, method)(PaddedSets(np.ones((1, 1, 2)), np.ones((1, 1))))


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "get_feature_names_out"])
def test_an_unfitted_padder_says_so(method):
    with pytest.raises(NotFittedError, match="SetPadder instance is not fitted yet"):
        getattr(SetPadder(), method)(PaddedSets(np.ones((1, 1, 1)), np.ones((1, 1))))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_set_size": 0}, r"'max_set_size' parameter .* int in the range \[1, inf\) or None. Got 0"),
        ({"max_set_size": 2.0}, r"'max_set_size' parameter .* Got 2\.0"),
        ({"truncate": "last"}, "'truncate' parameter .* Got 'last'"),
        ({"pad_value": "x"}, "'pad_value' parameter .* Got 'x'"),
        ({"random_state": "x"}, "'random_state' parameter .* Got 'x'"),
    ],
)
def test_wrong_parameters_are_named_in_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        SetPadder(**parameters).fit([[1.0]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1.0], [np.nan]], "Set 1 holds NaN"),
        ([[], []], "all sets are empty"),
        (np.ones((2, 3)), "two ways"),
    ],
)
def test_fit_refuses_what_check_sets_refuses(X, message):
    with pytest.raises(ValueError, match=message):
        SetPadder().fit(X)


def test_parameters_are_stored_untouched_and_clones_are_unfitted():
    parameters = {"max_set_size": 3, "truncate": "random", "pad_value": -1.0, "random_state": 7}
    padder = SetPadder(3, "random", -1.0, random_state=7).fit([[1.0]])
    assert padder.get_params() == clone(padder).get_params() == parameters
    assert not hasattr(clone(padder), "n_features_in_")


def test_fit_returns_the_padder_and_fitting_again_forgets():
    padder = SetPadder()
    assert padder.fit([pd.DataFrame({"a": [1.0]})]) is padder
    assert padder.fit([np.ones((1, 2))]).n_features_in_ == 2
    assert not hasattr(padder, "feature_names_in_")


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda padder: pickle.loads(pickle.dumps(padder))])
def test_copies_and_pickles_pad_alike(duplicate):
    padder = SetPadder(2, "random", random_state=0).fit([[1.0]])
    X = [[1.0, 2.0, 3.0, 4.0], []]
    np.testing.assert_array_equal(duplicate(padder).transform(X).values, padder.transform(X).values)


def test_set_output_and_the_global_setting_leave_padded_sets():
    padder = SetPadder().fit([[1.0]])
    assert padder.set_output(transform="pandas") is padder
    assert isinstance(padder.transform([[1.0]]), PaddedSets)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(padder.transform([[1.0]]), PaddedSets)


@pytest.mark.parametrize("names", [["mass", "charge"], None])
def test_feature_names_out_are_those_of_the_elements(names):
    arrays = [np.ones((1, 2)), np.ones((3, 2))]
    padder = SetPadder().fit(arrays if names is None else [pd.DataFrame(array, columns=names) for array in arrays])
    out = padder.get_feature_names_out()
    assert out.dtype == object
    assert list(out) == (names or ["x0", "x1"])
    assert list(padder.get_feature_names_out(names or ["p", "q"])) == (names or ["p", "q"])


@pytest.mark.parametrize("names", [["p"], ["p", "q", "r"]])
def test_feature_names_out_refuse_input_features_of_another_number(names):
    with pytest.raises(ValueError, match="input_features should have length equal to number of features"):
        SetPadder().fit([np.ones((1, 2))]).get_feature_names_out(names)


class LargestElement(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.where(X.mask[:, :, None], X.values, -np.inf).max(axis=1)

    def get_feature_names_out(self, input_features=None):
        return ["largest"]

    def __sklearn_is_fitted__(self):
        return True


def test_padding_works_inside_a_pipeline_whose_tables_are_frames():
    pipeline = make_pipeline(SetPadder(3, pad_value=99), LargestElement()).set_output(transform="pandas")
    table = pipeline.fit_transform([[1.0, 5.0], [-2.0]])
    pd.testing.assert_frame_equal(table, pd.DataFrame({"largest": [5.0, -2.0]}))
    pipeline.set_params(setpadder__max_set_size=1, setpadder__truncate="first")
    assert pipeline.fit([[1.0]]).transform([[-3.0], [4.0, 2.0, 7.0]])["largest"].tolist() == [-3, 4]
