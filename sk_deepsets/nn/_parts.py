"""The pool of a set from the pools of its parts, where a set is too large to be pooled in one go."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pooling import SetPooling, pool, root


class Parts(NamedTuple):
    """What is known of the parts of a batch of sets; no part is empty."""

    segments: Tensor
    """(p,) int64: the set of each part, never falling"""
    counts: Tensor
    """(p,) int64: the number of elements of each part"""
    sizes: Tensor
    """(b,) int64: the number of elements of each set"""

    def pool(self, values: Tensor, name: str) -> Tensor:
        """Pool values of the parts (p, k) over each set: (b, k)."""
        parts_of_set = torch.bincount(self.segments, minlength=len(self.sizes))
        return pool(PackedSets(values, self.segments, parts_of_set), name)


class Sum:
    """A sum is the sum of the parts' sums."""

    def width(self, pooling: SetPooling) -> int:
        """How many values are known of each part, w."""
        return pooling.input_dim

    def part(self, pooling: SetPooling, hidden: PackedSets) -> Tensor:
        """What to know of each part, (p, w)."""
        return pool(hidden, "sum")

    def join(self, pooling: SetPooling, values: Tensor, parts: Parts) -> Tensor:
        """The pool of each set, (b, k), from what is known of the parts."""
        return parts.pool(values, "sum") * pooling.sum_scale


class Mean(Sum):
    """A mean is the sum over the number of elements."""

    def join(self, pooling: SetPooling, values: Tensor, parts: Parts) -> Tensor:
        """See :class:`Sum`."""
        return parts.pool(values, "sum") / parts.sizes.clamp(min=1).unsqueeze(1)


class Extreme(Sum):
    """A maximum is the largest of the parts' maxima, a minimum the smallest of their minima."""

    def __init__(self, name: str) -> None:
        self.name = name

    def part(self, pooling: SetPooling, hidden: PackedSets) -> Tensor:
        """See :class:`Sum`."""
        return pool(hidden, self.name)

    def join(self, pooling: SetPooling, values: Tensor, parts: Parts) -> Tensor:
        """See :class:`Sum`."""
        return parts.pool(values, self.name)


class Std(Sum):
    """Means and squared deviations, joined as by Chan, Golub and LeVeque (1983), in float64."""

    def width(self, pooling: SetPooling) -> int:
        """See :class:`Sum`."""
        return 3 * pooling.input_dim

    def part(self, pooling: SetPooling, hidden: PackedSets) -> Tensor:
        """See :class:`Sum`."""
        dtype = hidden.elements.dtype
        hidden = hidden._replace(elements=hidden.elements.double())
        mean = pool(hidden, "mean")
        squares = pool(hidden._replace(elements=(hidden.elements - hidden.spread(mean)).square()), "sum")
        rounded = mean.to(dtype)
        return torch.cat([rounded, (mean - rounded).to(dtype), squares.to(dtype)], dim=1)

    def join(self, pooling: SetPooling, values: Tensor, parts: Parts) -> Tensor:
        """See :class:`Sum`."""
        rounded, rest, squares = values.double().chunk(3, dim=1)
        means = rounded + rest
        count, size = parts.counts.unsqueeze(1), parts.sizes.clamp(min=1).unsqueeze(1)
        mean = parts.pool(means * count, "sum") / size
        squares = squares + (means - mean.index_select(0, parts.segments)).square() * count
        return root(parts.pool(squares, "sum") / size).to(values.dtype)


class Attention(Sum):
    """Weighted sums and their weights, relative to the largest score of the part; joined relative to the set's."""

    def width(self, pooling: SetPooling) -> int:
        """See :class:`Sum`."""
        return pooling.input_dim + 2

    def part(self, pooling: SetPooling, hidden: PackedSets) -> Tensor:
        """See :class:`Sum`."""
        scores = pooling.scores(hidden.elements)
        largest = pool(hidden._replace(elements=scores.detach()), "max")  # cancels out: needs no gradient
        weights = (scores - hidden.spread(largest)).exp()
        weighted = torch.cat([weights * hidden.elements, weights], dim=1)
        return torch.cat([pool(hidden._replace(elements=weighted), "sum"), largest], dim=1)

    def join(self, pooling: SetPooling, values: Tensor, parts: Parts) -> Tensor:
        """See :class:`Sum`."""
        weighted, largest = values[:, :-1], values[:, -1:].detach()
        shrink = (largest - parts.pool(largest, "max").index_select(0, parts.segments)).exp()
        total = parts.pool(weighted * shrink, "sum")
        return total[:, :-1] / torch.where(parts.sizes > 0, total[:, -1], 1).unsqueeze(1)


JOINTS: dict[str, Sum] = {
    "sum": Sum(),
    "mean": Mean(),
    "max": Extreme("max"),
    "min": Extreme("min"),
    "std": Std(),
    "attention": Attention(),
}
