"""The estimators inside of scikit-learn's tools, on lists, object arrays and RaggedSets."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    ParameterGrid,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import estimator_html_repr, resample, shuffle

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets, SetPadder, check_sets

FAST = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "max_epochs": 2, "random_state": 0}
ENSEMBLE = DeepSetsClassifier(**FAST)
FAST["n_members"] = 1  # most tools do not see what an estimator is made of
CLF, REG = DeepSetsClassifier(**FAST), DeepSetsRegressor(**FAST)
GRID = {"phi_hidden_dims": [(8,), (8, 4)], "pool_type": ["sum", ("mean", "max")], "lr": [0.01]}


def object_array(bags):
    array = np.empty(len(bags), dtype=object)
    array[:] = bags
    return array


@pytest.fixture(scope="module")
def bags():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 3)) for size in rng.integers(1, 8, 60)]


@pytest.fixture(name="X", params=["list", "object array", "ragged"])
def sets_of_any_form(request, bags):
    return {"list": list, "object array": object_array, "ragged": check_sets}[request.param](bags)


@pytest.fixture(scope="module")
def y(bags):
    return np.array(["no", "yes"])[[int(bag[:, 0].mean() > 0) for bag in bags]]


@pytest.fixture(scope="module")
def three(bags):
    return np.digitize([bag[:, 0].mean() for bag in bags], [-0.3, 0.3])


@pytest.fixture(scope="module")
def values(bags):
    return np.array([bag.sum() for bag in bags])


def test_sets_stay_what_they_are_when_split_shuffled_and_resampled(X, y):
    for part in (*train_test_split(X, test_size=0.25, random_state=0), shuffle(X, random_state=0), resample(X)):
        assert type(part) is type(X)
    train, test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    assert (len(train), len(test)) == (len(y_train), len(y_test)) == (45, 15)


def test_cross_validation_hands_estimators_ragged_sets_as_ragged_sets(bags, y):
    class Spy(DeepSetsClassifier):
        seen = []  # noqa: RUF012

        def fit(self, X, y):
            self.seen.append(type(X))
            return super().fit(X, y)

    cross_val_score(Spy(**FAST), check_sets(bags), y, cv=2)
    assert Spy.seen == [RaggedSets, RaggedSets]


@pytest.mark.parametrize("model", [CLF, REG, ENSEMBLE], ids=["classifier", "regressor", "ensemble"])
def test_folds_by_hand_give_what_cross_val_predict_gives(X, bags, y, values, model):
    target, method = (values, "predict") if model is REG else (y, "predict_proba")
    folds = KFold(3)
    predicted = cross_val_predict(model, X, target, cv=folds, method=method)
    for train, test in folds.split(bags):
        fitted = clone(model).fit([bags[i] for i in train], target[train])
        np.testing.assert_array_equal(predicted[test], getattr(fitted, method)([bags[i] for i in test]))


def test_cross_validate_scores_train_and_test_and_keeps_estimators(X, values):
    result = cross_validate(REG, X, values, cv=3, scoring=["r2", "neg_mean_absolute_error"], return_estimator=True)
    assert np.isfinite(result["test_r2"]).all()
    assert (result["test_neg_mean_absolute_error"] <= 0).all()
    assert [type(model) for model in result["estimator"]] == [DeepSetsRegressor] * 3


def test_grid_search(X, bags, y):
    check_search(GridSearchCV(CLF, GRID, cv=2).fit(X, y), X, bags, y)


def test_grid_search_of_an_ensemble_in_processes(bags, y):
    grid = {"pool_type": ["sum", ("mean", "max")]}
    check_search(GridSearchCV(ENSEMBLE, grid, cv=2, n_jobs=2).fit(bags, y), bags, bags, y)


def check_search(search, X, bags, y):
    assert len(search.cv_results_["params"]) == len(ParameterGrid(search.param_grid))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    refitted = clone(search.estimator).set_params(**search.best_params_).fit(bags, y)
    np.testing.assert_array_equal(search.predict_proba(X), refitted.predict_proba(bags))
    np.testing.assert_array_equal(search.classes_, ["no", "yes"])
    assert search.transform(X).shape[0] == 60


def test_halving_grid_search(X, y):
    search = HalvingGridSearchCV(CLF, GRID, cv=2, factor=2, min_resources=20, random_state=0).fit(X, y)
    assert search.n_resources_ == [20, 40]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == (60,)


def test_halving_by_epochs(X, values):
    grid = {"lr": [0.001, 0.01, 0.1]}
    search = HalvingGridSearchCV(
        REG, grid, cv=2, factor=3, resource="max_epochs", min_resources=1, max_resources=3, random_state=0
    ).fit(X, values)
    assert search.n_resources_ == [1, 3]
    assert search.best_estimator_.n_iter_ == 3


def test_a_pipeline_pads_classifies_and_passes_parameters_on(X, y):
    pipe = Pipeline([("pad", SetPadder()), ("clf", CLF)])
    search = GridSearchCV(pipe, {"pad__pad_value": [0.0, 9.0], "clf__lr": [0.01]}, cv=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == scores[1]  # what stands under the mask never matters
    assert pipe.set_params(clf__max_epochs=1).fit(X, y)["clf"].n_iter_ == 1


def test_the_embedding_goes_on_to_any_other_model(X, y, values):
    pipe = make_pipeline(CLF, StandardScaler(), LogisticRegression()).fit(X, y)
    assert pipe.predict_proba(X).shape == (60, 2)
    assert list(pipe[:-1].get_feature_names_out()) == [f"deepsetsclassifier{i}" for i in range(16)]
    one, pack = clone(CLF).set_params(pool_type="mean"), clone(CLF).set_params(n_members=8)
    both = FeatureUnion([("one", one), ("pack", pack)]).fit(X, y)
    n_members = both["pack"].net_.module_.n_members
    assert both.transform(X).shape == (60, 8 + 16 * n_members)


def test_stacking(X, y, values):
    members = [("sum", clone(CLF).set_params(pool_type="sum")), ("max", clone(CLF).set_params(pool_type="max"))]
    stack = StackingClassifier(members, cv=2, n_jobs=1).fit(X, y)
    np.testing.assert_allclose(stack.predict_proba(X).sum(axis=1), 1)
    inner = np.c_[[model.predict_proba(X)[:, 1] for model in stack.estimators_]].T
    np.testing.assert_allclose(stack.predict_proba(X), stack.final_estimator_.predict_proba(inner))
    assert StackingRegressor([("one", REG)], cv=2).fit(X, values).predict(X).shape == (60,)


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_voting(X, y, voting):
    members = [(f"seed{i}", clone(CLF).set_params(random_state=i)) for i in range(3)]
    vote = VotingClassifier(members, voting=voting).fit(X, y)
    if voting == "soft":
        wanted = np.mean([model.predict_proba(X) for model in vote.estimators_], axis=0)
        np.testing.assert_allclose(vote.predict_proba(X), wanted)
    else:
        votes = np.sum([model.predict(X) == 1 for model in vote.estimators_], axis=0)
        np.testing.assert_array_equal(vote.predict(X), np.array(["no", "yes"])[(votes > 1).astype(int)])


def test_voting_of_regressors_is_their_mean(X, values):
    vote = VotingRegressor([("a", REG), ("b", clone(REG).set_params(random_state=1))]).fit(X, values)
    np.testing.assert_allclose(vote.predict(X), np.mean([m.predict(X) for m in vote.estimators_], axis=0))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("ensemble", [True, False])
def test_calibration(X, y, method, ensemble):
    proba = CalibratedClassifierCV(CLF, method=method, ensemble=ensemble, cv=2).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.isfinite(proba).all()


def test_one_class_against_the_rest(X, bags, three):
    model = OneVsRestClassifier(CLF).fit(X, three)
    alone = [clone(CLF).fit(bags, (three == one).astype(int)).predict_proba(bags)[:, 1] for one in range(3)]
    np.testing.assert_array_equal(model.predict(X), np.argmax(alone, axis=0))
    np.testing.assert_allclose(model.predict_proba(X), np.transpose(alone / np.sum(alone, axis=0)), rtol=1e-6)


def test_thresholds(X, y):
    tuned = TunedThresholdClassifierCV(CLF, cv=2, scoring="balanced_accuracy").fit(X, y)
    above = tuned.estimator_.predict_proba(X)[:, 1] >= tuned.best_threshold_
    np.testing.assert_array_equal(tuned.predict(X), np.array(["no", "yes"])[above.astype(int)])
    fixed = FixedThresholdClassifier(CLF, threshold=0.0, pos_label="yes").fit(X, y)
    assert set(fixed.predict(X)) == {"yes"}


def test_learning_and_validation_curves(X, values):
    sizes, train, test = learning_curve(REG, X, values, train_sizes=[10, 20], cv=2, scoring="r2")
    np.testing.assert_array_equal(sizes, [10, 20])
    assert np.isfinite([train, test]).all()
    train, test = validation_curve(REG, X, values, param_name="lr", param_range=[0.001, 0.01], cv=2)
    assert train.shape == test.shape == (2, 2)


def test_permutation_test(X, y):
    score, permuted, p = permutation_test_score(CLF, X, y, cv=2, n_permutations=3, random_state=0)
    assert 0 <= score <= 1
    assert len(permuted) == 3
    assert 0 < p <= 1


def test_a_transformed_target(X, values):
    positive = np.exp(values / 10)
    model = TransformedTargetRegressor(REG, func=np.log, inverse_func=np.exp).fit(X, positive)
    np.testing.assert_allclose(model.predict(X), np.exp(clone(REG).fit(X, np.log(positive)).predict(X)), rtol=1e-5)


def test_embeddings_as_data_frames(X, y):
    with config_context(transform_output="pandas"):
        frame = clone(CLF).fit(X, y).transform(X)
        piped = make_pipeline(SetPadder(), CLF).fit(X, y).transform(X)
    assert isinstance(frame, pd.DataFrame)
    pd.testing.assert_frame_equal(frame, piped)
    assert list(frame.columns) == [f"deepsetsclassifier{i}" for i in range(frame.shape[1])]


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_saved_searches_and_pipelines_predict_the_same(X, y, how, tmp_path):
    model = make_pipeline(SetPadder(), GridSearchCV(CLF, {"lr": [0.1, 0.01]}, cv=2)).fit(X, y)
    if how == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        loaded = joblib.load(joblib.dump(model, tmp_path / "model.joblib")[0])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("model", [CLF, REG])
def test_clone_and_parameters(X, y, values, model):
    changed = clone(model).set_params(pool_type=("sum", "std"), callbacks=[("mine", None)], batch_size=5)
    assert changed.get_params() == model.get_params() | {
        "pool_type": ("sum", "std"),
        "callbacks": [("mine", None)],
        "batch_size": 5,
    }
    fitted = clone(model).fit(X, y if model is CLF else values)
    assert fitted.get_params() == model.get_params()
    assert not hasattr(clone(fitted), "net_")
    with pytest.raises(ValueError, match="Invalid parameter 'hidden'"):
        clone(model).set_params(hidden=3)


@pytest.mark.parametrize("fitted", [False, True])
def test_the_html_repr(X, y, fitted):
    model = make_pipeline(SetPadder(), DeepSetsClassifier(**FAST))
    html = estimator_html_repr(model.fit(X, y) if fitted else model)
    assert "DeepSetsClassifier" in html
    assert "phi_hidden_dims" in html
    assert ("<span>Fitted</span>" in html) is fitted
    assert "DeepSetsClassifier" in (model[-1].fit(X, y) if fitted else model[-1])._repr_html_()


def test_sample_weights_are_routed(X, bags, y):
    weight = np.random.default_rng(1).uniform(0.1, 3, 60)
    with config_context(enable_metadata_routing=True):
        weighted = DeepSetsClassifier(**FAST).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipe = Pipeline([("pad", SetPadder()), ("clf", weighted)]).fit(X, y, sample_weight=weight)
        result = cross_validate(
            weighted, X, y, cv=KFold(2), params={"sample_weight": weight}, return_estimator=True, error_score="raise"
        )
        search = GridSearchCV(weighted, {"lr": [0.01]}, cv=2).fit(X, y, sample_weight=weight)
    wanted = DeepSetsClassifier(**FAST).fit(bags, y, sample_weight=weight)
    np.testing.assert_array_equal(pipe.predict_proba(X), wanted.predict_proba(bags))
    plain = DeepSetsClassifier(**FAST).fit(bags, y)
    assert not np.array_equal(plain.predict_proba(bags), wanted.predict_proba(bags))
    first = DeepSetsClassifier(**FAST).fit(bags[30:], y[30:], sample_weight=weight[30:])
    np.testing.assert_array_equal(result["estimator"][0].predict_proba(X), first.predict_proba(bags))
    assert result["test_score"][0] == pytest.approx(first.score(bags[:30], y[:30], sample_weight=weight[:30]))
    assert search.best_params_ == {"lr": 0.01}


def test_sample_weights_by_prefix_without_routing(X, bags, y):
    weight = np.random.default_rng(1).uniform(0.1, 3, 60)
    pipe = make_pipeline(SetPadder(), DeepSetsClassifier(**FAST)).fit(X, y, deepsetsclassifier__sample_weight=weight)
    wanted = DeepSetsClassifier(**FAST).fit(bags, y, sample_weight=weight)
    np.testing.assert_array_equal(pipe.predict_proba(X), wanted.predict_proba(bags))


@pytest.mark.parametrize(
    "meta",
    [BaggingClassifier(CLF, 2, random_state=0), OneVsOneClassifier(CLF), SelfTrainingClassifier(CLF, max_iter=1)],
    ids=lambda meta: type(meta).__name__,
)
def test_what_takes_single_rows_wants_a_table(bags, three, meta):
    X = pd.DataFrame({"sets": check_sets(bags).to_series()})
    unknown = isinstance(meta, SelfTrainingClassifier) & (np.arange(60) % 5 == 0)
    assert meta.fit(X, np.where(unknown, -1, three)).predict(X).shape == (60,)


def test_permutation_importance_of_a_table(bags, y):
    X = pd.DataFrame({"sets": check_sets(bags).to_series(), "noise": np.arange(60) % 7})
    found = permutation_importance(
        clone(CLF).set_params(max_epochs=30, lr=0.01).fit(X, y), X, y, n_repeats=3, random_state=0
    )
    assert found.importances_mean[0] > found.importances_mean[1]
