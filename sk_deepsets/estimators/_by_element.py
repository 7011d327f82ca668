"""ByElement: what an estimator with one answer per set can say of each element, for :mod:`sk_deepsets.inspection`."""

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.nn import LINKS
from sk_deepsets.training import SetDataset, attention, integrated_gradients, leave_one_out, plain_torch


def _phi_sees_one_element(estimator):
    return estimator.module is None and estimator.encoder == "elementwise"


def _pays_attention(estimator):
    names = [estimator.pool_type] if isinstance(estimator.pool_type, str) else estimator.pool_type
    return estimator.module is None and "attention" in names


class ByElement:
    """Mixin of the estimators with one answer per set."""

    @available_if(_phi_sees_one_element)
    def leave_one_out(self, X):
        """Answer for each set without each of its elements.

        Exact, and in time linear in the elements: phi, which sees one element at a time, runs once, the pool is taken
        apart, and rho runs once per element. Not for a ``module`` of your own or ``encoder="equivariant"``, where what
        is known of an element depends on the others.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i, n_classes), (n_i,) or (n_i, n_outputs)
            One array per set, with what ``predict_proba``, or ``predict`` of a regressor, gives for the set without
            each element. The only element of a set leaves an empty one.
        """
        return self._of_elements(X, lambda data: self._target.answers(leave_one_out(self.net_, data).double().numpy()))

    @available_if(_phi_sees_one_element)
    def occlusion(self, X, output=0):
        """How much an answer changes when an element is left out: for the set minus for the set without it.

        Of a classifier, the log-odds of a class or label, log(p / (1 - p)), where p is what ``predict_proba`` gives;
        of a regressor, the prediction. See :meth:`leave_one_out` for the cost.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        output : int or array-like of int, shape (n_sets,), default=0
            Which column of ``predict_proba``, or of a regressor's ``predict``; one for all sets, or one for each.

        Returns
        -------
        list of ndarray of shape (n_i,)
            One array per set.
        """
        check_is_fitted(self)
        sets = self._read_sets(X)
        columns = np.broadcast_to(output, len(sets))
        whole = self._target.explained(self._outputs(sets), columns)
        without = leave_one_out(self.net_, SetDataset(sets)).double().numpy()
        changes = whole[sets.segments] - self._target.explained(without, columns[sets.segments])
        return np.split(changes, sets.offsets[1:-1])

    @available_if(_pays_attention)
    def attention(self, X):
        """The weight of each element in the mean of its set that ``pool_type="attention"`` takes.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i,)
            One array per set; each sums to 1. Of several members, the mean.
        """
        return self._of_elements(X, lambda data: attention(self.net_, data).double().numpy())

    @plain_torch()
    def integrated_gradients(self, X, output=0, n_steps=32):
        """How much each element adds to an answer on the way from the mean element to itself.

        The gradient of the answer is integrated while all elements move in a straight line, at the same time, from
        the mean over the training elements to what they are (Sundararajan, Taly and Yan, 2017, "Axiomatic attribution
        for deep networks"); over a set the values add up to the answer for it minus that for as many mean elements, as
        exactly as ``n_steps`` allow. Categories stay as they are, and add nothing.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        output : int or array-like of int, shape (n_sets,), default=0
            Which column of ``predict_proba``, or of a regressor's ``predict``; one for all sets, or one for each.
        n_steps : int, default=32
            Points of the line at which a gradient is taken.

        Returns
        -------
        list of ndarray of shape (n_i,)
            One array per set.
        """
        link, scale = LINKS[self._target.link][0], torch.as_tensor(getattr(self._target, "scale", 1.0))

        def to_answers(outputs):
            return link(outputs) * scale.to(outputs)

        def added(data):
            columns = torch.from_numpy(np.broadcast_to(output, len(data)).astype(np.int64))
            return integrated_gradients(self.net_, data, columns, to_answers, n_steps).double().sum(dim=1).numpy()

        return self._of_elements(X, added)

    def _of_elements(self, X, function):
        """One array per set, of what a function of the data set gives for all elements."""
        check_is_fitted(self)
        sets = self._read_sets(X)
        self._outputs(sets)  # nothing can be said of sets that have no answer
        return np.split(function(SetDataset(sets)), sets.offsets[1:-1])
