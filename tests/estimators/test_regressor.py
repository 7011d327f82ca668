"""DeepSetsRegressor: losses on the standardised target, several outputs."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import r2_score

from sk_deepsets import DeepSetsRegressor

LOSSES = {
    "squared_error": np.square,
    "absolute_error": np.abs,
    "huber": lambda error: np.where(np.abs(error) <= 1, error**2 / 2, np.abs(error) - 0.5),
}


def spread(y):
    """Of each column, the distance between the outer tenths: 1 for a normal distribution of deviation 1."""
    low, high = np.quantile(y, [0.1, 0.9], axis=0, method="inverted_cdf")
    return (high - low) / (2 * norm.ppf(0.9))


@pytest.fixture(scope="module")
def two(bags, values):
    """Two outputs of very different size."""
    return np.c_[values, 1e6 + 1e3 * np.array([bag[:, 0].mean() for bag in bags])]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_best_epochs_validation_loss_is_that_of_what_is_predicted(make_regressor, bags, two, loss, n_outputs):
    y = two[:, 0] if n_outputs == 1 else two
    X, y, X_val, y_val = bags[:60], y[:60], bags[60:], y[60:]
    reg = make_regressor(loss=loss, max_epochs=400, lr=0.1, n_iter_no_change=5).fit(X, y, X_val=X_val, y_val=y_val)
    assert reg.best_iteration_ < reg.n_iter_
    valid = [row["valid_loss"] for row in reg.history_]
    assert min(valid) == valid[reg.best_iteration_ - 1]
    error = (reg.predict(X_val) - y_val) / (y.std(axis=0) if loss == "squared_error" else spread(y))
    np.testing.assert_allclose(valid[reg.best_iteration_ - 1], LOSSES[loss](error).mean(), rtol=1e-4)


def test_without_standardising_the_loss_is_in_the_units_of_y(make_regressor, bags, values):
    reg = make_regressor(standardize=False).fit(bags, values, X_val=bags, y_val=values)
    wanted = np.square(reg.predict(bags) - values).mean()
    np.testing.assert_allclose(reg.history_[reg.best_iteration_ - 1]["valid_loss"], wanted, rtol=1e-4)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, -3e8)])
def test_predictions_follow_the_units_of_y(make_regressor, bags, values, scale, shift):
    plain = make_regressor(early_stopping=False).fit(bags, values).predict(bags)
    moved = make_regressor(early_stopping=False).fit(bags, scale * values + shift).predict(bags)
    np.testing.assert_allclose((moved - shift) / scale, plain, rtol=1e-3, atol=1e-4)


def test_a_constant_target_is_predicted(make_regressor, bags):
    reg = make_regressor(max_epochs=60, lr=0.02).fit(bags, np.full(len(bags), 7.0))
    np.testing.assert_allclose(reg.predict(bags), 7, atol=0.5)


def test_one_column_stays_two_dimensional_and_one_dimension_one(make_regressor, bags, values):
    flat = make_regressor().fit(bags, values).predict(bags)
    column = make_regressor().fit(bags, values[:, None]).predict(bags)
    assert flat.shape == (90,)
    assert column.shape == (90, 1)
    assert flat.dtype == column.dtype == np.float64
    np.testing.assert_array_equal(column[:, 0], flat)


def test_several_outputs_of_different_size_are_all_learned(make_regressor, bags, two):
    reg = make_regressor(max_epochs=150, lr=0.02, early_stopping=False).fit(bags, two)
    predicted = reg.predict(bags)
    assert predicted.shape == (90, 2)
    assert (r2_score(two, predicted, multioutput="raw_values") > 0.9).all()


@pytest.mark.parametrize("wrap", [list, pd.Series, lambda y: y.astype(np.float32).astype(np.float64)])
def test_targets_in_any_container(make_regressor, bags, values, wrap):
    wanted = make_regressor().fit(bags, values).predict(bags)
    np.testing.assert_allclose(make_regressor().fit(bags, wrap(values)).predict(bags), wanted, rtol=1e-4)


def test_integer_targets_are_values(make_regressor, bags):
    counts = np.array([len(bag) for bag in bags])
    as_floats = make_regressor().fit(bags, counts.astype(float)).predict(bags)
    np.testing.assert_array_equal(make_regressor().fit(bags, counts).predict(bags), as_floats)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda y: np.where(np.arange(90) == 5, np.nan, y), "y contains NaN"),
        (lambda y: np.where(np.arange(90) == 5, np.inf, y), "y contains infinity"),
        (lambda y: y[:-1], "X has 90 sets, but y has 89 targets"),
        (lambda y: None, "requires y to be passed"),
        (lambda y: [["a"]] * 90, "could not convert string"),
    ],
)
def test_wrong_targets_are_an_error(make_regressor, bags, values, y, message):
    with pytest.raises(ValueError, match=message):
        make_regressor().fit(bags, y(values))


def test_another_number_of_outputs_is_an_error(make_regressor, bags, values, two):
    with pytest.raises(ValueError, match=r"y_val has the shape \(90, 2\); expected \(n_sets,\)"):
        make_regressor().fit(bags, values, X_val=bags, y_val=two)
    with pytest.raises(ValueError, match=r"y has the shape \(90,\); expected \(n_sets, 2\)"):
        make_regressor().partial_fit(bags, two).partial_fit(bags, values)


def test_partial_fit_learns_in_small_parts(make_regressor, bags, values):
    reg = make_regressor(lr=0.02)
    for _ in range(40):
        for start in range(0, 90, 30):
            reg.partial_fit(bags[start : start + 30], values[start : start + 30])
    assert reg.n_iter_ == 120
    assert reg.score(bags, values) > 0.8


@pytest.mark.parametrize("n_members", [1, 2])
def test_sums_over_sets_of_1_to_1000_elements_are_learned(n_members):
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(0, np.log(1000), 250)).astype(int)
    bags = [rng.uniform(0, 1, size=(size, 2)) for size in [1, 1000, *sizes]]
    y = np.array([bag[:, 0].sum() for bag in bags])
    reg = DeepSetsRegressor(pool_type="sum", n_members=n_members, max_epochs=50, random_state=0).fit(
        bags[:200], y[:200]
    )
    losses = [row["train_loss"] for row in reg.history_]
    assert max(losses) < 2  # an untrained net that says the mean has 1
    assert reg.score(bags[200:], y[200:]) > 0.98


def test_a_sum_of_raw_elements_counts_large_equal_ones():
    sets = [np.full((size, 1), 1e6) for size in np.random.default_rng(0).integers(1, 20, 300)]
    y = [len(one_set) for one_set in sets]
    reg = DeepSetsRegressor(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", lr=0.05, random_state=0)
    np.testing.assert_allclose(reg.fit(sets, y).predict([np.full((100, 1), 1e6)]), 100, rtol=0.02)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("n_members", [1, 4])
def test_training_does_not_go_on_with_y_of_another_form(make_regressor, bags, values, method, n_members):
    make = {"warm_start": True, "n_members": n_members}
    flat, column = (make_regressor(**make).fit(bags, y) for y in (values, values[:, None]))
    before = flat.predict(bags), column.predict(bags)
    with pytest.raises(ValueError, match=r"shape \(90, 1\); expected \(n_sets,\), .*warm_start=False"):
        getattr(flat, method)(bags, values[:, None])
    with pytest.raises(ValueError, match=r"shape \(90,\); expected \(n_sets, 1\), .*warm_start=False"):
        getattr(column, method)(bags, values)
    with pytest.raises(ValueError, match="y has 2 outputs; expected 1, as in"):
        getattr(column, method)(bags, np.c_[values, values])
    for reg, wanted in zip((flat, column), before, strict=True):
        np.testing.assert_array_equal(reg.predict(bags), wanted)
        assert reg.n_iter_ == 3
