"""Statistics: aggregates of each set, as additional inputs of a model."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sk_deepsets.nn._chunked import embed
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._leave_one_out import elements_at_once, leave_one_out
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._scalings import Standardize
from sk_deepsets.nn._set_pooling import SetPooling

# With more columns than this, their means alone say more than four statistics that are mostly noise.
MANY_COLUMNS = 256


class Statistics(nn.Module):
    """Mean, standard deviation, minimum and maximum of the first columns, the size of the set and its logarithm.

    In float64: scalings by rank separate values that differ by little, so the same set must have the same statistics in
    any batch, order and dtype. Of whole numbers, of flags and of float32 after :func:`robust` the sums are exact;
    of others they are right to far less than the differences that scalings separate.

    Parameters
    ----------
    standardize : Standardize
        Of the columns.
    n_columns : int

    Attributes
    ----------
    output_dim : int
    """

    def __init__(self, standardize: Standardize, n_columns: int) -> None:
        super().__init__()
        self.standardize = standardize
        self.n_columns = n_columns
        self.identity = Encoder(n_columns, ())
        names = ("mean",) if n_columns > MANY_COLUMNS else ("mean", "std", "min", "max")
        self.pooling = SetPooling(names, n_columns)
        self.output_dim = self.pooling.output_dim + 2

    def forward(self, packed: PackedSets) -> Tensor:
        """The statistics of packed sets, (b, output_dim) in float64; those of an empty set are 0."""
        # nothing is learned here; a gradient is needed only for how the output depends on the elements
        with torch.set_grad_enabled(torch.is_grad_enabled() and packed.elements.requires_grad):
            return _with_sizes(embed(self._numbers, self.identity, self.pooling, packed), packed.sizes)

    def leave_one_out(self, packed: PackedSets, size: int) -> Iterator[Tensor]:
        """The statistics of its set without it, for each element: (size, output_dim), as long as there are so many."""
        # these have fewer columns than phi: a multiple of the size, which is a power of two, too
        at_once = max(size, elements_at_once(self.identity.width, packed.elements.device))
        for rows, pooled in leave_one_out(self._numbers, self.pooling, packed, at_once):
            yield from _with_sizes(pooled, packed.sizes[packed.segments[rows]] - 1).split(size)

    def _numbers(self, packed: PackedSets) -> Tensor:
        return self.standardize.unrounded(packed.elements[:, : self.n_columns])


def _with_sizes(pooled: Tensor, sizes: Tensor) -> Tensor:
    sizes = sizes.to(pooled.dtype).unsqueeze(1)
    return torch.cat([pooled, sizes, sizes.log1p()], dim=1)
