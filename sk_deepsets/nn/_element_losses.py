"""Losses of one output for each element: of elements by themselves, or of the whole set that they belong to."""

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


class EachElement(nn.Module):
    """A loss of torch, such as ``nn.CrossEntropyLoss``, for each element by itself: (n,)."""

    def __init__(self, loss: type[nn.Module]) -> None:
        super().__init__()
        self.loss = loss(reduction="none")

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (n,) of ``output (n, k)`` for targets (n,)."""
        return self.loss(output if isinstance(self.loss, nn.CrossEntropyLoss) else output[:, 0], target)


class OnePerSet(nn.Module):
    """Minus the log of the softmax over the set at the chosen element: the conditional logit (McFadden, 1974); (b,)."""

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is 1 for the chosen element and 0 elsewhere."""
        chosen = target.unsqueeze(1) * log_softmax_over_sets(output, packed)
        return -packed.sum(chosen)[:, 0]


class ListNet(nn.Module):
    """Cross-entropy of the softmax of the scores with that of the relevance: ListNet (Cao et al., 2007); (b,)."""

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is the relevance."""
        wanted = softmax_over_sets(target.unsqueeze(1), packed)
        return -packed.sum(wanted * log_softmax_over_sets(output, packed))[:, 0]
