"""DeepSetsElementClassifier and DeepSetsElementRegressor: one prediction for each element, given its set."""

from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._documented import parameter, with_parameters
from sk_deepsets.estimators._element_estimator import ElementEstimator, split_like
from sk_deepsets.estimators._element_scorer import element_scorer
from sk_deepsets.estimators._parameters import ElementParameters
from sk_deepsets.estimators._supervised import LOSS, SetClassifierMixin, SetRegressorMixin
from sk_deepsets.targets import (
    ChosenElementTarget,
    ElementClassTarget,
    ElementPositiveTarget,
    ElementQuantilesTarget,
    ElementValueTarget,
    RankingTarget,
)
from sk_deepsets.training import RANKING_LOSSES, REGRESSION_LOSSES

RANKING_LOSS = """ ``"listnet"`` and ``"lambdarank"`` learn to rank: targets are grades of relevance, the loss compares
the elements of a set with each other, and predictions are scores whose order within a set counts. ``"listnet"``
compares the softmax of the scores with that of the grades (Cao et al., 2007, "Learning to rank: from pairwise approach
to listwise approach"); ``"lambdarank"`` weighs each pair by what a swap would change in the NDCG (Wang et al., 2018,
"The LambdaLoss framework for ranking metric optimization"), for grades of at least 0."""


@with_parameters
class DeepSetsElementClassifier(SetClassifierMixin, ElementEstimator, ElementParameters):
    """Deep Sets classifier of elements: one class for each element, given its whole set.

    Stacks of the permutation equivariant layers of Lemma 3 of Zaheer et al. (2017), "Deep Sets": permuting the
    elements of a set permutes the predictions. For one class per set, see :class:`DeepSetsClassifier`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    {fitted}
    {out_of_fold_by_element}

    See Also
    --------
    DeepSetsElementRegressor : A number for each element, or a ranking of the elements.
    element_scorer : Any scikit-learn metric, on all elements.
    RaggedSets.to_rows : Aligns predictions with the rows of the frame from which the sets were made.

    Notes
    -----
    An element with a missing target (None, NaN or masked) is visible to the others, but left out of the loss and the
    score.

    Examples
    --------
    Which element of a set is the largest?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsElementClassifier
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(2, 9, 300)]
    >>> y = [one_set[:, 0] == one_set[:, 0].max() for one_set in sets]
    >>> clf = DeepSetsElementClassifier(target="one_per_set", n_members=5, max_epochs=40, random_state=0).fit(sets, y)
    >>> clf.predict_proba(sets)[0][:, 1].sum().round(6)
    np.float64(1.0)
    >>> clf.score(sets, y) > 0.95
    True
    """

    target: str = parameter(
        "each",
        '{"each", "one_per_set"}',
        """``"each"``: every element has a class of its own. ``"one_per_set"``: there are two classes, and exactly one
        element of each set belongs to the chosen one; its probabilities are a softmax over the elements of the set, as
        in discrete choice models (McFadden, 1974). The chosen class is the one that occurs once per set in ``y``; if
        both do (all sets have two elements), it is the greater one: 1 rather than 0, True rather than False.""",
        StrOptions({"each", "one_per_set"}),
    )
    class_weight: dict | str | None = parameter(
        None,
        'dict, "balanced" or None',
        'Weights of the classes of elements in the loss; with ``target="each"``.',
        dict,
        StrOptions({"balanced"}),
        None,
    )

    def predict(self, X):
        """The class of each element.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i,), or ndarray of shape (n_sets, set_size)
            One array per set, in the order of X; an array for a 3-D array.
        """
        target, outputs, sets = self._predict(X)
        return split_like(X, target.labels(outputs, sets), sets)

    def predict_proba(self, X):
        """The probability of each class for each element.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i, n_classes), or ndarray of shape (n_sets, set_size, n_classes)
            As in ``predict``. Columns as in ``classes_``; rows sum to 1. With ``target="one_per_set"``, the column of
            the chosen class sums to 1 over each set.
        """
        target, outputs, sets = self._predict(X)
        return split_like(X, target.answers(outputs, sets), sets)

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
        check_is_fitted(self)
        accuracy = lambda y, p, weight: np.average(y == p, weights=weight)  # noqa: E731
        return self._score(X, y, sample_weight, self._fitted.target.labels, accuracy)

    def _make_target(self, y):
        if self.target == "each":
            return ElementClassTarget()
        if self.class_weight is not None:
            raise ValueError('class_weight needs target="each": with "one_per_set" each set has one chosen element.')
        return ChosenElementTarget()


