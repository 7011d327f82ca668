"""Layers of many nets that are trained at the same time, with batched weights: one product instead of many small ones.

The nets are the *members* of an ensemble. Each belongs to a kind, and each kind has equally many members: member
``c * n_folds + f`` is the one of kind ``c`` that belongs to fold ``f``. To what is between two layers, such as a pool,
members are just more rows: those of member 0 come first, then those of member 1, and so on.

Weights are stacked along the first dimension, the members, so members can be chosen by indexing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from sk_deepsets.nn._dropout import current_generator


def stacked_weights(n_members: int, input_dim: int, output_dim: int, gain: float = 1.0) -> nn.Parameter:
    """Weights (n_members, input_dim, output_dim), uniform within ``gain * sqrt(2 / input_dim)``."""
    bound = gain * sqrt(2 / max(input_dim, 1))
    return nn.Parameter(torch.empty(n_members, input_dim, output_dim).uniform_(-bound, bound))


class MemberLinear(nn.Module):
    """A linear map for each of K members: rows (K * n, input_dim) to (K * n, output_dim)."""

    def __init__(self, n_members: int, input_dim: int, output_dim: int, bias: bool = True, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = stacked_weights(n_members, input_dim, output_dim, gain)
        self.bias = nn.Parameter(torch.zeros(n_members, 1, output_dim)) if bias else None

    def forward(self, rows: Tensor) -> Tensor:
        """Map the rows of each member."""
        n_members = self.weight.shape[0]
        rows = rows.view(n_members, rows.shape[0] // n_members, rows.shape[1])
        product = torch.bmm(rows, self.weight)
        # in place, which saves memory that is fresh and therefore slow
        return (product if self.bias is None else product.add_(self.bias)).flatten(0, 1)


class KindLinear(nn.Module):
    """Linear maps of inputs that all members of a kind share, one width for each kind: (n, d_c) each to (K * n, out).

    Parameters
    ----------
    n_folds : int
    input_dims : sequence of int
        Width of the input of each kind; 0 for a kind without one, which gives zeros.
    output_dim : int
    gain : float, default=1.0
    """

    def __init__(self, n_folds: int, input_dims: Sequence[int], output_dim: int, gain: float = 1.0) -> None:
        super().__init__()
        weights = [stacked_weights(n_folds, input_dim, output_dim, gain) for input_dim in input_dims]
        self.weights = nn.ParameterList(weights)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Map the input (n, d_c) of each kind."""
        pairs = zip(inputs, self.weights, strict=True)
        return torch.cat([rows.expand(len(weight), *rows.shape).bmm(weight) for rows, weight in pairs]).flatten(0, 1)


class MemberTable(nn.Module):
    """A linear map of numbers and of categories, each of which has a vector, for each of K members.

    Parameters
    ----------
    n_members, n_numbers : int
    n_categories : sequence of int
        For each column of codes, how many categories it has: codes are 1 to that number, or 0 for an unknown category,
        which adds nothing.
    output_dim : int
    gain : float, default=1.0
    """

    def __init__(
        self, n_members: int, n_numbers: int, n_categories: Sequence[int], output_dim: int, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.n_numbers = n_numbers
        self.linear = MemberLinear(n_members, n_numbers, output_dim, bias=False, gain=gain) if n_numbers else None
        self.vectors = None
        if n_categories:
            bound = gain * sqrt(2 / (n_numbers + len(n_categories)))
            self.vectors = nn.Parameter(torch.empty(n_members, sum(n_categories), output_dim).uniform_(-bound, bound))
        self.starts: Tensor
        starts = torch.tensor([0, *n_categories]).cumsum(0)[:-1]
        self.register_buffer("starts", starts - 1, persistent=False)  # code 1 is the first of its column

    def forward(self, table: Tensor) -> Tensor:
        """From the rows ``table (n, n_numbers + n_code_columns)``, which all members share, to (K * n, output_dim)."""
        output = None
        if self.linear is not None:
            output = self.linear(repeat_rows(table[:, : self.n_numbers], self.linear.weight.shape[0]))
        if self.vectors is None:
            assert output is not None
            return output
        n_members, n_vectors, _ = self.vectors.shape
        codes = table[:, self.n_numbers :].long()
        places = (codes + self.starts).clamp(min=0)
        members = torch.arange(n_members, device=table.device)[:, None, None] * n_vectors
        known = (codes > 0).to(self.vectors.dtype).expand(n_members, *codes.shape)
        numbers, known, vectors = (rows.flatten(0, 1) for rows in (places + members, known, self.vectors))
        if torch.compiler.is_compiling():  # in an exported program, embedding_bag is a loop over the rows
            added = (vectors[numbers] * known.unsqueeze(2)).sum(dim=1)
        else:
            added = embedding_bag(numbers, vectors, mode="sum", per_sample_weights=known)
        return added if output is None else output + added


class MemberDropout(nn.Module):
    """Dropout with a rate for each of K members, of rows (K * n, k)."""

    rates: Tensor

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("rates", torch.tensor(rates).view(-1, 1, 1))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows of the same shape; the same rows outside of training."""
        if not self.training:
            return rows
        members = rows.view(len(self.rates), rows.shape[0] // len(self.rates), rows.shape[1])
        uniform = torch.rand(members.shape, device=rows.device, generator=current_generator())
        return (members * ((uniform >= self.rates) / (1 - self.rates))).flatten(0, 1)


def repeat_rows(rows: Tensor, n_members: int) -> Tensor:
    """The rows (n, k) once for each member: (K * n, k)."""
    return rows.expand(n_members, *rows.shape).reshape(n_members * rows.shape[0], rows.shape[1])
