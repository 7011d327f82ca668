"""Ensemble: the weighted mean of many nets and of a constant prediction, as one model.

The nets are the *members*. Each belongs to a *variant*, in which the sets are seen in some way, and holds out one fold
of the training sets; the members of one variant, one for each fold, are a *stack*, which runs as one model.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from sk_deepsets.nn._links import even_weights, linked_mean, linked_std
from sk_deepsets.nn._model import Model, WeightCounts
from sk_deepsets.nn._packed import PackedSets, pack

ModuleType = TypeVar("ModuleType", bound=nn.Module)


class Inputs(NamedTuple):
    """What the stacks of an ensemble take of a batch."""

    packed: PackedSets
    context: Tensor | None = None
    """(b, c)"""
    statistics: Tensor | None = None
    """(b, s)"""
    scale: Callable[[Tensor], Tensor] | None = None
    """What the elements go through first; None where they have done so"""


class Stack(nn.Module):
    """The members of one variant, one for each fold; all its parameters have a first axis of members.

    Attributes
    ----------
    label_smoothing : float
        Share of the probability that is given to all classes alike in training.
    """

    label_smoothing = 0.0

    @abstractmethod
    def forward(self, inputs: Inputs) -> Tensor:
        """Outputs of the members, (K, b, o)."""

    def embed(self, inputs: Inputs) -> Tensor:
        """Pooled vectors of the members, (K, b, k)."""
        raise NotImplementedError

    def of_fold(self, fold: int) -> Self:
        """The member that holds out a fold, by itself; its weights are views of these, and change with them."""
        return _member(self, fold)

    @abstractmethod
    def weight_counts(self) -> WeightCounts:
        """As those of a :class:`Model`."""


def _member(module: ModuleType, number: int) -> ModuleType:
    """A module with views of the weights of one member."""
    other, weights = copy.copy(module), module._parameters.items()
    other._parameters = {
        name: None if w is None else nn.Parameter(w.detach()[number : number + 1], requires_grad=False)
        for name, w in weights
    }
    children = module._modules.items()
    other._modules = {name: None if child is None else _member(child, number) for name, child in children}
    return other


class Ensemble(Model):
    """The weighted mean of the answers of all members and of a constant prediction.

    An ensemble in one model, as in Gorishniy et al. (2024), "TabM: Advancing tabular deep learning with
    parameter-efficient ensembling", but with weights that are all the members' own.

    Parameters
    ----------
    stacks : iterable of Stack
    n_folds : int
        How many members each stack has.
    link : str
        What the mean is taken of, see ``LINKS``.
    prior : sequence of float
        The constant prediction, as outputs (n_outputs,).
    """

    weights: Tensor
    prior: Tensor

    def __init__(self, stacks: Iterable[Stack], n_folds: int, link: str, prior: Sequence[float]) -> None:
        super().__init__()
        self._n_folds, self.link = n_folds, link
        self.register_buffer("prior", torch.tensor(prior))
        self.register_buffer("weights", torch.empty(0))
        self._set_stacks(stacks)

    def with_stacks(
        self, stacks: Iterable[Stack], weights: Sequence[float] | None = None, prior_weight: float = 0.0
    ) -> Self:
        """An ensemble of these members; ``weights`` are those of the stacks, by default all the same."""
        other = self._copy()
        other._set_stacks(stacks, weights, prior_weight)
        return other

    def _copy(self) -> Self:
        """The same with dictionaries of its own, in which other stacks may be put."""
        other = copy.copy(self)
        other._modules, other._buffers = dict(self._modules), dict(self._buffers)
        return other

    def _set_stacks(
        self, stacks: Iterable[Stack], weights: Sequence[float] | None = None, prior_weight: float = 0.0
    ) -> None:
        module_list = nn.ModuleList(stacks).train(self.training)
        self.stacks: Sequence[Stack] = module_list  # type: ignore[assignment]  # a ModuleList does not say of what
        shares = [1 / len(module_list)] * len(module_list) if weights is None else weights
        member_weights = [share / self.n_folds for share in shares for _ in range(self.n_folds)]
        self.weights = torch.tensor([*member_weights, prior_weight], device=self.prior.device, dtype=self.prior.dtype)

    @property
    def n_folds(self) -> int:
        """See :class:`Model`."""
        return self._n_folds

    @property
    def n_members(self) -> int:
        """How many members there are."""
        return len(self.stacks) * self.n_folds

    @property
    def label_smoothing(self) -> list[float]:
        """That of each member."""
        return [stack.label_smoothing for stack in self.stacks for _ in range(self.n_folds)]

    @property
    def scaled_width(self) -> int:
        """How many values ``inputs`` makes of an element; 0: it leaves the elements as they are."""
        return 0

    def inputs(self, packed: PackedSets, context: Tensor | None = None, statistics: Tensor | None = None) -> Inputs:
        """What the stacks take of a batch: of each set, which it alone determines, and nothing that is trained.

        ``statistics`` are those that ``set_statistics`` gave of the sets before.
        """
        return Inputs(packed, context)

    def set_statistics(self, packed: PackedSets) -> Tensor | None:
        """What the stacks take of the statistics of packed sets, (b, s); None for nothing."""
        return None

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """The mean of the members' outputs, (b, output_dim).

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.
        context : Tensor of shape (b, context_dim), optional
        """
        return self.mean_of(self.member_outputs(pack(x, mask), context))

    def member_outputs(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """Outputs of all members, (K, b, o)."""
        return self.outputs_of(self.inputs(packed, context))

    def outputs_of(self, inputs: Inputs) -> Tensor:
        """Outputs of all members for what ``inputs`` gives, (K, b, o)."""
        return torch.cat([stack(inputs) for stack in self.stacks])

    def of_fold(self, fold: int) -> Self:
        """The members that hold out a fold, see :class:`Stack`."""
        other = self._copy()
        other._n_folds = 1
        other._set_stacks([stack.of_fold(fold) for stack in self.stacks])
        return other

    def variant_outputs(self, inputs: Inputs) -> Tensor:
        """Outputs of each variant (n_stacks, b, o): the mean of its members."""
        outputs = self.outputs_of(inputs)
        variants = outputs.view(len(self.stacks), -1, *outputs.shape[1:])
        return torch.stack([linked_mean(o, even_weights(o), self.link) for o in variants])

    def mean_of(self, outputs: Tensor) -> Tensor:
        """The mean of outputs (K, b, o) and of the prior: (b, o)."""
        return linked_mean(self._with_prior(outputs), self.weights, self.link)

    def std_of(self, outputs: Tensor) -> Tensor:
        """The standard deviation of the answers of the members and of the prior, of which ``mean_of`` is the mean."""
        return linked_std(self._with_prior(outputs), self.weights, self.link)

    def _with_prior(self, outputs: Tensor) -> Tensor:
        return torch.cat([outputs, self.prior.expand(1, *outputs.shape[1:])])

    def embed(self, x: Tensor | PackedSets, mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """The pooled vectors of all members side by side, (b, K * k); arguments as in ``forward``."""
        inputs = self.inputs(pack(x, mask), context)
        return torch.cat([stack.embed(inputs) for stack in self.stacks]).transpose(0, 1).flatten(1)

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        return WeightCounts(*map(sum, zip(*(stack.weight_counts() for stack in self.stacks), strict=True)))
