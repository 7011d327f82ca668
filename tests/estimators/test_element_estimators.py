"""Answers of elements: one array per set, also from several folds put together; and beside the rows of a frame."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score

from sk_deepsets import DeepSetsElementClassifier, DeepSetsElementRegressor, RaggedSets, element_scorer
from sk_deepsets.estimators._element_estimator import SetAnswers

RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame(
    {"id": RNG.integers(0, 20, 150), "a": RNG.normal(size=150), "b": RNG.normal(size=150)},
    index=RNG.permutation(150) + 500,
).assign(value=lambda frame: frame["a"] - frame.groupby("id")["a"].transform("max"))
SETS = RaggedSets.from_frame(EVENTS, by="id", columns=["a", "b"])
VALUES = RaggedSets.from_frame(EVENTS, by="id", columns=["value"])
FOLDS = KFold(3, shuffle=True, random_state=2)
REGRESSOR = DeepSetsElementRegressor(n_members=1, hidden_dims=(4,), max_epochs=2, random_state=0)
CLASSIFIER = DeepSetsElementClassifier(n_members=1, hidden_dims=(4,), max_epochs=3, random_state=0)

FORMS = {
    "RaggedSets": SETS,
    "list of frames": list(SETS),
    "list of arrays": [one_set.to_numpy() for one_set in SETS],
    "column of sets": SETS.to_series(),
    "frame": pd.DataFrame({"events": SETS.to_series()}),
}


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6), n_columns=st.sampled_from([None, 2]))
def test_numpy_takes_answers_as_one_object_for_each_set(sizes, n_columns):
    flat = np.arange(sum(sizes) * (n_columns or 1)).reshape(-1, *([n_columns] if n_columns else []))
    answers = SetAnswers(np.split(flat, np.cumsum(sizes)[:-1]))
    array = np.asarray(answers)
    assert array.shape == (len(sizes),)
    assert all(a is b for a, b in zip(array, answers, strict=True))
    twice = np.concatenate([answers, answers])
    assert twice.shape == (2 * len(sizes),)
    np.testing.assert_array_equal(np.concatenate(twice[len(sizes) :].tolist()), flat)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_sets_has_a_list_of_answers_whatever_the_targets_came_in(form):
    X = FORMS[form]
    wanted = clone(REGRESSOR).fit(FORMS["list of arrays"], [*map(np.ravel, VALUES)]).predict(FORMS["list of arrays"])
    for y in (VALUES, EVENTS["value"]) if form != "list of arrays" else (VALUES,):
        model = clone(REGRESSOR).fit(X, y)
        model.score(X, VALUES)
        answers = model.predict(X)
        assert isinstance(answers, list)
        assert [len(answer) for answer in answers] == SETS.sizes.tolist()
        np.testing.assert_allclose(np.concatenate(answers), np.concatenate(wanted), rtol=1e-5)


def test_slices_of_sets_have_the_answers_of_their_sets():
    model = clone(REGRESSOR).fit(SETS, VALUES)
    wanted = model.predict(SETS)
    for key in (slice(3, 9), [7, 3], SETS.sizes > 7):
        numbers = np.arange(20)[key]
        for answer, number in zip(model.predict(SETS[key]), numbers, strict=True):
            np.testing.assert_allclose(answer, wanted[number], rtol=1e-5)


def test_answers_of_a_three_dimensional_array_are_an_array():
    X = np.random.default_rng(1).normal(size=(30, 4, 2))
    y = (X[..., 0] > 0).astype(int)
    model = clone(CLASSIFIER).fit(X, y)
    assert model.predict(X).shape == (30, 4)
    assert model.predict_proba(X).shape == (30, 4, 2)
    np.testing.assert_allclose(model.predict_proba(X), np.stack(model.predict_proba(list(X))))


def test_answers_join_the_frame_that_the_sets_were_made_of():
    model = clone(REGRESSOR).fit(SETS, EVENTS["value"])
    events = EVENTS.copy()
    events["p"] = SETS.to_rows(model.predict(SETS))
    for number, one_set in enumerate(SETS):
        np.testing.assert_array_equal(events.loc[one_set.index, "p"], model.predict(SETS)[number])
    assert r2_score(events["value"], events["p"]) == pytest.approx(model.score(SETS, EVENTS["value"]))
    part = SETS[[7, 3]]
    pd.testing.assert_series_equal(
        part.to_rows(model.predict(part)).sort_index(),
        events["p"][events["id"].isin(part.index)].sort_index(),
        check_names=False,
        rtol=1e-5,
    )


def test_probabilities_join_the_frame_as_one_column_for_each_class():
    words = EVENTS["value"].map(lambda value: "top" if value == 0 else "other")
    model = clone(CLASSIFIER).fit(SETS, words)
    proba = SETS.to_rows(model.predict_proba(SETS), columns=model.classes_)
    assert proba.columns.tolist() == ["other", "top"]
    assert sorted(proba.index) == sorted(EVENTS.index)
    predicted = SETS.to_rows(model.predict(SETS))
    assert (proba.idxmax(axis=1) == predicted.loc[proba.index]).all()


@pytest.mark.parametrize("form", ["RaggedSets", "list of arrays", "frame"])
def test_cross_val_predict_gives_one_array_for_each_set(form):
    X = FORMS[form]
    y = VALUES if form != "list of arrays" else [*map(np.ravel, VALUES)]
    predicted = cross_val_predict(REGRESSOR, X, y, cv=FOLDS)
    assert [len(answer) for answer in predicted] == SETS.sizes.tolist()
    for train, test in FOLDS.split(SETS):
        model = clone(REGRESSOR).fit(SETS[train], VALUES[train])
        for number, answer in zip(test, model.predict(SETS[test]), strict=True):
            np.testing.assert_allclose(predicted[number], answer, rtol=1e-5)
    events = EVENTS.assign(p=SETS.to_rows(predicted))
    np.testing.assert_array_equal(events.loc[SETS[4].index, "p"], predicted[4])


def test_targets_that_are_sets_go_through_model_selection():
    labels = RaggedSets.from_frame(EVENTS.assign(top=EVENTS["value"] == 0), by="id", columns=["top"])
    scores = cross_val_score(CLASSIFIER, SETS, labels, cv=FOLDS, scoring=element_scorer("roc_auc"))
    arrays = cross_val_score(CLASSIFIER, SETS, [*map(np.ravel, labels)], cv=FOLDS, scoring=element_scorer("roc_auc"))
    np.testing.assert_array_equal(scores, arrays)
    search = GridSearchCV(CLASSIFIER, {"pool_type": ["max", "sum"]}, cv=FOLDS).fit(SETS, labels)
    assert search.best_score_ == pytest.approx(search.cv_results_["mean_test_score"].max())


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", "average_precision"])
def test_a_metric_of_probabilities_names_the_scorer_of_elements(scoring):
    y = [(one_set["a"] > 0).to_numpy().astype(int) for one_set in SETS]
    with pytest.raises(AttributeError, match=r'scoring=element_scorer\("roc_auc"\)'):
        cross_val_score(CLASSIFIER, SETS, y, cv=FOLDS, scoring=scoring, error_score="raise")
