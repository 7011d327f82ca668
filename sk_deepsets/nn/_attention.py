"""InducedAttention: each element attends to its set by way of a few points, in time linear in the elements."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import MakeLinear
from sk_deepsets.nn._packed import PackedSets, pack, unpack

N_POINTS = 16
# So many elements of a set share a copy of its points, and go through one product of matrices.
BLOCK = 16


class InducedAttention(nn.Module):
    """f(x)_i = h_i + a_i with h_i = Lambda x_i, where a_i attends to points that attend to all h of the set.

    The induced set attention of Lee et al. (2019), "Set Transformer: A framework for attention-based
    permutation-invariant neural networks". The point j knows the mean z_j = sum_i softmax_i(s_j^T h_i) h_i; with
    [k_j, v_j] = W (z_j + relu(F z_j)) an element attends to the points: a_i = sum_j softmax_j(h_i^T k_j / sqrt(d)) v_j.
    Where the paper multiplies matrices, such as those of queries and of keys, there is one; and each of the points has
    weights of its own over the set, where the paper has heads.

    Parameters
    ----------
    input_dim, output_dim : int
    linear : callable, default=nn.Linear
        Makes the linear maps.
    """

    def __init__(self, input_dim: int, output_dim: int, *, linear: MakeLinear = nn.Linear) -> None:
        super().__init__()
        self.Lambda = linear(input_dim, output_dim)
        self.score = linear(output_dim, N_POINTS, bias=False)
        self.mix = linear(output_dim, output_dim)
        self.recall = linear(output_dim, 2 * output_dim)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """One output for each element.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), a jagged nested tensor, or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.

        Returns
        -------
        Tensor of shape (b, m, output_dim), 0 under the mask; (n, output_dim) for PackedSets
        """
        packed = pack(x, mask)
        hidden = self.Lambda(packed.elements)  # (n, k)
        scores = packed.weighted_scores(self.score(hidden))
        # a softmax over each set: the largest score cancels out, and needs no gradient
        weights = (scores - packed.spread(packed.max(scores.detach()))).exp()
        totals = packed.sum(weights)  # (b, p)
        blocks, dim = Blocks.of(packed), hidden.shape[1]
        cut = blocks.fold(hidden)  # (c, size, k)
        sums = blocks.sum((blocks.fold(weights).transpose(1, 2) @ cut).flatten(1))  # (b, p * k)
        # 0 for an empty set
        means = sums.view(-1, N_POINTS, dim) / torch.where(totals > 0, totals, 1).unsqueeze(2)
        points = means.flatten(0, 1)  # (b * p, k)
        recalled = self.recall(points + self.mix(points).relu())
        recalled = recalled.view(-1, N_POINTS * 2 * dim).index_select(0, blocks.owners)
        keys, values = recalled.view(-1, N_POINTS, 2 * dim).chunk(2, dim=2)  # (c, p, k)
        attended = (cut @ keys.transpose(1, 2) / sqrt(dim)).softmax(dim=2) @ values  # (c, size, k)
        return unpack(hidden + blocks.unfold(attended), x, mask)


class Blocks(NamedTuple):
    """The n elements of packed sets, in c blocks of one set each, of which the last of a set is filled up with zeros.

    What belongs to a set is then copied for each block, not for each element.
    """

    size: int
    counts: Tensor
    """(b,) int64: how many blocks a set has"""
    owners: Tensor
    """(c,) int64: the set of each block, never falling; blocks of nothing at the end belong to any"""
    places: Tensor
    """(n,) where each element is in the blocks"""

    @classmethod
    def of(cls, packed: PackedSets) -> Blocks:
        """Blocks of 16 elements; in an exported program of one, which needs no filling."""
        n_elements, n_sets = packed.elements.shape[0], packed.sizes.shape[0]
        places = torch.arange(n_elements, device=packed.sizes.device)
        if torch.compiler.is_compiling():
            return cls(1, packed.sizes, packed.segments, places)
        counts = (packed.sizes + BLOCK - 1) // BLOCK
        shift = (counts.cumsum(0) - counts) * BLOCK - (packed.sizes.cumsum(0) - packed.sizes)
        places = places + shift.index_select(0, packed.segments)
        most = n_sets + n_elements // BLOCK  # blocks there may be: to count them is to wait for a GPU
        owners = packed.segments.new_zeros(most).index_copy(0, places // BLOCK, packed.segments).cummax(0).values
        return cls(BLOCK, counts, owners, places)

    def fold(self, values: Tensor) -> Tensor:
        """Values of the elements (n, k) in blocks: (c, size, k)."""
        if self.size > 1:
            filled = values.new_zeros(self.owners.shape[0] * self.size, values.shape[1])
            values = filled.index_copy(0, self.places, values)
        return values.view(-1, self.size, values.shape[1])

    def unfold(self, values: Tensor) -> Tensor:
        """Values in blocks (c, size, k) of the elements: (n, k)."""
        values = values.flatten(0, 1)
        return values if self.size == 1 else values.index_select(0, self.places)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of values of the blocks (c, w) over each set: (b, w)."""
        return PackedSets(values, self.owners, self.counts).sum(values)
