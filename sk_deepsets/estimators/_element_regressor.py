"""DeepSetsElementRegressor: one number for each element, or a ranking of the elements of each set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions

from sk_deepsets.estimators._element_base import DeepSetsElementEstimator, ElementTargets
from sk_deepsets.estimators._element_scorer import element_scorer
from sk_deepsets.estimators._statistics import mean_and_scale
from sk_deepsets.training import REGRESSION_LOSSES


class DeepSetsElementRegressor(RegressorMixin, DeepSetsElementEstimator):
    """Deep Sets regressor of elements: one number for each, which depends on the whole set.

    A stack of the permutation equivariant layers of Lemma 3 of Zaheer et al. (2017), "Deep Sets": permuting the
    elements of a set permutes the answers.

    Parameters
    ----------
    hidden_dims, pool_type, fusion_type, activation, dropout, residual, layer_norm
        The model, as in :class:`DeepSetsElementClassifier`.
    categorical_features, standardize, max_set_size, empty_sets
        The data, as in :class:`DeepSetsClassifier`; ``standardize`` is for the targets, too.
    optimizer, lr, weight_decay, batch_size, max_epochs, early_stopping, validation_fraction, n_iter_no_change, \
warm_start, callbacks
        The training, as in :class:`DeepSetsClassifier`; whole sets are held out.
    loss : {"squared_error", "absolute_error", "huber", "listnet"}, default="squared_error"
        ``"listnet"`` learns to rank: targets are grades of relevance, the loss compares the elements of a set with
        each other (Cao et al., 2007, "Learning to rank: from pairwise approach to listwise approach"), and
        predictions are scores whose order within a set counts.
    device, random_state, verbose
        As in :class:`DeepSetsClassifier`.

    Attributes
    ----------
    n_features_in_, feature_names_in_, n_iter_, best_iteration_, history_, net_, padder_
        As in :class:`DeepSetsClassifier`.

    See Also
    --------
    DeepSetsElementClassifier : A class for each element.

    Notes
    -----
    An element whose target is NaN is seen by the others and left out of the loss and the score.

    Examples
    --------
    How far is each element from the mean of its set?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsElementRegressor
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 1)) for size in rng.integers(2, 9, 300)]
    >>> y = [one_set[:, 0] - one_set[:, 0].max() for one_set in sets]
    >>> reg = DeepSetsElementRegressor(random_state=0).fit(sets, y)
    >>> reg.predict(sets)[0].shape == y[0].shape
    True
    >>> reg.score(sets, y) > 0.95
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        **DeepSetsElementEstimator._parameter_constraints,
        "loss": [StrOptions({*REGRESSION_LOSSES, "listnet"})],
    }
    _target_dtype = np.float64

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
        loss="squared_error",
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
        self.loss = loss
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, on from where training stands.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        self : DeepSetsElementRegressor
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X):
        """The value, or with ``loss="listnet"`` the score, of each element.

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
        return self._answers(X, self._values)

    def score(self, X, y, sample_weight=None):
        """R² over all elements that have a target; with ``loss="listnet"`` the NDCG of the sets, as ``"ndcg"`` in
        :func:`element_scorer`.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float
        """
        if self._looks_at_whole_sets:
            if sample_weight is not None:
                raise ValueError('With loss="listnet" score is an NDCG, which takes no sample_weight.')
            return element_scorer("ndcg")(self, X, y)
        wanted, predicted, weight = self._with_targets(X, y, sample_weight, self._values)
        return r2_score(wanted.astype(np.float64), predicted, sample_weight=weight)

    def _values(self, outputs, sets):
        return outputs[:, 0] * self._target_scale + self._target_mean

    @property
    def _loss_name(self):
        return self.loss

    @property
    def _looks_at_whole_sets(self):
        return self.loss == "listnet"

    @property
    def _output_dim(self):
        return 1

    def _read_targets(self, y, sample_weight, sets, *, reset=False, classes=None, name=""):
        """Values of the elements, NaN where there is none, and the weights of the sets."""
        flat = self._flat_targets(y, sets, name)
        values, labelled = np.full(len(flat), np.nan), ~pd.isna(flat)
        try:
            if flat.dtype.kind not in "biufO":
                raise TypeError(f"it has dtype {flat.dtype}.")
            values[labelled] = flat[labelled].astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y{name} must hold numbers: {error}") from error
        if np.isinf(values).any():
            raise ValueError(f"y{name} holds infinity (element {int(np.argmax(np.isinf(values)))}).")
        if np.isnan(values).all():
            raise ValueError(f"No element has a target in y{name}.")
        targets = ElementTargets(values, sets.offsets)
        if self._looks_at_whole_sets:
            self._check_whole_sets(targets, name)
        return targets, self._weight_of_sets(sample_weight, targets, name)

    def _learn_scale(self, y, weight):
        labelled = ~np.isnan(y.elements[:, 0])
        if not self.standardize or self._looks_at_whole_sets:
            self._target_mean, self._target_scale = 0.0, 1.0  # grades are compared, not met
            return
        weight = None if weight is None else np.repeat(weight, y.sizes)[labelled]
        mean, scale = mean_and_scale(y.elements[labelled], weight)
        self._target_mean, self._target_scale = mean[0], scale[0]

    def _scaled(self, y):
        return (y - self._target_mean) / self._target_scale
