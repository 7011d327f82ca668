"""Columns of numbers, in one or several scalings, and of codes of categories behind them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import ONE_NET, Layers
from sk_deepsets.nn._scalings import Scalings

MAX_EMBEDDING_DIM = 64


class Columns(nn.Module):
    """All scalings of the numbers of a table side by side, then the codes.

    Parameters
    ----------
    scalings : Scalings
    n_numbers : int
    n_categories : sequence of int
        Of the columns of codes, which are the last.
    n_skipped : int, default=0
        Columns between these that are left out: of a weight.

    Attributes
    ----------
    width : int
        Columns of the output.
    """

    n_skipped = 0

    def __init__(
        self, scalings: Scalings, n_numbers: int, n_categories: Sequence[int] = (), n_skipped: int = 0
    ) -> None:
        super().__init__()
        self.n_skipped = int(n_skipped)
        self.scalings, self.n_numbers, self.n_categories = scalings, n_numbers, tuple(n_categories)
        self.width = sum(scalings.dims.values()) + len(self.n_categories)

    def forward(self, table: Tensor) -> Tensor:
        """Scale a table (n, d): (n, width)."""
        scaled = self.scalings(table[:, : self.n_numbers])
        numbers = torch.cat([scaled[name] for name in self.scalings.names], dim=1)
        codes = self.codes(table)
        return torch.cat([numbers, codes.to(numbers.dtype)], dim=1) if self.n_categories else numbers

    def codes(self, table: Tensor) -> Tensor:
        """The columns of codes of a table (n, d), behind which there may be others."""
        first = self.n_numbers + self.n_skipped
        return table[:, first : first + len(self.n_categories)]

    @property
    def collections(self) -> Sequence[Columns]:
        """The columns of each collection, of which there is one."""
        return (self,)

    @property
    def means(self) -> list[Tensor]:
        """The mean of the numbers, (d,) in float64."""
        return [self.scalings.standardize.mean]  # type: ignore[list-item]

    def places(self, names: Sequence[str]) -> list[slice]:
        """Where some scalings, and the codes, are in what ``forward`` gives."""
        ends = accumulate((self.scalings.dims[name] for name in self.scalings.names), initial=0)
        known = dict(zip(self.scalings.names, pairwise(ends), strict=True))
        places = [slice(*known[name]) for name in self.scalings.resolved(names)]
        return [*places, slice(self.width - len(self.n_categories), self.width)] if self.n_categories else places

    def input_layer(self, names: Sequence[str], layers: Layers) -> tuple[nn.Module | None, int]:
        """A layer for what is at these ``places``, if it needs one, and how many features go on."""
        width = sum(self.scalings.dims[name] for name in self.scalings.resolved(names))
        if not self.n_categories:
            return None, width
        mixed = MixedColumns(nn.Identity(), width, self.n_categories, layers)
        return mixed, mixed.output_dim


def take_columns(table: Tensor, places: Sequence[slice]) -> Tensor:
    """Some ranges of the columns of a table, side by side."""
    return torch.cat([table[:, place] for place in places], dim=1) if len(places) > 1 else table[:, places[0]]


class MixedColumns(nn.Module):
    """Standardised numbers, and a learned embedding (Guo and Berkhahn, 2016) for each column of categories.

    Parameters
    ----------
    numbers : nn.Module
        What the columns of numbers go through, such as a :class:`Standardize`.
    n_numbers : int
        Number of these columns; they come first.
    n_categories : sequence of int
        The number of categories of each further column. Such a column holds 1 to that number, and 0 for an unknown
        category, whose embedding is zero: the mean of the initial embeddings.
    layers : Layers
        Makes the embeddings.

    Attributes
    ----------
    output_dim : int
        Number of features of the output.
    """

    def __init__(
        self, numbers: nn.Module, n_numbers: int, n_categories: Sequence[int], layers: Layers = ONE_NET
    ) -> None:
        super().__init__()
        self.numbers = numbers
        self.n_numbers = n_numbers
        self.embeddings = nn.ModuleList(layers.embedding(count, embedding_dim(count)) for count in n_categories)
        self.output_dim = n_numbers + sum(embedding_dim(count) for count in n_categories)

    @property
    def mean(self) -> Tensor:
        """The mean of the columns of numbers, in float64."""
        return self.numbers.mean  # type: ignore[return-value]  # a module's attributes may be anything

    def forward(self, x: Tensor) -> Tensor:
        """From ``x (n, d)``, of which the last columns are those of categories, to ``(n, output_dim)``."""
        codes = x[:, x.shape[1] - len(self.embeddings) :].long()
        numbers = self.numbers(x[:, : self.n_numbers])
        return torch.cat([numbers, *(embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings))], dim=1)


def embedding_dim(n_categories: int) -> int:
    """The width of an embedding: it grows with the number of categories, up to 64."""
    return min(MAX_EMBEDDING_DIM, max(1, round(1.6 * n_categories**0.56)))
