"""Ways to scale columns of numbers, learned from a table, in which the members of an ensemble see the same data."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sk_deepsets.nn._standardize import Standardize

# Intervals of one column, and of all columns together, in piecewise-linear encoding.
INTERVALS, MOST_INTERVALS = 16, 256
KNOTS = 32
CLIP = 4.0
FAR = 1e15  # scaled values beyond it are all alike; their squares are in the range of float32


class SmoothClip(nn.Module):
    """z / sqrt(1 + (z / 4)²): nearly z in the middle, never beyond 4, as in RealMLP (Holzmüller et al., 2024)."""

    def forward(self, z: Tensor) -> Tensor:
        """Clip ``z (n, d)``."""
        z = z.clamp(-FAR, FAR)
        return z * (1 + (z / CLIP).square()).rsqrt()


class Quantiles(nn.Module):
    """To a normal distribution by rank, linear between quantiles; equal values are in the middle of their ranks.

    Parameters
    ----------
    table : Tensor of shape (n, d)
        What the quantiles are of.
    """

    knots: Tensor
    values: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        knots = quantiles(table, KNOTS)  # (d, t)
        share = torch.linspace(0, 1, KNOTS, dtype=knots.dtype)
        below = torch.searchsorted(knots, knots)
        above = torch.searchsorted(knots, knots, right=True) - 1
        self.register_buffer("knots", knots)
        # within -3 and 3
        self.register_buffer("values", torch.special.ndtri(((share[below] + share[above]) / 2).clamp(0.0014, 0.9986)))

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x (n, d)``."""
        x = x.T.contiguous()  # (d, n)
        if torch.compiler.is_compiling():  # exported programs have no search
            passed = (x.unsqueeze(2) >= self.knots.unsqueeze(1)).sum(dim=2)
        else:
            passed = torch.searchsorted(self.knots, x, right=True)
        place = passed.clamp(1, KNOTS - 1) - 1
        lower, upper = self.knots.gather(1, place), self.knots.gather(1, place + 1)
        first, last = self.values.gather(1, place), self.values.gather(1, place + 1)
        share = (x - lower) / torch.where(upper > lower, upper - lower, 1)
        return torch.lerp(first, last, share.clamp(0, 1)).T


class PiecewiseLinear(nn.Module):
    """Piecewise-linear encoding: for each interval between two quantiles, which share of it is below the value.

    As in Gorishniy et al. (2022), "On embeddings for numerical features in tabular deep learning"; with the mean
    subtracted. A column of few different values has an interval between each two of them.

    Parameters
    ----------
    table : Tensor of shape (n, d)
        What the quantiles are of.

    Attributes
    ----------
    output_dim : int
        How many intervals there are.
    """

    column: Tensor
    lower: Tensor
    width: Tensor
    mean: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        n_intervals = max(2, min(INTERVALS, MOST_INTERVALS // table.shape[1]))
        edges = []
        for values, of_column in zip(quantiles(table, n_intervals + 1), table.T, strict=True):
            different = of_column.unique()
            edges.append(different if len(different) <= n_intervals + 1 else values.unique())
        counts = torch.tensor([len(of_column) - 1 for of_column in edges])
        self.output_dim = int(counts.sum())
        self.register_buffer("column", torch.repeat_interleave(counts))
        self.register_buffer("lower", torch.cat([of_column[:-1] for of_column in edges]))
        self.register_buffer("width", torch.cat([of_column.diff() for of_column in edges]))
        self.register_buffer("mean", torch.zeros(self.output_dim, dtype=table.dtype))
        self.mean = self.forward(table).mean(dim=0) / 2

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``x (n, d)``: (n, output_dim)."""
        passed = ((x.index_select(1, self.column) - self.lower) / self.width).clamp(0, 1)
        return 2 * (passed - self.mean)


def quantiles(table: Tensor, count: int) -> Tensor:
    """Quantiles of each column (n, d) at so many equal steps, the extremes included: (d, count)."""
    ordered = table.sort(dim=0).values.T
    places = torch.linspace(0, len(table) - 1, count, dtype=torch.float64)
    below = places.floor().long()
    above = (below + 1).clamp(max=len(table) - 1)
    # in float64, in which the range of float32 is no overflow, and whole numbers have a middle
    lower, upper = ordered[:, below].double(), ordered[:, above].double()
    found = lower + (places - below) * (upper - lower)
    return found.to(table.dtype) if table.is_floating_point() else found


def robust(table: Tensor) -> Standardize:
    """A scaling by the middle of each column and the distance of its outer quantiles, which outliers do not blow up."""
    tenths = quantiles(table.double(), 11)
    middle, spread = tenths[:, 5], tenths[:, 9] - tenths[:, 1]
    return Standardize(middle, torch.where(spread > 0, spread, 1))


class Scalings(nn.Module):
    """A table of numbers in several scalings at once.

    Parameters
    ----------
    table : Tensor of shape (n, d)
        What they are learned from.
    standardize : nn.Module
        The scaling that ``"standard"`` is, and ``"clipped"`` begins with.
    names : set of {"standard", "clipped", "quantiles", "intervals"}

    Attributes
    ----------
    dims : dict
        How many columns each scaling has.
    """

    def __init__(self, table: Tensor, standardize: nn.Module, names: set[str]) -> None:
        super().__init__()
        self.names = sorted(names)
        self.n_columns = table.shape[1]
        self.standardize = standardize
        self.clip = SmoothClip()
        self.robust = robust(table)
        self.by_rank = nn.ModuleDict()
        bounded = self.robust(table).clamp(-FAR, FAR)
        if "quantiles" in names:
            self.by_rank["quantiles"] = Quantiles(bounded)
        if "intervals" in names and 0 < 2 * table.shape[1] <= MOST_INTERVALS:
            self.by_rank["intervals"] = PiecewiseLinear(bounded)
        self.dims = {name: outputs.shape[1] for name, outputs in self.forward(table[:1]).items()}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The scalings of ``x (n, d)`` by their names."""
        z, bounded = self.standardize(x), self.robust(x).clamp(-FAR, FAR)
        clipped = self.clip(z)
        found = {"standard": z, "clipped": clipped}
        for name in set(self.names) - found.keys():
            # many columns have too few intervals each
            found[name] = self.by_rank[name](bounded) if name in self.by_rank else clipped
        return {name: found[name] for name in self.names}
