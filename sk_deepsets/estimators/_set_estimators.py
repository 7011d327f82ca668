"""DeepSetsClassifier and DeepSetsRegressor: one prediction per set."""

from collections.abc import Callable

from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sk_deepsets.estimators._documented import parameter, with_parameters
from sk_deepsets.estimators._module_parameters import takes_module_parameters
from sk_deepsets.estimators._parameters import SetParameters
from sk_deepsets.estimators._set_estimator import SetEstimator
from sk_deepsets.estimators._supervised import SetClassifierMixin, SetRegressorMixin
from sk_deepsets.targets import ClassTarget, LabelsTarget, has_several_labels


@takes_module_parameters
@with_parameters
class DeepSetsClassifier(SetClassifierMixin, SetEstimator, SetParameters):
    """Deep Sets classifier: one class for each set of elements.

    Each element goes through a network phi, a pool combines the results into one vector per set, and a network rho
    turns this vector into class probabilities: f(X) = rho(pool_i phi(x_i)), Theorem 2 of Zaheer et al. (2017), "Deep
    Sets". The prediction does not depend on the order of the elements, and sets may have any size.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; with several labels, the numbers of the labels.
    {fitted}
    {out_of_fold}

    See Also
    --------
    DeepSetsRegressor : One or several numbers for each set.
    DeepSetsElementClassifier : One class for each element.

    Examples
    --------
    Does a set hold a number above 2?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsClassifier
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 3)) for size in rng.integers(1, 20, 400)]
    >>> y = np.array(["yes" if one_set.max() > 2 else "no" for one_set in sets])
    >>> clf = DeepSetsClassifier(n_members=5, max_epochs=40, random_state=0).fit(sets[:300], y[:300])
    >>> clf.score(sets[300:], y[300:]) > 0.8
    True
    """

    loss: str | Callable = parameter(
        "log_loss",
        '"log_loss" or callable',
        """A callable takes two tensors, ``outputs`` and ``targets``, and returns a tensor with one loss for each set,
        ``(b,)``. ``outputs`` are logits: ``(b, n_classes)``, which a softmax turns into probabilities, also of two
        classes; ``targets`` ``(b,)`` are the places of the classes in ``classes_``. With several labels, ``outputs``
        ``(b, n_labels)`` have a sigmoid each, and ``targets`` ``(b, n_labels)`` are zeros and ones in floating point.
        Weights are applied to what it returns. It sees each set by itself: the sets of several members may be in one
        call.""",
        StrOptions({"log_loss"}),
        callable,
    )
    class_weight: dict | list | str | None = parameter(
        None,
        'dict, list of dicts, "balanced" or None',
        """Weights of the classes, in the loss and in the validation loss. With several labels, a list of one dict for
        each, such as ``[{0: 1, 1: 5}, {0: 1, 1: 2}]``; each weighs the loss of its label.""",
        dict,
        list,
        StrOptions({"balanced"}),
        None,
    )

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
        target, outputs, sets = self._predict(X)
        return target.labels(outputs, sets)

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
        target, outputs, sets = self._predict(X)
        return target.answers(outputs, sets)

    @available_if(lambda self: self._fitted is not None and isinstance(self._fitted.target, LabelsTarget))
    def decision_function(self, X):
        """The log odds of each label; only with several labels.

        By these, scikit-learn's ``"roc_auc"`` and ``"average_precision"`` score two labels, too, whose probabilities
        they would take for those of two classes.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets, n_labels), float64
        """
        return self._predict(X)[1]

    def _make_target(self, y):
        custom_loss = self.loss if callable(self.loss) else None
        return (LabelsTarget if has_several_labels(y) else ClassTarget)(custom_loss=custom_loss)


@takes_module_parameters
@with_parameters
class DeepSetsRegressor(SetRegressorMixin, SetEstimator, SetParameters):
    """Deep Sets regressor: one or several numbers for each set of elements.

    f(X) = rho(pool_i phi(x_i)), Theorem 2 of Zaheer et al. (2017), "Deep Sets": the prediction does not depend on
    the order of the elements, and sets may have any size.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {fitted}
    {out_of_fold}

    See Also
    --------
    DeepSetsClassifier : One class for each set.
    DeepSetsElementRegressor : One number for each element.

    Examples
    --------
    The sum over a set, learned from sets of at most 10 numbers and correct on sets of 50:

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.integers(0, 10, size) for size in rng.integers(1, 11, 1000)]
    >>> y = [one_set.sum() for one_set in sets]
    >>> reg = DeepSetsRegressor(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", lr=0.05, random_state=0)
    >>> reg.fit(sets, y).predict([np.full(50, 3)]).round()
    array([150.])
    """

    def predict(self, X, return_std=False):
        """The value or values of each set.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        return_std : bool, default=False
            Whether to return the spread of the members of an ensemble, too.

        Returns
        -------
        predicted : ndarray of shape (n_sets,), or (n_sets, n_outputs) if y had two dimensions; float64
            With several quantiles, (n_sets, n_quantiles), each row in the order of ``quantile``.
        std : ndarray of that shape
            Only with ``return_std``: the standard deviation of what the members predict, in the unit of y and with the
            weights that they have in the prediction; the constant prediction counts as a member. It tells how far the
            members agree, not how far y may be from the prediction.
        """
        if return_std:
            predicted, std, _ = self._predict_with_std(X)
            return predicted, std
        target, outputs, sets = self._predict(X)
        return target.answers(outputs, sets)

    def __sklearn_tags__(self):
        """Several outputs are allowed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
