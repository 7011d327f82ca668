"""DeepSetsSurvival: Cox's model where it is linear, evaluation on all held-out sets, curves, scikit-learn's habits."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsSurvival, ElementTransformer
from sk_deepsets.inspection import SetSizeDisplay, element_importance, feature_importance
from sk_deepsets.targets._rank_metrics import concordance_index
from tests.estimators.conftest import SMALL
from tests.nn.test_partial_likelihood import log_likelihood

RNG = np.random.default_rng(0)
BAGS = [RNG.normal(size=(size, 2)) + RNG.normal(size=(1, 2)) for size in RNG.integers(2, 9, 120)]
SIGNAL = np.array([bag[:, 0].mean() for bag in BAGS])
UNTIL, STOP = RNG.exponential(np.exp(-2 * SIGNAL)), RNG.exponential(2, 120)
EVENT, TIME = UNTIL <= STOP, np.minimum(UNTIL, STOP)
Y = np.array(list(zip(EVENT, TIME, strict=True)), dtype=[("event", bool), ("time", float)])
ONES = np.ones(120)
LINEAR = {
    **{"phi_hidden_dims": (), "rho_hidden_dims": (), "pool_type": "mean", "n_members": 1, "standardize": False},
    **{"weight_decay": 0.0, "batch_size": 10_000, "early_stopping": False, "max_epochs": 150, "lr": 0.05},
}
make = partial(DeepSetsSurvival, **SMALL)


def survival(event, time):
    return pd.DataFrame({"event": event, "time": time})


@pytest.fixture(scope="module")
def pack():
    return make(n_members=4, max_epochs=15, lr=0.02).fit(BAGS, Y)


def test_two_groups_have_the_hazard_ratio_and_the_curves_of_coxs_model():
    rng = np.random.default_rng(1)
    group, weight = np.repeat([0.0, 1.0], 100), rng.integers(1, 3, 200).astype(float)
    time, event = np.ceil(rng.exponential(np.exp(-group)) * 6), rng.random(200) < 0.8
    wanted = minimize_scalar(lambda slope: -log_likelihood(slope * group, time, event, weight)).x
    assert wanted == pytest.approx(1, abs=0.3)
    sets = [np.full((size, 1), one) for one, size in zip(group, rng.integers(1, 4, 200), strict=True)]
    model = DeepSetsSurvival(**LINEAR, random_state=0).fit(sets, survival(event, time), sample_weight=weight)
    low, high = model.predict([[[0.0]], [[1.0]]])
    assert high - low == pytest.approx(wanted, abs=2e-3)
    score = weight * np.exp(wanted * group)
    steps = [weight[event & (time == t)].sum() / score[time >= t].sum() for t in model.event_times_]
    hazard = model.predict_cumulative_hazard_function([[[0.0]], [[1.0]]])
    np.testing.assert_allclose(hazard, np.outer([1, np.exp(wanted)], np.cumsum(steps)), rtol=5e-3)


def test_the_validation_loss_compares_all_validation_sets():
    model = make(early_stopping=False, lr=0.02).fit(BAGS[:60], Y[:60], X_val=BAGS[60:], y_val=Y[60:])
    args = (TIME[60:], EVENT[60:], ONES[60:])
    risk = model.predict(BAGS[60:])
    gain = log_likelihood(risk, *args) - log_likelihood(0 * risk, *args)
    wanted = (EVENT[60:].sum() - gain) / 60
    assert model.history_[model.best_iteration_ - 1]["valid_loss"] == pytest.approx(wanted, rel=1e-5)


def test_so_it_does_in_batches_of_any_size(monkeypatch):
    plain = make(early_stopping=True).fit(BAGS, Y)
    monkeypatch.setattr("sk_deepsets.training._net.ELEMENTS_AT_ONCE", 8)
    in_parts = make(early_stopping=True).fit(BAGS, Y)
    losses = [[row["valid_loss"] for row in model.history_] for model in (plain, in_parts)]
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_members_are_chosen_by_what_they_say_of_sets_that_they_have_not_seen(pack):
    risk = pack.oof_prediction_
    assert pack.oof_score_ == concordance_index(EVENT, TIME, risk)
    assert pack.oof_score_ == pytest.approx(0.8, abs=0.1)
    assert pack.predict(BAGS).mean() == pytest.approx(0, abs=0.5)
    # the baseline is that of these risks: they expect as many events as there were
    expected = np.exp(np.diag(pack._fitted.target.log_cumulative_hazard(risk[:, None], TIME)))
    assert expected.sum() == pytest.approx(EVENT.sum())


def test_curves_fall_from_1_and_the_riskier_ones_are_below(pack):
    times = np.linspace(0, 2 * TIME.max(), 20)
    curves = pack.predict_survival_function(BAGS, times)
    assert curves.shape == (120, 20)
    assert (curves[:, 0] == 1).all()
    assert (np.diff(curves, axis=1) <= 0).all()
    by_risk = curves[pack.predict(BAGS).argsort()]
    assert (np.diff(by_risk, axis=0) <= 1e-12).all()
    np.testing.assert_allclose(-np.log(curves), pack.predict_cumulative_hazard_function(BAGS, times), atol=1e-12)
    steps = pack.predict_survival_function(BAGS)
    assert steps.shape == (120, len(np.unique(TIME[EVENT])))
    np.testing.assert_array_equal(steps, pack.predict_survival_function(BAGS, pack.event_times_ + 1e-9))
    with pytest.raises(ValueError, match="times contains NaN"):
        pack.predict_survival_function(BAGS, [1.0, np.nan])


def test_the_score_is_the_concordance_index(pack):
    risk, weight = pack.predict(BAGS), RNG.integers(0, 3, 120).astype(float)
    assert pack.score(BAGS, survival(EVENT, TIME)) == concordance_index(EVENT, TIME, risk)
    assert pack.score(BAGS, Y, sample_weight=weight) == concordance_index(EVENT, TIME, risk, weight)
    assert np.isnan(pack.score(BAGS[:1], survival([True], [1.0])))


@pytest.mark.parametrize("n_members", [1, 4])
def test_sets_of_weight_0_are_left_out(n_members):
    weight = (np.arange(120) % 3 > 0).astype(float)
    kept = np.flatnonzero(weight)
    # a batch has all sets that count in one step, and those that do not beside them
    options = {"n_members": n_members, "early_stopping": False, "batch_size": 120}
    zeros = make(**options).fit(BAGS, Y, sample_weight=weight)
    without = make(**options).fit([BAGS[number] for number in kept], Y[kept])
    if n_members == 1:
        np.testing.assert_allclose(zeros.predict(BAGS), without.predict(BAGS), atol=1e-4)
        np.testing.assert_allclose(
            zeros.predict_survival_function(BAGS), without.predict_survival_function(BAGS), atol=1e-4
        )
    else:
        assert np.isnan(zeros.oof_prediction_[weight == 0]).all()
        assert np.isfinite(zeros.oof_prediction_[kept]).all()
    np.testing.assert_array_equal(zeros.event_times_, np.unique(TIME[EVENT & (weight > 0)]))


def test_the_unit_of_time_changes_no_risk():
    seconds = make().fit(BAGS, survival(EVENT, TIME * 1e9))
    np.testing.assert_array_equal(seconds.predict(BAGS), make().fit(BAGS, Y).predict(BAGS))


def test_fits_with_one_random_state_are_equal_and_warm_start_continues():
    model = make(n_members=4, warm_start=True).fit(BAGS, Y)
    np.testing.assert_array_equal(clone(model).fit(BAGS, Y).predict(BAGS), model.predict(BAGS))
    later = survival(EVENT, TIME + 1)
    assert model.fit(BAGS, later).n_iter_ == 6
    np.testing.assert_array_equal(model.event_times_, np.unique(TIME[EVENT] + 1))
    assert not hasattr(model, "partial_fit")


def test_groups_stay_together_and_folds_have_like_shares_of_events(see_data):
    groups = np.arange(120) // 4
    model = make(n_members=4).fit(BAGS, Y, groups=groups)
    assert np.isfinite(model.oof_prediction_).all()
    event = (np.arange(120) % 10 == 0).astype(bool)
    make(validation_fraction=0.25, callbacks=[see_data]).fit(BAGS, survival(event, TIME))
    assert [int(targets[:, 1].sum()) for targets in see_data.targets] == [9, 3]


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.filterwarnings("ignore:early_stopping=True has no effect:UserWarning")
def test_a_single_event_is_trained_on(n_members):
    model = make(n_members=n_members, early_stopping=True).fit(BAGS, survival(np.arange(120) == 7, TIME))
    np.testing.assert_array_equal(model.event_times_, TIME[[7]])
    assert np.isfinite(model.predict_survival_function(BAGS)).all()


def test_without_an_event_to_learn_from_there_is_no_model():
    model = make()
    with pytest.raises(ValueError, match="y has no event: all 120 times are censored"):
        model.fit(BAGS, survival(np.zeros(120, bool), TIME))
    with pytest.raises(ValueError, match="no event among the sets that are trained on"):
        model.fit(BAGS, Y, sample_weight=~EVENT)
    with pytest.raises(ValueError, match="y_val has no event"):
        model.fit(BAGS, Y, X_val=BAGS[:2], y_val=survival([False, False], [1.0, 2]))
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.fit(BAGS, None)
    with pytest.raises(NotFittedError):
        model.predict_survival_function(BAGS)


def test_pipelines_and_searches_take_it():
    search = GridSearchCV(make(), {"pool_type": ["mean", "max"]}, cv=3).fit(BAGS, Y)
    assert search.best_score_ > 0.4
    steps = make_pipeline(ElementTransformer(StandardScaler()), make())
    scores = cross_val_score(steps, BAGS, survival(EVENT, TIME), cv=3, error_score="raise")
    assert np.isfinite(scores).all()


def test_explanations_are_in_log_risks():
    model = DeepSetsSurvival(**LINEAR, random_state=0).fit(BAGS, Y)
    found = feature_importance(model, BAGS, Y, random_state=0)
    assert found.feature_names[found.importances_mean.argmax()] == "x0"
    whole, without = model.predict(BAGS[:1]), model.predict([BAGS[0][1:]])
    assert element_importance(model, BAGS[:1])[0][0] == pytest.approx((whole - without)[0], abs=1e-5)
    gradients = element_importance(model, BAGS[:1], method="gradient")[0]
    assert gradients.sum() == pytest.approx((whole - model.predict([np.zeros((1, 2))]))[0], abs=0.5)
    with pytest.raises(TypeError, match="SetSizeDisplay is for classes and values"):
        SetSizeDisplay.from_estimator(model, BAGS, Y)
