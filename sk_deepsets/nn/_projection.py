"""Projection: elements of very many columns as a few directions in which they differ most."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sk_deepsets.nn._scalings import Standardize

# Values that are worked on at once, in float64: 64 MiB.
VALUES_AT_ONCE = 8_388_608


class Projection(nn.Module):
    """Columns of numbers, made comparable, to their coordinates along some directions; then all else.

    Numbers are standardised. Of counts it is the logarithm of one plus each, and its share of the length of the row, so
    that long texts are like short ones. In float64, as all that comes before scalings by rank.

    Parameters
    ----------
    standardize : Standardize
        Of the columns of numbers.
    components : Tensor of shape (n_components, n_numbers)
        The directions.
    counts : bool
        Whether the numbers are counts.
    """

    components: Tensor

    def __init__(self, standardize: Standardize, components: Tensor, counts: bool) -> None:
        super().__init__()
        self.standardize, self.counts = standardize, counts
        self.register_buffer("components", components)

    @property
    def mean(self) -> Tensor:
        """The mean of the columns of numbers, in float64."""
        return self.standardize.mean

    @property
    def means(self) -> list[Tensor | None]:
        """That of each collection, of which there is one; None where it is not projected."""
        return [self.mean]

    @property
    def output_dims(self) -> list[int | None]:
        """How many directions each collection has; None where it is not projected."""
        return [self.output_dim]

    @property
    def output_dim(self) -> int:
        """How many directions there are."""
        return self.components.shape[0]

    def forward(self, table: Tensor) -> Tensor:
        """From ``table (n, n_numbers + n_others)`` to (n, n_components + n_others): a weight, and codes."""
        n_rows, n_numbers = table.shape[0], self.components.shape[1]
        at_once = max(1, VALUES_AT_ONCE // n_numbers)
        numbers = table[:, :n_numbers]
        if torch.compiler.is_compiling() or n_rows <= at_once:  # an exported program knows no number of rows
            found = self._project(numbers)
        else:
            found = torch.cat([self._project(rows) for rows in numbers.split(at_once)])
        others = table[:, n_numbers:]
        return torch.cat([found, others.to(found.dtype)], dim=1) if others.shape[1] else found

    def _project(self, numbers: Tensor) -> Tensor:
        return self.comparable(numbers) @ self.components.T

    def comparable(self, numbers: Tensor) -> Tensor:
        """What is projected of numbers (n, n_numbers)."""
        if not self.counts:
            return self.standardize.unrounded(numbers)
        logarithms = numbers.to(self.mean.dtype).clamp(min=0).log1p()
        lengths = logarithms.square().sum(dim=1, keepdim=True).sqrt()
        return logarithms / torch.where(lengths > 0, lengths, 1)
