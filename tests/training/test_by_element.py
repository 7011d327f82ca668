"""What a net tells of elements: in batches as in one go, and the mean over members by their weights."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sk_deepsets import DeepSetsRegressor, check_sets
from sk_deepsets.training import SetDataset, _by_element, attention, integrated_gradients, leave_one_out


@pytest.fixture(scope="module")
def bags():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 2)) for size in [0, *rng.integers(1, 9, 40), 0]]


@pytest.fixture(params=[1, 6], ids="{} members".format)
def net(request, bags):
    how = {"phi_hidden_dims": (8,), "pool_type": ("attention", "sum"), "n_members": request.param}
    return DeepSetsRegressor(max_epochs=10, lr=0.02, random_state=0, **how).fit(bags, [bag.sum() for bag in bags]).net_


def told(net, bags):
    """All that is told, with small batches or large ones."""
    data = SetDataset(check_sets(bags))
    columns = torch.zeros(len(bags), dtype=torch.int64)
    gradients = integrated_gradients(net, data, columns, lambda outputs: outputs, 8)
    return leave_one_out(net, data), attention(net, data), gradients


def test_batches_change_nothing(net, bags, monkeypatch):
    together = told(net, bags)
    monkeypatch.setattr(_by_element, "elements_at_once", lambda encoder, device: 3)
    apart = told(net, bags)
    for one, other in zip(together, apart, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-4)
        assert len(one) == sum(map(len, bags))


def test_attention_of_members_is_their_mean_by_weight(bags, net):
    module = net.module_
    if module.n_members == 1:
        pytest.skip("one net has no members")
    data = SetDataset(check_sets(bags))
    weights = module.weights.clone()
    of_each = []
    for member in range(module.n_members):
        module.weights = torch.eye(len(weights))[member]
        of_each.append(attention(net, data))
    module.weights = weights
    expected = weights[:-1] @ torch.stack(of_each) / weights[:-1].sum()
    assert_close(attention(net, data), expected)
    # all weight on the prior: the members count the same
    module.weights = torch.eye(len(weights))[-1]
    assert_close(attention(net, data), torch.stack(of_each).mean(dim=0))
    module.weights = weights


def test_gradients_are_by_feature(bags):
    sets = [bag * [1.0, 10.0] + [5.0, -3.0] for bag in bags]
    how = {"phi_hidden_dims": (), "rho_hidden_dims": (), "pool_type": "mean", "max_epochs": 1}
    reg = DeepSetsRegressor(**how, random_state=0).fit(sets, [one.sum() for one in sets])
    data = SetDataset(check_sets(sets))
    columns = torch.zeros(len(sets), dtype=torch.int64)
    found = integrated_gradients(reg.net_, data, columns, lambda outputs: outputs, 2)
    weight = reg.net_.module_.rho[0].weight[0].detach()
    standardized = reg.net_.module_.input_layer(torch.from_numpy(np.concatenate(sets))).double()
    assert_close(found, standardized * weight / data.sizes[torch.repeat_interleave(data.sizes)][:, None])


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("offset", [1e6, 1.7e9])
def test_gradients_do_not_depend_on_an_offset(bags, n_members, offset):
    y = [one.sum() for one in bags]
    reg = DeepSetsRegressor(n_members=n_members, max_epochs=3, random_state=0)
    wanted = np.concatenate(reg.fit(bags, y).integrated_gradients(bags))
    found = np.concatenate(reg.fit([one + offset for one in bags], y).integrated_gradients([b + offset for b in bags]))
    # intervals have kinks, which a point of the path may lie on
    share = 1e-3 if n_members == 1 else 1e-2
    np.testing.assert_allclose(found, wanted, atol=share * np.abs(wanted).max())
