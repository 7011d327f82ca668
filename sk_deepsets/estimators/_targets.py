"""The targets of estimators: how y is read, which loss it has, and how outputs are decoded."""

import warnings

import numpy as np
from scipy.special import expit, logsumexp, softmax
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sk_deepsets.estimators._check_targets import (
    check_one_type,
    check_sum,
    check_targets,
    class_weights,
    weigh_by_class,
)
from sk_deepsets.training import SetDataset

AS_BEFORE = "expected, as in the y of the first fit. To begin anew, set warm_start=False or clone the estimator."
# With fewer, labels may be one for each set by chance.
LEAST_ROWS = 10


class Target:
    """Base of the targets; a target is made for each first fit, and learns from the ``y`` of that fit.

    Attributes
    ----------
    loss : str
        Which loss to train with.
    link : str
        What the outputs stand for, see :class:`Ensemble`.
    output_dim : int
        How many outputs there are for each set, or element.
    of_elements : bool
        Whether there is one target for each element.
    robust : bool
        Whether outliers among the targets must not count much.
    """

    of_elements = False
    robust = False

    link = "identity"
    loss_options = None
    needs_classes = False
    """Whether part of the targets may not tell which classes there are"""

    def read(self, y, sets, name="", classes=None):
        """The targets as numbers; the first time, what they are is learned.

        Parameters
        ----------
        y : array-like
        sets : RaggedSets
        name : str
            What follows X and y in messages.
        classes : array-like, optional
            All classes, where these targets need not have all of them.
        """
        raise NotImplementedError

    def learn_weights(self, values, sets, weight, class_weight):
        """Learn the weight of each class from the training sets."""

    def weigh(self, values, sets, weight, name=""):
        """Weights of the sets in the loss, or None; a set of weight 0 is left out."""
        return weight

    def strata(self, values):
        """What the held out part has the same shares of as the rest; None: of nothing."""

    def learn_scale(self, values, sets, weight):
        """Learn mean and spread of the targets of the training sets."""

    def prior(self, values, weight):
        """The outputs of the constant prediction that fits the training sets best, (n_outputs,)."""
        return np.zeros(self.output_dim)

    def dataset(self, values, sets, weight):
        """The training, or validation, sets with their targets and weights."""
        return SetDataset(sets, values, weight)


class ClassTarget(Target):
    """One class for each set."""

    loss = "log_loss"
    link = "softmax"
    classes = None
    needs_classes = True

    @property
    def output_dim(self):
        """One output for each class."""
        return len(self.classes)

    def read(self, y, sets, name="", classes=None):
        """Numbers of the classes, (n_sets,)."""
        if has_several_labels(y):
            raise ValueError(f"y{name} has several columns, for several labels, but one class per set is {AS_BEFORE}")
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
                wanted = "at least 2" if most is None else f"exactly {most}"
                raise ValueError(f"y has {what} ({_shown(known)}), but a classifier needs {wanted}.")
            self.classes = known
        elif classes is not None and not np.array_equal(known, self.classes):
            raise ValueError(f"classes={_shown(known)} differ from those of the first call, {_shown(self.classes)}.")
        unknown = np.setdiff1d(labels, self.classes)
        if len(unknown):
            one = unknown.tolist()[0]
            raise ValueError(f"y{name} has the class {one!r}, which is not among {_shown(self.classes)}.")

    def learn_weights(self, values, sets, weight, class_weight):
        """Learn the weight of each class."""
        self.weight_of_class = class_weights(class_weight, self.classes, values, weight)

    def weigh(self, values, sets, weight, name=""):
        """Weights of the sets, times those of their classes."""
        if self.weight_of_class is None:
            return weight
        return weigh_by_class(self.weight_of_class, values, weight)

    def strata(self, values):
        """The classes."""
        return values

    def prior(self, values, weight):
        """Logarithms of the shares of the classes."""
        counts = np.bincount(values, weights=weight, minlength=len(self.classes)) + 0.5
        return np.log(counts / counts.sum())

    def probabilities(self, outputs, sets=None):
        """Probabilities (n, n_classes) from outputs (n, n_classes)."""
        return softmax(outputs, axis=1)

    answers = probabilities

    def explained(self, outputs, columns):
        """The log-odds of one class of each row, (n,), with all digits where that class is all but certain."""
        rows, others = np.arange(len(outputs)), outputs.copy()
        others[rows, columns] = -np.inf
        return outputs[rows, columns] - logsumexp(others, axis=1)

    def score(self, values, outputs, weight):
        """Accuracy."""
        return float(np.average(outputs.argmax(axis=1) == values, weights=weight))

    def labels(self, outputs, sets):
        """The most likely class."""
        return self.classes[outputs.argmax(axis=1)]


