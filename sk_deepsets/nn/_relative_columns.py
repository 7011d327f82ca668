"""RelativeColumns: an element beside the others of its set, as a careful table would show it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._scalings import Standardize


class RelativeColumns(nn.Module):
    """Columns of numbers, their deviations from the mean of the set, and their ranks in it; then the codes.

    In float64, as :class:`Statistics` are: an element has the same values in any batch, order and dtype.

    Parameters
    ----------
    standardize : Standardize
        Of the columns, for the deviations.
    n_numbers : int
        Of the columns, which come before those of codes.
    """

    def __init__(self, standardize: Standardize, n_numbers: int) -> None:
        super().__init__()
        self.standardize, self.n_numbers = standardize, n_numbers

    @property
    def width(self) -> int:
        """How many columns of numbers there are."""
        return 3 * self.n_numbers

    def forward(self, packed: PackedSets) -> Tensor:
        """Of packed elements (n, n_numbers + n_code_columns): (n, 3 * n_numbers + n_code_columns)."""
        numbers, codes = packed.elements[:, : self.n_numbers], packed.elements[:, self.n_numbers :]
        scaled = self.standardize.unrounded(numbers)
        sizes = packed.sizes.clamp(min=1).unsqueeze(1)
        deviations = scaled - packed.spread(packed.sum(scaled) / sizes)
        return torch.cat([numbers.to(scaled.dtype), deviations, ranks(numbers, packed), codes.to(scaled.dtype)], dim=1)


@torch.no_grad()
def ranks(values: Tensor, packed: PackedSets) -> Tensor:
    """The rank of each of values (n, k) in its set, between 0 and 1; equal ones share the mean of their ranks.

    The mean over a set is 1/2, also that of its only element; float64, or where ``values`` are of an export, theirs.
    """
    segments, n_elements = packed.segments, values.shape[0]
    dtype = values.dtype if torch.compiler.is_compiling() else torch.float64
    columns = values.T.contiguous()  # (k, n)
    order, places = columns.argsort(dim=1), torch.arange(n_elements, device=values.device)
    # set by set, in each by value; not a stable sort, which an exported program has not
    order = order.gather(1, (segments[order] * n_elements + places).argsort(dim=1))
    ordered = columns.gather(1, order)
    differs = (ordered[:, 1:] != ordered[:, :-1]) | (segments[1:] != segments[:-1])
    runs = torch.cat([torch.zeros_like(ordered[:, :1], dtype=torch.bool), differs], dim=1).long().cumsum(1)
    # sums of whole numbers, which are exact
    counts = torch.zeros_like(columns, dtype=dtype).scatter_add(1, runs, torch.ones_like(columns, dtype=dtype))
    totals = torch.zeros_like(counts).scatter_add(1, runs, places.to(dtype).expand_as(counts))
    middles = (totals / counts.clamp(min=1)).gather(1, runs)
    starts = packed.sizes.cumsum(0) - packed.sizes
    shares = (middles - starts[segments] + 0.5) / packed.sizes[segments]
    return torch.zeros_like(counts).scatter(1, order, shares).T
