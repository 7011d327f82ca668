"""Answers of elements: in the form of the sets, also when scikit-learn puts those of several folds together."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score

from sk_deepsets import DeepSetsElementClassifier, DeepSetsElementRegressor, RaggedSets, element_scorer
from sk_deepsets.estimators._element_answers import RowAnswers, SetAnswers, cut_like, order_of_rows
from sk_deepsets.preprocessing import with_rows

RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame(
    {"id": RNG.integers(0, 20, 150), "a": RNG.normal(size=150), "b": RNG.normal(size=150)},
    index=RNG.permutation(150) + 500,
).assign(value=lambda frame: frame["a"] - frame.groupby("id")["a"].transform("max"))
SETS = RaggedSets.from_frame(EVENTS, by="id", columns=["a", "b"])
VALUES = RaggedSets.from_frame(EVENTS, by="id", columns=["value"])
FOLDS = KFold(3, shuffle=True, random_state=2)
REGRESSOR = DeepSetsElementRegressor(hidden_dims=(4,), max_epochs=2, random_state=0)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("frame", [False, True], ids=["RaggedSets", "frame"])
def test_cross_val_predict_answers_each_row_of_a_frame(frame, n_jobs):
    X = pd.DataFrame({"events": SETS.to_series(), "age": np.arange(20.0)}) if frame else SETS
    rows = X.iloc if frame else X
    by_hand = pd.concat(
        clone(REGRESSOR).fit(rows[train], VALUES[train]).predict(rows[test]) for train, test in FOLDS.split(SETS)
    )
    predicted = cross_val_predict(REGRESSOR, X, VALUES, cv=FOLDS, n_jobs=n_jobs)
    pd.testing.assert_index_equal(predicted.index, SETS.elements.index)
    pd.testing.assert_series_equal(predicted, by_hand.loc[predicted.index])
    np.testing.assert_array_equal(EVENTS.assign(p=predicted)["p"], by_hand.loc[EVENTS.index])


def test_cross_val_predict_gives_the_same_for_a_list_of_arrays():
    in_list = cross_val_predict(REGRESSOR, [*map(np.asarray, SETS)], [*map(np.ravel, VALUES)], cv=FOLDS)
    predicted = cross_val_predict(REGRESSOR, SETS, VALUES, cv=FOLDS)
    assert [len(answer) for answer in in_list] == SETS.sizes.tolist()
    np.testing.assert_allclose(np.concatenate(list(in_list)), predicted, rtol=1e-5, atol=1e-6)


def test_rows_that_share_labels_over_the_folds_come_as_one_array_a_set():
    # each fold has labels of its own, or none that differ: in neither can pandas tell the rows of all apart
    sets = RaggedSets(SETS.elements.set_axis(np.arange(150) % 140), SETS.offsets)
    predicted = cross_val_predict(REGRESSOR, sets, VALUES, cv=FOLDS)
    assert [len(answer) for answer in predicted] == SETS.sizes.tolist()
    wanted = cross_val_predict(REGRESSOR, SETS, VALUES, cv=FOLDS)
    np.testing.assert_array_equal(np.concatenate(list(predicted)), wanted)


def test_targets_that_are_sets_go_through_model_selection():
    labels = RaggedSets.from_frame(EVENTS.assign(top=EVENTS["value"] == 0), by="id", columns=["top"])
    model = DeepSetsElementClassifier(hidden_dims=(4,), max_epochs=3, random_state=0)
    scores = cross_val_score(model, SETS, labels, cv=FOLDS, scoring=element_scorer("roc_auc"))
    arrays = cross_val_score(model, SETS, [*map(np.ravel, labels)], cv=FOLDS, scoring=element_scorer("roc_auc"))
    np.testing.assert_array_equal(scores, arrays)
    search = GridSearchCV(model, {"pool_type": ["max", "sum"]}, cv=FOLDS).fit(SETS, labels)
    assert search.best_score_ == pytest.approx(search.cv_results_["mean_test_score"].max())


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=3), data=st.data())
def test_joined_answers_are_taken_by_sets(sizes, data):
    n_elements, n_sets = sum(map(sum, sizes)), sum(map(len, sizes))
    index, values = np.arange(n_elements) + 7, np.arange(n_elements) * 1.5
    starts = np.cumsum([0, *map(sum, sizes)])
    parts = [
        RowAnswers.of_sets(values[a:b], index[a:b], np.repeat(np.arange(len(part)), part), len(part))
        for a, b, part in zip(starts, starts[1:], sizes, strict=False)
    ]
    joined = np.concatenate(parts)
    np.testing.assert_array_equal(joined, values)
    order = np.array(data.draw(st.permutations(range(n_sets))))
    taken = joined[order]
    offsets = np.cumsum([0, *np.concatenate(sizes)]).astype(int)
    wanted = [k for number in order for k in range(offsets[number], offsets[number + 1])]
    wanted = sorted(wanted)  # labels that rise in each set: the order of the frame
    assert taken.index.tolist() == index[wanted].tolist()
    assert taken.tolist() == values[wanted].tolist()


def test_answers_that_know_their_sets_are_a_series_like_any_other():
    sets = RaggedSets(pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=list("abc")), [0, 2, 3])
    answers = cut_like(np.array([3.0, 1.0, 2.0]), sets, with_rows(sets, sets), knows_sets=True)
    plain = pd.Series([3.0, 1.0, 2.0], index=list("abc"))
    pd.testing.assert_series_equal(answers + 0, plain)
    pd.testing.assert_series_equal(answers.sort_values(), plain.sort_values())
    pd.testing.assert_series_equal(pickle.loads(pickle.dumps(answers)), answers)
    assert pickle.loads(pickle.dumps(answers)).numbers.tolist() == [0, 0, 1]
    assert (np.mean(answers), np.max(answers), np.where(answers > 1, 1, 0).tolist()) == (2.0, 3.0, [1, 0, 1])
    assert np.concatenate([answers, [5.0]]).tolist() == [3.0, 1.0, 2.0, 5.0]
    joined = np.concatenate([answers, answers.iloc[:0]])
    assert isinstance(joined, np.ndarray)
    both = np.concatenate([answers, SetAnswers([np.array([7.0])])])
    assert [part.tolist() for part in both] == [[3.0, 1.0], [2.0], [7.0]]
    one = np.concatenate([answers])
    assert (one[-1], one[one > 2].tolist(), one[:1].tolist(), one[[2, 0, 1]].tolist()) == (
        2.0,
        [3.0],
        [3.0],
        [2.0, 3.0, 1.0],
    )
    assert one[np.argsort(one)].tolist() == [1.0, 2.0, 3.0]
    assert (one + 1)[np.array([1, 0])].tolist() == [2.0, 4.0]
    assert (type(one.mean()), type(one + 1)) == (np.float64, np.ndarray)


def test_folds_put_together_by_hand_are_an_array_like_any_other():
    frame = EVENTS.reset_index(drop=True)
    sets = RaggedSets.from_frame(frame, by="id", columns=["a", "b"])
    y = RaggedSets.from_frame(frame, by="id", columns=["value"])
    parts = [clone(REGRESSOR).fit(sets[train], y[train]).predict(sets[test]) for train, test in FOLDS.split(sets)]
    rows = np.concatenate([part.index for part in parts])
    by_hand = np.concatenate(parts)[np.argsort(rows)]
    assert type(by_hand) is np.ndarray
    np.testing.assert_array_equal(by_hand, cross_val_predict(REGRESSOR, sets, y, cv=FOLDS))


@pytest.mark.parametrize("index", [range(150), pd.date_range("2020", periods=150), [f"{i:03}" for i in range(150)]])
def test_answers_stand_in_the_order_of_the_frame(index):
    frame = EVENTS.set_axis(pd.Index(index), axis=0)
    assert not frame["id"].is_monotonic_increasing
    sets = RaggedSets.from_frame(frame, by="id", columns=["a", "b"])
    model = clone(REGRESSOR).fit(sets, frame["value"])
    predicted = model.predict(sets)
    assert predicted.index.tolist() == frame.index.tolist()
    np.testing.assert_allclose(np.concatenate(model.predict([*sets])), predicted[sets.elements.index], rtol=1e-5)
    assert r2_score(frame["value"], predicted) == pytest.approx(model.score(sets, frame["value"]))
    assert element_scorer("r2")(model, sets, frame["value"]) == pytest.approx(r2_score(frame["value"], predicted))
    part = model.predict(sets[[7, 3]])
    pd.testing.assert_series_equal(part, predicted[frame["id"].isin(sets.index[[7, 3]])])


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(0, 4), min_size=1, max_size=12), seed=st.integers(0, 9), rising=st.booleans())
def test_the_order_of_rows_is_that_of_the_frame_or_set_by_set(ids, seed, rising):
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.permutation(30)[: len(ids)])
    frame = pd.DataFrame({"id": ids, "x": 0.0}, index=labels if rising else rng.permutation(labels))
    sets = RaggedSets.from_frame(frame, by="id")
    order = order_of_rows(sets.elements.index, sets.offsets)
    found = sets.elements.index[order].tolist()
    within = [bool((np.diff(one.index) > 0).all()) for one in sets]
    assert found == (sorted(labels) if all(within) else sets.elements.index.tolist())
    if rising:
        assert found == frame.index.tolist()


def test_labels_without_an_order_leave_the_elements_as_they_are():
    for index in (pd.Index([2, "a", 1]), pd.CategoricalIndex(["b", "a", "c"])):
        assert order_of_rows(index, np.array([0, 1, 3])).tolist() == [0, 1, 2]
    pairs = pd.MultiIndex.from_tuples([(1, "b"), (2, "a"), (1, "a")])
    assert order_of_rows(pairs, np.array([0, 2, 3])).tolist() == [2, 0, 1]
    assert order_of_rows(pd.Index([3.0, np.nan, 1.0]), np.array([0, 2, 3])).tolist() == [0, 1, 2]
