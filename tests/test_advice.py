"""examples/benchmarks/advice.py: what its models are, and that its tasks are as they say."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sk_deepsets.nn import DeepSetsInvariant, PermutationEquivariantLayer

FOLDER = Path(__file__).parents[1] / "examples" / "benchmarks"


@pytest.fixture(scope="module")
def advice():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("advice", FOLDER / "advice.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


@pytest.mark.parametrize("input_dim", [1, 3, 64, 144])
def test_all_depths_have_as_many_weights(advice, input_dim):
    for n_phi, n_rho in advice.DEPTHS.values():
        width = advice.same_width(n_phi, n_rho, input_dim, 1)
        net = DeepSetsInvariant(input_dim, [width] * n_phi, [width] * n_rho, 1, pool_type=("mean", "max"))
        assert sum(weight.numel() for weight in net.parameters()) == pytest.approx(advice.N_WEIGHTS, rel=0.04)


SIZES = torch.tensor([4, 0, 1, 7])
MASK = torch.arange(7) < SIZES[:, None]
X = torch.randn(4, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pool", ["sum", "max"])
def test_the_first_equivariant_layer_is_that_of_the_package(advice, pool):
    torch.manual_seed(0)
    net = advice.EquivariantLayers(3, 2, pool=pool).double()
    layer = PermutationEquivariantLayer(3, 32, pool, sum_scale=1 / advice.TYPICAL_SIZE).double()
    layer.Lambda, layer.Gamma = net.each[0], net.all[0]
    net.each, net.all = net.each[:1], net.all[:1]
    hidden = [layer(X[i : i + 1, :size]).relu()[0] for i, size in enumerate(SIZES.tolist()) if size]
    wanted = net.rho(torch.stack([torch.cat([one.mean(dim=0), one.amax(dim=0)]) for one in hidden]))
    assert_close(net(X, MASK)[SIZES > 0], wanted)


def test_only_padding_changes_a_maximum_over_zeros(advice):
    torch.manual_seed(0)
    zeros, masked = (make(3, 2).double() for make in (advice.FilledMaximum, advice.MaskedMaximum))
    masked.load_state_dict(zeros.state_dict())
    full = X[3:], MASK[3:]
    assert_close(zeros(*full), masked(*full))
    alone, padded = zeros(X[2:3, :1], MASK[2:3, :1]), zeros(X[2:3], MASK[2:3])
    assert (alone - padded).abs().max() > 0.01
    assert_close(masked(X[2:3], MASK[2:3]), alone)
    empty = advice.FilledMaximum(3, 2, fill=-np.inf).double()(X[1:2], MASK[1:2])
    assert empty.isnan().all()


def test_what_elements_count_beside_the_others(advice):
    sets = [np.array([[0.0, 9], [1, 9], [5, 9]])]
    assert advice.beside_the_others("mean distance to the mean", sets) == pytest.approx(2)
    assert advice.beside_the_others("mean distance to the largest", sets) == pytest.approx((5**0.5 + 2) / 3)
    equal = [np.zeros((8, 2))]
    assert advice.beside_the_others("entropy of the shares", equal) == pytest.approx(np.log(8))
