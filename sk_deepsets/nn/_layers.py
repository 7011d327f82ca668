"""Layers with weights, of one net or of several that are trained side by side.

A *stack* is several nets of one shape, its *members*: their weights are stacked along a new first axis, as
:func:`torch.func.stack_module_state` does it, and one batched product takes the place of many small ones. To all that
is between two layers with weights, such as a pool, members are just more rows: those of member 0 come first, then those
of member 1, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

MakeLinear = Callable[..., nn.Module]
"""Makes a linear map of an input and an output dimension, and ``bias=False`` where it has none."""


class MemberLinear(nn.Module):
    """A linear map for each of K members, to (K * n, output_dim).

    Parameters
    ----------
    n_members : int
    input_dim : int or sequence of int
        Widths of several inputs: at first each counts the same, however wide it is.
    output_dim : int
    bias : bool, default=True
    """

    def __init__(self, n_members: int, input_dim: int | Sequence[int], output_dim: int, bias: bool = True) -> None:
        super().__init__()
        widths = [width for width in input_dim if width] if isinstance(input_dim, Sequence) else [input_dim]
        bounds = [sqrt(2 / max(width, 1) / len(widths)) for width in widths]
        # (K, width, output_dim): so a product needs no transpose, and the gradient comes in the order of the weights
        blocks = [
            torch.empty(n_members, width, output_dim).uniform_(-bound, bound)
            for width, bound in zip(widths, bounds, strict=True)
        ]
        self.weights = nn.ParameterList(blocks)
        self.bias = nn.Parameter(torch.zeros(n_members, output_dim)) if bias else None

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map each input, (K * n, d) or what all members share, (K, n, d) from ``share_rows``; the sum of these."""
        total = add_products(inputs, self.weights)
        assert total is not None
        return (total if self.bias is None else total.add_(self.bias.unsqueeze(1))).flatten(0, 1)


def add_products(inputs: Sequence[Tensor], weights: Iterable[Tensor]) -> Tensor | None:
    """The sum of the products of inputs, (K * n, d) or (K, n, d), and weights (K, d, k): (K, n, k); None of none."""
    total = None
    for rows, weight in zip(inputs, weights, strict=True):
        if rows.dim() == 2:
            rows = rows.view(len(weight), rows.shape[0] // len(weight), rows.shape[1])
        product = torch.bmm(rows, weight)
        # in place, which saves memory that is fresh and therefore slow
        total = product if total is None else total.add_(product)
    return total


class MemberEmbedding(nn.Module):
    """A vector of each of K members for each code, (K * n,) to (K * n, dim); code 0 has the vector 0."""

    def __init__(self, n_members: int, n_codes: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_members, n_codes, dim))

    def forward(self, codes: Tensor) -> Tensor:
        """Look up the codes of each member."""
        n_members, n_codes, _ = self.weight.shape
        first = torch.arange(n_members, device=codes.device) * n_codes
        places = codes.view(n_members, codes.shape[0] // n_members) + first.unsqueeze(1)
        # index_select: the gradient of weight[places] is summed by several threads in an order that changes
        vectors = self.weight.flatten(0, 1).index_select(0, places.flatten())
        return vectors * (codes > 0).unsqueeze(1)


class MemberNorm(nn.Module):
    """Layer normalisation (Ba et al., 2016) of rows (K * n, dim) with a scale and a bias of each of K members."""

    def __init__(self, n_members: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_members, dim))
        self.bias = nn.Parameter(torch.zeros(n_members, dim))

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise each row."""
        n_members, dim = self.weight.shape
        normed = nn.functional.layer_norm(rows, (dim,)).view(n_members, rows.shape[0] // n_members, dim)
        return torch.addcmul(self.bias.unsqueeze(1), normed, self.weight.unsqueeze(1)).flatten(0, 1)


class Layers(NamedTuple):
    """Makes layers with weights: torch's own for one net, or those of the members of a stack."""

    n_members: int | None = None

    def linear(self, input_dim: int | Sequence[int], output_dim: int, bias: bool = True) -> nn.Module:
        """A linear map, of one input or of several side by side."""
        if self.n_members is not None:
            return MemberLinear(self.n_members, input_dim, output_dim, bias)
        return nn.Linear(sum(input_dim) if isinstance(input_dim, Sequence) else input_dim, output_dim, bias)

    def embedding(self, n_categories: int, dim: int) -> nn.Module:
        """Vectors of codes from 1 to a number of categories, and 0 for an unknown category."""
        if self.n_members is not None:
            return MemberEmbedding(self.n_members, n_categories + 1, dim)
        return nn.Embedding(n_categories + 1, dim, padding_idx=0)

    def norm(self, dim: int) -> nn.Module:
        """A layer normalisation."""
        return nn.LayerNorm(dim) if self.n_members is None else MemberNorm(self.n_members, dim)

    def join(self, layer: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
        """The output of a linear map for its inputs side by side."""
        return layer(*inputs) if self.n_members is not None else layer(torch.cat([*inputs], dim=1))


ONE_NET = Layers()


def share_rows(rows: Tensor, n_members: int) -> Tensor:
    """The rows (n, k) for each member, without a copy: (K, n, k)."""
    return rows.expand(n_members, *rows.shape)


def repeat_rows(rows: Tensor, n_members: int) -> Tensor:
    """The rows (n, k) once for each member: (K * n, k)."""
    return rows if n_members == 1 else share_rows(rows, n_members).flatten(0, 1)
