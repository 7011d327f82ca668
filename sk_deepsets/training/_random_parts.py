"""Parts: which elements of large sets to train on for an epoch, in time and memory linear in what is taken."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Taken(NamedTuple):
    """Elements of b sets."""

    rows: Tensor
    """(n,) where they are in the table of all elements"""
    segments: Tensor
    """(n,) the set of each"""
    sizes: Tensor
    """(b,) how many there are of each set"""
    weight: Tensor
    """(n, 1) as how many elements each counts"""

    def of(self, sets: slice) -> Taken:
        """The elements of some sets that follow one another."""
        sizes = self.sizes[sets]
        first = int(self.sizes[: sets.start].sum())
        own = slice(first, first + int(sizes.sum()))
        return Taken(self.rows[own], self.segments[own] - sets.start, sizes, self.weight[own])


class Parts(NamedTuple):
    """Random parts of large sets.

    Each element of a part stands for as many as the set has for each of them: that is its weight.
    """

    size: int
    """Of a part"""
    blocks: Tensor
    """(n_sets, n_blocks) the sizes of what a set consists of, one after another, such as its collections: each of
    these that is larger is cut by itself"""
    starts: Tensor
    """(n_sets,) where the elements of each set begin"""

    @property
    def sizes(self) -> Tensor:
        """How many elements of each set are taken, (n_sets,)."""
        return self.blocks.clamp(max=self.size).sum(dim=1)

    def cut(self, numbers: Tensor) -> bool:
        """Whether one of these sets is not taken whole."""
        return bool((self.blocks[numbers] > self.size).any())

    def take(self, numbers: Tensor, seed: int) -> Taken:
        """The elements of a batch of these sets."""
        blocks = self.blocks[numbers]
        begins = (self.starts[numbers].unsqueeze(1) + blocks.cumsum(dim=1) - blocks).flatten()
        sizes = blocks.flatten()
        taken, is_large = sizes.clamp(max=self.size), sizes > self.size
        owners = torch.repeat_interleave(taken)
        places = torch.arange(len(owners)) - (taken.cumsum(0) - taken)[owners]
        places[is_large[owners]] = random_places(sizes[is_large], self.size, seed).flatten()
        weight = (sizes / taken.clamp(min=1)).to(torch.get_default_dtype())
        segments = owners // blocks.shape[1]
        return Taken(begins[owners] + places, segments, taken.view(blocks.shape).sum(dim=1), weight[owners, None])


def random_places(sizes: Tensor, most: int, seed: int) -> Tensor:
    """So many different places, rising, in each of larger sets: any are as likely as any others.

    Parameters
    ----------
    sizes : Tensor of shape (b,)
        All larger than ``most``.
    most : int
    seed : int

    Returns
    -------
    Tensor of shape (b, most)
    """
    generator = torch.Generator().manual_seed(seed)
    places = torch.empty(len(sizes), most, dtype=torch.int64)
    is_large = sizes > 2 * most
    places[is_large] = _few_of(sizes[is_large], most, generator)
    places[~is_large] = _first_of_all(sizes[~is_large], most, generator)
    return places.sort(dim=1).values


def _first_of_all(sizes: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """The first of all places in random order; of sets of at most ``2 * most`` elements."""
    keys = torch.rand(len(sizes), 2 * most, dtype=torch.float64, generator=generator)
    keys = keys.masked_fill(torch.arange(2 * most) >= sizes.unsqueeze(1), torch.inf)
    return keys.topk(most, dim=1, largest=False, sorted=False).indices


def _few_of(sizes: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """The first ``most`` places that differ in a long series of draws with replacement; of larger sets."""
    draws, is_new = torch.empty(len(sizes), 0, dtype=torch.int64), torch.empty(len(sizes), 0, dtype=torch.bool)
    while len(sizes) and int(is_new.sum(dim=1).min()) < most:  # nearly always once: twice as many draws as are needed
        numbers = torch.rand(len(sizes), 2 * most, dtype=torch.float64, generator=generator)
        numbers = (numbers * sizes.unsqueeze(1)).long()
        draws = torch.cat([draws, torch.minimum(numbers, sizes.unsqueeze(1) - 1)], dim=1)  # 1 - 2 ** -53 may round up
        ordered, order = draws.sort(dim=1, stable=True)
        differs = torch.ones_like(ordered, dtype=torch.bool)
        differs[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        is_new = torch.zeros_like(differs).scatter(1, order, differs)
    chosen = is_new & (is_new.cumsum(dim=1) <= most)
    return draws[chosen].view(len(sizes), most)
