"""The targets of classifiers of sets: one class for each set, or several labels."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sk_deepsets.sets import user_stacklevel
from sk_deepsets.targets._check import check_one_type, check_sum, check_targets
from sk_deepsets.targets._class_weights import class_weights, weigh_by_class
from sk_deepsets.targets._custom_loss import loss_gradient
from sk_deepsets.targets._target import AS_BEFORE, Target
from sk_deepsets.training import SetDataset

# With fewer, labels may be one for each set by chance.
LEAST_ROWS = 10


@dataclass
class ClassTarget(Target):
    """One class for each set."""

    classes: np.ndarray | None = None
    class_weights: np.ndarray | None = None
    custom_loss: Callable | None = None

    link: ClassVar[str] = "softmax"
    needs_classes: ClassVar[bool] = True

    @property
    def loss(self):
        """See :class:`Target`."""
        return "log_loss" if self.custom_loss is None else "custom_of_classes"

    @property
    def loss_options(self):
        """See :class:`Target`."""
        return None if self.custom_loss is None else {"function": self.custom_loss, "target": "classes"}

    @property
    def output_dim(self):
        """One output for each class."""
        return len(self.classes)

    def fit(self, encoded, weight):
        """Raise for a callable that is no loss."""
        if self.custom_loss is not None:
            loss_gradient(self, np.zeros((len(encoded.values), self.output_dim)), encoded)

    def read(self, y, sets, name="", classes=None):
        """Numbers of the classes, (n_sets,)."""
        if has_several_labels(y):
            raise ValueError(
                f"y{name} has several columns, for several labels; expected one class for each set, {AS_BEFORE}"
            )
        given, y = y, check_targets(y, sets, name)
        check_one_type(given, name)
        check_classification_targets(y)
        self.learn_classes(y, name, classes)
        return np.searchsorted(self.classes, y)

    def learn_classes(self, labels, name, classes, most=None):
        """Learn the classes, or compare them with those known."""
        known = np.unique(labels if classes is None else classes)
        if self.classes is None:
            if len(known) < 2 or len(known) > (most or len(known)):
                what = "1 class" if len(known) == 1 else f"{len(known)} classes"
                needed = "at least 2" if most is None else f"exactly {most}"
                raise ValueError(f"y has {what} ({_shown(known)}), but a classifier needs {needed}.")
            self.classes = known
        elif classes is not None and not np.array_equal(known, self.classes):
            raise ValueError(f"classes={_shown(known)} differ from those of the first call, {_shown(self.classes)}.")
        unknown = np.setdiff1d(labels, self.classes)
        if len(unknown):
            raise ValueError(
                f"y{name} has the class {unknown.tolist()[0]!r}, which is not among {_shown(self.classes)}."
            )

    def learn_class_weights(self, values, sets, weight, class_weight):
        """Learn the weight of each class."""
        self.class_weights = class_weights(class_weight, self.classes, values, weight)

    def weigh(self, values, sets, weight, name=""):
        """Weights of the sets, times those of their classes."""
        return weight if self.class_weights is None else weigh_by_class(self.class_weights, values, weight)

    def strata(self, values):
        """The classes."""
        return values

    def prior(self, encoded, weight):
        """Logarithms of the shares of the classes."""
        counts = np.bincount(encoded.values, weights=weight, minlength=len(self.classes)) + 0.5
        return np.log(counts / counts.sum())

    def explained(self, outputs, columns):
        """The log-odds of one class of each row, (n,), with all digits where that class is all but certain."""
        rows, others = np.arange(len(outputs)), outputs.copy()
        others[rows, columns] = -np.inf
        return outputs[rows, columns] - logsumexp(others, axis=1)

    def score(self, values, outputs, weight, sets):
        """Accuracy."""
        return float(np.average(outputs.argmax(axis=1) == values, weights=weight))

    def labels(self, outputs, sets):
        """The most likely class."""
        return self.classes[outputs.argmax(axis=1)]


@dataclass
class LabelsTarget(Target):
    """Several labels for each set, each of which is there or is not."""

    classes: np.ndarray | None = None
    class_weights: np.ndarray | None = None
    """(n_labels, 2) of 0 and of 1"""
    custom_loss: Callable | None = None

    link: ClassVar[str] = "sigmoid"

    @property
    def loss(self):
        """See :class:`Target`."""
        return "label_loss" if self.custom_loss is None else "custom"

    @property
    def loss_options(self):
        """See :class:`Target`."""
        return None if self.custom_loss is None else {"function": self.custom_loss, "target": "labels"}

    def fit(self, encoded, weight):
        """Raise for a callable that is no loss."""
        if self.custom_loss is not None:
            loss_gradient(self, np.zeros(encoded.values.shape), encoded)

    @property
    def output_dim(self):
        """One output for each label; None before the first y."""
        return None if self.classes is None else len(self.classes)

    def read(self, y, sets, name="", classes=None):
        """Zeros and ones, (n_sets, n_labels), in float64."""
        y = check_targets(y, sets, name, multi_output=True)
        if y.ndim == 1:
            raise ValueError(f"y{name} has one class for each set; expected {self.output_dim} labels, {AS_BEFORE}")
        if type_of_target(y) != "multilabel-indicator" or not np.isin(y, (0, 1)).all():
            raise ValueError(f"y{name} must hold zeros and ones, one column for each label, but is {y!r:.200}.")
        if self.classes is None:
            if y.shape[1] > 1 and len(y) >= LEAST_ROWS and (y.sum(axis=1) == 1).all():
                warnings.warn(
                    f"Each row of y{name} has a single 1, as of one-hot classes, but is read as {y.shape[1]} labels, "
                    "each by itself. For classes pass y.argmax(axis=1), of a DataFrame y.idxmax(axis=1).",
                    UserWarning,
                    stacklevel=user_stacklevel(),
                )
            self.classes = np.arange(y.shape[1])
        if y.shape[1] != self.output_dim:
            raise ValueError(f"y{name} has {y.shape[1]} labels; expected {self.output_dim}, {AS_BEFORE}")
        if classes is not None and not np.array_equal(np.sort(np.ravel(classes)), self.classes):
            raise ValueError(
                f"y{name} has {self.output_dim} labels, one in each column: classes=None, or their numbers "
                f"{self.classes.tolist()}, expected, got {classes!r:.200}."
            )
        return np.asarray(y, dtype=np.float64)

    def learn_class_weights(self, values, sets, weight, class_weight):
        """Learn the weights of 0 and of 1 of each label, (n_labels, 2)."""
        self.class_weights = None
        if class_weight is None:
            return
        if self.custom_loss is not None:
            raise ValueError(
                "class_weight with several labels weighs the loss of each label, but a callable gives one loss for "
                "each set: weigh the labels in the callable, and leave class_weight=None."
            )
        weight_of_label = [class_weight] * self.output_dim if isinstance(class_weight, str) else class_weight
        if isinstance(weight_of_label, dict) or len(weight_of_label) != self.output_dim:
            raise ValueError(
                f"class_weight={class_weight!r:.200}, but y has {self.output_dim} labels for each set: expected "
                '"balanced", or a list of one dict for each label, such as '
                f"[{', '.join(['{0: 1, 1: 5}'] * min(self.output_dim, 3))}{', …' * (self.output_dim > 3)}]."
            )
        pairs = zip(weight_of_label, values.astype(np.int64).T, strict=True)
        self.class_weights = np.array([class_weights(given, np.arange(2), column, weight) for given, column in pairs])
        weights = check_sum(self.label_weights(values, weight), "class_weight and sample_weight together")
        self.class_weights /= weights.sum() / (1 if weight is None else weight.mean()) / weights.size

    def label_weights(self, values, weight):
        """The weight of each label of each set, (n_sets, n_labels)."""
        weight = np.ones(len(values)) if weight is None else weight
        if self.class_weights is None:
            return np.broadcast_to(weight[:, None], values.shape)
        return self.class_weights[np.arange(values.shape[1]), values.astype(np.int64)] * weight[:, None]

    def prior(self, encoded, weight):
        """Log-odds of the labels."""
        weights = self.label_weights(encoded.values, weight)
        share = ((weights * encoded.values).sum(axis=0) + 0.5) / (weights.sum(axis=0) + 1)
        return np.log(share / (1 - share))

    def dataset(self, encoded):
        """Zeros and ones, with the weights of the labels where these have some of their own."""
        sets, values, weight, _ = encoded
        return SetDataset(sets, values, weight if self.class_weights is None else self.label_weights(values, weight))

    def score(self, values, outputs, weight, sets):
        """Accuracy: the share of the sets of which all labels are right."""
        return float(np.average(((outputs > 0) == values).all(axis=1), weights=weight))

    def labels(self, outputs, sets):
        """1 for what is more likely there than not, (n_sets, n_labels)."""
        return (outputs > 0).astype(np.int64)


def has_several_labels(y):
    """Whether the targets of a classifier are a table of labels."""
    shape = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None).shape
    return len(shape) == 2 and shape[1] > 1


def _shown(classes):
    """Classes as they look in Python, without NumPy's types."""
    shown = ", ".join(map(repr, classes.tolist()[:10]))
    return f"[{shown}{', …' if len(classes) > 10 else ''}]"
