"""Columns: a table of numbers in several scalings, and of codes of categories behind them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._mixed_columns import MixedColumns
from sk_deepsets.nn._scalings import Scalings


class Columns(nn.Module):
    """All scalings of the numbers of a table side by side, then the codes.

    Parameters
    ----------
    scalings : Scalings
    n_numbers : int
    n_categories : sequence of int
        Of the columns of codes, which are the last.

    Attributes
    ----------
    width : int
        Columns of the output.
    """

    def __init__(self, scalings: Scalings, n_numbers: int, n_categories: Sequence[int] = ()) -> None:
        super().__init__()
        self.scalings, self.n_numbers, self.n_categories = scalings, n_numbers, tuple(n_categories)
        self.width = sum(scalings.dims.values()) + len(self.n_categories)

    def forward(self, table: Tensor) -> Tensor:
        """Scale a table (n, n_numbers + n_code_columns): (n, width)."""
        scaled = self.scalings(table[:, : self.n_numbers])
        numbers = torch.cat([scaled[name] for name in self.scalings.names], dim=1)
        codes = table[:, self.n_numbers :]
        return torch.cat([numbers, codes.to(numbers.dtype)], dim=1) if self.n_categories else numbers

    def places(self, names: Sequence[str]) -> list[slice]:
        """Where some scalings, and the codes, are in what ``forward`` gives."""
        ends = accumulate((self.scalings.dims[name] for name in self.scalings.names), initial=0)
        known = dict(zip(self.scalings.names, pairwise(ends), strict=True))
        places = [slice(*known[name]) for name in names]
        return [*places, slice(self.width - len(self.n_categories), self.width)] if self.n_categories else places

    def input_layer(self, names: Sequence[str], layers: Layers) -> tuple[nn.Module | None, int]:
        """A layer for what is at these ``places``, if it needs one, and how many features go on."""
        width = sum(self.scalings.dims[name] for name in names)
        if not self.n_categories:
            return None, width
        mixed = MixedColumns(nn.Identity(), width, self.n_categories, layers)
        return mixed, mixed.output_dim


def take_columns(table: Tensor, places: Sequence[slice]) -> Tensor:
    """Some ranges of the columns of a table, side by side."""
    return torch.cat([table[:, place] for place in places], dim=1) if len(places) > 1 else table[:, places[0]]
