"""What the regressor of elements has of its own: values, their scale, losses, and rankings."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import norm, spearmanr
from sklearn.metrics import (
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
)

from sk_deepsets import DeepSetsElementRegressor

SHORT = {"n_members": 1, "hidden_dims": (8,), "max_epochs": 3, "random_state": 0}
ONE_STEP = {"max_epochs": 1, "lr": 1e-12, "batch_size": 10_000}
RNG = np.random.default_rng(0)
BAGS = [RNG.normal(loc=2, scale=3, size=(size, 3)) for size in RNG.integers(1, 8, 90)]
VALUES = [100 + 10 * (bag[:, 0] - bag[:, 0].max()) + bag[:, 1] for bag in BAGS]
GRADES = [np.argsort(np.argsort(bag[:, 0])).astype(float) for bag in BAGS]
make = partial(DeepSetsElementRegressor, **SHORT)


def hide(y, rng, marker=np.nan):
    """The same targets with some of them missing, and which are left."""
    left = [rng.random(len(part)) > 0.3 for part in y]
    return [[v if keep else marker for v, keep in zip(*pair, strict=True)] for pair in zip(y, left, strict=True)], left


@pytest.mark.parametrize("standardize", [True, False])
def test_one_layer_is_lemma_3_on_standardised_elements_and_values(standardize):
    model = make(hidden_dims=(), pool_type="sum", standardize=standardize).fit(BAGS, VALUES)
    elements, flat = np.concatenate(BAGS), np.concatenate(VALUES)
    layer = model.net_.module_.layers[0]
    weights = [w.detach().double().numpy() for w in (layer.Lambda.weight, layer.Lambda.bias, layer.Gamma.weight)]
    for bag, predicted in zip(BAGS, model.predict(BAGS), strict=True):
        scaled = (bag - elements.mean(axis=0)) / elements.std(axis=0) if standardize else bag
        output = (scaled @ weights[0].T + weights[1] + layer.sum_scale * weights[2] @ scaled.sum(axis=0))[:, 0]
        wanted = output * flat.std() + flat.mean() if standardize else output
        np.testing.assert_allclose(predicted, wanted, rtol=1e-4, atol=1e-4)
        assert predicted.dtype == np.float64


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_the_first_loss_is_that_of_numpy_on_standardised_targets(loss, missing):
    y, left = hide(VALUES, np.random.default_rng(1)) if missing else (VALUES, [part == part for part in VALUES])
    model = make(loss=loss, **ONE_STEP).fit(BAGS, y)
    left = np.concatenate(left)
    flat, predicted = np.concatenate(VALUES)[left], np.concatenate(model.predict(BAGS))[left]
    low, high = np.quantile(flat, [0.1, 0.9], method="inverted_cdf")
    scale = flat.std() if loss == "squared_error" else (high - low) / (2 * norm.ppf(0.9))
    error = np.abs(predicted - flat) / scale
    of_error = {"squared_error": error**2, "absolute_error": error}
    of_error["huber"] = np.where(error < 1, error**2 / 2, error - 0.5)
    np.testing.assert_allclose(model.history_[0]["train_loss"], of_error[loss].mean(), rtol=1e-5)


def test_weights_are_in_the_loss_and_in_the_scale_of_the_targets():
    weight = np.random.default_rng(0).uniform(0.2, 3, 90)
    model = make(**ONE_STEP).fit(BAGS, VALUES, sample_weight=weight)
    of_element = np.repeat(weight, [len(bag) for bag in BAGS])
    flat, predicted = np.concatenate(VALUES), np.concatenate(model.predict(BAGS))
    mean = np.average(flat, weights=of_element)
    variance = np.average((flat - mean) ** 2, weights=of_element)
    wanted = np.average((predicted - flat) ** 2, weights=of_element) / variance
    np.testing.assert_allclose(model.history_[0]["train_loss"], wanted, rtol=1e-5)
    scored = model.score(BAGS, VALUES, sample_weight=weight)
    np.testing.assert_allclose(scored, r2_score(flat, predicted, sample_weight=of_element))


@pytest.mark.parametrize("marker", [None, np.nan, pd.NA])
def test_the_score_is_r2_of_the_elements_with_a_target(marker):
    model = make().fit(BAGS, VALUES)
    flat, predicted = np.concatenate(VALUES), np.concatenate(model.predict(BAGS))
    np.testing.assert_allclose(model.score(BAGS, VALUES), r2_score(flat, predicted))
    y, left = hide(VALUES, np.random.default_rng(1), marker)
    left = np.concatenate(left)
    np.testing.assert_allclose(model.score(BAGS, y), r2_score(flat[left], predicted[left]))
    np.testing.assert_allclose(make().fit(BAGS, y).score(BAGS, np.concatenate(y)), make().fit(BAGS, y).score(BAGS, y))


def test_the_units_of_the_targets_do_not_matter():
    plain = np.concatenate(make().fit(BAGS, VALUES).predict(BAGS))
    moved = make().fit(BAGS, [1e6 * part - 1e7 for part in VALUES]).predict(BAGS)
    np.testing.assert_allclose((np.concatenate(moved) + 1e7) / 1e6, plain, rtol=1e-4)
    constant = make().fit(BAGS, [np.full(len(bag), 7.0) for bag in BAGS]).predict(BAGS)
    assert np.abs(np.concatenate(constant) - 7).max() < 3


@pytest.mark.parametrize("dtype", ["Float64", "Int64"])
def test_nullable_columns_are_numbers_with_gaps(dtype):
    flat = pd.Series(np.concatenate(GRADES)).astype(dtype)
    flat[::3] = pd.NA
    model = make().fit(BAGS, flat)
    wanted = make().fit(BAGS, np.where(np.arange(len(flat)) % 3, np.concatenate(GRADES), np.nan))
    np.testing.assert_array_equal(np.concatenate(model.predict(BAGS)), np.concatenate(wanted.predict(BAGS)))


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.inf, r"y holds infinity \(set 0, element 0\)"), ("a", "y must hold numbers"), (-np.inf, "y holds infinity")],
)
def test_targets_that_are_no_finite_numbers_are_an_error(value, message):
    y = [[value] * len(BAGS[0]), *VALUES[1:]]
    with pytest.raises(ValueError, match=message):
        make().fit(BAGS, y)
    assert make().fit(BAGS, [[None] * len(BAGS[0]), *VALUES[1:]]).n_iter_ == 3


def test_the_distance_to_the_largest_of_the_set_is_learned():
    y = [bag[:, 0].max() - bag[:, 0] for bag in BAGS]
    model = make(hidden_dims=(32,), max_epochs=60, lr=0.01, batch_size=16).fit(BAGS[:70], y[:70])
    assert model.score(BAGS[70:], y[70:]) > 0.95
    errors = {
        loss: mean_absolute_error(
            np.concatenate(y),
            np.concatenate(make(loss=loss, max_epochs=40, lr=0.02).fit(BAGS, y).predict(BAGS)),
        )
        for loss in ("absolute_error", "huber")
    }
    assert max(errors.values()) < np.concatenate(y).std() / 3


@pytest.mark.parametrize("largest", [100, 1_000])
def test_a_sum_over_large_sets_trains_as_well_as_a_maximum(largest):
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, largest, 200)]
    y = [one_set[:, 0] - one_set[:, 1] for one_set in sets]
    model = DeepSetsElementRegressor(n_members=1, pool_type="sum", max_epochs=20, random_state=0).fit(sets, y)
    assert model.history_[0]["train_loss"] < 5
    assert model.score(sets, y) > 0.95


def test_the_loss_of_a_ranking_is_listnet_in_numpy():
    weight = np.random.default_rng(0).uniform(0.2, 3, 90)
    for weights, options in ((np.ones(90), {}), (weight, {"sample_weight": weight})):
        model = make(loss="listnet", **ONE_STEP).fit(BAGS, GRADES, **options)
        scores = model.predict(BAGS)
        losses = [-(softmax(g) * log_softmax(s)).sum() for g, s in zip(GRADES, scores, strict=True)]
        np.testing.assert_allclose(model.history_[0]["train_loss"], np.average(losses, weights=weights), rtol=1e-5)


@pytest.mark.parametrize("loss", ["listnet", "lambdarank"])
def test_a_ranking_is_learned(loss):
    options = {"loss": loss, "hidden_dims": (16,), "max_epochs": 60, "lr": 0.01, "batch_size": 16}
    rng = np.random.default_rng(1)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(2, 8, 200)]
    y = [one_set[:, 0] + one_set[:, 1] ** 2 + 4 for one_set in sets]
    y = [np.maximum(grades, 0) for grades in y]
    scores = make(**options).fit(sets[:150], y[:150]).predict(sets[150:])
    assert np.mean([spearmanr(*pair).statistic for pair in zip(y[150:], scores, strict=True)]) > 0.9


def test_negative_grades_are_no_gains():
    y = [grades.copy() for grades in GRADES]
    number = next(i for i, bag in enumerate(BAGS) if len(bag) > 2)
    y[number][1] = -2
    with pytest.raises(
        ValueError, match=rf"y holds -2 \(set {number}, element 1\); with loss=\"lambdarank\" expected grades"
    ):
        make(loss="lambdarank").fit(BAGS, y)
    make(loss="listnet").fit(BAGS, y)


def test_only_differences_of_grades_count_for_listnet():
    shifted = make(loss="listnet").fit(BAGS, [grades + number for number, grades in enumerate(GRADES)])
    for one, other in zip(shifted.predict(BAGS), make(loss="listnet").fit(BAGS, GRADES).predict(BAGS), strict=True):
        np.testing.assert_allclose(one - one.mean(), other - other.mean(), rtol=1e-3, atol=1e-4)


def test_a_ranking_wants_all_or_no_grades_of_a_set():
    number = next(i for i, bag in enumerate(BAGS) if len(bag) == 5)
    y = [part.tolist() for part in GRADES]
    y[number][2] = None
    with pytest.raises(
        ValueError, match=rf"Set {number} has targets in y for 4 of its 5 elements \(so in 1 of 90 sets"
    ):
        make(loss="listnet").fit(BAGS, y)
    with pytest.raises(ValueError, match=rf"Set {number} has targets in y_val for 4 of its 5 elements"):
        make(loss="listnet").fit(BAGS, GRADES, X_val=BAGS, y_val=y)
    y[number] = [None] * 5
    model = make(loss="listnet").fit(BAGS, y)
    assert len(model.predict(BAGS)[number]) == 5
    assert make().fit(BAGS, y).score(BAGS, y) < 1


COUNTS = [np.random.default_rng(i).poisson(3, len(bag)).astype(float) for i, bag in enumerate(BAGS)]
POSITIVE = [np.random.default_rng(i).gamma(2, 50, len(bag)) for i, bag in enumerate(BAGS)]
ALIKE = [np.ones((len(bag), 2)) for bag in BAGS]
LINEAR = {"hidden_dims": (), "max_epochs": 150, "lr": 0.03, "batch_size": 90, "early_stopping": False}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "y"), [("poisson", COUNTS), ("gamma", POSITIVE), ("squared_error", POSITIVE)])
def test_of_elements_that_are_all_the_same_the_prediction_is_the_mean(loss, y, weighted):
    weight = np.random.default_rng(1).uniform(0, 2, 90) if weighted else None
    y, left = hide(y, np.random.default_rng(2))
    reg = make(loss=loss, **LINEAR).fit(ALIKE, y, sample_weight=weight)
    flat, left = np.concatenate(y), np.concatenate(left)
    of_elements = None if weight is None else np.repeat(weight, [len(bag) for bag in BAGS])[left]
    wanted = np.average(flat[left], weights=of_elements)
    np.testing.assert_allclose(reg.predict(ALIKE)[0], wanted, rtol=0.02)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_of_elements_that_are_all_the_same_the_prediction_is_the_quantile(quantile):
    reg = make(loss="quantile", quantile=quantile, **{**LINEAR, "max_epochs": 300}).fit(ALIKE, POSITIVE)
    share = np.mean(reg.predict(ALIKE)[0][0] > np.concatenate(POSITIVE))
    assert share == pytest.approx(quantile, abs=0.03)


DEVIANCES = {
    "poisson": lambda y, p, mean: mean_poisson_deviance(y / mean, p / mean),
    "gamma": lambda y, p, mean: mean_gamma_deviance(y / mean, p / mean),
    "quantile": lambda y, p, mean: 2 * mean_pinball_loss(y, p, alpha=0.3),
}


@pytest.mark.parametrize("loss", DEVIANCES)
def test_the_validation_losses_are_half_the_deviances_up_to_a_constant(loss):
    y = COUNTS if loss == "poisson" else POSITIVE
    flat, held_out = np.concatenate(y[:60]), np.concatenate(y[60:])
    losses, deviances = [], []
    for lr in (1e-3, 0.05):
        reg = make(loss=loss, quantile=0.3, lr=lr).fit(BAGS[:60], y[:60], X_val=BAGS[60:], y_val=y[60:])
        losses.append(reg.history_[reg.best_iteration_ - 1]["valid_loss"])
        predicted = np.concatenate(reg.predict(BAGS[60:]))
        deviances.append(DEVIANCES[loss](held_out, predicted, flat.mean()) / 2)
    scale = np.diff(np.quantile(flat, [0.1, 0.9], method="inverted_cdf"))[0] / (2 * norm.ppf(0.9))
    scale = scale if loss == "quantile" else 1
    assert losses[1] != losses[0]
    assert losses[1] - losses[0] == pytest.approx((deviances[1] - deviances[0]) / scale, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("loss", "y"), [("poisson", COUNTS), ("gamma", POSITIVE)])
def test_positive_predictions_follow_the_units_of_y(loss, y):
    plain = np.concatenate(make(loss=loss).fit(BAGS, y).predict(BAGS))
    large = np.concatenate(make(loss=loss).fit(BAGS, [1000 * part for part in y]).predict(BAGS))
    assert (plain > 0).all()
    np.testing.assert_allclose(large, 1000 * plain, rtol=1e-3)


@pytest.mark.parametrize(
    ("loss", "worst", "message"),
    [
        ("poisson", -1.0, r'loss="poisson" requires y of at least 0, but got -1\.0 \(set 4, element 1\)'),
        ("gamma", 0.0, r'loss="gamma" requires y above 0, but got 0\.0 \(set 4, element 1\)'),
    ],
)
def test_targets_out_of_range_are_an_error(loss, worst, message):
    fine = [part + 1 for part in COUNTS]
    wrong = [part.copy() for part in fine]
    wrong[4][1], wrong[6][:1] = worst, worst
    with pytest.raises(ValueError, match=message):
        make(loss=loss).fit(BAGS, wrong)
    with pytest.raises(ValueError, match=message.replace(" y ", " y_val ")):
        make(loss=loss).fit(BAGS, fine, X_val=BAGS, y_val=wrong)
    with pytest.raises(ValueError, match='loss="quantile" requires a quantile'):
        make(loss="quantile").fit(BAGS, fine)
    with pytest.raises(ValueError, match="requires a positive y for at least one training set"):
        make(loss="poisson").fit(BAGS, [np.zeros(len(bag)) for bag in BAGS])


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
@pytest.mark.parametrize(("n_outliers", "value"), [(1, 1e6), (20, -1e12)])
def test_outliers_among_the_targets_take_nothing_from_the_rest(loss, n_outliers, value):
    flat = np.concatenate([10 * bag[:, 0] for bag in BAGS])
    spoiled = flat.copy()
    spoiled[np.random.default_rng(1).choice(len(flat), n_outliers, replace=False)] = value
    options = {"loss": loss, "quantile": 0.5, "max_epochs": 60, "lr": 0.02, "batch_size": 16, "early_stopping": True}
    reg = make(**options).fit(BAGS, spoiled)
    assert r2_score(flat, np.concatenate(reg.predict(BAGS))) > 0.8
