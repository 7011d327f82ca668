"""predict(X, return_std=True): the spread of the members, against their outputs one by one."""

import numpy as np
import pytest
import torch
from torch import nn

from sk_deepsets import DeepSetsElementRegressor, DeepSetsRegressor
from sk_deepsets.nn import pack

OPTIONS = {"n_members": 8, "max_epochs": 8, "lr": 0.02, "batch_size": 32, "random_state": 0}


def member_outputs(reg, bag):
    """The outputs of the members and of the constant prediction for one set, (K + 1, n_outputs), and their weights."""
    ensemble = reg.net_.module_
    with torch.no_grad():
        outputs = ensemble.member_outputs(pack(torch.from_numpy(bag)[None])).double().numpy()
    prior = np.broadcast_to(ensemble.prior.double().numpy(), (1, *outputs.shape[1:]))
    return np.concatenate([outputs, prior]), ensemble.weights.double().numpy()


def by_hand(reg, bag, to_answers):
    outputs, weights = member_outputs(reg, bag)
    answers = to_answers(outputs)
    mean = np.einsum("k,kno->no", weights, answers)
    return mean, np.sqrt(np.einsum("k,kno->no", weights, (answers - mean) ** 2))


@pytest.mark.parametrize(
    ("y_of", "options", "to_answers"),
    [
        (lambda v: v, {}, lambda o, y: y.mean() + y.std() * o),
        (lambda v: np.c_[v, 1e4 - 100 * v], {}, lambda o, y: y.mean(axis=0) + y.std(axis=0) * o),
        (lambda v: np.round(np.exp(v / 3)), {"loss": "poisson"}, lambda o, y: y.mean() * np.exp(o)),
        (lambda v: v, {"loss": "quantile", "quantile": [0.8, 0.2], "standardize": False}, lambda o, y: -np.sort(-o)),
    ],
)
def test_it_is_the_spread_of_the_members_in_the_unit_of_y(bags, values, y_of, options, to_answers):
    y = y_of(values)
    reg = DeepSetsRegressor(**OPTIONS, **options).fit(bags, y)
    mean, std = reg.predict(bags, return_std=True)
    np.testing.assert_array_equal(mean, reg.predict(bags))
    assert std.shape == mean.shape
    assert (std > 0).all()
    for bag, *found in zip(bags[:5], mean, std, strict=False):
        wanted = np.reshape(by_hand(reg, bag, lambda o: to_answers(o, y)), np.shape(found))
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_the_constant_prediction_counts_with_its_weight(bags, values):
    reg = DeepSetsRegressor(**OPTIONS).fit(bags, values)
    without = reg.predict(bags[:1], return_std=True)[1]
    weights = reg.net_.module_.weights
    weights.mul_(0.25)[-1] = 0.75
    mean, std = reg.predict(bags[:1], return_std=True)
    wanted = by_hand(reg, bags[0], lambda o: values.mean() + values.std() * o)
    np.testing.assert_allclose([mean, std], [one[0] for one in wanted], rtol=1e-4)
    assert std != pytest.approx(without, rel=0.01)


def test_the_other_sets_of_a_call_change_nothing(bags, values):
    reg = DeepSetsRegressor(**OPTIONS).fit(bags, values)
    whole = reg.predict(bags, return_std=True)[1]
    large = np.concatenate([np.tile(bags[0], (40_000, 1)), bags[0]])  # goes through phi in chunks
    with pytest.warns(UserWarning, match="Set 1 has 240,") as record:
        pair = reg.predict([bags[1], large], return_std=True)[1]
    assert record[0].filename == __file__
    assert pair[0] == pytest.approx(whole[1], rel=1e-4)
    assert np.isfinite(pair).all()


def test_of_elements(bags):
    options = {**OPTIONS, "hidden_dims": (8,)}
    y = [10 * bag[:, 0] for bag in bags]
    reg = DeepSetsElementRegressor(**options).fit(bags, y)
    mean, std = reg.predict(bags, return_std=True)
    assert [one.shape for one in std] == [(len(bag),) for bag in bags]
    flat = np.concatenate(y)
    wanted = by_hand(reg, bags[3], lambda o: flat.mean() + flat.std() * o)
    np.testing.assert_allclose([mean[3], std[3]], [one[:, 0] for one in wanted], rtol=1e-4)
    assert reg.predict(np.stack([bags[3]] * 2), return_std=True)[1].shape == (2, len(bags[3]))


class Linear(nn.Module):
    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.layer = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        return self.layer((x * mask.unsqueeze(2)).sum(dim=1))


@pytest.mark.parametrize("options", [{"n_members": 1}, {"module": Linear, "n_members": "auto"}])
def test_a_single_net_has_no_spread(bags, values, options):
    reg = DeepSetsRegressor(**{**OPTIONS, "early_stopping": False, **options}).fit(bags, values)
    with pytest.raises(
        ValueError, match=r"is a single net \(n_members=.*\): fit it again with several members, such as n_mem"
    ):
        reg.predict(bags, return_std=True)


def test_modules_of_a_user_have_a_spread(bags, values):
    reg = DeepSetsRegressor(module=Linear, **{**OPTIONS, "n_members": 3}).fit(bags, values)
    wanted = by_hand(reg, bags[0], lambda o: values.mean() + values.std() * o)
    found = reg.predict(bags[:1], return_std=True)
    np.testing.assert_allclose(found, [one[:, 0] for one in wanted], rtol=1e-4)
