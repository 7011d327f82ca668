"""Phi and pool over pieces of a batch, so that a set of any size is read in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pooling import SetPooling, pool

CHUNK_SIZE = 65_536

Phi = Callable[[PackedSets], Tensor]


def embed(phi: Phi, pooling: SetPooling, packed: PackedSets, in_chunks: bool = True) -> Tensor:
    """``pooling(phi(elements))``, (b, k).

    Where no gradient is wanted and ``in_chunks`` says that phi sees each element by itself, phi's outputs
    never exist for more than ``CHUNK_SIZE`` elements at once.
    """
    # a compiled or exported program has no loop whose length depends on the data
    whole = torch.is_grad_enabled() or torch.compiler.is_compiling() or not in_chunks
    if whole or packed.elements.shape[0] <= CHUNK_SIZE:
        return pooling(packed._replace(elements=phi(packed)))
    return _embed_in_chunks(phi, pooling, packed)


def _embed_in_chunks(phi: Phi, pooling: SetPooling, packed: PackedSets) -> Tensor:
    totals: dict[str, _Total] = {}
    for elements, segments in zip(packed.elements.split(CHUNK_SIZE), packed.segments.split(CHUNK_SIZE), strict=True):
        first = int(segments[0])
        sizes = torch.bincount(segments - first)
        rows = slice(first, first + len(sizes))
        # phi may look a set's context up by its number in the batch, the pools count from the chunk's first set
        hidden = phi(PackedSets(elements, segments, packed.sizes))  # (chunk, k)
        chunk = PackedSets(hidden, segments - first, sizes)
        for name in dict.fromkeys(pooling.names):
            if name not in totals:
                totals[name] = _TOTALS[name](pooling, hidden.new_zeros(len(packed.sizes), hidden.shape[1]))
            totals[name].add(rows, chunk)
    pooled = {name: total.result(packed.sizes.unsqueeze(1)) for name, total in totals.items()}
    if "sum" in pooled:
        pooled["sum"] = pooled["sum"] * pooling.sum_scale
    return torch.cat([pooled[name] for name in pooling.names], dim=-1)


class _Total:
    """The sum over all chunks so far, and what the other pools keep beside it."""

    def __init__(self, pooling: SetPooling, zeros: Tensor) -> None:
        self.pooling = pooling
        self.total = zeros

    def add(self, rows: slice, chunk: PackedSets) -> None:
        self.total[rows] += pool(chunk, "sum")

    def result(self, sizes: Tensor) -> Tensor:
        return self.total


class _Mean(_Total):
    def result(self, sizes: Tensor) -> Tensor:
        return self.total / sizes.clamp(min=1)


class _Std(_Total):
    """Squared deviations from the mean so far, merged as by Chan, Golub and LeVeque (1983), in float64."""

    def __init__(self, pooling: SetPooling, zeros: Tensor) -> None:
        super().__init__(pooling, zeros.double())
        self.count = self.total.new_zeros(len(zeros), 1)
        self.squares = torch.zeros_like(self.total)
        self.dtype = zeros.dtype

    def add(self, rows: slice, chunk: PackedSets) -> None:
        chunk = chunk._replace(elements=chunk.elements.double())
        added = chunk.sizes.unsqueeze(1)
        mean = pool(chunk, "mean")
        squares = pool(chunk._replace(elements=(chunk.elements - mean[chunk.segments]).square()), "sum")
        before = self.count[rows].clone()
        apart = mean - self.total[rows] / before.clamp(min=1)
        self.squares[rows] += squares + apart.square() * before * added / (before + added).clamp(min=1)
        self.total[rows] += mean * added
        self.count[rows] += added

    def result(self, sizes: Tensor) -> Tensor:
        return (self.squares / sizes.clamp(min=1)).sqrt().to(self.dtype)


class _Max(_Total):
    sign = 1

    def __init__(self, pooling: SetPooling, zeros: Tensor) -> None:
        super().__init__(pooling, zeros.fill_(-torch.inf))

    def add(self, rows: slice, chunk: PackedSets) -> None:
        largest = pool(chunk._replace(elements=self.sign * chunk.elements), "max")
        here = chunk.sizes.unsqueeze(1) > 0
        self.total[rows] = torch.where(here, torch.maximum(self.total[rows], largest), self.total[rows])

    def result(self, sizes: Tensor) -> Tensor:
        return torch.where(sizes > 0, self.sign * self.total, 0)


class _Min(_Max):
    sign = -1


class _Attention(_Total):
    """A softmax over a stream: what was added so far is rescaled whenever a larger score arrives."""

    def __init__(self, pooling: SetPooling, zeros: Tensor) -> None:
        super().__init__(pooling, zeros)
        self.weight = zeros.new_zeros(len(zeros), 1)
        self.largest = _Max(pooling, zeros.new_zeros(len(zeros), 1))

    def add(self, rows: slice, chunk: PackedSets) -> None:
        scores = self.pooling.scores(chunk.elements)
        before = self.largest.total[rows].clone()
        self.largest.add(rows, chunk._replace(elements=scores))
        now = self.largest.total[rows]
        shrink = torch.where(before.isinf(), 0, (before - now).exp())
        weights = (scores - now[chunk.segments]).exp()
        added = pool(chunk._replace(elements=weights * chunk.elements), "sum")
        self.total[rows] = self.total[rows] * shrink + added
        self.weight[rows] = self.weight[rows] * shrink + pool(chunk._replace(elements=weights), "sum")

    def result(self, sizes: Tensor) -> Tensor:
        return torch.where(sizes > 0, self.total / self.weight, 0)


_TOTALS: dict[str, type[_Total]] = {
    "sum": _Total,
    "mean": _Mean,
    "max": _Max,
    "min": _Min,
    "std": _Std,
    "attention": _Attention,
}
