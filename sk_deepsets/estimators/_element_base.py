"""DeepSetsElementEstimator: what the estimators with one answer an element share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._element_answers import cut_like
from sk_deepsets.estimators._learner import SetLearner
from sk_deepsets.estimators._training import input_dimensions, widths
from sk_deepsets.preprocessing import read_targets, with_rows
from sk_deepsets.sets import RaggedSets
from sk_deepsets.training import SetDataset, build_element_net


class DeepSetsElementEstimator(SetLearner):
    """Base of the element-wise estimators; :class:`DeepSetsElementClassifier` documents the parameters."""

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        **SetLearner._parameter_constraints,
        "hidden_dims": ["array-like"],
        "pool_type": [StrOptions({"max", "sum"})],
        "residual": ["boolean"],
        "layer_norm": ["boolean"],
    }

    def _answers(self, X, make, columns=None):
        """What ``make`` makes of the outputs (n_elements, k) and the checked sets, cut like X."""
        check_is_fitted(self)
        checked = self._check_sets(X)
        return cut_like(make(self._outputs(checked), checked), X, checked, columns, self._targets_were_cut)

    def _flat_targets(self, y, sets, name):
        """The targets of all elements; how they came decides in which form answers are given."""
        flat = read_targets(y, sets, name)
        self._targets_were_cut = len(y) == len(sets)
        return flat

    def _outputs(self, checked):
        """The net's outputs for the elements of checked sets, (n_elements, k) in float64."""
        return self.net_.forward(SetDataset(self._encoded(checked))).double().numpy()

    def _with_targets(self, X, y, sample_weight, make):
        """Targets, answers and weights of the elements that have a target."""
        check_is_fitted(self)
        checked = self._check_sets(X)
        wanted, answers = read_targets(y, checked), make(self._outputs(checked), checked)
        weight = self._read_weight(sample_weight, len(checked))
        labelled = ~pd.isna(wanted)
        if not labelled.any():
            raise ValueError("No element has a target in y.")
        weight = None if weight is None else np.repeat(weight, checked.sizes)[labelled]
        return wanted[labelled], answers[labelled], weight

    def _check_sets(self, X, *, reset=False):
        return with_rows(super()._check_sets(X, reset=reset), X)

    def _read_weight(self, sample_weight, n_sets):
        try:
            return super()._read_weight(sample_weight, n_sets)
        except ValueError as error:
            if np.shape(sample_weight) == (n_sets,):
                raise
            raise ValueError(
                f"sample_weight must have one weight for each of the {n_sets} sets; elements without a target are "
                "those that are left out of the loss."
            ) from error

    def _weight_of_sets(self, sample_weight, targets, name):
        """Weights of the sets or None; a set without a target, which teaches nothing, has weight 0."""
        weight = self._read_weight(sample_weight, len(targets))
        labelled = ~np.isnan(targets.elements[:, 0])
        taught = np.bincount(targets.numbers(), labelled, minlength=len(targets)) > 0
        if taught.all():
            return weight
        weight = taught * (1.0 if weight is None else weight)
        if not weight.any():
            raise ValueError(f"No element of a set with a weight above 0 has a target in y{name}.")
        return weight

    def _build_net(self, sets, weight, how):
        dims = input_dimensions(self, sets, weight, centred=True) | {
            "hidden_dims": widths(self, "hidden_dims"),
            "output_dim": self._output_dim,
            "pool_type": self.pool_type,
            "dropout": self.dropout,
            "activation": self.activation,
            "residual": self.residual,
            "layer_norm": self.layer_norm,
        }
        if sets.context is not None:
            dims["fusion_type"] = self.fusion_type
        return build_element_net(self._loss_name, dims, how)

    def _dataset(self, sets, y, weight):
        """Targets of elements; an element, or a set, without one has weight 0."""
        targets = y.elements[:, 0]
        labelled = ~np.isnan(targets)
        weight = np.ones(len(sets)) if weight is None else weight
        if not self._looks_at_whole_sets:  # a set without targets has weight 0 already
            weight = np.repeat(weight, sets.sizes) * labelled * self._class_weight_of(targets)
        filled = np.where(labelled, self._scaled(targets), 0)
        return SetDataset(
            sets,
            filled.astype(self._target_dtype),
            weight,
            y_of="element",
            weight_of="set" if self._looks_at_whole_sets else "element",
        )

    def _class_weight_of(self, targets):
        return 1.0

    def _strata(self, y):
        """Sets of several elements belong to no one class."""

    def _check_whole_sets(self, y, name):
        """Raise where some but not all elements of a set have a target."""
        labelled = ~np.isnan(y.elements[:, 0])
        count = np.bincount(y.numbers(), labelled, minlength=len(y))
        wrong = np.flatnonzero((count > 0) & (count < y.sizes))
        if len(wrong):
            raise ValueError(
                f"Set {wrong[0]} has targets in y{name} for {count[wrong[0]]:.0f} of its {y.sizes[wrong[0]]} elements "
                f"({len(wrong)} sets are like that): all or none are wanted."
            )


class ElementTargets(RaggedSets):
    """Numbers of classes or values of the elements, NaN where there is none; indexed by sets."""

    def __init__(self, flat, offsets, **attached):
        super().__init__(np.asarray(flat, dtype=np.float64).reshape(-1, 1), offsets)

    def numbers(self):
        """The number of the set of each element."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def _like(self, elements, offsets, key):
        return ElementTargets(elements, offsets)


def weights_of_classes(class_weight, classes, targets, weight):
    """One weight for each class, (n_classes,).

    Parameters
    ----------
    class_weight : dict or "balanced"
    classes : ndarray of shape (n_classes,)
    targets : ElementTargets
    weight : ndarray of shape (n_sets,) or None
    """
    weight = np.ones(len(targets)) if weight is None else weight
    labelled = ~np.isnan(targets.elements[:, 0])
    numbers = targets.elements[labelled, 0].astype(np.int64)
    counts = np.bincount(numbers, weight[targets.numbers()[labelled]], minlength=len(classes))
    present = counts > 0
    if class_weight == "balanced":  # not scikit-learn's, which counts elements of weight 0
        return np.divide(counts.sum(), present.sum() * counts, where=present, out=np.zeros(len(counts)))
    of_class = compute_class_weight(class_weight, classes=classes, y=classes)
    if not of_class[present].any():
        raise ValueError("class_weight and sample_weight together must contain at least one non-zero number.")
    return of_class


def chosen_class(targets, classes, chosen, name):
    """The number of the class that one element of each set has: this one, or which it is if ``chosen`` is None.

    Sets without targets are passed over.
    """
    of_set = targets.numbers()
    counts = np.array([np.bincount(of_set, targets.elements[:, 0] == k, minlength=len(targets)) for k in (0, 1)])
    in_use = counts.any(axis=0)
    if chosen is None:
        once = (counts == 1)[:, in_use].all(axis=1)
        chosen = 0 if once[0] and not once[1] else 1
    wrong = np.flatnonzero(in_use & (counts[chosen] != 1))
    if len(wrong):
        raise ValueError(
            f"Set {wrong[0]} has {counts[chosen, wrong[0]]:.0f} elements of the class {classes.tolist()[chosen]!r} in "
            f'y{name} ({len(wrong)} sets have not exactly one): target="one_per_set" wants one in each set.'
        )
    return chosen
