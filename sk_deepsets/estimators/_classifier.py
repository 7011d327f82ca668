"""DeepSetsClassifier: one class for each set."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from sk_deepsets.estimators._base import DeepSetsEstimator
from sk_deepsets.estimators._learner import check_targets


class DeepSetsClassifier(ClassifierMixin, DeepSetsEstimator):
    """Deep Sets classifier: one class for each set of elements.

    Each element goes through a network phi, a pool makes one vector of each set, and a network rho makes a
    class of it: f(X) = rho(pool_i phi(x_i)), Theorem 2 of Zaheer et al. (2017), "Deep Sets". The result does not
    depend on the order of the elements, and sets may have any size.

    Parameters
    ----------
    phi_hidden_dims : sequence of int, default=(64, 64)
        Widths of the layers of phi. Empty: phi is the identity.
    rho_hidden_dims : sequence of int, default=(64,)
        Widths of the hidden layers of rho. Empty: rho is one linear map.
    pool_type : {"sum", "mean", "max", "min", "std", "attention"} or tuple of them, default=("mean", "max")
        How the elements of a set become one vector; several pools are concatenated. ``"sum"`` keeps the size of
        the set and carries over to larger sets than those trained on; ``"max"`` and ``"attention"`` find a few
        elements that matter; ``"mean"`` and ``"std"`` see the set as a distribution.
    fusion_type : {"concat", "add", "film"}, default="concat"
        How phi sees the context of the set, where the sets have one; see
        :class:`~sk_deepsets.nn.DeepSetsConditional`.
    context_in_rho : bool, default=True
        Whether rho sees the context, too.
    activation : {"relu", "gelu", "silu", "elu", "tanh"}, default="relu"
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    encoder : {"elementwise", "equivariant"}, default="elementwise"
        Whether phi sees each element by itself, or in layers that show it the maximum over its set.
    module : callable, default=None
        A torch module class of your own, built as ``module(input_dim=..., output_dim=...)`` (and
        ``context_dim=...`` where there is context) and called as ``forward(x, mask)`` (and ``context=...``) with
        ``x (b, m, d)`` and ``mask (b, m)``; it returns ``(b, output_dim)``. It takes the place of the parameters
        above.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which features of the elements are categories, each with an embedding that is learned: those of a categorical
        or string dtype, where elements stand in DataFrames; these, by name, position or mask, such as ids in an
        array of integers; none. A category that ``fit`` has not seen has the embedding zero. Categories among the
        context are always found by dtype.
    standardize : bool, default=True
        Whether to subtract the mean of each feature over all elements and divide by its standard deviation; of
        each context column and regression target, too.
    max_set_size : int, default=None
        Largest set to accept; a larger one is an error. A :class:`SetPadder` before the estimator cuts sets.
    empty_sets : {"zero", "error"}, default="zero"
        What an empty set is: pooled to a vector of zeros, or an error.
    optimizer : {"adam", "adamw", "sgd"} or callable, default="adamw"
        By name, or a torch optimizer class. ``"sgd"`` has Nesterov momentum of 0.9.
    lr : float, default=0.002
        Learning rate to begin with. With early stopping it falls to three tenths each time the validation loss has
        not fallen for half of ``n_iter_no_change`` epochs, unless a skorch ``LRScheduler`` is among the callbacks.
    weight_decay : float, default=0.0
    batch_size : int, default=128
        Sets in a mini-batch.
    max_epochs : int, default=100
    early_stopping : bool or "auto", default="auto"
        Whether to hold out a part of the sets (the same share of each class), to stop when their loss has not
        fallen for ``n_iter_no_change`` epochs, and to go back to the weights of the best epoch. ``"auto"``: with
        at least 1,000 sets, or with ``X_val``; with fewer, probabilities may come out too sure. The best epoch is
        restored whenever there is something to validate on; ``False`` then only keeps training from stopping early.
    validation_fraction : float, default=0.1
        Share of the sets held out.
    n_iter_no_change : int, default=10
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last ``fit``.
    callbacks : list of skorch callbacks, default=None
        Copied for each fit; afterwards they are in ``net_.callbacks_``.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, in the loss and in the validation loss.
    device : str or torch.device, default="cpu"
        ``"auto"``: an accelerator if there is one.
    mixed_precision : bool, default=False
        Whether phi multiplies in bfloat16 in training. Where the processor has such products, large sets train
        faster (1.2 times in the README's benchmark), small ones slower: measure before using it. Predictions are
        always made in full precision.
    random_state : int, RandomState instance or None, default=None
        Of the weights, the batches, the dropout and the sets held out. With an int, two fits on the CPU are equal
        to the last bit. The global generators of NumPy and torch are never touched.
    verbose : int, default=0
        1: a progress bar for the fit. 2: a line for each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Features of an element.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the sets were DataFrames with string columns.
    n_iter_ : int
        Epochs trained.
    best_iteration_ : int
        The epoch whose weights are kept, counted from 1; ``n_iter_`` without validation.
    history_ : list of dict
        One an epoch: ``epoch``, ``train_loss``, ``valid_loss`` (log loss of the sets held out), ``dur``, ….
    net_ : skorch.NeuralNetClassifier
        The trained net; ``net_.module_`` is the torch module, and takes raw, unstandardised ``x`` and ``mask``;
        a ``module`` of your own is ``net_.module_.module``, behind the standardisation.
    padder_ : SetPadder

    See Also
    --------
    DeepSetsRegressor : One or several numbers for each set.

    Examples
    --------
    Does a set hold a number above 2?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsClassifier
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 3)) for size in rng.integers(1, 20, 400)]
    >>> y = np.array(["yes" if one_set.max() > 2 else "no" for one_set in sets])
    >>> clf = DeepSetsClassifier(random_state=0).fit(sets[:300], y[:300])
    >>> clf.score(sets[300:], y[300:]) > 0.8
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        **DeepSetsEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _loss_name = "log_loss"

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
        class_weight=None,
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
        self.class_weight = class_weight
        self.device = device
        self.mixed_precision = mixed_precision
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, on from where training stands.

        What ``standardize`` learned in the first call stays.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            All classes that later calls will bring. Needed in the first call.

        Returns
        -------
        self : DeepSetsClassifier
        """
        if classes is None and not hasattr(self, "net_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all sets at once: pass a dict of weights to partial_fit.')
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X):
        """The most likely class of each set.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets,), of the dtype of ``classes_``
        """
        numbers = self._outputs(X).argmax(axis=1)
        return self.classes_[numbers]

    def predict_proba(self, X):
        """The probability of each class.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets, n_classes), float64
            Columns as in ``classes_``; rows sum to 1.
        """
        return softmax(self._outputs(X), axis=1)

    @property
    def _output_dim(self):
        return len(self.classes_)

    def _read_targets(self, y, sample_weight, sets, *, reset=False, classes=None, name=""):
        """Numbers of classes, and weights that hold both the sets' and the classes'."""
        y = check_targets(self, y, len(sets), name)
        check_classification_targets(y)
        known = np.unique(y if classes is None else classes)
        if reset:
            if len(known) < 2:
                raise ValueError(f"y has 1 class ({known[0]!r}), but a classifier needs at least 2.")
            self.classes_ = known
        elif classes is not None and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes={known} differ from those of the first call, {self.classes_}.")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y{name} has the class {unknown[0]!r}, which is not among {self.classes_}.")
        numbers = np.searchsorted(self.classes_, y)
        weight = self._read_weight(sample_weight, len(sets))
        if self.class_weight is not None:
            if not name:  # validation sets are weighted as the training sets are
                self._weight_of_class = self._class_weights(numbers, weight)
            weight = self._weight_of_class[numbers] * (1 if weight is None else weight)
            if not weight.any():
                raise ValueError("class_weight and sample_weight together must contain at least one non-zero number.")
        return numbers, weight

    def _class_weights(self, numbers, weight):
        """One weight for each class, (n_classes,)."""
        if self.class_weight != "balanced":
            return compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)
        # not scikit-learn's, which counts sets of weight 0
        counts = np.bincount(numbers, weights=weight, minlength=len(self.classes_))
        present = counts > 0
        return np.divide(counts.sum(), present.sum() * counts, where=present, out=np.zeros(len(counts)))

    def _strata(self, y):
        return y

    def _learn_scale(self, y, weight):
        """Classes have no scale."""

    def _scaled(self, y):
        return y
