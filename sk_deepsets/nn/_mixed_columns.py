"""MixedColumns: a table of numbers and categories as the input of a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import ONE_NET, Layers

MAX_EMBEDDING_DIM = 64


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
        """From ``x (n, n_numbers + n_category_columns)`` to ``(n, output_dim)``."""
        codes = x[:, self.n_numbers :].long()
        numbers = self.numbers(x[:, : self.n_numbers])
        return torch.cat([numbers, *(embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings))], dim=1)


def embedding_dim(n_categories: int) -> int:
    """The width of an embedding: it grows with the number of categories, up to 64."""
    return min(MAX_EMBEDDING_DIM, max(1, round(1.6 * n_categories**0.56)))
