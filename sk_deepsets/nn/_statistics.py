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

    With weights of the elements, means and deviations are weighted, and the total weight stands for the size.

    In float64: scalings by rank separate values that differ by little, so the same set must have the same statistics in
    any batch, order and dtype. Of whole numbers, of flags and of float32 after :func:`robust` the sums are exact;
    of others they are right to far less than the differences that scalings separate.

    Parameters
    ----------
    standardize : Standardize
        Of the columns.
    n_columns : int
    weight_column : int, optional
        Which column of the elements weighs them, also in the pools of an ensemble; it is not among the first.

    Attributes
    ----------
    output_dim : int
    """

    weight_column: int | None = None

    def __init__(self, standardize: Standardize, n_columns: int, weight_column: int | None = None) -> None:
        super().__init__()
        self.standardize = standardize
        self.n_columns, self.weight_column = n_columns, weight_column
        self.identity = Encoder(n_columns, ())
        names = ("mean",) if n_columns > MANY_COLUMNS else ("mean", "std", "min", "max")
        self.pooling = SetPooling(names, n_columns)
        self.output_dim = self.pooling.output_dim + 2

    def forward(self, packed: PackedSets) -> Tensor:
        """The statistics of packed sets, (b, output_dim) in float64; those of an empty set are 0."""
        # nothing is learned here; a gradient is needed only for how the output depends on the elements
        with torch.set_grad_enabled(torch.is_grad_enabled() and packed.elements.requires_grad):
            packed = self.weigh(packed, self.standardize.mean.dtype)
            return _with_totals(embed(self._numbers, self.identity, self.pooling, packed), packed.total)

    def leave_one_out(self, packed: PackedSets, size: int) -> Iterator[Tensor]:
        """The statistics of its set without it, for each element: (size, output_dim), as long as there are so many."""
        # these have fewer columns than phi: a multiple of the size, which is a power of two, too
        at_once = max(size, elements_at_once(self.identity.width, packed.elements.device))
        packed = self.weigh(packed, self.standardize.mean.dtype)
        for rows, pooled in leave_one_out(self._numbers, self.pooling, packed, at_once):
            own = 1 if packed.weight is None else packed.weight[rows, 0]
            yield from _with_totals(pooled, (packed.total[packed.segments[rows]] - own).clamp(min=0)).split(size)

    def weigh(self, packed: PackedSets, dtype: torch.dtype) -> PackedSets:
        """The packed sets with the weights of their elements."""
        return packed.weigh(self.weight_column, dtype)

    def _numbers(self, packed: PackedSets) -> Tensor:
        return self.standardize.unrounded(packed.elements[:, : self.n_columns])


def _with_totals(pooled: Tensor, totals: Tensor) -> Tensor:
    totals = totals.to(pooled.dtype).unsqueeze(1)
    return torch.cat([pooled, totals, totals.log1p()], dim=1)
