"""Phi and pool over pieces of a batch: faster than in one go, and a set of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._parts import JOINTS, Parts
from sk_deepsets.nn._pooling import SetPooling, holders

# So many values of a layer stay in a processor's cache, and in memory that is allocated already: phi takes 0.5 to 0.8
# of the time that it takes in one go, forward and backward.
CHUNK_VALUES = 1_048_576
# Up to here phi's outputs are kept for the backward pass. Beyond, they are computed again: memory stays bounded, and
# by then it is no slower than kept outputs in one go, since fresh memory costs as much as a product.
KEPT_ELEMENTS = 524_288

Phi = Callable[[PackedSets], Tensor]


def chunk_size(encoder: Encoder) -> int:
    """How many elements to take at once."""
    return max(1, CHUNK_VALUES // encoder.width)


def embed(phi: Phi, encoder: Encoder, pooling: SetPooling, packed: PackedSets) -> Tensor:
    """``pooling(phi(elements))``, (b, k), for a phi whose layers are those of ``encoder``."""
    size = chunk_size(encoder)
    # a compiled or exported program has no loop whose length depends on the data
    if torch.compiler.is_compiling() or not encoder.elementwise or packed.elements.shape[0] <= size:
        return pooling(packed._replace(elements=phi(packed)))
    if torch.is_grad_enabled() and not encoder.drops_out and {*pooling.names} <= {"max", "min"}:
        n_extremes = len(packed.sizes) * pooling.output_dim  # at most, not counting the cuts
        if 2 * n_extremes < packed.elements.shape[0]:
            packed = _extremes(phi, pooling, packed, size)

    def pool_parts(elements: Tensor, segments: Tensor) -> list[Tensor]:
        hidden = _hidden(phi, packed.sizes, elements, segments)
        return [JOINTS[name].part(pooling, hidden) for name in pooling.names]

    again = torch.is_grad_enabled() and packed.elements.shape[0] > KEPT_ELEMENTS
    pooled, segments, counts = [], [], []
    for chunk in _chunks(packed, size):
        pooled.append(checkpoint(pool_parts, *chunk, use_reentrant=False) if again else pool_parts(*chunk))
        of_part, count = chunk[1].unique_consecutive(return_counts=True)
        segments.append(of_part)
        counts.append(count)
    parts = Parts(torch.cat(segments), torch.cat(counts), packed.sizes)
    of_pool = zip(pooling.names, zip(*pooled, strict=True), strict=True)
    return torch.cat([JOINTS[name].join(pooling, torch.cat(values), parts) for name, values in of_pool], dim=-1)


def _chunks(packed: PackedSets, size: int) -> zip[tuple[Tensor, Tensor]]:
    return zip(packed.elements.split(size), packed.segments.split(size), strict=True)


def _hidden(phi: Phi, sizes: Tensor, elements: Tensor, segments: Tensor) -> PackedSets:
    """Hidden features of a chunk, packed as the parts of sets that it holds."""
    # phi may look a set's context up by its number in the batch, the pools count parts
    hidden = phi(PackedSets(elements, segments, sizes))  # (chunk, k)
    _, part, count = segments.unique_consecutive(return_inverse=True, return_counts=True)
    return PackedSets(hidden, part, count)


@torch.no_grad()
def _extremes(phi: Phi, pooling: SetPooling, packed: PackedSets, size: int) -> PackedSets:
    """The elements that hold a maximum (or minimum) of their set's part in a chunk: no other has a gradient."""
    numbers = []
    for first, chunk in enumerate(_chunks(packed, size)):
        hidden, _, count = _hidden(phi, packed.sizes, *chunk)
        numbers += [first * size + holders(-hidden if name == "min" else hidden, count) for name in pooling.names]
    held = torch.cat(numbers).unique()
    segments = packed.segments[held]
    return PackedSets(packed.elements[held], segments, torch.bincount(segments, minlength=len(packed.sizes)))
