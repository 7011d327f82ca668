"""Ways to scale columns of numbers, learned from a table, in which the members of an ensemble see the same data.

Scalings by rank are steep where values lie close together. They work in float64, and treat values that differ by no
more than rounding as equal: otherwise a prediction would depend on rounding.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

# Intervals of one column, and of all columns together, in piecewise-linear encoding.
INTERVALS, MOST_INTERVALS = 16, 256
KNOTS = 32
CLIP = 4.0
FAR = 1e15  # scaled values beyond it are all alike; their squares are in the range of float32


class Standardize(nn.Module):
    """(x - mean) / scale, computed in float64 whatever the dtype of x is, returned in the model's dtype.

    As a layer it travels with the model's weights, so that a saved model takes raw data; and each batch is
    standardised when it is needed, with no copy of the data set.

    Parameters
    ----------
    mean, scale : Tensor of shape (d,)
        In float64, so that x loses no digits to a large mean: time stamps keep their seconds. A mean rounded to the
        dtype of x would make the same values in another dtype other values.

    Notes
    -----
    The model's dtype is torch's default dtype at the time of construction, or what ``model.double()`` makes it.
    """

    mean: Tensor
    scale: Tensor
    like_model: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        # follows the model where model.double() takes it, which a dtype kept as an attribute would not
        self.register_buffer("like_model", torch.empty(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Standardise ``x (n, d)``."""
        return self.unrounded(x).to(self.like_model.dtype)

    def unrounded(self, x: Tensor) -> Tensor:
        """The same before it is rounded to the model's dtype."""
        return (x.to(torch.promote_types(x.dtype, self.mean.dtype)) - self.mean) / self.scale


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
    rounding : Tensor of shape (d,), optional
    share : float, default=0.0
        See :func:`merged`.
    """

    knots: Tensor
    values: Tensor

    def __init__(self, table: Tensor, rounding: Tensor | None = None, share: float = 0.0) -> None:
        super().__init__()
        rounding = torch.zeros(table.shape[1]) if rounding is None else rounding
        knots = merged(quantiles(table, KNOTS), rounding, share)  # (d, t)
        ranks = torch.linspace(0, 1, KNOTS)
        below = torch.searchsorted(knots, knots)
        above = torch.searchsorted(knots, knots, right=True) - 1
        self.register_buffer("knots", knots)
        # within -3 and 3
        self.register_buffer("values", torch.special.ndtri(((ranks[below] + ranks[above]) / 2).clamp(0.0014, 0.9986)))

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x (n, d)``."""
        x = x.T.to(self.knots.dtype).contiguous()  # (d, n)
        if torch.compiler.is_compiling():  # exported programs have no search
            passed = (x.unsqueeze(2) >= self.knots.unsqueeze(1)).sum(dim=2)
        else:
            passed = torch.searchsorted(self.knots, x, right=True)
        place = passed.clamp(1, KNOTS - 1) - 1
        lower, upper = self.knots.gather(1, place), self.knots.gather(1, place + 1)
        first, last = self.values.gather(1, place), self.values.gather(1, place + 1)
        share = (x - lower) / torch.where(upper > lower, upper - lower, 1)
        return torch.lerp(first, last, share.clamp(0, 1).to(first.dtype)).T


