"""The modules of examples/benchmarks/set_methods.py: which are invariant, and what empty sets give."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch.fx.experimental import _config as config
from torch.testing import assert_close

SCRIPT = Path(__file__).parents[1] / "examples" / "benchmarks" / "set_methods.py"
spec = importlib.util.spec_from_file_location("set_methods", SCRIPT)
set_methods = importlib.util.module_from_spec(spec)
spec.loader.exec_module(set_methods)
METHODS = set_methods.SET_METHODS


@pytest.fixture(params=METHODS)
def module(request):
    torch.manual_seed(0)
    return METHODS[request.param](input_dim=3, output_dim=2).double().eval()


SIZES = torch.tensor([4, 0, 1, 12, 7])
MASK = torch.arange(12) < SIZES[:, None]
X = torch.randn(5, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * MASK.unsqueeze(2)


def test_padding_and_batch_do_not_matter_and_empty_sets_are_defined(module):
    together = module(X, MASK)
    assert together.shape == (5, 2)
    wide = torch.nn.functional.pad(X, (0, 0, 0, 3), value=9.0)
    assert_close(module(wide, torch.nn.functional.pad(MASK, (0, 3))), together)
    for i, size in enumerate(SIZES):
        assert_close(module(X[i : i + 1, :size], MASK[i : i + 1, :size])[0], together[i])
    together.sum().backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in module.parameters())


def test_the_order_matters_to_the_control_alone(module):
    places = torch.randperm(12, generator=torch.Generator().manual_seed(1)).expand(5, -1)
    shuffled, mask = X.gather(1, places.unsqueeze(2).expand_as(X)), MASK.gather(1, places)
    change = (module(shuffled, mask) - module(X, MASK)).abs().max()
    assert (change > 0.01) == isinstance(module, set_methods.PaddedMLP)


def test_tensors_are_made_on_the_device_of_the_batch(module):
    with config.patch(meta_nonzero_assume_all_nonzero=True):  # a device without memory does not count elements
        assert module.to("meta")(X.to("meta"), MASK.to("meta")).device.type == "meta"


def test_pairs_by_hand():
    torch.manual_seed(0)
    module = set_methods.PairwiseCoupling(3, 2).double()
    hidden = [module.pair(module.first(a) + module.second(b)) for a in X[0, :4] for b in X[0, :4]]
    assert_close(module(X, MASK)[0], module.rho(torch.stack(hidden).mean(dim=0)))


def test_edges_by_hand():
    torch.manual_seed(0)
    module = set_methods.EdgeConvolution(3, 2, n_neighbors=3).double()
    one = X[3]
    for edge in module.edges:
        rows = []
        for a in one:
            nearest = (one - a).norm(dim=1).argsort()[:3]
            rows.append(torch.stack([edge(torch.cat([a, one[j] - a])) for j in nearest]).amax(dim=0))
        one = torch.stack(rows)
    assert_close(module(X, MASK)[3], module.rho(torch.cat([one.mean(dim=0), one.amax(dim=0)])))
