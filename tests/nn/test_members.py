"""Layers of members: the same as as many layers of one net, with the weights of each in turn."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from sk_deepsets.nn import random_generator
from sk_deepsets.nn._members import (
    KindLinear,
    MemberDropout,
    MemberLinear,
    MemberTable,
    repeat_rows,
    stacked_weights,
)

K, N = 4, 6


def rows_of(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_map_for_each_member(bias):
    layer = MemberLinear(K, 3, 5, bias=bias).double()
    if bias:
        nn.init.normal_(layer.bias)
    rows = rows_of(K * N, 3)
    found = layer(rows).view(K, N, 5)
    for member in range(K):
        wanted = linear(
            rows[member * N : (member + 1) * N], layer.weight[member].T, layer.bias[member, 0] if bias else None
        )
        torch.testing.assert_close(found[member], wanted)


def test_members_have_gradients_of_their_own():
    layer = MemberLinear(K, 3, 5)
    layer(torch.randn(K * N, 3)).view(K, N, 5)[1].square().sum().backward()
    for gradient in (layer.weight.grad, layer.bias.grad):
        assert gradient[1].any()
        assert not gradient[[0, 2, 3]].any()


def test_kinds_have_inputs_of_their_own_width():
    n_folds, dims = 2, [3, 0, 5]
    layer = KindLinear(n_folds, dims, 4).double()
    inputs = [rows_of(N, dim) for dim in dims]
    found = layer(inputs).view(len(dims), n_folds, N, 4)
    for kind, rows in enumerate(inputs):
        for fold in range(n_folds):
            torch.testing.assert_close(found[kind, fold], rows @ layer.weights[kind][fold])
    assert not found[1].any()
    assert torch.autograd.gradcheck(lambda *inputs: layer(inputs), [rows.requires_grad_() for rows in inputs])


@pytest.mark.parametrize(("n_numbers", "n_categories"), [(2, [3, 4]), (0, [3]), (0, [1, 1, 5]), (3, [])])
def test_numbers_and_vectors_of_categories_are_added(n_numbers, n_categories):
    table = MemberTable(K, n_numbers, n_categories, 5).double()
    numbers = rows_of(30, n_numbers)
    codes = torch.stack([torch.randint(n + 1, (30,)) for n in n_categories], 1) if n_categories else torch.empty(30, 0)
    found = table(torch.cat([numbers, codes], dim=1)).view(K, 30, 5)
    for member in range(K):
        for row in range(30):
            wanted = torch.zeros(5, dtype=torch.float64)
            if n_numbers:
                wanted = wanted + numbers[row] @ table.linear.weight[member]
            first = 0
            for column, n in enumerate(n_categories):
                code = int(codes[row, column])
                if code:
                    wanted = wanted + table.vectors[member, first + code - 1]
                first += n
            torch.testing.assert_close(found[member, row], wanted)


def test_an_unknown_category_adds_nothing_and_has_no_gradient():
    table = MemberTable(K, 0, [2, 3], 5)
    output = table(torch.zeros(4, 2))
    assert not output.any()
    output.sum().backward()
    assert not table.vectors.grad.any()


def test_each_member_drops_at_its_own_rate():
    rates = [0.0, 0.3, 0.9]
    dropout, rows = MemberDropout(rates), torch.ones(3 * 2000, 10)
    with random_generator(torch.Generator().manual_seed(0)):
        found = dropout(rows).view(3, -1)
    for rate, values in zip(rates, found, strict=True):
        kept = values[values != 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)))
        assert len(kept) / values.numel() == pytest.approx(1 - rate, abs=0.01)
    assert dropout.eval()(rows) is rows


def test_dropout_draws_from_the_generator_of_the_thread():
    dropout, rows = MemberDropout([0.5, 0.5]), torch.ones(8, 50)
    drawn = []
    for seed in (0, 0, 1):
        with random_generator(torch.Generator().manual_seed(seed)):
            drawn.append(dropout(rows))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_weights_are_uniform_within_their_bound():
    weights, half = stacked_weights(1, 400, 600), stacked_weights(1, 400, 600, gain=0.5)
    bound = (2 / 400) ** 0.5
    assert weights.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert weights.square().mean().item() == pytest.approx(bound**2 / 3, rel=0.02)
    assert half.abs().max().item() == pytest.approx(0.5 * bound, rel=1e-3)
    assert stacked_weights(2, 0, 3).shape == (2, 0, 3)


def test_rows_are_repeated_member_by_member():
    rows = torch.arange(6.0).view(3, 2)
    assert torch.equal(repeat_rows(rows, 2), torch.cat([rows, rows]))