@with_parameters
class DeepSetsElementRegressor(SetRegressorMixin, ElementEstimator, ElementParameters):
    """Deep Sets regressor of elements: one number for each element, given its whole set.

    Stacks of the permutation equivariant layers of Lemma 3 of Zaheer et al. (2017), "Deep Sets": permuting the
    elements of a set permutes the predictions.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {fitted}
    {out_of_fold_by_element}

    See Also
    --------
    DeepSetsElementClassifier : A class for each element.
    RaggedSets.to_rows : Aligns predictions with the rows of the frame from which the sets were made.

    Notes
    -----
    An element whose target is NaN or masked is visible to the others, but left out of the loss and the score.

    Examples
    --------
    How far is each element from the largest of its set?

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsElementRegressor
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 1)) for size in rng.integers(2, 9, 300)]
    >>> y = [one_set[:, 0] - one_set[:, 0].max() for one_set in sets]
    >>> reg = DeepSetsElementRegressor(n_members=5, max_epochs=40, random_state=0).fit(sets, y)
    >>> reg.predict(sets)[0].shape == y[0].shape
    True
    >>> reg.score(sets, y) > 0.9
    True
    """

    loss: str = parameter(
        "squared_error",
        '{"squared_error", "absolute_error", "huber", "poisson", "gamma", "quantile", "listnet", "lambdarank"}',
        LOSS + RANKING_LOSS,
        StrOptions({*REGRESSION_LOSSES, *RANKING_LOSSES}),
    )

    _targets: ClassVar = {
        "identity": ElementValueTarget,
        "log": ElementPositiveTarget,
        "sorted": ElementQuantilesTarget,
    }

    def predict(self, X, return_std=False):
        """The value, or with ``loss="listnet"`` or ``"lambdarank"`` the score, of each element.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        return_std : bool, default=False
            Whether to return the spread of the members of an ensemble, too.

        Returns
        -------
        predicted : list of ndarray of shape (n_i,), or ndarray of shape (n_sets, set_size)
            One array per set, in the order of X; an array for a 3-D array. With several quantiles they have one more
            dimension, in the order of ``quantile``.
        std : the same
            Only with ``return_std``: the standard deviation of what the members predict, as in
            :meth:`DeepSetsRegressor.predict`.
        """
        if return_std:
            predicted, std, sets = self._predict_with_std(X)
            return split_like(X, predicted, sets), split_like(X, std, sets)
        target, outputs, sets = self._predict(X)
        return split_like(X, target.answers(outputs, sets), sets)

    def score(self, X, y, sample_weight=None):
        """R² over all elements that have a target; of several quantiles, the mean of their D²; with
        ``loss="listnet"`` or ``"lambdarank"`` the NDCG of the sets, as ``"ndcg"`` in :func:`element_scorer`.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if self.loss not in RANKING_LOSSES:
            metric = lambda y, p, weight: self._compare(y.astype(np.float64), p, weight)  # noqa: E731
            return self._score(X, y, sample_weight, self._fitted.target.answers, metric)
        if sample_weight is not None:
            raise ValueError(f'With loss="{self.loss}" score is an NDCG, which takes no sample_weight.')
        return element_scorer("ndcg")(self, X, y)

    def _make_target(self, y):
        return RankingTarget(loss=self.loss) if self.loss in RANKING_LOSSES else super()._make_target(y)
