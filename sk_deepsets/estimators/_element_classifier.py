"""DeepSetsElementClassifier: one class for each element, or one chosen element in each set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions

from sk_deepsets.estimators._choice import first_largest, softmax_over_sets
from sk_deepsets.estimators._element_base import (
    DeepSetsElementEstimator,
    ElementTargets,
    chosen_class,
    weights_of_classes,
)


class DeepSetsElementClassifier(ClassifierMixin, DeepSetsElementEstimator):
    """Deep Sets classifier of elements: one class for each, which depends on the whole set.

    A stack of the permutation equivariant layers of Lemma 3 of Zaheer et al. (2017), "Deep Sets": permuting the
    elements of a set permutes the answers. For one class a set, see :class:`DeepSetsClassifier`.

    Parameters
    ----------
    hidden_dims : sequence of int, default=(64, 64)
        Widths between the layers. Empty: one layer.
    pool_type : {"max", "sum"}, default="max"
        How an element sees the others of its set.
    fusion_type : {"concat", "add", "film"}, default="concat"
        How elements see the context of the set, where there is one.
    activation : {"relu", "gelu", "silu", "elu", "tanh"}, default="relu"
    dropout : float, default=0.0
    residual : bool, default=False
        Whether a layer between two of the same width adds to its input.
    layer_norm : bool, default=False
        Whether the hidden features of an element are normalised before each activation.
    categorical_features, standardize, max_set_size, empty_sets
        The data, as in :class:`DeepSetsClassifier`. An empty set has an empty answer.
    optimizer, lr, weight_decay, batch_size, max_epochs, early_stopping, validation_fraction, n_iter_no_change, \
