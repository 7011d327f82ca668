"""What classifiers share, and regressors: partial_fit, one epoch for each call, and score."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._documented import parameter, with_parameters
from sk_deepsets.estimators._outcome import check_finite
from sk_deepsets.nn import Ensemble
from sk_deepsets.sets import check_labels, labels_of
from sk_deepsets.targets import (
    CustomLossTarget,
    PositiveTarget,
    QuantilesTarget,
    ValueTarget,
    check_one_for_each_set,
    check_quantiles,
)
from sk_deepsets.training import REGRESSION_LOSSES, SetDataset

LOSS = """``"squared_error"`` is on the target as ``standardize`` leaves it, with mean 0 and standard deviation 1.
``"absolute_error"``, ``"huber"`` and ``"quantile"`` are for targets with outliers: there the median is 0, and the
outer tenths are as far apart as those of a normal distribution of standard deviation 1. ``"huber"`` turns from squared
to absolute at 1. ``"poisson"``, for counts, and ``"gamma"``, for positive numbers, are half the deviances, up to a
constant; predictions are exponentials of the outputs."""


CUSTOM_LOSS = """ A callable takes two tensors, ``outputs`` and ``targets``, and returns a tensor with one loss for each
set, ``(b,)``. Both are in float64 and in the unit of ``y``, whatever ``standardize`` is: what ``predict`` would return,
and what ``y`` holds, ``(b,)``, or ``(b, n_outputs)`` if ``y`` has two dimensions. Weights are applied to what it
returns. It sees each set by itself: the sets of several members may be in one call."""


class ScoreMixin:
    """Estimators with a score: ``_compare(y, answers, sample_weight)``, which compares values by position."""

    def score(self, X, y, sample_weight=None):
        """Accuracy of a classifier, R² of a regressor; of several quantiles, the mean of their D².

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        check_one_for_each_set(y, "y", self._for_elements)
        check_labels(y, labels_of(X), "y")
        check_labels(sample_weight, labels_of(X), "sample_weight")
        return self._compare(y, self.predict(X), sample_weight)


class SetClassifierMixin(ScoreMixin, ClassifierMixin):
    """What classifiers of sets and of elements share."""

    _for_elements = "DeepSetsElementClassifier"

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, continuing from the current state.

        What ``standardize`` learned in the first call stays.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            All classes that later calls will bring. Needed in the first call; of several labels, which the columns of
            ``y`` tell, it may be left out, or holds their numbers, as ``classes_`` does.

        Returns
        -------
        self : estimator
        """
        if classes is None and self._fitted is None and self._make_target(y).needs_classes:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all sets at once: pass a dict of weights to partial_fit.')
        return self._partial_fit(X, y, sample_weight, classes)

    def _compare(self, y, answers, sample_weight):
        return accuracy_score(y, answers, sample_weight=sample_weight)

    def _class_weight(self):
        return self.class_weight


@with_parameters
class SetRegressorMixin(ScoreMixin, RegressorMixin):
    """What regressors of sets and of elements share."""

    loss: str | Callable = parameter(
        "squared_error",
        '{"squared_error", "absolute_error", "huber", "poisson", "gamma", "quantile"} or callable',
        LOSS + CUSTOM_LOSS,
        StrOptions(set(REGRESSION_LOSSES)),
        callable,
    )
    quantile: float | Sequence[float] | None = parameter(
        None,
        "float or sequence of float",
        """Which quantile to predict with ``loss="quantile"``. Several, such as ``[0.1, 0.5, 0.9]``, are learned at once
        and never cross; predictions then have one column for each, in this order, and ``score`` is the mean of their D²
        (:func:`sklearn.metrics.d2_pinball_score`).""",
        Interval(Real, 0, 1, closed="both"),
        list,
        tuple,
        np.ndarray,
        None,
    )

    _for_elements = "DeepSetsElementRegressor"
    _targets: ClassVar = {"identity": ValueTarget, "log": PositiveTarget, "sorted": QuantilesTarget}
    """The target for each link of a loss"""

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, continuing from the current state.

        What ``standardize`` learned in the first call stays.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        self : estimator
        """
        return self._partial_fit(X, y, sample_weight)

    def _predict_with_std(self, X):
        """Predictions of an ensemble, the spread of its members, and X as sets of numbers."""
        sets, target = self._sets_to_predict(X, stacklevel=4), self._fitted.target  # 4 is whoever calls predict
        if not isinstance(self.net_.module_, Ensemble):
            raise ValueError(
                f"return_std=True is the spread of the members of an ensemble, but this is a single net (n_members="
                f"{self.n_members!r}): fit it again with several members, such as n_members=5."
            )
        mean, std = (tensor.double().numpy() for tensor in self.net_.mean_and_std(SetDataset(sets)))
        mean = check_finite(mean, sets, self, self._fitted.reader.encoder, target.per_element)
        return target.answers(mean, sets), target.spread(std), sets

    def _compare(self, y, answers, sample_weight):
        return self._fitted.target.metric(y, answers, sample_weight)

    def _make_target(self, y):
        if callable(self.loss):
            return CustomLossTarget("custom", self.standardize, custom_loss=self.loss)
        if self.loss == "quantile" and self.quantile is None:
            raise ValueError('loss="quantile" requires a quantile, such as quantile=0.9.')
        if self.loss == "quantile" and not isinstance(self.quantile, Real):
            return self._targets["sorted"]("quantiles", self.standardize, check_quantiles(self.quantile))
        return self._targets[REGRESSION_LOSSES[self.loss].link](self.loss, self.standardize, self.quantile)
