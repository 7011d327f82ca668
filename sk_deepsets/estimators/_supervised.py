"""What classifiers share, and regressors: partial_fit, one epoch for each call, and score."""

from sklearn.base import ClassifierMixin, RegressorMixin

from sk_deepsets.sets import check_labels, labels_of


class Scored:
    """Estimators with the score of scikit-learn's mixins, which compare values by position."""

    def score(self, X, y, sample_weight=None):
        """Accuracy of a classifier, R² of a regressor.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float
        """
        check_labels(y, labels_of(X), "y")
        check_labels(sample_weight, labels_of(X), "sample_weight")
        return super().score(X, y, sample_weight)


class ClassifierOfSets(Scored, ClassifierMixin):
    """What classifiers of sets and of elements share."""

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
        self : estimator
        """
        if classes is None and not hasattr(self, "net_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all sets at once: pass a dict of weights to partial_fit.')
        return self._partial_fit(X, y, sample_weight, classes)


class RegressorOfSets(Scored, RegressorMixin):
    """What regressors of sets and of elements share."""

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, on from where training stands.

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