warm_start, callbacks
        The training, as in :class:`DeepSetsClassifier`; whole sets are held out.
    target : {"each", "one_per_set"}, default="each"
        ``"each"``: every element has a class by itself. ``"one_per_set"``: of the two classes, exactly one element
        of each set has the chosen one; its probabilities are a softmax over the elements of the set, as in discrete
        choice (McFadden, 1974). Chosen is the class that ``y`` has once in each set; where both are (all sets have
        two elements), the second by order: 1 of 0 and 1, True of False.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes of elements in the loss; with ``target="each"``.
    device, random_state, verbose
        As in :class:`DeepSetsClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, feature_names_in_, n_iter_, best_iteration_, history_, net_, padder_
        As in :class:`DeepSetsClassifier`.

    See Also
    --------
    DeepSetsElementRegressor : A number for each element, or a ranking of the elements.
    element_scorer : Any metric of scikit-learn, on all elements.

    Notes
    -----
    An element whose target is missing (None or NaN) is seen by the others and left out of the loss and the score.

    Examples
    --------
    Which element of a set is the largest?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsElementClassifier
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(2, 9, 300)]
    >>> y = [one_set[:, 0] == one_set[:, 0].max() for one_set in sets]
    >>> clf = DeepSetsElementClassifier(target="one_per_set", random_state=0).fit(sets, y)
    >>> clf.predict_proba(sets)[0][:, 1].sum().round(6)
    np.float64(1.0)
    >>> clf.score(sets, y) > 0.95
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        **DeepSetsElementEstimator._parameter_constraints,
        "target": [StrOptions({"each", "one_per_set"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        hidden_dims=(64, 64),
        pool_type="max",
        fusion_type="concat",
        activation="relu",
        dropout=0.0,
        residual=False,
        layer_norm=False,
        categorical_features="from_dtype",
        standardize=True,
        max_set_size=None,
        empty_sets="zero",
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.0,
        batch_size=128,
        max_epochs=100,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        target="each",
        class_weight=None,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.hidden_dims = hidden_dims
        self.pool_type = pool_type
        self.fusion_type = fusion_type
        self.activation = activation
        self.dropout = dropout
        self.residual = residual
        self.layer_norm = layer_norm
        self.categorical_features = categorical_features
        self.standardize = standardize
        self.max_set_size = max_set_size
        self.empty_sets = empty_sets
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.target = target
        self.class_weight = class_weight
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, on from where training stands.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            All classes that later calls will bring. Needed in the first call.

        Returns
        -------
        self : DeepSetsElementClassifier
        """
        if classes is None and not hasattr(self, "net_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all sets at once: pass a dict of weights to partial_fit.')
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X):
        """The class of each element.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i,), Series, or ndarray of shape (n_sets, set_size)
            One array a set; a Series with the rows of the frame, where the sets were made of one, in its order if
            its labels rise; an array for an array.
        """
        return self._answers(X, self._labels)

    def predict_proba(self, X):
        """The probability of each class for each element.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i, n_classes), DataFrame, or ndarray of shape (n_sets, set_size, n_classes)
            As in ``predict``. Columns as in ``classes_``; rows sum to 1. With ``target="one_per_set"``, the column of
            the chosen class sums to 1 over each set.
        """
        return self._answers(X, self._probabilities, columns=getattr(self, "classes_", None))

    def score(self, X, y, sample_weight=None):
        """Accuracy over all elements that have a target.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float
        """
        wanted, predicted, weight = self._with_targets(X, y, sample_weight, self._labels)
        return float(np.average(wanted == predicted, weights=weight))

    @property
    def _loss_name(self):
        return "log_loss" if self.target == "each" else "one_per_set"

    @property
    def _looks_at_whole_sets(self):
        return self.target == "one_per_set"

    @property
    def _target_dtype(self):
        return np.float64 if self._looks_at_whole_sets else np.int64

    @property
    def _output_dim(self):
        return 1 if self._looks_at_whole_sets else len(self.classes_)

    def _probabilities(self, outputs, sets):
        if not self._looks_at_whole_sets:
            return softmax(outputs, axis=1)
        chosen = softmax_over_sets(outputs[:, 0], sets.offsets)
        return np.column_stack([1 - chosen, chosen] if self._chosen == 1 else [chosen, 1 - chosen])

    def _labels(self, outputs, sets):
        if not self._looks_at_whole_sets:
            return self.classes_[outputs.argmax(axis=1)]
        numbers = np.full(len(outputs), 1 - self._chosen)
        numbers[first_largest(outputs[:, 0], sets.offsets)] = self._chosen
        return self.classes_[numbers]

    def _read_targets(self, y, sample_weight, sets, *, reset=False, classes=None, name=""):
        """Numbers of classes, NaN where there is none, and the weights of the sets."""
        if self._looks_at_whole_sets and self.class_weight is not None:
            raise ValueError('class_weight needs target="each": with "one_per_set" each set has one chosen element.')
        flat = self._flat_targets(y, sets, name)
        labelled = ~pd.isna(flat)
        if not labelled.any():
            raise ValueError(f"No element has a target in y{name}.")
        labels = flat[labelled]
        if labels.dtype == object:
            kinds = {type(label).__name__ for label in labels if isinstance(label, str) != isinstance(labels[0], str)}
            if kinds:
                raise ValueError(f"y{name} holds labels of several types: {labels[0]!r} and some of {sorted(kinds)}.")
            labels = np.array(labels.tolist())
        if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
            raise ValueError(f"Unknown label type: continuous. y{name} holds {labels[labels != np.floor(labels)][0]}.")
        known = np.unique(labels if classes is None else classes)
        if reset:
            if len(known) < 2 or (self.target == "one_per_set" and len(known) > 2):
                raise ValueError(
                    f"y has {len(known)} classes ({known[:5].tolist()}), but a classifier of elements needs at least 2"
                    + (', with target="one_per_set" exactly 2.' if self.target == "one_per_set" else ".")
                )
            self.classes_ = known
        elif classes is not None and not np.array_equal(known, self.classes_):
            first = self.classes_.tolist()
            raise ValueError(f"classes={known.tolist()} differ from those of the first call, {first}.")
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y{name} has the class {unknown.tolist()[0]!r}, which is not among {self.classes_.tolist()}."
            )
        numbers = np.full(len(flat), np.nan)
        numbers[labelled] = np.searchsorted(self.classes_, labels)
        targets = ElementTargets(numbers, sets.offsets)
        weight = self._weight_of_sets(sample_weight, targets, name)
        if self._looks_at_whole_sets:
            self._check_whole_sets(targets, name)
            self._chosen = chosen_class(targets, self.classes_, None if reset else self._chosen, name)
        elif self.class_weight is not None and not name:  # validation sets are weighted as the training sets are
            self._weight_of_class = weights_of_classes(self.class_weight, self.classes_, targets, weight)
        return targets, weight

    def _class_weight_of(self, targets):
        if self.class_weight is None:
            return 1.0
        return self._weight_of_class[np.nan_to_num(targets).astype(np.int64)]

    def _learn_scale(self, y, weight):
        """Classes have no scale."""

    def _scaled(self, y):
        return y == self._chosen if self._looks_at_whole_sets else y
