"""Pack: what ensembles in one net have in common, and the kinds that their members belong to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sk_deepsets.nn._links import linked_mean
from sk_deepsets.nn._packed import PackedSets

State = dict[str, Tensor]
"""Parameters, or what else has their names and shapes"""


class Kind(NamedTuple):
    """How the members of a kind see the sets."""

    elements: tuple[str, ...]
    """The scalings of the elements that phi takes"""
    statistics: tuple[str, ...] = ()
    """The scalings of the statistics of the set that rho takes beside the pooled vector"""
    dropout: float = 0.0
    """Share of the pooled values, and of rho's hidden units, dropped in training"""
    sums: bool = False
    """Whether a mean over the set is multiplied by its size, which makes it a sum"""
    label_smoothing: float = 0.0
    """Share of the probability that is given to all classes alike in training"""


class Pack(nn.Module):
    """Members of an ensemble, ``n_folds`` of each kind, and the weighted mean of their outputs and of a prior.

    Parameters
    ----------
    kinds : sequence of Kind
    n_folds : int
    link : str
        What the mean is taken of, see ``LINKS``.
    prior : sequence of float
        Outputs of a constant prediction, (n_outputs,).
    """

    weights: Tensor
    prior: Tensor

    def __init__(self, kinds: Sequence[Kind], n_folds: int, link: str, prior: Sequence[float]) -> None:
        super().__init__()
        self.kinds, self.n_folds, self.link = tuple(kinds), n_folds, link
        self.register_buffer("prior", torch.tensor(prior))
        self.register_buffer("weights", torch.empty(0))
        self.weighted([1 / len(kinds)] * len(kinds), 0.0)

    def weighted(self, of_kinds: Sequence[float], of_prior: float) -> Pack:
        """Set the weights of the kinds, and of the prior, in the mean; returns the ensemble itself."""
        of_members = [weight / self.n_folds for weight in of_kinds for _ in range(self.n_folds)]
        self.weights = torch.tensor([*of_members, of_prior], device=self.prior.device, dtype=self.prior.dtype)
        return self

    @property
    def n_members(self) -> int:
        """How many members there are."""
        return len(self.kinds) * self.n_folds

    @property
    def label_smoothing(self) -> list[float]:
        """That of each member."""
        return [kind.label_smoothing for kind in self.kinds for _ in range(self.n_folds)]

    def mean_of(self, outputs: Tensor) -> Tensor:
        """The mean of outputs (K, b, o) and of the prior: (b, o)."""
        return linked_mean(torch.cat([outputs, self.prior.expand(1, *outputs.shape[1:])]), self.weights, self.link)

    @abstractmethod
    def of_kind(self, state: State, kind: int) -> State:
        """The parameters of the members of one kind, by the names that they have in an ensemble of these alone."""

    @abstractmethod
    def joined(self, states: Sequence[State]) -> State:
        """The parameters of an ensemble of several kinds, from those of an ensemble of each."""

    @abstractmethod
    def with_kinds(self, kinds: Sequence[Kind], states: Sequence[State]) -> Pack:
        """A pack of these kinds; the parameters of each come from ``of_kind`` of this pack or of one like it."""

    @abstractmethod
    def said_by(self, state: State, folds: Sequence[int], packed: PackedSets, context: Tensor | None) -> Tensor:
        """Outputs (n_kinds * len(folds), b, o) of the members of these folds, with these parameters."""
