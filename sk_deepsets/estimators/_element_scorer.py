"""element_scorer: any scikit-learn metric for predictions per element."""

import copy
import re
from inspect import signature

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring, get_scorer
from sklearn.utils.metadata_routing import _MetadataRequester, get_routing_for_object
from sklearn.utils.metaestimators import available_if

from sk_deepsets.preprocessing import read_element_targets
from sk_deepsets.sets import check_sets
from sk_deepsets.targets import check_weight, mean_ndcg


def element_scorer(scoring):
    """Make a scorer that pools the elements of all sets into one sample; those without a target are left out.

    Parameters
    ----------
    scoring : str or scorer
        A name that :func:`sklearn.metrics.get_scorer` knows, such as ``"roc_auc"``, or what ``make_scorer`` returns.
        For rankings ``"ndcg"``, or ``"ndcg@5"`` for the first five: the mean of :func:`sklearn.metrics.ndcg_score` over
        the sets with two or more graded elements. As there, a set without a relevant element has 0, and ties are
        averaged.

    Returns
    -------
    callable
        ``scorer(estimator, X, y, sample_weight=None)``, for ``scoring=`` in ``cross_val_score`` and ``GridSearchCV``.
        ``sample_weight`` holds weights of the sets, and is not supported for rankings. With scikit-learn's metadata
        routing, scorers request it with ``set_score_request(sample_weight=True)``.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsElementClassifier, element_scorer
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(2, 9, 100)]
    >>> y = [(one_set[:, 0] > one_set[:, 0].mean()).astype(int) for one_set in sets]
    >>> clf = DeepSetsElementClassifier(max_epochs=30, random_state=0).fit(sets, y)
    >>> 0.9 < element_scorer("roc_auc")(clf, sets, y) <= 1
    True
    """
    if isinstance(scoring, str) and re.fullmatch(r"ndcg(@[1-9]\d*)?", scoring):
        return _RankingScorer(int(scoring[5:]) if "@" in scoring else None)
    return _ElementScorer(check_scoring(scoring=get_scorer(scoring)))


class _RankingScorer(_MetadataRequester):
    def __init__(self, k):
        self.k = k

    def _accept_sample_weight(self):
        return False

    def __call__(self, estimator, X, y):
        sets = _checked(X)
        relevance = read_element_targets(y, sets).astype(np.float64)
        return mean_ndcg(relevance, _flat(estimator.predict(X)), sets.segments, self.k)

    def __repr__(self):
        return "element_scorer('ndcg')" if self.k is None else f"element_scorer('ndcg@{self.k}')"


class _ElementScorer:
    def __init__(self, scorer):
        self.scorer = copy.copy(scorer)

    @available_if(lambda self: isinstance(self.scorer, _MetadataRequester))
    def set_score_request(self, **kwargs):
        """Ask for metadata in cross-validation, such as ``sample_weight=True``; see scikit-learn's metadata routing."""
        self.scorer.set_score_request(**kwargs)
        return self

    def get_metadata_routing(self):
        """What the scorer within asks for."""
        return get_routing_for_object(self.scorer)

    def _accept_sample_weight(self):  # searches ask it of each of several scorers
        if isinstance(self.scorer, _MetadataRequester):  # one of scikit-learn's
            return self.scorer._accept_sample_weight()
        return "sample_weight" in signature(self.scorer).parameters

    def __call__(self, estimator, X, y, sample_weight=None):
        sets = _checked(X)
        targets = read_element_targets(y, sets)
        labelled = ~pd.isna(targets)
        wanted = targets[labelled]
        wanted = np.array(wanted.tolist()) if wanted.dtype == object else wanted
        weight = check_weight(sample_weight, sets)
        weights = {} if weight is None else {"sample_weight": weight[sets.segments[labelled]]}
        return self.scorer(_FlatAnswers(estimator, labelled), X, wanted, **weights)

    def __repr__(self):
        return f"element_scorer({self.scorer!r})"


def _checked(X):
    """The sets that targets are for; what an estimator in a pipeline sees may be imputed."""
    return check_sets(X, dtype=None, ensure_all_finite=False, ensure_min_elements=0, missing_sets="empty")


def _flat(answers):
    """The answers of all elements in one array."""
    if isinstance(answers, np.ndarray) and answers.ndim == 1 and answers.dtype != object:
        raise TypeError("Expected one prediction for each element, but the estimator gives one for each set.")
    return np.concatenate(list(answers))


class _FlatAnswers(BaseEstimator):
    """An estimator of elements whose answers are flat, for scikit-learn's metrics."""

    def __init__(self, estimator, labelled):
        self.estimator = estimator
        self.labelled = labelled
        if is_classifier(estimator):
            self.classes_ = estimator.classes_

    def predict(self, X):
        """The flat predictions of the elements that have a target."""
        return _flat(self.estimator.predict(X))[self.labelled]

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, X):
        """The flat probabilities of the elements that have a target."""
        return _flat(self.estimator.predict_proba(X))[self.labelled]

    def __sklearn_tags__(self):
        return self.estimator.__sklearn_tags__()

    def __sklearn_is_fitted__(self):
        return True
