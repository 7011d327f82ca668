"""Statistics: what a table of aggregates says of each set, as inputs of a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sk_deepsets.nn._chunked import embed
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pools import SetPooling

# With more columns than this, their means alone say more than four statistics that are mostly noise.
MANY_COLUMNS = 256


class Statistics(nn.Module):
    """Mean, standard deviation, minimum and maximum of the first columns, the size of the set and its logarithm.

    Parameters
    ----------
    standardize : nn.Module
        What the columns go through first, (n, d) to (n, d).
    n_columns : int

    Attributes
    ----------
    output_dim : int
    """

    def __init__(self, standardize: nn.Module, n_columns: int) -> None:
        super().__init__()
        self.standardize = standardize
        self.n_columns = n_columns
        self.identity = Encoder(n_columns, ())
        names = ("mean",) if n_columns > MANY_COLUMNS else ("mean", "std", "min", "max")
        self.pooling = SetPooling(names, n_columns)
        self.output_dim = self.pooling.output_dim + 2

    @torch.no_grad()
    def forward(self, packed: PackedSets) -> Tensor:
        """The statistics of packed sets, (b, output_dim); those of an empty set are 0."""

        def phi(part: PackedSets) -> Tensor:
            return self.standardize(part.elements[:, : self.n_columns])

        pooled = embed(phi, self.identity, self.pooling, packed)
        sizes = packed.sizes.to(pooled.dtype).unsqueeze(1)
        return torch.cat([pooled, sizes, sizes.log1p()], dim=1)
