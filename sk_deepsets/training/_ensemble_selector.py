"""EnsembleSelector: how the members of an ensemble are trained, and which are kept, by their out-of-fold outputs."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sk_deepsets.nn import Stack, even_weights, linked_mean
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._greedy_selection import EvaluationLoss
from sk_deepsets.training._library import Candidate, FitData, Library, State
from sk_deepsets.training._selector import CLEAR_GAIN, EpochSelector

WARM_UP = 20
"""Steps in which the learning rate rises to its value"""
AVERAGE = 7
"""The average of the weights is over about the last seventh of the steps, at any time"""
NEXT_EVALUATION = 1.3
"""How much later each evaluation is, in epochs"""
GAIN = 0.003
"""Evaluations that lower the loss by less than this share have gained nothing"""
PATIENCE, LEAST_STEPS = 2, 150
"""Training ends when so many evaluations in a row have gained nothing, after so many steps"""
RECENT, LEAST_EPOCHS = 3, 15
"""A variant is trained no further when none of its so many newest candidates is chosen, after those steps and so many
epochs"""
ENOUGH_SETS, ENOUGH_ELEMENTS = 50_000, 2_000_000
"""Sets, or elements, after which that is so whatever the steps and epochs"""


class EnsembleSelector(EpochSelector):
    """Trains each member on all folds but one, and keeps the variants, and the times, that are best together.

    Weights are averaged over the steps, with the power schedule of Karras et al. (2024), "Analyzing and improving the
    training dynamics of diffusion models". At the ends of epochs 1, 2, 3, 4, 5, 6, 8, 10, 13, … the out-of-fold outputs
    of each variant make a candidate; candidates are weighed by greedy selection with replacement (Caruana et al., 2004,
    "Ensemble selection from libraries of models"). Variants whose newest candidates are not chosen are trained no
    further; when nothing is gained any more, training ends.

    Parameters
    ----------
    stops_early : bool, default=True
    every_epoch : bool, default=False
        Whether to find out the loss at the end of every epoch, rather than where there are candidates; it changes
        nothing else.
    robust : bool, default=False
        Whether the loss is made for outliers among the targets. Gains are then a share of the loss of a typical set,
        since the mean may be that of the outliers alone.

    Attributes
    ----------
    loss_ : float
        The loss of the chosen candidates together.
    """

    selects_members = True

    def __init__(self, stops_early: bool = True, robust: bool = False, every_epoch: bool = False) -> None:
        super().__init__()
        self.stops_early = stops_early
        self.every_epoch = every_epoch
        self.robust = robust

    def on_train_begin(self, net: Any, X: Any = None, **kwargs: Any) -> None:
        """Forget an earlier fit."""
        stacks, train = list(net.module_.stacks), X.train
        self.stop_ = False
        self._out_of_fold: Tensor | None = None
        average = copy.deepcopy(stacks)
        self._state = State(list(range(len(stacks))), average)
        evaluated: list[tuple[SetDataset, int | None]] = [(X.valid, None)]
        evaluation_set = X.valid
        if train.fold is not None:
            fold = train.fold.cpu().numpy()
            parts = {int(number): np.flatnonzero(fold == number) for number in np.unique(fold[fold >= 0])}
            evaluated = [(train.subset(numbers), number) for number, numbers in parts.items()]
            # not the weights of the parts, each of which has a mean of 1
            evaluation_set = train.subset(np.concatenate(list(parts.values())))
        loss = EvaluationLoss(net.criterion_, evaluation_set, self.robust)
        n_elements = int(train.trained_sizes.sum())
        sizes = len(train), n_elements, net.max_epochs
        self._data = FitData(evaluated, evaluation_set, loss, [*average], train.fold, *sizes)

    @property
    def evaluation_set(self) -> SetDataset | None:
        """See :class:`EpochSelector`: the sets of the folds, one fold after another, or of ``X_val``."""
        return self._data.evaluation_set

    def before_step(self, net: Any) -> None:
        """Set the learning rate of the step."""
        self._state.n_steps += 1
        if self.sets_lr and self._state.n_steps <= WARM_UP:
            for group in net.optimizer_.param_groups:
                group["lr"] = net.lr * self._state.n_steps / WARM_UP

    @torch.no_grad()
    def after_step(self, net: Any) -> None:
        """Add the new weights to the average."""
        data = self._data
        if not data.weights:  # to find them takes longer than to average them
            data.averages, data.weights = _weights(self._state.average), _weights(net.module_.stacks)
        torch._foreach_lerp_(data.averages, data.weights, 1 - (1 - 1 / self._state.n_steps) ** AVERAGE)

    def evaluates_epoch(self) -> bool:
        """See :class:`EpochSelector`."""
        return self.every_epoch or self._takes_candidates(self._state.n_epochs + 1)

    def _takes_candidates(self, epoch: int) -> bool:
        return epoch >= self._state.next_evaluation or epoch == self._data.max_epochs

    def evaluate(self, net: Any) -> Tensor:
        """See :class:`EpochSelector`: the mean of the variants' out-of-fold outputs."""
        self._data.variant_outputs = found = self._evaluate(net)
        outputs = linked_mean(found, even_weights(found), net.module_.link)
        net.history.record("valid_loss", net.processes.same(self._data.loss(outputs[None]).item()))
        return outputs

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Choose members at some of the epochs."""
        state, record = self._state, net.history[-1]
        state.n_epochs += 1
        library, loss = state.library, record.get("valid_loss")
        if loss is not None:
            net.history.record("valid_loss_best", loss < library.lowest_loss)  # which skorch's table reads
        if not math.isfinite(record["train_loss"] + (loss or 0.0)):
            self.stop_ = True
        elif self._takes_candidates(state.n_epochs):
            assert self._data.variant_outputs is not None
            library = self._choose(net, self._data.variant_outputs)
            if loss < library.lowest_loss:
                library = library._replace(lowest_loss=loss, best_epoch=record["epoch"])
        state.library = library._replace(last_epoch=record["epoch"])

    @property
    def best_epoch_(self) -> int | None:
        """See :class:`EpochSelector`."""
        return self._state.library.best_epoch

    @property
    def last_epoch_(self) -> int:
        """See :class:`EpochSelector`."""
        return self._state.library.last_epoch

    @property
    def is_falling_(self) -> bool:
        """Whether the last evaluation still found clearly less loss, where training might have ended early."""
        return self.stops_early and not self.stop_ and self._state.falls

    @property
    def out_of_fold_(self) -> Tensor | None:
        """See :class:`EpochSelector`."""
        return self._out_of_fold

    def _choose(self, net: Any, outputs: Tensor) -> Library:
        """Weigh the candidates, these among them, and find out whether it is enough; what is known then."""
        ensemble, state, data = net.module_, self._state, self._data
        state.next_evaluation = max(state.n_epochs + 1, round(state.n_epochs * NEXT_EVALUATION))
        state.n_evaluations += 1
        candidates = list(state.library.candidates)
        for number, stack, stack_outputs in zip(state.numbers, state.average, outputs, strict=True):
            weights = [weight.clone() for weight in _weights([stack])]
            candidates.append(Candidate(number, state.n_evaluations, weights, stack_outputs))
        known = [candidate.outputs for candidate in candidates]
        weights, loss, size = net.processes.same(data.loss.choose(known, ensemble.prior, ensemble.link))
        gain = state.best_loss - loss
        state.falls = gain > CLEAR_GAIN * size
        state.evaluations_without_gain = 0 if gain > GAIN * size else state.evaluations_without_gain + 1
        state.best_loss = min(loss, state.best_loss)
        if self.stops_early and state.evaluations_without_gain >= PATIENCE and state.n_steps >= LEAST_STEPS:
            self.stop_ = True
            return state.library._replace(candidates=tuple(candidates), weights=weights)
        is_enough = state.n_epochs * data.n_sets >= ENOUGH_SETS or state.n_epochs * data.n_elements >= ENOUGH_ELEMENTS
        if is_enough or (state.n_steps >= LEAST_STEPS and state.n_epochs >= LEAST_EPOCHS):
            chosen = [candidates[place] for place in np.flatnonzero(weights[1:])]
            improving = {one.number for one in chosen if one.evaluation > state.n_evaluations - RECENT}
            kept = [place for place, number in enumerate(state.numbers) if number in improving]
            if 0 < len(kept) < len(state.numbers):
                self._keep(net, kept)
        return state.library._replace(candidates=tuple(candidates), weights=weights)

    def _keep(self, net: Any, places: list[int]) -> None:
        """Train these variants alone from now on."""
        state = self._state
        net.module_ = net.module_.with_stacks([net.module_.stacks[place] for place in places])
        state.average = [state.average[place] for place in places]
        state.numbers = [state.numbers[place] for place in places]
        self._data.weights, self._data.evaluators = [], []
        # the optimizer stays the same object, which schedulers of its learning rate refer to
        kept = set(net.module_.parameters())
        for group in net.optimizer_.param_groups:
            group["params"] = [weight for weight in group["params"] if weight in kept]
        for weight in [weight for weight in net.optimizer_.state if weight not in kept]:
            del net.optimizer_.state[weight]

    @torch.no_grad()
    def _evaluate(self, net: Any) -> Tensor:
        """The outputs of each variant, with averaged weights, for sets that its members have not seen: (v, n, o)."""
        net._set_training(False)
        found, data = [], self._data
        if not data.evaluators:  # the weights of which are views of the averages, and change with them
            whole = net.module_.with_stacks(self._state.average)
            data.evaluators = [whole if fold is None else whole.of_fold(fold) for _, fold in data.evaluated]
        for (part, _), ensemble in zip(data.evaluated, data.evaluators, strict=True):

            def run(own: SetDataset, ensemble: Any = ensemble) -> Tensor:
                batches = net.get_iterator(own)
                return torch.cat([ensemble.variant_outputs(batch.inputs(ensemble)) for batch, _ in batches], dim=1)

            found.append(net.processes.outputs(part, run))
        return torch.cat(found, dim=1).double().cpu()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Make an ensemble of the chosen candidates, with the parameters that they had.

        Called once more after an interrupt, it begins where it began before.
        """
        library, ensemble, state = self._state.library, net.module_, self._state
        if not library.candidates:
            return
        data, (prior_weight, *weights) = self._data, library.weights
        chosen = np.flatnonzero(weights)
        if not len(chosen):  # there is nothing to learn; something has to stand for the members
            outputs = torch.stack([candidate.outputs for candidate in library.candidates])
            chosen = np.array([int(data.loss(outputs).argmin())])
        kept, stack_weights = [library.candidates[number] for number in chosen], [weights[number] for number in chosen]
        outputs = torch.stack([candidate.outputs for candidate in kept])
        prior = ensemble.prior.double().cpu().expand(1, *outputs.shape[1:])
        weights = torch.tensor([prior_weight, *stack_weights])
        outputs = linked_mean(torch.cat([prior, outputs]), weights, ensemble.link)
        self.loss_ = data.loss(outputs[None]).item()
        if data.fold is not None:
            all_outputs = outputs.new_full((len(data.evaluation_set.whole().rows), outputs.shape[1]), math.nan)
            all_outputs[data.evaluation_set.rows.cpu()] = outputs
            self._out_of_fold = all_outputs
        stacks = [_with_weights(data.stacks[candidate.number], candidate.weights) for candidate in kept]
        net.module_ = ensemble.with_stacks(stacks, stack_weights, prior_weight)
        net.initialize_optimizer()
        state.average, state.library = [], library._replace(candidates=())
        del self._data


def _weights(stacks: Sequence[Stack]) -> list[Tensor]:
    return [weight.detach() for stack in stacks for weight in stack.parameters()]


def _with_weights(stack: Stack, weights: Sequence[Tensor]) -> Stack:
    """A copy of a stack with other weights."""
    stack = copy.deepcopy(stack)
    for weight, value in zip(_weights([stack]), weights, strict=True):
        weight.copy_(value)
    return stack
