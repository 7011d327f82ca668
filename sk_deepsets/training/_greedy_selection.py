"""EvaluationLoss: the loss on the sets that members are evaluated on, and the greedy selection of candidates by it."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sk_deepsets.nn import LINKS, LossOfSets, PackedSets, row_losses, set_losses
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


def _every(step: int, targets: Tensor, weights: Tensor | None, sizes: Tensor) -> _Part:
    """Some of the sets, with all their elements."""
    segments = torch.repeat_interleave(sizes)
    rows = torch.nonzero(segments % step == 0)[:, 0]
    packed = PackedSets(targets.new_empty(len(rows), 0), segments[rows] // step, sizes[::step])
    return _Part(rows, targets[rows], None if weights is None else weights[::step], packed)


def _some_rows(targets: Tensor, weights: Tensor | None) -> _Part:
    """Rows with a weight, which are enough to compare candidates by; of very many, a part."""
    if weights is None:
        rows = torch.arange(len(targets))
    else:
        rows = torch.nonzero(weights if weights.dim() == 1 else weights.sum(dim=1))[:, 0]
    rows = rows[:: max(1, len(rows) // MOST_EVALUATED)]
    return _Part(rows, targets[rows], None if weights is None else weights[rows], None)


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
        targets, weights = evaluated.y, evaluated.weights()
        assert targets is not None
        targets, weights = targets.cpu(), None if weights is None else weights.double().cpu()
        if isinstance(self.criterion, LossOfSets):
            self._all, step = _every(1, targets, weights, evaluated.sizes), max(1, len(targets) // MOST_EVALUATED)
            self._some = self._all if step == 1 else _every(step, targets, weights, evaluated.sizes)
        else:
            self._all = _Part(slice(None), targets, weights, None)
            self._some = _some_rows(targets, weights)
        # the mean of probabilities has the loss of that of the right class, whatever the others are
        self._takes_right_class = isinstance(criterion, nn.CrossEntropyLoss)

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
        losses_of = lambda means: self._losses(to_outputs(means), self._some)  # noqa: E731
        if self._takes_right_class:
            answers = answers.gather(2, self._some.targets.view(1, -1, 1).expand(len(answers), -1, 1))
            losses_of = lambda means: row_losses(-to_outputs(means), self._some.weights)  # noqa: E731
        counts, total, best, size = np.zeros(len(answers)), torch.zeros_like(answers[0]), math.inf, 0.0
        for n_before in range(MOST_ROUNDS):
            losses = losses_of((total + answers) / (n_before + 1))
            means = self._mean(losses, self._some).nan_to_num(math.inf)
            number = int(means.argmin())
            if means[number] >= best - 1e-5 * size:
                break
            best, size = float(means[number]), self._size(losses[number], means[number])
            counts[number] += 1
            total = total + answers[number]
        return counts / counts.sum(), best, size
