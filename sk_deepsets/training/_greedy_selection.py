"""EvaluationLoss: the loss on the sets that members are evaluated on, and the greedy selection of candidates by it."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sk_deepsets.nn import LINKS, LossOfSets, PackedSets, set_losses
from sk_deepsets.training._dataset import SetDataset

MOST_ROUNDS, MOST_EVALUATED = 30, 20_000
"""Rounds of the selection, and sets or elements that it evaluates"""


class _Part(NamedTuple):
    """Some of what is evaluated, on the CPU."""

    rows: Tensor | slice
    """Of the outputs"""
    targets: Tensor
    weights: Tensor | None
    """(n,) or (n, n_outputs), of the rows or, of a loss of whole sets, of the sets"""
    packed: PackedSets | None
    """The sets, where the loss is of these"""


class EvaluationLoss:
    """The loss of outputs for the evaluated sets, or for their elements.

    Parameters
    ----------
    criterion : nn.Module
    evaluated : SetDataset
    robust : bool
        Whether gains are a share of the loss of a typical set, rather than of the mean.
    """

    def __init__(self, criterion: nn.Module, evaluated: SetDataset, robust: bool) -> None:
        self.criterion, self.robust = copy.deepcopy(criterion).eval(), robust
        self._all = self._every(1, evaluated)
        # of very many, a part is enough to compare candidates
        step = max(1, len(self._all.targets) // MOST_EVALUATED)
        self._some = self._all if step == 1 else self._every(step, evaluated)

    def _every(self, step: int, evaluated: SetDataset) -> _Part:
        targets, weights = evaluated.y, evaluated.weights()
        assert targets is not None
        targets, weights = targets.cpu(), None if weights is None else weights.double().cpu()
        rows: Tensor | slice = slice(None, None, step)
        packed = None
        if isinstance(self.criterion, LossOfSets):
            sizes = evaluated.sizes
            segments = torch.repeat_interleave(sizes)
            rows = torch.nonzero(segments % step == 0)[:, 0]
            packed = PackedSets(targets.new_empty(len(rows), 0), segments[rows] // step, sizes[::step])
        return _Part(rows, targets[rows], None if weights is None else weights[::step], packed)

    def __call__(self, outputs: Tensor) -> Tensor:
        """The loss of each of outputs (c, n, o)."""
        return self._mean(self._losses(outputs, self._all), self._all)

    def _mean(self, losses: Tensor, part: _Part) -> Tensor:
        """The mean over a part, (c,)."""
        if part.weights is None:
            return losses.mean(dim=1)
        return losses.sum(dim=1) / (part.weights if part.weights.dim() == 1 else part.weights.mean(dim=1)).sum()

    def _size(self, losses: Tensor, loss: Tensor) -> float:
        """What gains are a share of; the loss of counts, and of positive numbers, may be negative."""
        return float(losses.median() if self.robust else loss.abs())

    def _losses(self, outputs: Tensor, part: _Part) -> Tensor:
        """The losses of a part times their weights, (c, n), of outputs (c, n, o)."""
        targets = part.targets.to(outputs.dtype) if part.targets.is_floating_point() else part.targets
        return set_losses(self.criterion, outputs, targets, part.weights, part.packed)

    def choose(self, outputs: list[Tensor], prior: Tensor, link: str) -> tuple[np.ndarray, float, float]:
        """Weights of the prior and of candidates by greedy selection, the loss of their mean, and its size."""
        to_answers, to_outputs = LINKS[link]
        stacked = torch.stack(outputs)[:, self._some.rows]
        answers = to_answers(torch.cat([prior.double().cpu().expand(1, *stacked.shape[1:]), stacked]))
        counts, total, best, size = np.zeros(len(answers)), torch.zeros_like(answers[0]), math.inf, 0.0
        for n_before in range(MOST_ROUNDS):
            losses = self._losses(to_outputs((total + answers) / (n_before + 1)), self._some)
            means = self._mean(losses, self._some).nan_to_num(math.inf)
            number = int(means.argmin())
            if means[number] >= best - 1e-5 * size:
                break
            best, size = float(means[number]), self._size(losses[number], means[number])
            counts[number] += 1
            total = total + answers[number]
        return counts / counts.sum(), best, size
