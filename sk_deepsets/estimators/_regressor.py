"""DeepSetsRegressor: one or several numbers for each set."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions

from sk_deepsets.estimators._base import DeepSetsEstimator
from sk_deepsets.estimators._learner import check_targets
from sk_deepsets.estimators._statistics import mean_and_scale
from sk_deepsets.training import REGRESSION_LOSSES


class DeepSetsRegressor(RegressorMixin, DeepSetsEstimator):
    """Deep Sets regressor: one or several numbers for each set of elements.

    f(X) = rho(pool_i phi(x_i)), Theorem 2 of Zaheer et al. (2017), "Deep Sets": the result does not depend on
    the order of the elements, and sets may have any size.

    Parameters
    ----------
    phi_hidden_dims, rho_hidden_dims, pool_type, fusion_type, context_in_rho, activation, dropout, encoder, module
        The model, as in :class:`DeepSetsClassifier`.
    categorical_features, standardize, max_set_size, empty_sets
        The data, as in :class:`DeepSetsClassifier`; ``standardize`` is for the targets, too.
    optimizer, lr, weight_decay, batch_size, max_epochs, early_stopping, validation_fraction, n_iter_no_change, \
warm_start, callbacks
        The training, as in :class:`DeepSetsClassifier`.
    loss : {"squared_error", "absolute_error", "huber"}, default="squared_error"
        On the standardised target. ``"huber"`` turns from squared to absolute at 1.
    device, mixed_precision, random_state, verbose
        As in :class:`DeepSetsClassifier`.

    Attributes
    ----------
    n_features_in_, feature_names_in_, n_iter_, best_iteration_, net_, padder_
        As in :class:`DeepSetsClassifier`.
    history_ : list of dict
        One an epoch: ``epoch``, ``train_loss``, ``valid_loss`` (``loss`` on the standardised target of the sets held
        out), ``dur``, ….

    See Also
    --------
    DeepSetsClassifier : One class for each set.

    Examples
    --------
    The sum over a set, learned from sets of at most 10 numbers and right on sets of 50:

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.integers(0, 10, size) for size in rng.integers(1, 11, 1000)]
    >>> y = [one_set.sum() for one_set in sets]
    >>> reg = DeepSetsRegressor(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", lr=0.05, random_state=0)
    >>> reg.fit(sets, y).predict([np.full(50, 3)]).round()
    array([150.])
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        **DeepSetsEstimator._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
    }

    def __init__(
        self,
        *,
        phi_hidden_dims=(64, 64),
        rho_hidden_dims=(64,),
        pool_type=("mean", "max"),
        fusion_type="concat",
        context_in_rho=True,
        activation="relu",
        dropout=0.0,
        encoder="elementwise",
        module=None,
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
        mixed_precision=False,
        random_state=None,
        verbose=0,
    ):
        self.phi_hidden_dims = phi_hidden_dims
        self.rho_hidden_dims = rho_hidden_dims
        self.pool_type = pool_type
        self.fusion_type = fusion_type
        self.context_in_rho = context_in_rho
        self.activation = activation
        self.dropout = dropout
        self.encoder = encoder
        self.module = module
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
        self.mixed_precision = mixed_precision
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, on from where training stands.

        What ``standardize`` learned in the first call stays.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        self : DeepSetsRegressor
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X):
        """The value or values of each set.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets,), or (n_sets, n_outputs) if y had two dimensions; float64
        """
        values = self._outputs(X) * self._target_scale + self._target_mean
        return values[:, 0] if self._one_output else values

    @property
    def _loss_name(self):
        return self.loss

    @property
    def _output_dim(self):
        return self._n_outputs

    def _read_targets(self, y, sample_weight, sets, *, reset=False, classes=None, name=""):
        """Values of shape (n_sets, n_outputs) in float64, and weights."""
        y = check_targets(self, y, len(sets), name, multi_output=True, y_numeric=True).astype(np.float64)
        if reset:
            self._one_output = y.ndim == 1
        y = y.reshape(len(y), -1)
        if reset:
            self._n_outputs = y.shape[1]
        elif y.shape[1] != self._n_outputs:
            raise ValueError(f"y{name} has {y.shape[1]} outputs, but {self._n_outputs} are expected.")
        return y, self._read_weight(sample_weight, len(sets))

    def _strata(self, y):
        """Values have no classes to keep the shares of."""

    def _learn_scale(self, y, weight):
        if self.standardize:
            self._target_mean, self._target_scale = mean_and_scale(y, weight)
        else:
            self._target_mean, self._target_scale = np.zeros(self._n_outputs), np.ones(self._n_outputs)

    def _scaled(self, y):
        return (y - self._target_mean) / self._target_scale

    def __sklearn_tags__(self):
        """Several outputs are fine."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
