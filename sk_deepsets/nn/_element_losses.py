"""Losses that compare the outputs of the elements of a set: which one is chosen, or their order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sk_deepsets.nn._packed import PackedSets


def log_softmax_over_sets(scores: Tensor, packed: PackedSets) -> Tensor:
    """The logarithm of the softmax of scores (n, k) over the elements of each set; ``packed`` tells the sets."""
    # the largest score cancels out: it needs no gradient
    largest = packed.max(scores.detach())
    shifted = scores - packed.spread(largest)
    total = packed.sum(shifted.exp())
    return shifted - packed.spread(torch.where(total > 0, total, 1).log())  # an empty set has no elements


def softmax_over_sets(scores: Tensor, packed: PackedSets) -> Tensor:
    """The softmax of scores (n, k) over the elements of each set: shares that add up to 1 in each set."""
    return log_softmax_over_sets(scores, packed).exp()


class LossOfSets(nn.Module):
    """A loss with one value for each set, (b,), from outputs and targets of its elements."""


class OnePerSet(LossOfSets):
    """Minus the log of the softmax over the set at the chosen element: the conditional logit (McFadden, 1974); (b,)."""

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is 1 for the chosen element and 0 elsewhere."""
        chosen = target.unsqueeze(1) * log_softmax_over_sets(output, packed)
        return -packed.sum(chosen)[:, 0]


class ListNet(LossOfSets):
    """Cross-entropy of the softmax of the scores with that of the relevance: ListNet (Cao et al., 2007); (b,)."""

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is the relevance."""
        wanted = softmax_over_sets(target.unsqueeze(1), packed)
        return -packed.sum(wanted * log_softmax_over_sets(output, packed))[:, 0]
