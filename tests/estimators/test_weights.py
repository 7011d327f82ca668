"""sample_weight in the loss, in the validation loss and in what standardising learns."""

import numpy as np
import pytest

from sk_deepsets.estimators import _plan


@pytest.mark.parametrize("pool_type", ["mean", "sum"])
def test_integer_weights_are_repetitions(case, bags, pool_type):
    weight = np.random.default_rng(0).integers(0, 4, len(bags))
    repeated = np.repeat(np.arange(len(bags)), weight)
    make = {"pool_type": pool_type, "early_stopping": False, "batch_size": 10_000, "max_epochs": 5}
    weighted = case.make(**make).fit(bags, case.y, sample_weight=weight)
    plain = case.make(**make).fit([bags[i] for i in repeated], case.y[repeated])
    np.testing.assert_allclose(case.outputs(weighted, bags), case.outputs(plain, bags), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pool_type", ["mean", "sum"])
def test_weight_zero_leaves_a_set_out_with_mini_batches_and_early_stopping_too(case, bags, pool_type):
    weight = (np.arange(len(bags)) % 3 > 0).astype(float)
    kept = np.flatnonzero(weight)
    model = case.make(pool_type=pool_type, batch_size=16)
    zeros = case.outputs(model.fit(bags, case.y, sample_weight=weight), bags)
    without = case.outputs(model.fit([bags[i] for i in kept], case.y[kept]), bags)
    np.testing.assert_allclose(zeros, without, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e6])
def test_the_scale_of_the_weights_changes_nothing(case, bags, factor):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(bags))
    wanted = case.make().fit(bags, case.y, sample_weight=weight)
    scaled = case.make().fit(bags, case.y, sample_weight=factor * weight)
    np.testing.assert_allclose(case.outputs(scaled, bags), case.outputs(wanted, bags), rtol=1e-4, atol=1e-6)
    losses = [[row["valid_loss"] for row in model.history_] for model in (wanted, scaled)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(90), "at least one non-zero number"),
        (-np.ones(90), r"Negative values.*: set 0 has -1 \(negative: 90 of 90 sets\).*np.abs\(sample_weight\)"),
        (np.ones(89), r"one weight for each of the 90 sets, but has shape \(89,\)"),
        (np.full(90, np.nan), "contains NaN"),
        ([np.ones(1 + number % 3) for number in range(90)], "the 90 sets, but is a list of arrays"),
    ],
)
def test_wrong_weights_are_an_error(case, bags, weight, message):
    with pytest.raises(ValueError, match=message):
        case.make().fit(bags, case.y, sample_weight=weight)


def test_the_held_out_loss_is_weighted(case, bags, see_data):
    weight = np.random.default_rng(0).uniform(0.1, 5, len(bags))
    model = case.make(callbacks=[see_data]).fit(bags, case.y, sample_weight=weight)
    seen = dict(model.net_.callbacks_)["SeeData"]
    first_elements = {tuple(bag[0]): number for number, bag in enumerate(bags)}
    valid = [first_elements[tuple(one_set[0])] for one_set in seen.sets[1]]
    outputs = case.outputs(model, [bags[i] for i in valid])
    if hasattr(model, "predict_proba"):
        losses = -np.log(outputs[np.arange(len(valid)), case.y[valid]])
    else:
        train = np.setdiff1d(np.arange(len(bags)), valid)
        mean = np.average(case.y[train], weights=weight[train])
        variance = np.average((case.y[train] - mean) ** 2, weights=weight[train])
        losses = (outputs - case.y[valid]) ** 2 / variance
    wanted = np.average(losses, weights=weight[valid])
    np.testing.assert_allclose(model.history_[model.best_iteration_ - 1]["valid_loss"], wanted, rtol=1e-4)


def test_sets_of_weight_zero_do_not_count_among_those_that_are_enough_to_hold_out(case, bags, monkeypatch):
    monkeypatch.setattr(_plan, "ENOUGH_TO_HOLD_OUT", 70)
    weight = (np.arange(len(bags)) % 3 > 0).astype(float)
    model = case.make(early_stopping="auto", max_epochs=1).fit(bags, case.y, sample_weight=weight)
    assert "valid_loss" not in model.history_[-1]
    assert "valid_loss" in model.fit(bags, case.y).history_[-1]
