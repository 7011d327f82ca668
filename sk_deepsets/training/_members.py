"""MemberTraining: trains the members of an ensemble, and selects among them by their out-of-fold predictions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor

from sk_deepsets.nn import LINKS, Kind, linked_mean, row_losses
from sk_deepsets.training._callbacks import CLEAR_GAIN

WARM_UP = 20
"""Steps in which the learning rate rises to its value"""
AVERAGE = 7
"""The average of the weights is over about the last seventh of the steps, at any time"""
NEXT_LOOK = 1.3
"""How much later each look is, in epochs"""
PATIENCE, GAIN, MIN_STEPS = 2, 0.003, 300
"""Training ends when so many looks in a row have lowered the loss by less than this share, after so many steps"""
ENOUGH_SETS, ENOUGH_ELEMENTS = 50_000, 2_000_000
"""Sets, or elements, after which kinds that are not chosen are no longer trained"""
MOST_ROUNDS, MOST_JUDGES = 30, 20_000
"""Rounds of the selection, and sets that it evaluates"""
OF_THE_DATA = ("_look_at", "_judge", "evaluation_set", "_outputs_of_kinds")


class Candidate(NamedTuple):
    """A kind of member at a time when it may be worth keeping."""

    number: int
    """Which of the kinds that training began with"""
    kind: Kind
    state: dict[str, Tensor]
    """Its parameters, in an ensemble of this kind alone"""
    outputs: Tensor
    """(n, n_outputs): for each evaluated set, the output of the members that were not trained on it"""


class Library(NamedTuple):
    """What is known of the epochs that are finished; replaced at once, since Ctrl-C may come at any time."""

    candidates: tuple[Candidate, ...] = ()
    weights: np.ndarray = np.ones(1)
    """Those of the prior and of the candidates"""
    lowest_loss: float = math.inf
    best_epoch: int | None = None
    last_epoch: int = 0


class MemberTraining(Callback):
    """Trains each member on all folds but its own, and keeps the kinds, and the times, that are best together.

    Weights are averaged over the steps, with the power schedule of Karras et al. (2024), "Analyzing and improving the
    training dynamics of diffusion models". At the ends of epochs 1, 2, 3, 4, 5, 6, 8, 10, 13, … what each kind says of
    the sets that its members have not seen is a candidate; candidates are weighed by greedy selection with replacement
    (Caruana et al., 2004, "Ensemble selection from libraries of models"). When that gains no more, training ends.

    Parameters
    ----------
    stops_early : bool, default=True
    robust : bool, default=False
        Whether the loss is made for outliers among the targets. Gains are then a share of the loss of a typical set,
        since the mean may be that of the outliers alone.

    Attributes
    ----------
    sets_lr : bool
        Whether the learning rate rises over the first steps.
    evaluation_set : SetDataset
        The sets by which members are chosen: those of the folds, or of ``X_val``.
    outputs_ : Tensor of shape (n, n_outputs)
        The mean of the outputs of the chosen candidates for the evaluated sets.
    loss_ : float
        Its loss.
    """

    def __init__(self, stops_early: bool = True, robust: bool = False) -> None:
        self.stops_early = stops_early
        self.robust = robust
        self.sets_lr = True

    def on_train_begin(self, net: Any, X: Any = None, **kwargs: Any) -> None:
        """Forget an earlier fit."""
        self.stop_, self._library = False, Library()
        self._n_steps = self._n_epochs = self._in_vain = 0
        self._max_epochs = net.max_epochs
        self._next_look, self._falls = 1, False
        self._best_loss = math.inf
        self._n_sets, self._n_elements = len(X.train), int(X.train.sizes.sum())
        self._numbers = list(range(len(net.module_.kinds)))
        self._average = {name: weight.detach().clone() for name, weight in net.module_.named_parameters()}
        self._look_at: list[tuple[Any, int | None]] = [(X.valid, None)]  # the sets to evaluate, and their fold
        self.evaluation_set = X.valid
        if X.train.fold is not None:
            fold = X.train.fold.numpy()
            parts = {int(one): np.flatnonzero(fold == one) for one in np.unique(fold[fold >= 0])}
            self._look_at = [(X.train.subset(numbers), one) for one, numbers in parts.items()]
            # not the weights of the parts, each of which has a mean of 1
            self.evaluation_set = X.train.subset(np.concatenate(list(parts.values())))
        self._judge = _Judge(net, self.evaluation_set.y, self.evaluation_set.weights(), self.robust)

    def __getstate__(self) -> dict[str, Any]:
        """Without the training data, which each fit brings, and what is made of them anew in each epoch."""
        return {name: value for name, value in vars(self).items() if name not in OF_THE_DATA}

    def before_step(self, net: Any) -> None:
        """Set the learning rate of the step."""
        self._n_steps += 1
        if self.sets_lr and self._n_steps <= WARM_UP:
            for group in net.optimizer_.param_groups:
                group["lr"] = net.lr * self._n_steps / WARM_UP

    def after_step(self, net: Any) -> None:
        """Add the new weights to the average."""
        share = 1 - (1 - 1 / self._n_steps) ** AVERAGE
        weights = [weight.detach() for weight in net.module_.parameters()]
        torch._foreach_lerp_(list(self._average.values()), weights, share)

    def evaluate(self, net: Any) -> Tensor:
        """Record the loss of the sets of ``evaluation_set``; the mean of what the kinds say of them, (n, n_outputs)."""
        self._outputs_of_kinds = self._outputs(net)  # (n_kinds, n, n_outputs)
        n_kinds, dtype = len(self._outputs_of_kinds), self._outputs_of_kinds.dtype
        even = torch.full((n_kinds,), 1 / n_kinds, dtype=dtype)
        outputs = linked_mean(self._outputs_of_kinds, even, net.module_.link)
        net.history.record("valid_loss", self._judge(outputs[None]).item())
        return outputs

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Evaluate candidates at some of the epochs."""
        self._n_epochs += 1
        library, record = self._library, net.history[-1]
        loss = record["valid_loss"]
        net.history.record("valid_loss_best", loss < library.lowest_loss)  # what skorch's Checkpoint looks for
        if not (math.isfinite(loss) and math.isfinite(record["train_loss"])):
            self.stop_ = True
        else:
            if self._n_epochs >= self._next_look or self._n_epochs == self._max_epochs:
                library = self._look(net, self._outputs_of_kinds)
            if loss < library.lowest_loss:
                library = library._replace(lowest_loss=loss, best_epoch=record["epoch"])
        self._library = library._replace(last_epoch=record["epoch"])

    @property
    def best_epoch_(self) -> int | None:
        """The epoch with the lowest ``valid_loss``."""
        return self._library.best_epoch

    @property
    def last_epoch_(self) -> int:
        """The last epoch that was finished; 0 before the first one is."""
        return self._library.last_epoch

    @property
    def falls_(self) -> bool:
        """Whether the last look still found clearly less loss, where that is asked for."""
        return self.stops_early and not self.stop_ and self._falls

    def _look(self, net: Any, outputs: Tensor) -> Library:
        """Weigh the candidates, these among them, and find out whether it is enough; what is known then."""
        self._next_look = max(self._n_epochs + 1, round(self._n_epochs * NEXT_LOOK))
        pack, candidates = net.module_, list(self._library.candidates)
        for place, number in enumerate(self._numbers):
            state = {name: value.clone() for name, value in pack.of_kind(self._average, place).items()}
            candidates.append(Candidate(number, pack.kinds[place], state, outputs[place]))
        weights, loss, size = self._judge.choose([one.outputs for one in candidates], pack.prior, pack.link)
        gain = self._best_loss - loss
        self._falls = gain > CLEAR_GAIN * size
        self._in_vain = 0 if gain > GAIN * size else self._in_vain + 1
        self._best_loss = min(loss, self._best_loss)
        if self.stops_early and self._in_vain >= PATIENCE and self._n_steps >= MIN_STEPS:
            self.stop_ = True
        elif self._n_epochs * self._n_sets >= ENOUGH_SETS or self._n_epochs * self._n_elements >= ENOUGH_ELEMENTS:
            chosen = {one.number for one, weight in zip(candidates, weights[1:], strict=True) if weight}
            kept = [place for place, number in enumerate(self._numbers) if number in chosen]
            if 0 < len(kept) < len(self._numbers):
                self._keep(net, kept)
        return self._library._replace(candidates=tuple(candidates), weights=weights)

    def _keep(self, net: Any, places: list[int]) -> None:
        """Train these kinds alone from now on."""
        pack, optimizer = net.module_, net.optimizer_
        state = dict(optimizer.state)

        def kept(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return pack.joined([pack.of_kind(tensors, place) for place in places])

        named = dict(pack.named_parameters())
        moments = {
            key: {name: state[w][key] for name, w in named.items()} for key in state.get(next(iter(named.values())), ())
        }
        states = [pack.of_kind(named, place) for place in places]
        net.module_ = pack.with_kinds([pack.kinds[place] for place in places], states)
        net.initialize_optimizer()
        # the optimizer stays the same object, which schedulers of its learning rate refer to
        for group, new_group in zip(optimizer.param_groups, net.optimizer_.param_groups, strict=True):
            group["params"] = new_group["params"]
        optimizer.state.clear()
        for key, of_weights in moments.items():
            some = next(iter(of_weights.values()))
            moved = kept(of_weights) if some.dim() else {}  # a number of steps is the same for all
            for name, weight in net.module_.named_parameters():
                optimizer.state[weight][key] = moved.get(name, some).clone()
        net.optimizer_ = optimizer
        self._average = {name: value.clone() for name, value in kept(self._average).items()}
        self._numbers = [self._numbers[place] for place in places]

    @torch.no_grad()
    def _outputs(self, net: Any) -> Tensor:
        """What each kind says, with averaged weights, of the sets that its members have not seen: (n_kinds, n, o)."""
        net._set_training(False)
        pack, found = net.module_, []
        for part, fold in self._look_at:
            folds = range(pack.n_folds) if fold is None else [fold]
            for batch, _ in net.get_iterator(part):
                outputs = pack.said_by(self._average, list(folds), batch.packed, batch.context)
                outputs = outputs.view(len(pack.kinds), -1, *outputs.shape[1:])  # (n_kinds, n_folds or 1, b, o)
                even = outputs.new_full((outputs.shape[1],), 1 / outputs.shape[1])
                found.append(torch.stack([linked_mean(of_kind, even, pack.link) for of_kind in outputs]))
        return torch.cat(found, dim=1).double().cpu()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Make an ensemble of the chosen candidates, with the parameters that they had.

        Called once more after an interrupt, it begins where it began before.
        """
        candidates, pack = self._library.candidates, net.module_
        of_prior, *weights = self._library.weights
        if not candidates:
            return
        chosen = np.flatnonzero(weights)
        if not len(chosen):  # there is nothing to learn; something has to stand for the members
            chosen = np.array([int(self._judge(torch.stack([one.outputs for one in candidates])).argmin())])
        of_kinds = [weights[number] for number in chosen]
        kept = [candidates[number] for number in chosen]
        chosen_pack = pack.with_kinds([one.kind for one in kept], [one.state for one in kept])
        prior = pack.prior.double().cpu().expand(1, *kept[0].outputs.shape)
        outputs = torch.cat([prior, torch.stack([one.outputs for one in kept])])
        self.outputs_ = linked_mean(outputs, torch.tensor([of_prior, *of_kinds]), pack.link)
        self.loss_ = self._judge(self.outputs_[None]).item()
        net.module_ = chosen_pack.weighted(of_kinds, of_prior)
        net.initialize_optimizer()
        self._average, self._library = {}, self._library._replace(candidates=())
        for name in OF_THE_DATA:
            self.__dict__.pop(name, None)


class _Judge:
    """The loss of outputs for the evaluated sets."""

    def __init__(self, net: Any, targets: Tensor, weights: Tensor | None, robust: bool) -> None:
        self.criterion, self.robust = net.criterion_, robust
        self.targets, self.weights = targets.cpu(), None if weights is None else weights.double().cpu()
        # a part of very many sets tells candidates apart as well
        self.some = slice(None, None, max(1, len(targets) // MOST_JUDGES))

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
        of_candidates = torch.stack(outputs)[:, self.some]
        answers = to_answers(torch.cat([prior.double().cpu().expand(1, *of_candidates.shape[1:]), of_candidates]))
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