class LabelsTarget(Target):
    """Several labels for each set, each of which is there or is not."""

    loss = "label_loss"
    link = "sigmoid"

    def __init__(self):
        self.classes = self.output_dim = self.weight_of_class = None

    def read(self, y, sets, name="", classes=None):
        """Zeros and ones, (n_sets, n_labels), in float64."""
        y = check_targets(y, sets, name, multi_output=True)
        if y.ndim == 1:
            raise ValueError(f"y{name} has one class for each set, but {self.output_dim} labels are {AS_BEFORE}")
        if type_of_target(y) != "multilabel-indicator" or not np.isin(y, (0, 1)).all():
            raise ValueError(f"y{name} must hold zeros and ones, one column for each label, but is {y!r:.200}.")
        if self.output_dim is None:
            if y.shape[1] > 2 and len(y) >= LEAST_ROWS and (y.sum(axis=1) == 1).all():
                warnings.warn(
                    f"Each row of y{name} has a single 1, as of one-hot classes, but is read as {y.shape[1]} labels, "
                    "each by itself. For classes pass y.argmax(axis=1), of a DataFrame y.idxmax(axis=1).",
                    UserWarning,
                    stacklevel=2,
                )
            self.output_dim = y.shape[1]
            self.classes = np.arange(self.output_dim)
        if y.shape[1] != self.output_dim:
            raise ValueError(f"y{name} has {y.shape[1]} labels, but {self.output_dim} are {AS_BEFORE}")
        if classes is not None and not np.array_equal(np.sort(np.ravel(classes)), self.classes):
            raise ValueError(
                f"y{name} has {self.output_dim} labels, one in each column: classes=None, or their numbers "
                f"{self.classes.tolist()}, expected, got {classes!r:.200}."
            )
        return np.asarray(y, dtype=np.float64)

    def learn_weights(self, values, sets, weight, class_weight):
        """Learn the weights of 0 and of 1 of each label, (n_labels, 2)."""
        self.weight_of_class = None
        if class_weight is None:
            return
        of_labels = [class_weight] * self.output_dim if isinstance(class_weight, str) else class_weight
        if isinstance(of_labels, dict) or len(of_labels) != self.output_dim:
            raise ValueError(
                f"class_weight={class_weight!r:.200}, but y has {self.output_dim} labels for each set: expected "
                '"balanced", or a list of one dict for each label, such as '
                f"[{', '.join(['{0: 1, 1: 5}'] * min(self.output_dim, 3))}{', …' * (self.output_dim > 3)}]."
            )
        numbers = values.astype(np.int64).T
        both = np.array([0, 1])
        self.weight_of_class = np.array(
            [class_weights(one, both, of_label, weight) for one, of_label in zip(of_labels, numbers, strict=True)]
        )
        weights = check_sum(self.weights(values, weight), "class_weight and sample_weight together")
        self.weight_of_class /= weights.sum() / (1 if weight is None else weight.mean()) / weights.size

    def weights(self, values, weight):
        """The weight of each label of each set, (n_sets, n_labels)."""
        weight = np.ones(len(values)) if weight is None else weight
        if self.weight_of_class is None:
            return np.broadcast_to(weight[:, None], values.shape)
        of_values = self.weight_of_class[np.arange(values.shape[1]), values.astype(np.int64)]
        return of_values * weight[:, None]

    def prior(self, values, weight):
        """Log odds of the labels."""
        weights = self.weights(values, weight)
        share = ((weights * values).sum(axis=0) + 0.5) / (weights.sum(axis=0) + 1)
        return np.log(share / (1 - share))

    def dataset(self, values, sets, weight):
        """Zeros and ones, with the weights of the labels where these have some of their own."""
        return SetDataset(sets, values, weight if self.weight_of_class is None else self.weights(values, weight))

    def probabilities(self, outputs, sets=None):
        """Probabilities (n_sets, n_labels)."""
        return expit(outputs)

    answers = probabilities

    def explained(self, outputs, columns):
        """The log-odds of one label of each row, (n,)."""
        return outputs[np.arange(len(outputs)), columns]

    def score(self, values, outputs, weight):
        """Accuracy: the share of the sets of which all labels are right."""
        return float(np.average(((outputs > 0) == values).all(axis=1), weights=weight))

    def log_odds(self, outputs, sets):
        """The outputs are log odds, (n_sets, n_labels)."""
        return outputs

    def labels(self, outputs, sets):
        """1 for what is more likely there than not, (n_sets, n_labels)."""
        return (outputs > 0).astype(np.int64)


def has_several_labels(y):
    """Whether the targets of a classifier are a table of labels."""
    shape = np.shape(y) if hasattr(y, "shape") else np.asarray(y, dtype=object).shape
    return len(shape) == 2 and shape[1] > 1


def _shown(classes):
    """Classes as they look in Python, without NumPy's types."""
    shown = ", ".join(map(repr, classes.tolist()[:10]))
    return f"[{shown}{', …' if len(classes) > 10 else ''}]"
