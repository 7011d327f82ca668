"""element_scorer against the metrics of scikit-learn on all elements in one array."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context, metrics
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.impute import SimpleImputer
from sklearn.metrics import make_scorer, ndcg_score
from sklearn.metrics._scorer import _BaseScorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    ElementTransformer,
    RaggedSets,
    element_scorer,
)
from sk_deepsets.estimators._element_scorer import mean_ndcg

SHORT = {"hidden_dims": (8,), "max_epochs": 3, "random_state": 0}
RNG = np.random.default_rng(0)
BAGS = [RNG.normal(size=(size, 2)) for size in [0, *RNG.integers(1, 8, 79)]]
Y = [(bag[:, 0] > 0).astype(int) for bag in BAGS]
make_classifier = partial(DeepSetsElementClassifier, **SHORT)
make_regressor = partial(DeepSetsElementRegressor, **SHORT)
FLAT = np.concatenate(Y)
CLASSIFIED = {
    "roc_auc": lambda y, proba, label: metrics.roc_auc_score(y, proba[:, 1]),
    "average_precision": lambda y, proba, label: metrics.average_precision_score(y, proba[:, 1]),
    "neg_log_loss": lambda y, proba, label: -metrics.log_loss(y, proba),
    "neg_brier_score": lambda y, proba, label: -metrics.brier_score_loss(y, proba[:, 1]),
    "f1": lambda y, proba, label: metrics.f1_score(y, label),
    "f1_macro": lambda y, proba, label: metrics.f1_score(y, label, average="macro"),
    "accuracy": lambda y, proba, label: metrics.accuracy_score(y, label),
    "balanced_accuracy": lambda y, proba, label: metrics.balanced_accuracy_score(y, label),
}
MARKERS = {"all": (), "None": None, "nan": np.nan, "NA": pd.NA}


def hide(y, marker):
    """The same targets with some missing, and which elements are left; all for ()."""
    rng = np.random.default_rng(1)
    left = [rng.random(len(part)) > (-1 if marker == () else 0.3) for part in y]
    y = [[v if keep else marker for v, keep in zip(*pair, strict=True)] for pair in zip(y, left, strict=True)]
    return y, np.concatenate(left)


@pytest.mark.parametrize("marker", ["all", "None", "nan", "NA"])
@pytest.mark.parametrize("name", CLASSIFIED)
def test_metrics_of_classes_and_probabilities(name, marker):
    model = make_classifier().fit(BAGS, Y)
    y, left = hide(Y, None if marker == "None" else MARKERS[marker]) if marker != "all" else (Y, FLAT >= 0)
    proba, label = (np.concatenate(said(BAGS))[left] for said in (model.predict_proba, model.predict))
    np.testing.assert_allclose(element_scorer(name)(model, BAGS, y), CLASSIFIED[name](FLAT[left], proba, label))


@pytest.mark.parametrize("target", ["each", "one_per_set"])
@pytest.mark.parametrize("names", [["no", "yes"], [False, True], [3, 8]], ids=str)
def test_labels_of_any_type(names, target):
    y = [np.array(names)[(bag[:, 0] == bag[:, 0].max(initial=-9)).astype(int)] for bag in BAGS]
    model = make_classifier(target=target).fit(BAGS, y)
    proba, label = np.concatenate(model.predict_proba(BAGS)), np.concatenate(model.predict(BAGS))
    flat = np.concatenate(y)
    for name in ("roc_auc", "neg_log_loss", "f1_macro"):
        np.testing.assert_allclose(element_scorer(name)(model, BAGS, y), CLASSIFIED[name](flat, proba, label))
    lists = [part.tolist() for part in y]
    assert element_scorer("roc_auc")(model, BAGS, lists) == element_scorer("roc_auc")(model, BAGS, y)


def test_three_classes():
    y = [(bag[:, 0] > 0).astype(int) + (bag[:, 1] > 0) for bag in BAGS]
    model = make_classifier().fit(BAGS, y)
    proba = np.concatenate(model.predict_proba(BAGS))
    wanted = metrics.roc_auc_score(np.concatenate(y), proba, multi_class="ovr")
    np.testing.assert_allclose(element_scorer("roc_auc_ovr")(model, BAGS, y), wanted)
    np.testing.assert_allclose(
        element_scorer("neg_log_loss")(model, BAGS, y), -metrics.log_loss(np.concatenate(y), proba)
    )


@pytest.mark.parametrize("missing", [False, True])
def test_metrics_of_values(missing):
    values = [bag[:, 0] * 3 + 1 for bag in BAGS]
    model = make_regressor().fit(BAGS, values)
    y, left = hide(values, np.nan if missing else ())
    flat, predicted = np.concatenate(values)[left], np.concatenate(model.predict(BAGS))[left]
    wanted = {
        "neg_mean_absolute_error": -metrics.mean_absolute_error(flat, predicted),
        "neg_root_mean_squared_error": -metrics.root_mean_squared_error(flat, predicted),
        "r2": model.score(BAGS, y),
    }
    for name, score in wanted.items():
        np.testing.assert_allclose(element_scorer(name)(model, BAGS, y), score)


def test_a_scorer_of_the_users_own():
    model = make_classifier().fit(BAGS, Y)
    own = make_scorer(metrics.fbeta_score, beta=2)
    wanted = metrics.fbeta_score(FLAT, np.concatenate(model.predict(BAGS)), beta=2)
    np.testing.assert_allclose(element_scorer(own)(model, BAGS, Y), wanted)
    proba = make_scorer(metrics.log_loss, response_method="predict_proba", greater_is_better=False)
    assert element_scorer(proba)(model, BAGS, Y) == element_scorer("neg_log_loss")(model, BAGS, Y)


def test_sets_made_of_a_frame_and_a_flat_series_of_its_rows():
    frame = pd.DataFrame({"id": RNG.integers(0, 20, 150), "a": RNG.normal(size=150)}, index=RNG.permutation(150))
    label = (frame["a"] > 0).astype(int)
    sets = RaggedSets.from_frame(frame, by="id")
    model = make_classifier().fit(sets, label)
    proba = sets.to_rows(model.predict_proba(sets))
    wanted = metrics.roc_auc_score(label.loc[proba.index], proba[1])
    np.testing.assert_allclose(element_scorer("roc_auc")(model, sets, label), wanted)
    holed = label.astype("Int64").where(np.arange(150) % 3 > 0)
    kept = holed.loc[proba.index].notna().to_numpy()
    wanted = metrics.roc_auc_score(label.loc[proba.index][kept], proba[1][kept])
    np.testing.assert_allclose(element_scorer("roc_auc")(model, sets, holed), wanted)


def test_in_cross_validation_and_grid_search():
    scores = cross_val_score(make_classifier(), BAGS, Y, cv=4, scoring=element_scorer("roc_auc"))
    first = make_classifier().fit(BAGS[20:], Y[20:])
    proba = np.concatenate(first.predict_proba(BAGS[:20]))[:, 1]
    np.testing.assert_allclose(scores[0], metrics.roc_auc_score(np.concatenate(Y[:20]), proba))
    scoring = {name: element_scorer(name) for name in ("accuracy", "neg_log_loss")}
    both = cross_validate(make_classifier(), BAGS, Y, cv=4, scoring=scoring)
    np.testing.assert_allclose(both["test_accuracy"], cross_val_score(make_classifier(), BAGS, Y, cv=4))
    search = GridSearchCV(make_classifier(), {"lr": [1e-6, 0.05]}, cv=2, scoring=element_scorer("neg_log_loss"))
    assert search.fit(BAGS, Y).best_params_ == {"lr": 0.05}
    errors = cross_val_score(make_regressor(), BAGS, Y, cv=2, scoring=element_scorer("neg_mean_absolute_error"))
    assert (errors < 0).all()


def test_of_a_pipeline_that_imputes():
    holed = [np.where(np.arange(bag.size).reshape(bag.shape) == 3, np.nan, bag) for bag in BAGS]
    y = np.empty(len(Y), dtype=object)
    y[:] = Y
    model = make_pipeline(ElementTransformer(SimpleImputer()), make_classifier()).fit(holed, y)
    proba = np.concatenate(model.predict_proba(holed))[:, 1]
    np.testing.assert_allclose(element_scorer("roc_auc")(model, holed, y), metrics.roc_auc_score(FLAT, proba))


def test_scorers_are_pickled_and_named_and_errors_are_said():
    model = make_classifier().fit(BAGS, Y)
    scorer = element_scorer("roc_auc")
    assert pickle.loads(pickle.dumps(scorer))(model, BAGS, Y) == scorer(model, BAGS, Y)
    assert repr(scorer).startswith("element_scorer(make_scorer(roc_auc_score")
    with pytest.raises(ValueError, match=r"Set 1 of X has \d+ elements, but 99 targets"):
        scorer(model, BAGS, [Y[0], np.zeros(99), *Y[2:]])
    with pytest.raises(ValueError, match="'no_metric' is not a valid scoring"):
        element_scorer("no_metric")
    with pytest.raises(AttributeError, match="predict_proba"):
        scorer(make_regressor().fit(BAGS, Y), BAGS, Y).bit_length()


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    k=st.sampled_from([None, 1, 3]),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
def test_mean_ndcg_is_the_mean_of_scikit_learns_over_the_sets(sizes, k, ties, seed):
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    relevance = rng.choice([0.0, 0.0, 1.0, 2.0, np.nan], n)
    scores = rng.integers(0, 3, n).astype(float) if ties else rng.normal(size=n)
    segments = np.repeat(np.arange(len(sizes)), sizes)
    wanted = []
    for number in range(len(sizes)):
        mine = (segments == number) & ~np.isnan(relevance)
        if mine.sum() > 1:  # of one element it raises; without a relevant one it is 0
            wanted.append(ndcg_score(relevance[mine][None], scores[mine][None], k=k))
    found = mean_ndcg(relevance, scores, segments, k)
    assert found == pytest.approx(np.mean(wanted)) if wanted else np.isnan(found)


def test_negative_grades_have_no_ndcg():
    with pytest.raises(ValueError, match=r"ndcg requires grades of at least 0, but got -1.0"):
        mean_ndcg(np.array([1.0, -1.0]), np.zeros(2), np.zeros(2, dtype=int))


@pytest.mark.parametrize("k", [None, 1, 3])
def test_a_ranker_is_scored_by_its_ndcg(k):
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(0, 8, 60)]
    y = [rng.integers(0, 4, len(one_set)).astype(float) for one_set in sets]
    y[5] = np.zeros(len(sets[5]))
    reg = DeepSetsElementRegressor(n_members=1, loss="listnet", max_epochs=2, random_state=0).fit(sets, y)
    segments = np.repeat(np.arange(60), [len(one_set) for one_set in sets])
    wanted = mean_ndcg(np.concatenate(y), np.concatenate(reg.predict(sets)), segments, k)
    name = "ndcg" if k is None else f"ndcg@{k}"
    assert element_scorer(name)(reg, sets, y) == wanted
    assert name in repr(element_scorer(name))
    if k is None:
        assert reg.score(sets, y) == wanted
        with pytest.raises(ValueError, match="takes no sample_weight"):
            reg.score(sets, y, sample_weight=np.ones(60))


def test_a_ranker_is_tuned_by_its_ndcg():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(6, 2)) for _ in range(60)]
    y = [np.searchsorted([-0.5, 0.5], one_set[:, 0]) for one_set in sets]
    reg = DeepSetsElementRegressor(n_members=1, loss="listnet", random_state=0, batch_size=10)
    search = GridSearchCV(reg, {"max_epochs": [1, 40]}, cv=2, scoring=element_scorer("ndcg@3")).fit(sets, y)
    assert search.best_params_ == {"max_epochs": 40}
    assert search.best_score_ > 0.9


@pytest.mark.parametrize("name", ["ndcg@0", "ndcg@", "accuracies"])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(ValueError, match=name):
        element_scorer(name)


def test_what_is_no_scorer_or_no_estimator_of_elements_says_so():
    with pytest.raises(ValueError, match="looks like it is a metric function"):
        element_scorer(metrics.roc_auc_score)
    bags = [bag for bag in BAGS if len(bag)]
    of_sets = DeepSetsClassifier(max_epochs=1).fit(bags, [len(bag) > 3 for bag in bags])
    with pytest.raises(
        TypeError, match="Expected one prediction for each element, but the estimator gives one for each set"
    ):
        element_scorer("accuracy")(of_sets, bags, [part for part in Y if len(part)])


def test_weights_of_sets_count_for_their_elements():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    y = [(one[:, 0] > 0).astype(int) for one in sets]
    weight = rng.integers(0, 3, 40)
    model = DeepSetsElementClassifier(n_members=1, max_epochs=2, random_state=0).fit(sets, y)
    repeated = np.repeat(np.arange(40), weight)
    wanted = element_scorer("neg_log_loss")(model, [sets[i] for i in repeated], [y[i] for i in repeated])
    assert element_scorer("neg_log_loss")(model, sets, y, sample_weight=weight) == pytest.approx(wanted)
    with pytest.raises(TypeError, match="sample_weight"):
        element_scorer("ndcg")(model, sets, y, sample_weight=weight)


def test_cross_validation_routes_weights_to_the_scorer():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    y = [(one[:, 0] > 0).astype(int) for one in sets]
    weight = rng.integers(1, 4, 40)
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        element_scorer("accuracy").set_score_request(sample_weight=True)
    with config_context(enable_metadata_routing=True):
        scorer = element_scorer("accuracy").set_score_request(sample_weight=True)
        model = DeepSetsElementClassifier(n_members=1, max_epochs=2, random_state=0).set_fit_request(
            sample_weight=False
        )
        options = {"cv": KFold(2), "scoring": scorer, "params": {"sample_weight": weight}}
        scores = cross_validate(model, sets, y, return_estimator=True, **options)
    for fitted, score, (_, test) in zip(scores["estimator"], scores["test_score"], KFold(2).split(sets), strict=True):
        parts = [sets[i] for i in test], [y[i] for i in test]
        assert score == element_scorer("accuracy")(fitted, *parts, sample_weight=weight[test])


@pytest.mark.skipif(
    "_get_metadata_request" not in vars(_BaseScorer), reason="scorers of this scikit-learn do not ask for weights"
)
def test_weights_that_nobody_asked_for_are_an_error_and_those_that_a_scorer_asks_for_are_passed():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    y = [(one[:, 0] > 0).astype(int) for one in sets]
    with config_context(enable_metadata_routing=True):
        model = DeepSetsElementClassifier(n_members=1, max_epochs=2, random_state=0).set_fit_request(sample_weight=True)
        options = {"cv": KFold(2), "params": {"sample_weight": rng.integers(1, 9, 40)}}
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            cross_val_score(model, sets, y, scoring=element_scorer("accuracy"), **options)
        weighted = make_scorer(metrics.accuracy_score).set_score_request(sample_weight=True)
        asked = element_scorer("accuracy").set_score_request(sample_weight=True)
        scores = [cross_val_score(model, sets, y, scoring=s, **options) for s in (element_scorer(weighted), asked)]
        plain = cross_val_score(model, sets, y, scoring=element_scorer("ndcg"), **options)
    np.testing.assert_array_equal(*scores)
    assert np.isfinite(plain).all()


def test_a_search_by_several_scorers_takes_weights():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    y = [(one[:, 0] > 0).astype(int) for one in sets]
    scoring = {"plain": element_scorer("accuracy"), "area": element_scorer("roc_auc")}
    search = GridSearchCV(
        DeepSetsElementClassifier(n_members=1, max_epochs=2, random_state=0), {"lr": [0.01]}, scoring=scoring, cv=2
    )
    search.set_params(refit="area").fit(sets, y, sample_weight=rng.integers(1, 4, 40))
    assert {"mean_test_plain", "mean_test_area"} <= search.cv_results_.keys()


def test_functions_are_scorers_among_several():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    y = [(one[:, 0] > 0).astype(int) for one in sets]
    scoring = {"one": element_scorer(lambda estimator, X, y: 1.0), "two": element_scorer("accuracy")}
    model = DeepSetsElementClassifier(n_members=1, max_epochs=2, random_state=0)
    search = GridSearchCV(model, {"lr": [0.01]}, scoring=scoring, refit="two", cv=2).fit(sets, y)
    assert search.cv_results_["mean_test_one"] == [1.0]
    assert not hasattr(scoring["one"], "set_score_request")
