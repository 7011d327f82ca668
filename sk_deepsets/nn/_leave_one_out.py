"""leave_one_out: the pool of each set without each of its elements, in time linear in the elements.

The elements of a set are the leaves of a binary tree. On the way up, each node joins what is known of its two children.
On the way down, what is known of all elements outside of a node joins what is outside of its parent with its sibling.
So nothing is ever subtracted, which would lose digits.

Large sets are cut into chunks, as in a prediction. What is known of the chunks comes first; then phi runs once more on
each chunk, whose trees begin with what is outside of it. So memory is bounded by a chunk, however large a set is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sk_deepsets.nn._chunked import Chunk, Phi, chunk_size, cut
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pools import Known, Pool
from sk_deepsets.nn._set_pooling import SetPooling

# Trees are many small steps: they pay with more elements at once than phi.
CHUNKS_AT_ONCE = 4


def elements_at_once(width: int, device: torch.device) -> int:
    """How many elements to take at once, of so many values each: a power of two, which has a tree without gaps."""
    chunks = CHUNKS_AT_ONCE if device.type == "cpu" else 1
    return 2 ** (int(chunks * chunk_size(width, device)).bit_length() - 1)


def in_order(values: Sequence[Tensor], rows: Sequence[Tensor]) -> Tensor:
    """Values (n_i, k) of some rows each, in the order of the rows."""
    table = torch.cat([*values])
    return torch.empty_like(table).index_copy(0, torch.cat([*rows]), table)


class Level(NamedTuple):
    """The nodes of all trees at one height: two for each parent, one of which may stand for no element."""

    counts: Tensor
    """(2 p, 1) the total of the elements that a node stands for"""
    places: Tensor
    """(q,) which of them stand for some"""

    @property
    def has_gaps(self) -> bool:
        """Whether a node stands for no element."""
        return len(self.places) < len(self.counts)


def leave_one_out(
    phi: Phi, pooling: SetPooling, packed: PackedSets, size: int, n_members: int = 1
) -> Iterator[tuple[slice, Tensor]]:
    """The pool of its set without it, for each element: (n, output_dim); 0 for the only element of a set.

    Parameters
    ----------
    phi : callable
        What the pool takes of packed elements, each of which it sees by itself; of members one after another.
    pooling : SetPooling
    packed : PackedSets
    size : int
        How many elements to take at once.
    n_members : int, default=1

    Yields
    ------
    rows : slice
        Of ``packed.elements``.
    pooled : Tensor of shape (n_members * len(rows), output_dim)
    """
    if packed.elements.shape[0] <= size:
        hidden = packed.repeated(n_members, phi(packed))
        none = hidden.total[hidden.sizes > 0].unsqueeze(1) * 0
        outside = [pool.nothing(hidden.elements, len(none)) for pool in pooling.pools]
        yield slice(0, packed.elements.shape[0]), _without_each(pooling, hidden, outside, none)
        return
    chunks, parts = cut(packed, size)
    outside_parts, left = _outside_of_parts(phi, pooling, packed, chunks, parts, n_members)
    first_row = first_part = 0
    for chunk in chunks:
        rows, own = slice(first_row, first_row + len(chunk.elements)), slice(first_part, first_part + len(chunk.counts))
        first_row, first_part = rows.stop, own.stop
        hidden = chunk.parts().repeated(n_members, phi(PackedSets(chunk.elements, chunk.segments, packed.sizes)))
        outside = [tuple(values[:, own].flatten(0, 1) for values in known) for known in outside_parts]
        yield rows, _without_each(pooling, hidden, outside, left[:, own].flatten(0, 1))


def _without_each(pooling: SetPooling, hidden: PackedSets, outside: list[Known], left: Tensor) -> Tensor:
    """The pools of sets without each of the elements (n, k) of some of their parts.

    Of the sets, ``outside`` of these parts, each pool knows something of elements that count ``left (p, 1)``.
    """
    counts = torch.ones(len(hidden.elements), 1, dtype=torch.int64, device=left.device)
    levels = _levels(hidden.sizes, counts if hidden.weight is None else hidden.weight)
    found = []
    for pool, outside_pool in zip(pooling.pools, outside, strict=True):
        known, counts = _descend(pool, levels, pool.known_elements(hidden), outside_pool, left)
        found.append(pool.finish(known, counts[:, 0]))
    return torch.cat(found, dim=1)


def _outside_of_parts(
    phi: Phi, pooling: SetPooling, packed: PackedSets, chunks: list[Chunk], parts: PackedSets, n_members: int
) -> tuple[list[Known], Tensor]:
    """What each pool knows of all elements of its set that are not in a part, (n_members, p, w), and their totals."""
    known_chunks: list[list[Known]] = []
    for chunk in chunks:
        hidden = phi(PackedSets(chunk.elements, chunk.segments, packed.sizes))
        parts_of_chunk = chunk.parts().repeated(n_members, hidden)
        found = (pool.part(parts_of_chunk) for pool in pooling.pools)
        known_chunks.append([_by_member(known, n_members) for known in found])
    sizes, counts = parts.sizes.repeat(n_members), parts.elements.repeat(n_members, 1)
    levels = _levels(sizes, counts)
    n_roots = int((sizes > 0).sum())
    outside, left = [], counts
    for pool, *pool_chunks in zip(pooling.pools, *known_chunks, strict=True):
        known = tuple(torch.cat(values, dim=1).flatten(0, 1) for values in zip(*pool_chunks, strict=True))
        nothing = pool.nothing(known[0], n_roots)
        without, left = _descend(pool, levels, known, nothing, counts.new_zeros(n_roots, 1))
        outside.append(_by_member(without, n_members))
    return outside, _by_member((left,), n_members)[0]


def _by_member(known: Known, n_members: int) -> Known:
    """What is known of parts (n_members * p, w) as (n_members, p, w)."""
    return tuple(values.view(n_members, -1, values.shape[1]) for values in known)


def _levels(sizes: Tensor, counts: Tensor) -> list[Level]:
    """The levels below the roots, leaves first, of trees of these numbers of leaves, which stand for these totals."""
    levels, sizes = [], sizes[sizes > 0]
    while len(sizes) and int(sizes.max()) > 1:
        odd = sizes % 2
        places = torch.arange(len(counts), device=sizes.device) + torch.repeat_interleave(odd.cumsum(0) - odd, sizes)
        sizes = (sizes + odd) // 2
        counts = counts.new_zeros(2 * int(sizes.sum()), 1).index_copy(0, places, counts)
        levels.append(Level(counts, places))
        counts = counts.view(-1, 2).sum(dim=1, keepdim=True)
    return levels


def _descend(pool: Pool, levels: list[Level], known: Known, outside: Known, left: Tensor) -> tuple[Known, Tensor]:
    """What a pool knows of all but each leaf, and their total.

    Parameters
    ----------
    pool : Pool
    levels : list of Level
    known : Known
        Of the leaves.
    outside : Known
        What there is outside of the trees.
    left : Tensor of shape (n_roots, 1)
        The total of that.
    """
    known_levels = []
    for level in levels:
        if level.has_gaps:
            nothing = pool.nothing(known[0], len(level.counts))
            known = tuple(empty.index_copy(0, level.places, own) for empty, own in zip(nothing, known, strict=True))
        known_levels.append(known)
        first, second = _children(known)
        known = pool.merge(first, second, level.counts[::2], level.counts[1::2])
    for level, own in zip(reversed(levels), reversed(known_levels), strict=True):
        first, second = _children(own)
        counts = level.counts.view(-1, 2, 1)
        without = pool.merge(outside, second, left, counts[:, 1]), pool.merge(outside, first, left, counts[:, 0])
        pairs = zip(*without, strict=True)
        outside = tuple(torch.stack(pair, dim=1).flatten(0, 1) for pair in pairs)
        left = (left.unsqueeze(1) + counts.flip(1)).flatten(0, 1)
        if level.has_gaps:
            outside = tuple(values.index_select(0, level.places) for values in outside)
            left = left.index_select(0, level.places)
    return outside, left


def _children(known: Known) -> tuple[Known, Known]:
    """What is known of the first and of the second child of each parent."""
    return tuple(values[::2] for values in known), tuple(values[1::2] for values in known)
