"""Pools: from the elements of each set to one vector per set, in time linear in the real elements.

Each pool defines what to know of a part of a set, how to join what is known of several parts, and how the pool follows
from what is known of the whole set. A set that is pooled in one go is a single part. For every pool, an empty set gives
0 with a finite gradient; so does one whose elements all have weight 0. Below, the *total* of a part, or of a set, is
that of the weights of its elements: without weights, their number.
"""

from __future__ import annotations

from abc import abstractmethod
from math import gcd

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import MakeLinear
from sk_deepsets.nn._packed import PackedSets

Known = tuple[Tensor, ...]
"""What is known of each of p parts, or of p sets: tensors (p, w), one for each w in ``Pool.widths``."""


class Pool(nn.Module):
    """The base of the pools, which knows the sum of the elements unless a subclass overrides it."""

    def __init__(self, input_dim: int, sum_scale: float = 1.0, linear: MakeLinear = nn.Linear) -> None:
        super().__init__()
        self.widths: tuple[int, ...] = (input_dim,)

    def part(self, packed: PackedSets) -> Known:
        """What to know of each part; ``packed`` holds parts in place of sets."""
        return (packed.sum(packed.weighted(packed.elements)),)

    def join(self, parts: PackedSets, known: Known) -> Known:
        """What is known of each set; its elements are its parts, and ``parts`` holds their totals, (p, 1)."""
        return self.part(parts._replace(elements=known[0]))

    def known_elements(self, packed: PackedSets) -> Known:
        """What to know of parts of one element each."""
        return (packed.weighted(packed.elements),)

    def merge(self, first: Known, second: Known, n_first: Tensor, n_second: Tensor) -> Known:
        """What is known of two parts together, of these totals, (p, 1); of no element, ``nothing`` is known."""
        return (first[0] + second[0],)

    def nothing(self, like: Tensor, n_parts: int) -> Known:
        """What is known of parts without elements, for ``merge``."""
        return tuple(like.new_zeros(n_parts, width) for width in self.widths)

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """The pool of each set, (b, k), of these totals, (b,)."""
        return known[0]


class Sum(Pool):
    """The sum, times a constant factor."""

    def __init__(self, input_dim: int, sum_scale: float = 1.0, linear: MakeLinear = nn.Linear) -> None:
        super().__init__(input_dim)
        self.scale = sum_scale

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """See :class:`Pool`."""
        return known[0] if self.scale == 1.0 else known[0] * self.scale


class Mean(Pool):
    """The sum over the number of elements, or over their total weight."""

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """See :class:`Pool`."""
        return known[0] / divisor(totals)


