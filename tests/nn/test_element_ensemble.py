"""The members of an ensemble for elements, beside single nets with the same weights."""

import numpy as np
import pytest
import torch
from torch import nn

from sk_deepsets.nn import DeepSetsEquivariant, Layers, PackedSets
from sk_deepsets.nn._layers import MemberNorm

SIZES = torch.tensor([3, 0, 1, 5])
N, D, K = int(SIZES.sum()), 4, 3


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    elements = torch.randn(N, D, generator=generator)
    packed = PackedSets(elements, torch.repeat_interleave(SIZES), SIZES)
    return packed, torch.randn(len(SIZES), 2, generator=generator), torch.randn(len(SIZES), 6, generator=generator)


def single(net, number, options):
    """One member as a net of its own, its statistics as columns of a layer by hand."""
    own = DeepSetsEquivariant(D, [8, 8], 2, statistics_dim=6, **options)
    state = own.state_dict()
    for name, weight in net.state_dict().items():
        name = name.replace("weights.0", "weight")
        value = weight[number]
        state[name] = value.T if value.dim() == 2 else value
    own.load_state_dict(state)
    return own.eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pool_type": "sum", "sum_scale": 0.3, "residual": True, "layer_norm": True},
        {"context_dim": 2, "fusion_type": "concat"},
        {"context_dim": 2, "fusion_type": "add"},
        {"context_dim": 2, "fusion_type": "film", "activation": "gelu"},
    ],
    ids=["plain", "sum", "concat", "add", "film"],
)
def test_a_member_says_what_a_net_with_its_weights_says(options):
    torch.manual_seed(0)
    net = DeepSetsEquivariant(D, [8, 8], 2, statistics_dim=6, member_layers=Layers(K), **options).eval()
    for parameter in net.parameters():  # biases and norms, too
        nn.init.normal_(parameter, std=0.5)
    packed, context, statistics = batch()
    context = context if "context_dim" in options else None
    found = net(packed, None, context, statistics).view(K, N, 2)
    for number in range(K):
        wanted = single(net, number, options)(packed, None, context, statistics)
        torch.testing.assert_close(found[number], wanted, rtol=1e-5, atol=1e-5)


def test_statistics_are_added_in_the_first_layer():
    torch.manual_seed(0)
    net = DeepSetsEquivariant(D, [], 2, statistics_dim=6)
    packed, _, statistics = batch()
    with torch.no_grad():
        found = net(packed, None, None, statistics) - net(packed)
        wanted = (statistics @ net.statistics_layer.weight.T)[packed.segments]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_norm_of_members_is_that_of_each():
    norm = MemberNorm(2, 5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    rows = torch.randn(6, 5)
    found = norm(rows).detach().numpy()
    scaled = (rows.numpy() - rows.numpy().mean(1, keepdims=True)) / np.sqrt(rows.numpy().var(1, keepdims=True) + 1e-5)
    weight, bias = (np.repeat(part.detach().numpy(), 3, axis=0) for part in (norm.weight, norm.bias))
    np.testing.assert_allclose(found, scaled * weight + bias, rtol=1e-4, atol=1e-5)
