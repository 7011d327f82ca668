"""Phi and pool over pieces of a batch: faster than in one go, and a set of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sk_deepsets.nn._dropout import current_generator, random_generator
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

    parts, n_parts = _cut(packed, size)

    def pool_parts(elements: Tensor, segments: Tensor, counts: Tensor, seed: int | None) -> Tensor:
        # with a generator of its own, a piece that is computed again drops the same as before
        generator = None if seed is None else torch.Generator(elements.device).manual_seed(seed)
        with random_generator(generator):
            # phi may look a set's context up by its number in the batch, the pools count parts
            hidden = phi(PackedSets(elements, segments, packed.sizes))
        of_parts = PackedSets(hidden, torch.repeat_interleave(counts), counts)
        return torch.cat([JOINTS[name].part(pooling, of_parts) for name in pooling.names], dim=1)

    seeds = _draw_seeds(len(n_parts)) if encoder.drops_out else [None] * len(n_parts)
    pieces = packed.elements.split(size), packed.segments.split(size), parts.counts.split(n_parts), seeds
    chunks = zip(*pieces, strict=True)
    if not torch.is_grad_enabled():
        values = _filled(pool_parts, chunks, len(parts.counts))
    else:
        again = partial(checkpoint, pool_parts, use_reentrant=False, preserve_rng_state=False)
        run = again if packed.elements.shape[0] > KEPT_ELEMENTS else pool_parts
        values = torch.cat([run(*chunk) for chunk in chunks])
    widths = [JOINTS[name].width(pooling) for name in pooling.names]
    of_pool = zip(pooling.names, values.split(widths, dim=1), strict=True)
    return torch.cat([JOINTS[name].join(pooling, value, parts) for name, value in of_pool], dim=-1)


def _draw_seeds(count: int) -> list[int]:
    """Seeds for generators, from the current generator."""
    generator = current_generator()
    device = "cpu" if generator is None else generator.device
    return torch.randint(2**63 - 1, (count,), generator=generator, device=device).tolist()


def _cut(packed: PackedSets, size: int) -> tuple[Parts, list[int]]:
    """The parts that chunks of a size cut the sets into, and how many of them each chunk has."""
    n_elements = packed.elements.shape[0]
    of_chunks = torch.arange(0, n_elements, size, device=packed.sizes.device)
    of_sets = (packed.sizes.cumsum(0) - packed.sizes)[packed.sizes > 0]
    starts = torch.cat([of_chunks, of_sets]).unique()
    counts = starts.diff(append=starts.new_tensor([n_elements]))
    return Parts(packed.segments[starts], counts, packed.sizes), torch.bincount(starts // size).tolist()


def _filled(pool_parts: Callable[..., Tensor], chunks: Iterable[tuple[Any, ...]], n_parts: int) -> Tensor:
    """What is known of all parts, in one table: small results kept one by one would litter the memory of chunks."""
    table, done = torch.empty(0), 0
    for chunk in chunks:
        values = pool_parts(*chunk)
        if done == 0:
            table = values.new_empty(n_parts, values.shape[1])
        table[done : done + len(values)] = values
        done += len(values)
    return table


@torch.no_grad()
def _extremes(phi: Phi, pooling: SetPooling, packed: PackedSets, size: int) -> PackedSets:
    """The elements that hold a maximum (or minimum) of their set's part in a chunk: no other has a gradient."""
    parts, n_parts = _cut(packed, size)
    held = torch.zeros(packed.elements.shape[0], dtype=torch.bool, device=packed.elements.device)
    chunks = zip(packed.elements.split(size), packed.segments.split(size), parts.counts.split(n_parts), strict=True)
    for first, (elements, segments, counts) in enumerate(chunks):
        hidden = phi(PackedSets(elements, segments, packed.sizes))
        for name in pooling.names:
            held[first * size + holders(-hidden if name == "min" else hidden, counts)] = True
    segments = packed.segments[held]
    return PackedSets(packed.elements[held], segments, torch.bincount(segments, minlength=len(packed.sizes)))