class Max(Pool):
    """The largest value of each feature."""

    def part(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        return (packed.largest(packed.elements),)

    def known_elements(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        if packed.weight is None:
            return (packed.elements,)
        return (torch.where(packed.weight > 0, packed.elements, self.nothing(packed.elements, 1)[0]),)

    def merge(self, first: Known, second: Known, n_first: Tensor, n_second: Tensor) -> Known:
        """See :class:`Pool`."""
        return (torch.maximum(first[0], second[0]),)

    def nothing(self, like: Tensor, n_parts: int) -> Known:
        """See :class:`Pool`."""
        return (like.new_full((n_parts, *self.widths), -torch.inf),)

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """See :class:`Pool`."""
        return torch.where(totals.unsqueeze(1) > 0, known[0], 0)

    def holders(self, packed: PackedSets) -> Tensor:
        """The numbers of the elements that hold the extreme of a feature over their set; no set may be empty."""
        return packed.holders(packed.elements).flatten()


class Min(Max):
    """The smallest value of each feature: minus the largest of the negated elements."""

    def part(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        return (-packed.largest(-packed.elements),)

    def merge(self, first: Known, second: Known, n_first: Tensor, n_second: Tensor) -> Known:
        """See :class:`Pool`."""
        return (torch.minimum(first[0], second[0]),)

    def nothing(self, like: Tensor, n_parts: int) -> Known:
        """See :class:`Pool`."""
        return (-super().nothing(like, n_parts)[0],)

    def holders(self, packed: PackedSets) -> Tensor:
        """See :class:`Max`."""
        return super().holders(packed._replace(elements=-packed.elements))


class Std(Pool):
    """The standard deviation; the divisor is the number of elements, or their total weight.

    Known of a part are a value near its mean, and the sums of the elements' differences from it and of their squares:
    far from zero, these keep the digits that sums of the elements themselves would lose. The value cancels out, so it
    needs no gradient. Parts join by moving their sums to one value (Chan, Golub and LeVeque, 1983).
    """

    def __init__(self, input_dim: int, sum_scale: float = 1.0, linear: MakeLinear = nn.Linear) -> None:
        super().__init__(input_dim)
        self.widths = (input_dim, input_dim, input_dim)

    def part(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        near = packed.sum(packed.weighted(packed.elements.detach())) / divisor(packed.total)
        rest = packed.elements - packed.spread(near)
        return near, packed.sum(packed.weighted(rest)), packed.sum(packed.weighted(rest.square()))

    def join(self, parts: PackedSets, known: Known) -> Known:
        """See :class:`Pool`."""
        (nears, sums, squares), counts = known, parts.elements
        near = parts.sum(nears.detach() * counts) / positive(parts.sum(counts))
        moved = nears.detach() - parts.spread(near)
        squares = squares + 2 * moved * sums + counts * moved.square()
        return near, parts.sum(sums + counts * moved), parts.sum(squares)

    def known_elements(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        nears = packed.elements.detach()
        rest = packed.elements - nears
        return nears, packed.weighted(rest), packed.weighted(rest.square())

    def merge(self, first: Known, second: Known, n_first: Tensor, n_second: Tensor) -> Known:
        """See :class:`Pool`."""
        near = (n_first * first[0] + n_second * second[0]) / positive(n_first + n_second)
        sums, squares = torch.zeros_like(near), torch.zeros_like(near)
        for (own, part_sums, part_squares), count in ((first, n_first), (second, n_second)):
            moved = own - near
            sums = sums + part_sums + count * moved
            squares = squares + part_squares + moved * (2 * part_sums + count * moved)
        return near, sums, squares

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """See :class:`Pool`."""
        _, sums, squares = known
        variance = (squares - sums.square() / divisor(totals)).clamp(min=0) / divisor(totals)
        # the slope of the root is infinite at 0, where the standard deviation itself has a kink: 0 there
        positive = variance != 0  # not > 0, which would take a NaN for 0
        return torch.where(positive, torch.where(positive, variance, 1).sqrt(), 0)


class SoftmaxMean(Pool):
    """The mean, weighted by a softmax of learned scores, see :class:`SetPooling`.

    Known of a part are the weighted sum of its elements, the sum of the weights, and the largest score, which the
    weights are relative to; it cancels out, so it needs no gradient. Of several heads, each has scores of its own for
    as many of the values.
    """

    def __init__(self, input_dim: int, n_heads: int) -> None:
        super().__init__(input_dim)
        self.n_heads = n_heads
        self.widths = (input_dim, n_heads, n_heads)

    @abstractmethod
    def read(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """The values that the mean is of, (n, k), and their scores, before the softmax, (n, h)."""

    def weigh(self, values: Tensor, weights: Tensor) -> Tensor:
        """Values (n, k), times the weights (n, h) of their heads."""
        if self.n_heads == 1:
            return values * weights
        return (values.unflatten(1, (self.n_heads, -1)) * weights.unsqueeze(2)).flatten(1)

    def part(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        values, scores = self.read(packed.elements)
        scores = packed.weighted_scores(scores)
        largest = packed.largest(scores.detach()).clamp(min=lowest(scores))
        weights = (scores - packed.spread(largest)).exp()
        return packed.sum(self.weigh(values, weights)), packed.sum(weights), largest

    def join(self, parts: PackedSets, known: Known) -> Known:
        """See :class:`Pool`."""
        sums, totals, largest = known[0], known[1], known[2].detach()
        largest_of_set = parts.largest(largest)
        shrink = (largest - parts.spread(largest_of_set)).exp()
        return parts.sum(self.weigh(sums, shrink)), parts.sum(totals * shrink), largest_of_set

    def known_elements(self, packed: PackedSets) -> Known:
        """See :class:`Pool`."""
        values, scores = self.read(packed.elements)
        scores = packed.weighted_scores(scores)
        largest = scores.detach().clamp(min=lowest(scores))
        weights = (scores - largest).exp()  # 1, with a gradient
        return self.weigh(values, weights), weights, largest

    def merge(self, first: Known, second: Known, n_first: Tensor, n_second: Tensor) -> Known:
        """See :class:`Pool`."""
        largest = torch.maximum(first[2], second[2])
        shrink_first, shrink_second = (first[2] - largest).exp(), (second[2] - largest).exp()
        sums = self.weigh(first[0], shrink_first) + self.weigh(second[0], shrink_second)
        return sums, first[1] * shrink_first + second[1] * shrink_second, largest

    def nothing(self, like: Tensor, n_parts: int) -> Known:
        """See :class:`Pool`."""
        sums, totals, largest = super().nothing(like, n_parts)
        return sums, totals, largest + lowest(like)

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """See :class:`Pool`."""
        sums, shares, _ = known
        return self.weigh(sums, 1 / torch.where(totals.unsqueeze(1) > 0, shares, 1))


class Attention(SoftmaxMean):
    """The mean of the elements, by one softmax of gated scores."""

    def __init__(self, input_dim: int, sum_scale: float = 1.0, linear: MakeLinear = nn.Linear) -> None:
        super().__init__(input_dim, n_heads=1)
        hidden_dim = max(8, input_dim // 2)
        self.gate = linear(input_dim, 2 * hidden_dim)  # V and U in one product
        self.score = linear(hidden_dim, 1, bias=False)

    def read(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`SoftmaxMean`."""
        tanh, gate = self.gate(elements).chunk(2, dim=-1)
        return elements, self.score(tanh.tanh() * gate.sigmoid())


class MultiheadAttention(SoftmaxMean):
    """Means of a linear map of the elements, by a softmax for each of four heads, or of two or one for other widths."""

    def __init__(self, input_dim: int, sum_scale: float = 1.0, linear: MakeLinear = nn.Linear) -> None:
        super().__init__(input_dim, n_heads=gcd(input_dim, 4))
        self.project = linear(input_dim, input_dim + self.n_heads)  # V and the seeds in one product

    def read(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`SoftmaxMean`."""
        values, scores = self.project(elements).split((self.widths[0], self.n_heads), dim=1)
        return values, scores


def positive(totals: Tensor) -> Tensor:
    """Totals to divide by: the sums of a set without any weight are 0 whatever they are divided by."""
    return torch.where(totals > 0, totals, 1)


def divisor(totals: Tensor) -> Tensor:
    """The same for totals (b,) of sets, (b, 1)."""
    return positive(totals).unsqueeze(1)


def lowest(scores: Tensor) -> float:
    """A score below all others, whose difference from any is a number."""
    return torch.finfo(scores.dtype).min / 2


POOLS: dict[str, type[Pool]] = {
    "sum": Sum,
    "mean": Mean,
    "max": Max,
    "min": Min,
    "std": Std,
    "attention": Attention,
    "pma": MultiheadAttention,
}
POOL_TYPES = tuple(POOLS)
