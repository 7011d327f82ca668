"""leave_one_out: the pool of each set without each of its elements, in time linear in the elements.

The elements of a set are the leaves of a binary tree. On the way up, each node joins what is known of its children. On
the way down, what is known of all elements outside of a node joins what is outside of its parent with its sibling. So
nothing is ever subtracted, which would lose digits, and a pool needs no more than what it has: parts that join.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pools import Known, Pool, SetPooling


class Level(NamedTuple):
    """The nodes of all trees at one height: node q of a set is the parent of the nodes 2 q and 2 q + 1 below it."""

    counts: Tensor
    """(p,) how many elements a node stands for"""
    parent: Tensor
    """(p,) the number of its parent on the next level"""
    children_of_parents: Tensor
    """(number of parents,) 1 or 2 each"""


def leave_one_out(pooling: SetPooling, packed: PackedSets) -> Tensor:
    """The pool of its set without it, for each element: (n, output_dim); 0 for the only element of a set.

    Parameters
    ----------
    pooling : SetPooling
    packed : PackedSets
        With the elements (n, k) that the pool takes.
    """
    levels, n_roots = _levels(packed.sizes)
    left = packed.sizes.index_select(0, packed.segments) - 1
    found = [pool.finish(_known_without(pool, packed, levels, n_roots), left) for pool in pooling.pools]
    return torch.cat(found, dim=1)


def _levels(sizes: Tensor) -> tuple[list[Level], int]:
    """The levels below the roots, leaves first, and the number of roots."""
    levels, counts = [], sizes.new_ones(int(sizes.sum()))
    while len(counts) and int(sizes.max()) > 1:
        of_node = torch.repeat_interleave(sizes)
        place = torch.arange(len(of_node), device=sizes.device) - (sizes.cumsum(0) - sizes)[of_node]
        sizes = (sizes + 1) // 2
        parent = (sizes.cumsum(0) - sizes)[of_node] + place // 2
        n_parents = int(sizes.sum())
        levels.append(Level(counts, parent, torch.bincount(parent, minlength=n_parents)))
        counts = counts.new_zeros(n_parents).index_add(0, parent, counts)
    return levels, len(counts)


def _known_without(pool: Pool, packed: PackedSets, levels: list[Level], n_roots: int) -> Known:
    """What a pool knows of the set of each element without it."""
    rows = torch.arange(packed.elements.shape[0], device=packed.elements.device)
    known = pool.part(PackedSets(packed.elements, rows, torch.ones_like(rows)))
    of_levels = []
    for level in levels:
        of_levels.append(known)
        known = pool.join(PackedSets(level.counts.unsqueeze(1), level.parent, level.children_of_parents), known)
    outside = tuple(torch.zeros_like(values) for values in known)  # nothing is outside of a root
    counts = torch.zeros(n_roots, dtype=torch.int64, device=rows.device)
    for level, known in zip(reversed(levels), reversed(of_levels), strict=True):
        outside, counts = _descend(pool, level, known, outside, counts)
    return outside


def _descend(pool: Pool, level: Level, known: Known, outside: Known, counts: Tensor) -> tuple[Known, Tensor]:
    """What is outside of the nodes of a level, and how many elements, from what is outside of their parents."""
    sibling = torch.arange(len(level.parent), device=counts.device)
    twins = level.parent[1:] == level.parent[:-1]
    sibling[:-1] += twins.long()
    sibling[1:] -= twins.long()
    sizes = torch.stack([counts[level.parent], level.counts[sibling]], dim=1)
    sizes[level.children_of_parents[level.parent] == 1, 1] = 0  # an only child
    present = sizes > 0  # (p, 2): something may be outside of the parent, and a sibling may be there
    parts = PackedSets(sizes[present].unsqueeze(1), present.nonzero()[:, 0], present.sum(dim=1))
    pairs = zip(outside, known, strict=True)
    both = tuple(torch.stack([out[level.parent], own[sibling]], dim=1)[present] for out, own in pairs)
    return pool.join(parts, both), sizes.sum(dim=1)
