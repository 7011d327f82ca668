"""Layers of members: the same as as many layers of one net, with the weights of each in turn."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from sk_deepsets.nn._layers import ONE_NET, Layers, MemberEmbedding, MemberLinear, repeat_rows, share_rows

K, N = 4, 6


def rows_of(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dims", [3, (3,), (3, 0)])
def test_a_linear_map_for_each_member(bias, dims):
    layer = MemberLinear(K, dims, 5, bias=bias).double()
    if bias:
        nn.init.normal_(layer.bias)
    rows = rows_of(K * N, 3)
    found = layer(rows).view(K, N, 5)
    for member, own in enumerate(rows.split(N)):
        expected = linear(own, layer.weights[0][member].T, layer.bias[member] if bias else None)
        torch.testing.assert_close(found[member], expected)


def test_several_inputs_are_mapped_as_if_side_by_side():
    layer = MemberLinear(K, (3, 0, 2), 5).double()
    nn.init.normal_(layer.bias)
    first, shared = rows_of(K * N, 3), rows_of(N, 2)
    found = layer(first, share_rows(shared, K)).view(K, N, 5)
    for member, own in enumerate(first.split(N)):
        weight = torch.cat([weight[member] for weight in layer.weights]).T
        expected = linear(torch.cat([own, shared], dim=1), weight, layer.bias[member])
        torch.testing.assert_close(found[member], expected)


def test_members_have_gradients_of_their_own():
    layer = MemberLinear(K, 3, 5)
    layer(torch.randn(K * N, 3)).view(K, N, 5)[1].square().sum().backward()
    for gradient in (layer.weights[0].grad, layer.bias.grad):
        assert gradient[1].any()
        assert not gradient[[0, 2, 3]].any()


def test_each_input_counts_the_same_at_first_however_wide_it_is():
    wide, narrow = MemberLinear(1, (400, 1600), 600).weights
    for weight, width in ((wide, 400), (narrow, 1600)):
        bound = (1 / width) ** 0.5
        assert weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
        assert weight.square().mean().item() == pytest.approx(bound**2 / 3, rel=0.02)
    assert MemberLinear(1, 400, 600).weights[0].abs().max().item() == pytest.approx((2 / 400) ** 0.5, rel=1e-3)


def test_each_member_has_vectors_of_its_own():
    layer = MemberEmbedding(K, 4, 3)
    codes = torch.randint(4, (K * N,))
    found = layer(codes).view(K, N, 3)
    for member, own in enumerate(codes.split(N)):
        for row, code in enumerate(own.tolist()):
            expected = layer.weight[member, code] if code else torch.zeros(3)
            assert torch.equal(found[member, row], expected)


def test_an_unknown_category_adds_nothing_and_has_no_gradient():
    layer = MemberEmbedding(K, 4, 3)
    output = layer(torch.zeros(K * N, dtype=torch.int64))
    assert not output.any()
    output.sum().backward()
    assert not layer.weight.grad.any()


def test_one_net_has_torchs_own_layers():
    assert type(ONE_NET.linear((3, 2), 5)) is nn.Linear
    assert ONE_NET.linear((3, 2), 5).in_features == 5
    embedding = ONE_NET.embedding(4, 3)
    assert (embedding.num_embeddings, embedding.padding_idx) == (5, 0)
    layer, inputs = ONE_NET.linear((3, 2), 5), [torch.randn(N, 3), torch.randn(N, 2)]
    assert torch.equal(ONE_NET.join(layer, inputs), layer(torch.cat(inputs, dim=1)))


def test_layers_of_members_have_a_first_axis_of_members():
    layers = Layers(K)
    for layer in (layers.linear(3, 5), layers.linear((3, 2), 5), layers.embedding(4, 3)):
        assert {len(weight) for weight in layer.parameters()} == {K}


def test_rows_are_repeated_member_by_member():
    rows = torch.arange(6.0).view(3, 2)
    assert torch.equal(repeat_rows(rows, 2), torch.cat([rows, rows]))
    assert repeat_rows(rows, 1) is rows
    assert share_rows(rows, 2).data_ptr() == rows.data_ptr()