class PiecewiseLinear(nn.Module):
    """Piecewise-linear encoding: for each interval between two quantiles, which share of it is below the value.

    As in Gorishniy et al. (2022), "On embeddings for numerical features in tabular deep learning"; with the mean
    subtracted. A column of few different values has an interval between each two of them.

    Parameters
    ----------
    table : Tensor of shape (n, d)
        What the quantiles are of.
    rounding : Tensor of shape (d,), optional
    share : float, default=0.0
        See :func:`merged`.
    most_intervals : int, default=256
        Of all columns together, where two for each are no more.

    Attributes
    ----------
    output_dim : int
        How many intervals there are.
    """

    column: Tensor
    lower: Tensor
    width: Tensor
    mean: Tensor

    def __init__(
        self,
        table: Tensor,
        rounding: Tensor | None = None,
        share: float = 0.0,
        most_intervals: int = MOST_INTERVALS,
    ) -> None:
        super().__init__()
        rounding = torch.zeros(table.shape[1]) if rounding is None else rounding
        n_intervals = max(2, min(INTERVALS, most_intervals // table.shape[1]))
        edges = []
        for number, values in enumerate(quantiles(table, n_intervals + 1)):
            near = rounding[[number]]
            different = merged(table[:, number].double().unique()[None], near, share).unique()
            edges.append(different if len(different) <= n_intervals + 1 else merged(values[None], near, share).unique())
        counts = torch.tensor([len(column_edges) - 1 for column_edges in edges])
        self.output_dim = int(counts.sum())
        self.register_buffer("column", torch.repeat_interleave(counts))
        self.register_buffer("lower", torch.cat([column_edges[:-1] for column_edges in edges]))
        self.register_buffer("width", torch.cat([column_edges.diff() for column_edges in edges]))
        self.register_buffer("mean", torch.zeros(self.output_dim))
        self.mean = self.forward(table).mean(dim=0) / 2

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``x (n, d)``: (n, output_dim)."""
        # in place, which saves memory that is fresh and therefore slow
        passed = x.to(self.lower.dtype).index_select(1, self.column).sub_(self.lower).div_(self.width)
        return passed.to(self.mean.dtype).clamp(0, 1).sub_(self.mean).mul_(2)


def quantiles(table: Tensor, count: int) -> Tensor:
    """Quantiles of each column (n, d) at so many equal steps, the extremes included: (d, count) in float64."""
    ordered = table.sort(dim=0).values.T
    places = torch.linspace(0, len(table) - 1, count, dtype=torch.float64)
    below = places.floor().long()
    above = (below + 1).clamp(max=len(table) - 1)
    # in float64, in which the range of float32 is no overflow, and whole numbers have a middle
    lower, upper = ordered[:, below].double(), ordered[:, above].double()
    return lower + (places - below) * (upper - lower)


def robust(table: Tensor) -> Standardize:
    """A scaling to about the middle and the spread of each column, which outliers do not enlarge, and which is exact.

    It subtracts one of the column's values and divides by a power of two near the distance of its outer tenths, or if
    these are equal, near the mean distance from them. What has few digits, as whole numbers, flags and float32 have,
    still has few, so that sums of it in float64 are exact, whatever their order.
    """
    table = table.double()
    middle = table.sort(dim=0).values[(len(table) - 1) // 2]
    tenths = quantiles(table, 11)
    spread = tenths[:, 9] - tenths[:, 1]
    spread = torch.where(spread > 0, spread, (table - middle).abs().mean(dim=0))
    power = spread / torch.frexp(spread).mantissa
    return Standardize(middle, torch.where(spread > 0, power, 1))


def merged(knots: Tensor, rounding: Tensor, share: float) -> Tensor:
    """Rising knots (d, t), of which each run that rounding may have pulled apart is at its first one's place.

    So those that differ lie further apart than rounding, which bounds how steep a line from one to the next can be.

    Parameters
    ----------
    knots : Tensor of shape (d, t)
    rounding : Tensor of shape (d,)
        How much may be rounding in each row.
    share : float
        How much of a knot may be.
    """
    near = torch.maximum(rounding.unsqueeze(1), share * knots.abs())
    places = torch.arange(knots.shape[1]).repeat(len(knots), 1)
    places[:, 1:][knots.diff(dim=1) <= near[:, 1:]] = 0
    return knots.gather(1, places.cummax(dim=1).values)


class Scalings(nn.Module):
    """A table of numbers in several scalings.

    Parameters
    ----------
    table : Tensor of shape (n, d)
        What they are learned from.
    standardize : nn.Module
        The scaling that ``"standard"`` is, and ``"clipped"`` begins with.
    names : set of {"standard", "clipped", "quantiles", "intervals"}
        Of very many columns, which would have too few intervals each, ``"intervals"`` are the clipped ones.
    resolution : float, default=0.0
        How much in values of about 1 and less may be rounding; in larger ones, it is so much of them.
    most_intervals : int, default=256
        See :class:`PiecewiseLinear`.

    Attributes
    ----------
    dims : dict
        How many columns each scaling has.
    """

    def __init__(
        self,
        table: Tensor,
        standardize: nn.Module,
        names: set[str],
        resolution: float = 0.0,
        most_intervals: int = MOST_INTERVALS,
    ) -> None:
        super().__init__()
        self.n_columns = table.shape[1]
        self.has_intervals = 0 < 2 * self.n_columns <= most_intervals
        self.names = sorted(self.resolved(names))
        self.standardize = standardize
        self.clip = SmoothClip()
        self.robust = robust(table)
        self.by_rank = nn.ModuleDict()
        # the data have the rounding of their dtype, which they may have suffered before they came here
        precision = 2 * torch.finfo(table.dtype if table.is_floating_point() else torch.float64).eps
        share = max(precision, resolution)
        rounding = (share * self.robust.mean.abs()).clamp(min=resolution) / self.robust.scale + precision
        learned = self.robust.unrounded(table), rounding, share
        if "quantiles" in names:
            self.by_rank["quantiles"] = Quantiles(*learned)
        if "intervals" in self.names:
            self.by_rank["intervals"] = PiecewiseLinear(*learned, most_intervals)
        self.dims = {name: outputs.shape[1] for name, outputs in self.forward(table[:1]).items()}

    def resolved(self, names: Iterable[str]) -> list[str]:
        """The scalings that these names stand for, each once."""
        return list(dict.fromkeys("clipped" if n == "intervals" and not self.has_intervals else n for n in names))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The scalings of ``x (n, d)`` by their names."""
        z, exact = self.standardize(x), self.robust.unrounded(x)
        found = {"standard": z, "clipped": self.clip(z)}
        return {name: found[name] if name in found else self.by_rank[name](exact) for name in self.names}
