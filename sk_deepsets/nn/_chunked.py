"""Phi and pool over chunks of a batch: faster than in one go, and a set of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice, repeat
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sk_deepsets.nn._dropout import own_generator, random_generator
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pools import Max
from sk_deepsets.nn._set_pooling import SetPooling

# This many values of a layer fit a processor's cache and reuse memory that is already allocated: phi takes 0.5 to 0.8
# of the time that it takes in one go, forward and backward. On a GPU each chunk is some thirty programs to launch, so
# there chunks only bound the memory, to a quarter of a gigabyte for each layer.
CHUNK_VALUES, CHUNK_VALUES_ON_GPU = 1_048_576, 67_108_864
# Up to this many elements, phi's outputs are kept for the backward pass. Beyond it they are computed again: memory is
# bounded, and this is no slower than keeping them, since fresh memory costs as much as a matrix product.
KEPT_ELEMENTS = 524_288

Phi = Callable[[PackedSets], Tensor]


class Chunk(NamedTuple):
    """Some elements that follow one another."""

    elements: Tensor
    """(n, d)"""
    segments: Tensor
    """(n,) the set of each of them"""
    counts: Tensor
    """(p,) the sizes of the parts of sets that they make up"""
    weight: Tensor | None = None
    """(n, 1), as of packed sets"""

    def parts(self) -> PackedSets:
        """The same, with parts in place of sets."""
        return PackedSets(self.elements, torch.repeat_interleave(self.counts), self.counts, self.weight)


def chunk_size(width: int, device: torch.device) -> int:
    """How many elements to take at once through layers with so many values for each."""
    return max(1, (CHUNK_VALUES if device.type == "cpu" else CHUNK_VALUES_ON_GPU) // width)


def embed(phi: Phi, encoder: Encoder, pooling: SetPooling, packed: PackedSets, n_members: int = 1) -> Tensor:
    """``pooling(phi(elements))``, (b, k), for a phi whose layers are those of ``encoder``.

    Of several members phi gives the rows of each in turn, (K * n, k), and so does this function: (K * b, k).
    """
    size = chunk_size(encoder.width * n_members, packed.elements.device)
    # a compiled or exported program has no loop whose length depends on the data
    if torch.compiler.is_compiling() or not encoder.elementwise or packed.elements.shape[0] <= size:
        return pooling(packed.repeated(n_members, phi(packed)))
    extremes = [pool for pool in pooling.pools if isinstance(pool, Max)]
    only_extremes = len(extremes) == len(pooling.pools)
    if torch.is_grad_enabled() and not encoder.is_stochastic and only_extremes and n_members == 1:
        n_holders = len(packed.sizes) * pooling.output_dim  # at most, if chunks cut no set
        if 2 * n_holders < packed.elements.shape[0]:
            packed = _holders(phi, extremes, packed, size)

    def pool_chunk(chunk: Chunk, seed: int | None) -> Tensor:
        # with a generator of its own, a chunk that is computed again drops the same units as before
        generator = None if seed is None else torch.Generator(chunk.elements.device).manual_seed(seed)
        with random_generator(generator):
            # phi looks up the context of a set by its number in the batch, whereas the pools number the parts
            hidden = phi(PackedSets(chunk.elements, chunk.segments, packed.sizes))
        parts_of_chunk = chunk.parts().repeated(n_members, hidden)
        known = torch.cat([values for pool in pooling.pools for values in pool.part(parts_of_chunk)], dim=1)
        return known.view(n_members, len(chunk.counts), -1).transpose(0, 1)  # (p, K, w)

    chunks, parts = cut(packed, size)
    seeds = _draw_seeds(len(chunks)) if encoder.is_stochastic else [None] * len(chunks)
    run: Callable[..., Tensor] = pool_chunk
    if torch.is_grad_enabled() and packed.elements.shape[0] > KEPT_ELEMENTS:
        run = partial(checkpoint, pool_chunk, use_reentrant=False, preserve_rng_state=False)
    results = (run(chunk, seed) for chunk, seed in zip(chunks, seeds, strict=True))
    known = torch.cat(list(results)) if torch.is_grad_enabled() else _concatenate(results, len(parts.elements))
    known = known.transpose(0, 1).flatten(0, 1)  # (K * p, w)
    parts = parts.repeated(n_members, parts.elements.repeat(n_members, 1))
    totals = packed.total.repeat(n_members)
    columns = iter(known.split([width for pool in pooling.pools for width in pool.widths], dim=1))
    pooled = []
    for pool in pooling.pools:
        joined = pool.join(parts, tuple(islice(columns, len(pool.widths))))
        pooled.append(pool.finish(joined, totals))
    return torch.cat(pooled, dim=-1)


def _draw_seeds(count: int) -> list[int]:
    """Seeds for a generator of each chunk, drawn from the current generator."""
    generator = own_generator()
    device = "cpu" if generator is None else generator.device
    return torch.randint(2**63 - 1, (count,), generator=generator, device=device).tolist()


def cut(packed: PackedSets, size: int) -> tuple[list[Chunk], PackedSets]:
    """Chunks of a size, and the parts that they cut sets into: a set's elements are the totals of its parts."""
    n_elements = packed.elements.shape[0]
    chunk_starts = torch.arange(0, n_elements, size, device=packed.sizes.device)
    set_starts = (packed.sizes.cumsum(0) - packed.sizes)[packed.sizes > 0]
    starts = torch.cat([chunk_starts, set_starts]).unique()
    counts = starts.diff(append=starts.new_tensor([n_elements]))
    counts_of_chunks = counts.split(torch.bincount(starts // size).tolist())
    weights = repeat(None) if packed.weight is None else packed.weight.split(size)
    # an error for unequal lengths is not to be had with the endless one
    pieces = zip(packed.elements.split(size), packed.segments.split(size), counts_of_chunks, weights, strict=False)
    segments = packed.segments[starts]
    n_parts = torch.bincount(segments, minlength=len(packed.sizes))
    parts = PackedSets(packed.elements, torch.repeat_interleave(counts), counts, packed.weight)
    return [Chunk(*piece) for piece in pieces], PackedSets(parts.total.unsqueeze(1), segments, n_parts)


def _concatenate(results: Iterable[Tensor], n_parts: int) -> Tensor:
    """The rows of all chunks: small results kept one by one would fragment the memory that chunks reuse."""
    table, done = torch.empty(0), 0
    for rows in results:
        if done == 0:
            table = rows.new_empty(n_parts, *rows.shape[1:])
        table[done : done + len(rows)] = rows
        done += len(rows)
    return table


@torch.no_grad()
def _holders(phi: Phi, extremes: list[Max], packed: PackedSets, size: int) -> PackedSets:
    """The elements that hold an extreme of their set's part in a chunk: no other has a gradient."""
    held = torch.zeros(packed.elements.shape[0], dtype=torch.bool, device=packed.elements.device)
    for number, chunk in enumerate(cut(packed, size)[0]):
        hidden = chunk.parts()._replace(elements=phi(PackedSets(chunk.elements, chunk.segments, packed.sizes)))
        for pool in extremes:
            held[number * size + pool.holders(hidden)] = True
    segments = packed.segments[held]
    weight = None if packed.weight is None else packed.weight[held]
    return PackedSets(packed.elements[held], segments, torch.bincount(segments, minlength=len(packed.sizes)), weight)
