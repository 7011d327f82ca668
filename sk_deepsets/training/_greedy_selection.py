"""EvaluationLoss: the loss on the sets that members are evaluated on, and the greedy selection of candidates by it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sk_deepsets.nn import LINKS, row_losses

MOST_ROUNDS, MOST_EVALUATED = 30, 20_000
"""Rounds of the selection, and sets that it evaluates"""


class EvaluationLoss:
    """The loss of outputs for the evaluated sets."""

    def __init__(self, net: Any, targets: Tensor | None, weights: Tensor | None, robust: bool) -> None:
        assert targets is not None
        self.criterion, self.robust = net.criterion_, robust
        self.targets, self.weights = targets.cpu(), None if weights is None else weights.double().cpu()
        # of very many sets, a part is enough to compare candidates
        self.some = slice(None, None, max(1, len(targets) // MOST_EVALUATED))

    def __call__(self, outputs: Tensor) -> Tensor:
        """The loss of each of outputs (c, n, o)."""
        return self._mean(self._losses(outputs, slice(None)), slice(None))

    def _mean(self, losses: Tensor, some: slice) -> Tensor:
        """The mean over some sets, (c,)."""
        if self.weights is None:
            return losses.mean(dim=1)
        weights = self.weights[some]
        return losses.sum(dim=1) / (weights if weights.dim() == 1 else weights.mean(dim=1)).sum()

    def _size(self, losses: Tensor, loss: Tensor) -> float:
        """What gains are a share of; the loss of counts, and of positive numbers, may be negative."""
        return float(losses.median() if self.robust else loss.abs())

    def _losses(self, outputs: Tensor, some: slice) -> Tensor:
        """The losses of some sets times their weights, (c, n), of outputs (c, n, o)."""
        targets = self.targets[some]
        if targets.is_floating_point():
            targets = targets.to(outputs.dtype)
        repeated = targets.expand(len(outputs), *targets.shape).flatten(0, 1)
        losses = self.criterion(outputs.flatten(0, 1), repeated).view(*outputs.shape[:2], -1)
        return row_losses(losses, None if self.weights is None else self.weights[some])

    def choose(self, outputs: list[Tensor], prior: Tensor, link: str) -> tuple[np.ndarray, float, float]:
        """Weights of the prior and of candidates by greedy selection, the loss of their mean, and its size."""
        to_answers, to_outputs = LINKS[link]
        stacked = torch.stack(outputs)[:, self.some]
        answers = to_answers(torch.cat([prior.double().cpu().expand(1, *stacked.shape[1:]), stacked]))
        counts, total, best, size = np.zeros(len(answers)), torch.zeros_like(answers[0]), math.inf, 0.0
        for n_before in range(MOST_ROUNDS):
            losses = self._losses(to_outputs((total + answers) / (n_before + 1)), self.some)
            means = self._mean(losses, self.some).nan_to_num(math.inf)
            number = int(means.argmin())
            if means[number] >= best - 1e-5 * size:
                break
            best, size = float(means[number]), self._size(losses[number], means[number])
            counts[number] += 1
            total = total + answers[number]
        return counts / counts.sum(), best, size
