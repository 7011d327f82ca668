"""What an ensemble selector knows: the candidates and their weights, what training changes, and what a fit is of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from torch import Tensor

from sk_deepsets.nn import Ensemble, Stack
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._greedy_selection import EvaluationLoss


class Candidate(NamedTuple):
    """A variant at a time when it may be worth keeping."""

    number: int
    """Which of the variants that training began with"""
    evaluation: int
    """The first, the second, ... of the fit"""
    weights: list[Tensor]
    """The average weights of its members"""
    outputs: Tensor
    """(n, n_outputs): for each set that is evaluated, or each of its elements, the output of members that were not
    trained on it"""


class Library(NamedTuple):
    """What is known of the epochs that are finished; replaced as a whole, since Ctrl-C may come at any time."""

    candidates: tuple[Candidate, ...] = ()
    weights: np.ndarray = np.ones(1)
    """Those of the prior and of the candidates"""
    lowest_loss: float = math.inf
    best_epoch: int | None = None
    last_epoch: int = 0


@dataclass
class State:
    """What training changes."""

    numbers: list[int]
    """Which of the variants that training began with are still trained"""
    average: list[Stack]
    """Their average weights"""
    library: Library = field(default_factory=Library)
    n_steps: int = 0
    n_epochs: int = 0
    next_evaluation: int = 1
    n_evaluations: int = 0
    evaluations_without_gain: int = 0
    best_loss: float = math.inf
    falls: bool = False
    """Whether the last evaluation found clearly less loss"""


@dataclass
class FitData:
    """What a fit is of, which is dropped when it ends."""

    evaluated: list[tuple[SetDataset, int | None]]
    """Sets, and the fold that they are"""
    evaluation_set: SetDataset
    """All of them"""
    loss: EvaluationLoss
    stacks: list[Stack]
    """One of each variant that training began with"""
    fold: Tensor | None
    n_sets: int
    n_elements: int
    max_epochs: int
    averages: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    """The average weights of what is trained, and the present ones"""
    evaluators: list[Ensemble] = field(default_factory=list)
    """What evaluates each part of the sets: the members that hold it out, with their average weights"""
    variant_outputs: Tensor | None = None
    """(n_stacks, n, n_outputs), those of the epoch"""
