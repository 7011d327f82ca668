"""The targets of elements: a class or a value for each, the one that is chosen of a set, or their order.

An element without a target is None or NaN in y, and NaN in what is read.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from sk_deepsets.nn import ChoiceDecoder
from sk_deepsets.preprocessing import read_element_targets
from sk_deepsets.targets._class_weights import class_weights, weigh_by_class
from sk_deepsets.targets._classes import ClassTarget
from sk_deepsets.targets._quantiles import QuantilesTarget
from sk_deepsets.targets._rank_metrics import mean_ndcg
from sk_deepsets.targets._target import Target
from sk_deepsets.targets._values import PositiveTarget, ValueTarget
from sk_deepsets.training import SetDataset


@dataclass
class ElementTarget(Target):
    """Base of the targets of elements."""

    per_element: ClassVar[bool] = True

    def first_place(self, wrong, sets):
        """See :class:`Target`."""
        number, place = sets.locate(int(np.argmax(wrong)))
        return f"set {number}, element {place}"

    def weigh(self, values, sets, weight, name=""):
        """Weights of the sets; a set without a target, which teaches nothing, has weight 0."""
        taught = np.bincount(sets.segments, ~np.isnan(values), minlength=len(sets)) > 0
        if taught.all():
            return weight
        weight = taught * (1.0 if weight is None else weight)
        if not weight.any():
            raise ValueError(f"No element of a set with a weight above 0 has a target in y{name}.")
        return weight

    def element_weights(self, encoded, weight):
        """Weights of the elements in the loss; 0 without a target."""
        labelled = (~np.isnan(encoded.values)).astype(np.float64)
        return labelled if weight is None else labelled * weight[encoded.sets.segments]

    def score(self, values, outputs, weight, sets):
        """Accuracy or R² of the elements that have a target; weights are those of the sets."""
        labelled = ~np.isnan(values)
        weight = None if weight is None else weight[sets.segments[labelled]]
        return super().score(values[labelled], outputs[labelled], weight, sets)


@dataclass
class ElementClassTarget(ElementTarget, ClassTarget):
    """One class for each element."""

    def read(self, y, sets, name="", classes=None):
        """Numbers of the classes, (n_elements,)."""
        flat = read_element_targets(y, sets, name)
        labelled = ~pd.isna(flat)
        labels = _labels(flat[labelled], name)
        self.learn_classes(labels, name, classes)
        numbers = np.full(len(flat), np.nan)
        numbers[labelled] = np.searchsorted(self.classes, labels)
        return numbers

    def learn_class_weights(self, values, sets, weight, class_weight):
        """Learn the weight of each class."""
        labelled = ~np.isnan(values)
        element_weight = None if weight is None else weight[sets.segments[labelled]]
        numbers = values[labelled].astype(np.int64)
        self.class_weights = class_weights(class_weight, self.classes, numbers, element_weight)
        if self.class_weights is not None:
            weigh_by_class(self.class_weights, numbers, element_weight)  # raises where nothing is left

    def strata(self, values):
        """None: sets of several elements belong to no one class."""

    def dataset(self, encoded):
        """Numbers of classes of the elements, and weights of the elements."""
        weights = self.element_weights(encoded, encoded.weight)
        return SetDataset(encoded.sets, _numbers(encoded), weights, y_of="element", weight_of="element")

    def element_weights(self, encoded, weight):
        """Weights of the elements in the loss, with those of their classes; 0 without a target."""
        weights = super().element_weights(encoded, weight)
        return weights if self.class_weights is None else weights * self.class_weights[_numbers(encoded)]

    def prior(self, encoded, weight):
        """Logarithms of the shares of the classes."""
        weights = self.element_weights(encoded, weight)
        taught = weights > 0
        weights = weights[taught] / weights[taught].mean()
        return super().prior(encoded._replace(values=_numbers(encoded)[taught]), weights)


@dataclass
class ChosenElementTarget(ElementClassTarget):
    """Of two classes, one that exactly one element of each set has: the conditional logit of McFadden (1974)."""

    chosen: int | None = None
    """The number of the class that exactly one element of each set has"""

    loss: ClassVar[str] = "one_per_set"
    link: ClassVar[str] = "identity"
    output_dim: ClassVar[int] = 1

    def learn_classes(self, labels, name, classes, most=2):
        """Learn the two classes."""
        super().learn_classes(labels, name, classes, most)

    def read(self, y, sets, name="", classes=None):
        """Numbers of the classes, (n_elements,); the first time, which of them is chosen."""
        values = super().read(y, sets, name, classes)
        check_whole_sets(values, sets, name)
        counts = np.array([np.bincount(sets.segments, values == k, minlength=len(sets)) for k in (0, 1)])
        in_use = counts.any(axis=0)
        if self.chosen is None:
            once = (counts == 1)[:, in_use].all(axis=1)
            self.chosen = 0 if once[0] and not once[1] else 1
        wrong = np.flatnonzero(in_use & (counts[self.chosen] != 1))
        if len(wrong):
            raise ValueError(
                f"Set {wrong[0]} has {counts[self.chosen, wrong[0]]:.0f} elements of the class "
                f'{self.classes.tolist()[self.chosen]!r} in y{name}, but target="one_per_set" requires one in each '
                f"set (not so in {len(wrong):,} of {len(sets):,} sets)."
            )
        return values

    def learn_class_weights(self, values, sets, weight, class_weight):
        """Nothing: each set has one chosen element."""

    def prior(self, encoded, weight):
        """0: all elements alike."""
        return np.zeros(1)

    def score(self, values, outputs, weight, sets):
        """Accuracy of the elements, of which one is chosen in each set."""
        labelled = ~np.isnan(values)
        right = self.labels(outputs, sets)[labelled] == self.classes[values[labelled].astype(np.int64)]
        return float(np.average(right, weights=None if weight is None else weight[sets.segments[labelled]]))

    def dataset(self, encoded):
        """1 for the chosen elements, 0 for the others; the loss is of whole sets."""
        chosen = (encoded.values == self.chosen).astype(np.float64)
        return SetDataset(encoded.sets, chosen, encoded.weight, y_of="element")

    @property
    def decoder(self):
        """See :class:`Target`: to probabilities, of which those of the chosen class add up to 1 over each set."""
        return ChoiceDecoder(self.chosen)

    def labels(self, outputs, sets):
        """The chosen class for the first of the largest scores of each set, the other class elsewhere."""
        order = np.lexsort((-outputs[:, 0], sets.segments))  # stable
        numbers = np.full(len(outputs), 1 - self.chosen)
        numbers[order[sets.offsets[:-1][sets.sizes > 0]]] = self.chosen
        return self.classes[numbers]


@dataclass
class ElementValueTarget(ElementTarget, ValueTarget):
    """One number for each element."""

    output_dim: int = 1

    def read(self, y, sets, name="", classes=None):
        """Values of the elements, (n_elements,)."""
        flat = read_element_targets(y, sets, name)
        values, labelled = np.full(len(flat), np.nan), ~pd.isna(flat)
        try:
            if flat.dtype.kind not in "biufO":
                raise TypeError(f"it has dtype {flat.dtype}.")
            values[labelled] = flat[labelled].astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y{name} must hold numbers: {error}") from error
        if np.isinf(values).any():
            raise ValueError(f"y{name} holds infinity ({self.first_place(np.isinf(values), sets)}).")
        self.check_range(values, sets, name)
        if np.isnan(values).all():
            raise ValueError(f"No element has a target in y{name}.")
        return values

    def fit(self, encoded, weight):
        """Learn the middle and the spread of the targets that there are."""
        weights = self.element_weights(encoded, weight)
        taught = weights > 0
        self.learn_scale(encoded.values[taught, None], weights[taught])

    def prior(self, encoded, weight):
        """See :class:`ValueTarget`, of the elements that have a target."""
        weights = self.element_weights(encoded, weight)
        taught = weights > 0
        return super().prior(encoded._replace(values=encoded.values[taught, None]), weights[taught])

    def dataset(self, encoded):
        """Standardised values (n_elements, 1), and weights of the elements."""
        scaled = np.nan_to_num(self.scaled(encoded.values[:, None]))
        weights = self.element_weights(encoded, encoded.weight)
        return SetDataset(encoded.sets, scaled, weights, y_of="element", weight_of="element")


@dataclass
class ElementPositiveTarget(ElementValueTarget, PositiveTarget):
    """A count, or a positive number, for each element."""


@dataclass
class ElementQuantilesTarget(ElementValueTarget, QuantilesTarget):
    """Several quantiles of one number for each element."""


@dataclass
class RankingTarget(ElementValueTarget):
    """Grades of relevance, which the loss compares within each set."""

    loss: str = "listnet"
    standardize: bool = False

    robust = False

    def read(self, y, sets, name="", classes=None):
        """Grades of the elements, (n_elements,)."""
        values = super().read(y, sets, name, classes)
        check_whole_sets(values, sets, name)
        if self.loss == "lambdarank" and (values < 0).any():
            place = self.first_place(values < 0, sets)
            raise ValueError(
                f'y{name} holds {values[values < 0][0]:g} ({place}); with loss="lambdarank" expected grades of at '
                "least 0, which are gains of the NDCG."
            )
        return values

    def prior(self, encoded, weight):
        """0: all elements alike."""
        return np.zeros(1)

    def score(self, values, outputs, weight, sets):
        """The NDCG of the sets; NaN where grades are negative, of which there is none."""
        return np.nan if (values < 0).any() else mean_ndcg(values, outputs[:, 0], sets.segments)

    def dataset(self, encoded):
        """Grades (n_elements,); the loss is of whole sets."""
        return SetDataset(encoded.sets, np.nan_to_num(encoded.values), encoded.weight, y_of="element")


def _numbers(encoded):
    """Numbers of the classes, 0 where there is no target."""
    return np.nan_to_num(encoded.values).astype(np.int64)


def check_whole_sets(values, sets, name):
    """Raise where some but not all elements of a set have a target."""
    count = np.bincount(sets.segments, ~np.isnan(values), minlength=len(sets))
    wrong = np.flatnonzero((count > 0) & (count < sets.sizes))
    if len(wrong):
        raise ValueError(
            f"Set {wrong[0]} has targets in y{name} for {count[wrong[0]]:.0f} of its {sets.sizes[wrong[0]]} elements "
            f"(so in {len(wrong):,} of {len(sets):,} sets): expected all or none."
        )


def _labels(labels, name):
    """Labels of one type."""
    if not len(labels):
        raise ValueError(f"No element has a target in y{name}.")
    if labels.dtype == object:
        kinds = {type(label).__name__ for label in labels if isinstance(label, str) != isinstance(labels[0], str)}
        if kinds:
            raise ValueError(f"y{name} holds labels of several types: {labels[0]!r} and some of {sorted(kinds)}.")
        labels = np.array(labels.tolist())
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise ValueError(f"Unknown label type: continuous. y{name} holds {labels[labels != np.floor(labels)][0]}.")
    return labels
