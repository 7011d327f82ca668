"""The losses of the regressor beyond the standardised errors: poisson, gamma and quantile, against closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import mean_gamma_deviance, mean_pinball_loss, mean_poisson_deviance, r2_score

from sk_deepsets.nn import pack

COUNTS = np.random.default_rng(0).poisson(3, 90).astype(float)
POSITIVE = np.random.default_rng(0).gamma(2, 50, 90)
SAME = [np.ones((2, 3))] * 90
LONG = {"max_epochs": 150, "lr": 0.03, "batch_size": 90, "early_stopping": False}


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize(("loss", "y"), [("poisson", COUNTS), ("gamma", POSITIVE), ("squared_error", POSITIVE)])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_sets_that_are_all_the_same_the_prediction_is_the_mean(make_regressor, loss, y, weighted, n_members):
    weight = np.random.default_rng(1).uniform(0, 2, 90) if weighted else None
    reg = make_regressor(loss=loss, n_members=n_members, **LONG).fit(SAME, y, sample_weight=weight)
    np.testing.assert_allclose(reg.predict(SAME[:2]), np.average(y, weights=weight), rtol=0.02)


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("quantile", [0.8])  # others in test_quantiles.py
def test_of_sets_that_are_all_the_same_the_prediction_is_the_quantile(make_regressor, quantile, n_members):
    reg = make_regressor(loss="quantile", quantile=quantile, n_members=n_members, **LONG).fit(SAME, POSITIVE)
    (predicted,) = set(reg.predict(SAME).round(3))
    assert np.mean(predicted > POSITIVE) == pytest.approx(quantile, abs=0.06)


def test_the_quantile_of_a_half_is_the_absolute_error(make_regressor, bags, values):
    absolute = make_regressor(loss="absolute_error").fit(bags, values).predict(bags)
    median = make_regressor(loss="quantile", quantile=0.5).fit(bags, values).predict(bags)
    np.testing.assert_allclose(median, absolute, rtol=0.05)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_linear_quantile_regression_leaves_the_right_share_below(make_regressor, bags, quantile):
    """With k weights, the share of the targets below the plane is the quantile to within k / n."""
    linear = {"phi_hidden_dims": (), "rho_hidden_dims": (), "pool_type": "mean", "loss": "quantile"}
    reg = make_regressor(**linear, quantile=quantile, **{**LONG, "max_epochs": 400}).fit(bags, POSITIVE)
    assert np.mean(reg.predict(bags) > POSITIVE) == pytest.approx(quantile, abs=4 / 90 + 0.02)


DEVIANCES = {
    "poisson": lambda y, p, mean: mean_poisson_deviance(y / mean, p / mean),
    "gamma": lambda y, p, mean: mean_gamma_deviance(y / mean, p / mean),
    "quantile": lambda y, p, mean: 2 * mean_pinball_loss(y, p, alpha=0.3),
}


@pytest.mark.parametrize("loss", DEVIANCES)
def test_the_validation_losses_are_half_the_deviances_up_to_a_constant(make_regressor, bags, loss):
    y = COUNTS if loss == "poisson" else POSITIVE
    X, X_val, y, y_val = bags[:60], bags[60:], y[:60], y[60:]
    losses, deviances = [], []
    for lr in (1e-3, 0.05):
        reg = make_regressor(loss=loss, quantile=0.3, lr=lr, max_epochs=9).fit(X, y, X_val=X_val, y_val=y_val)
        losses.append(reg.history_[reg.best_iteration_ - 1]["valid_loss"])
        deviances.append(DEVIANCES[loss](y_val, reg.predict(X_val), y.mean()) / 2)
    scale = np.diff(np.quantile(y, [0.1, 0.9], method="inverted_cdf"))[0] / (2 * norm.ppf(0.9))
    scale = scale if loss == "quantile" else 1
    assert losses[1] != losses[0]
    assert losses[1] - losses[0] == pytest.approx((deviances[1] - deviances[0]) / scale, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("loss", "y"), [("poisson", COUNTS), ("gamma", POSITIVE)])
@pytest.mark.parametrize("n_members", [1, 4])
def test_positive_predictions_follow_the_units_of_y(make_regressor, bags, loss, y, n_members):
    plain = make_regressor(loss=loss, n_members=n_members).fit(bags, y)
    assert (plain.predict(bags) > 0).all()
    large = make_regressor(loss=loss, n_members=n_members).fit(bags, 1000 * y)
    np.testing.assert_allclose(large.predict(bags), 1000 * plain.predict(bags), rtol=1e-3)


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "quantile"])
def test_several_outputs(make_regressor, bags, loss, n_members):
    y = np.c_[POSITIVE, 1e4 * POSITIVE[::-1]]
    reg = make_regressor(loss=loss, quantile=0.5, n_members=n_members).fit(bags, y)
    assert reg.predict(bags).shape == (90, 2)
    assert (reg.predict(bags)[:, 1] > 1e3).all()
    if n_members > 1:
        assert reg.oof_prediction_.shape == (90, 2)


def test_the_mean_of_an_ensemble_is_of_exponentials(make_regressor, bags):
    reg = make_regressor(loss="poisson", n_members=4, max_epochs=20, lr=0.02).fit(bags, COUNTS)
    ensemble = reg.net_.module_
    logs = np.log(reg.predict(bags[:1]) / COUNTS.mean())
    outputs = ensemble.member_outputs(pack(torch.from_numpy(bags[0])[None])).detach().double().numpy()[:, 0, 0]
    wanted = ensemble.weights.double().numpy() @ np.exp([*outputs, ensemble.prior.item()])
    np.testing.assert_allclose(np.exp(logs), wanted, rtol=1e-4)


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize(
    ("loss", "worst", "message"),
    [
        ("poisson", -1.0, r'loss="poisson" requires y of at least 0, but got -1\.0'),
        ("gamma", 0.0, r'loss="gamma" requires y above 0, but got 0\.0'),
        ("gamma", -2.0, r'loss="gamma" requires y above 0, but got -2\.0'),
    ],
)
def test_targets_out_of_range_are_an_error(make_regressor, bags, loss, worst, message, n_members):
    reg = make_regressor(loss=loss, n_members=n_members)
    with pytest.raises(ValueError, match=message):
        reg.fit(bags, np.r_[COUNTS[1:] + 1, worst])
    with pytest.raises(ValueError, match=message.replace(" y ", " y_val ")):
        reg.fit(bags, COUNTS + 1, X_val=bags[:2], y_val=[1.0, worst])


@pytest.mark.parametrize("n_members", [1, 4])
def test_counts_may_be_zero_in_a_part_but_not_in_all_that_is_trained_on(make_regressor, bags, n_members):
    make = make_regressor
    some = make(loss="poisson", n_members=n_members).fit(bags, COUNTS, X_val=bags[:3], y_val=np.zeros(3))
    assert np.isfinite(some.predict(bags)).all()
    some.partial_fit(bags[:5], np.zeros(5))
    for weight, y in [(None, np.zeros(90)), ((COUNTS == 0).astype(float), COUNTS)]:
        with pytest.raises(ValueError, match='loss="poisson" requires a positive y for at least one training set'):
            make(loss="poisson", n_members=n_members).fit(bags, y, sample_weight=weight)


def test_a_quantile_is_needed_and_lies_between_0_and_1(make_regressor, bags, values):
    with pytest.raises(ValueError, match=r'loss="quantile" requires a quantile, such as quantile=0.9'):
        make_regressor(loss="quantile").fit(bags, values)
    with pytest.raises(ValueError, match="quantile"):
        make_regressor(loss="quantile", quantile=1.5).fit(bags, values)


SUMS = np.random.default_rng(0)
SUMMED = [SUMS.normal(size=(size, 2)) for size in SUMS.integers(1, 6, 400)]
TOTALS = np.array([one_set[:, 0].sum() for one_set in SUMMED])


@pytest.mark.parametrize(("n_outliers", "value"), [(1, 1e6), (1, -1e12), (20, 1e12), (1, 1e100)])
@pytest.mark.parametrize(("loss", "n_members"), [("absolute_error", 1), ("huber", 1), ("quantile", 4)])
def test_outliers_among_the_targets_take_nothing_from_the_rest(make_regressor, loss, n_members, n_outliers, value):
    y = TOTALS[:300].copy()
    y[np.random.default_rng(1).choice(300, n_outliers, replace=False)] = value
    options = {"max_epochs": 40, "lr": 0.02, "batch_size": 32, "n_members": n_members}
    reg = make_regressor(loss=loss, quantile=0.5, **options).fit(SUMMED[:300], y)
    assert r2_score(TOTALS[300:], reg.predict(SUMMED[300:])) > 0.75


@pytest.mark.parametrize("n_members", [1, 4])
def test_the_validation_loss_has_the_outliers(make_regressor, bags, values, n_members):
    y = np.r_[values[:-1], 1e6]
    reg = make_regressor(loss="absolute_error", n_members=n_members)
    reg.fit(bags[:60], y[:60], X_val=bags[60:], y_val=y[60:])
    error = np.abs(reg.predict(bags[60:]) - y[60:]).mean() / reg._fitted.target.scale[0]
    assert reg.history_[reg.best_iteration_ - 1]["valid_loss"] == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
def test_targets_that_are_mostly_the_same_are_learned(make_regressor, loss):
    """A twentieth of the sets, which a flag tells, are worth 100; one is spoiled."""
    flag = np.arange(300) % 20 == 0
    y = np.where(flag, 100.0, 0.0)
    y[1] = 1e6
    sets = [np.full((2, 1), float(one)) for one in flag]
    options = {"max_epochs": 40, "lr": 0.02, "batch_size": 32, "early_stopping": False}
    reg = make_regressor(loss=loss, quantile=0.5, **options).fit(sets, y)
    np.testing.assert_allclose(reg.predict(sets[:3]), [100, 0, 0], atol=15)
    constant = make_regressor(loss=loss, quantile=0.5).fit(sets, np.full(300, 7.0))
    np.testing.assert_allclose(constant.predict(sets[:3]), 7, atol=1.5)
