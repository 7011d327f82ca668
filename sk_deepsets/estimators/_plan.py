"""FitPlan: what a fit will do, decided before anything is trained; Fitted: what it leaves of itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sk_deepsets.estimators._folds import hold_out, member_folds
from sk_deepsets.estimators._reader import CollectionsReader, SetReader
from sk_deepsets.estimators._variants import Layout
from sk_deepsets.targets import Target
from sk_deepsets.training import RandomNumbers, SetNet, Split

# Targets, of sets or of elements. With fewer, a net that is trained to the end is more accurate than one that holds out
# a tenth, but overconfident (accuracy .82 against .75, log loss 1.5 against .7: examples/benchmarks/README.md).
ENOUGH_TO_HOLD_OUT = 1_000


@dataclass(frozen=True, eq=False)
class FitPlan:
    """Which members there are, and on which sets they are trained and evaluated.

    Attributes
    ----------
    n_sets : int
    layout : Layout
    used : ndarray of int
        The sets that have a weight.
    fold : ndarray of int, shape (n_sets,), or None
        The fold of each set, which one member of each variant holds out; -1 for a set that is in none, or not used.
    held_out : ndarray of int
        The sets that a single net is evaluated on.
    """

    n_sets: int
    layout: Layout
    used: np.ndarray
    fold: np.ndarray | None
    held_out: np.ndarray

    @classmethod
    def make(cls, encoded, groups, choose_layout, seed, *, early_stopping, validation_fraction, trains_all):
        """Plan a fit.

        Parameters
        ----------
        encoded : Encoded
        groups : ndarray of int, shape (n_sets,), or None
        choose_layout : callable
            From the numbers of sets, or of groups, and of elements to a Layout.
        seed : int
            The same each time that training continues: no member is evaluated on sets that it was trained on before.
        early_stopping, validation_fraction
            Parameters of the estimators.
        trains_all : bool
            Whether nothing is held out: in ``partial_fit``, and where the user gives validation sets.
        """
        sets, weight, random = encoded.sets, encoded.weight, np.random.RandomState(seed)
        n_sets = len(sets)
        used = np.arange(n_sets) if weight is None else np.flatnonzero(weight)
        groups = None if groups is None else groups[used]
        strata = np.zeros(len(used)) if encoded.strata is None else encoded.strata[used]
        n_elements, nothing = int(sets.sizes[used].sum()), used[:0]
        layout = choose_layout(len(used) if groups is None else len(np.unique(groups)), n_elements)
        if layout.n_folds > 1 and not trains_all:
            folds = member_folds(layout.n_folds, strata, groups, random)
            if folds is not None:
                fold = np.full(n_sets, -1)
                fold[used] = folds
                return cls(n_sets, layout, used, fold, nothing)
            layout = choose_layout(1, n_elements)  # as of a single group
        if trains_all or layout.n_folds > 1:
            return cls(n_sets, layout, used, None, nothing)
        n_targets = len(used) if len(encoded.values) == n_sets else n_elements
        if n_targets >= ENOUGH_TO_HOLD_OUT if early_stopping == "auto" else early_stopping:
            return cls(n_sets, layout, used, None, used[hold_out(validation_fraction, strata, groups, random)])
        return cls(n_sets, layout, used, None, nothing)

    @property
    def trained(self):
        """The sets that are trained on."""
        return np.setdiff1d(self.used, self.held_out)

    def training_weight(self, weight):
        """Weights of the sets with 0 for what is not trained on; None where all count the same."""
        if not len(self.held_out):
            return weight
        weight = np.ones(self.n_sets) if weight is None else weight.copy()
        weight[self.held_out] = 0
        return weight

    def split(self, dataset):
        """The data to train on, which know their folds, and those held out or None."""
        trained = self.trained
        train = dataset if len(trained) == self.n_sets else dataset.subset(trained)
        return Split(train.with_folds(self.fold), dataset.subset(self.held_out) if len(self.held_out) else None)


@dataclass(frozen=True, eq=False)
class Fitted:
    """All that predictions, and further training, need beside the parameters of an estimator."""

    reader: SetReader | CollectionsReader
    target: Target
    net: SetNet
    layout: Layout
    """Of the members that training began with"""
    seed: int
    """Of the folds, or of the held-out part"""
    random_numbers: RandomNumbers
    parameters: dict[str, Any]
    """What the net was built with, in a form that compares"""
    size_range: tuple[int, int]
    column_ranges: dict[str, Any]
    """Of the columns of the elements, and of the context"""
    has_seen_all: bool
    """Whether every member has been trained on all sets, so that there are no out-of-fold predictions"""
