"""ByElementMixin: explanations by element, of estimators with one prediction per set."""

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._architecture import pool_names
from sk_deepsets.training import SetDataset, attention, integrated_gradients, leave_one_out, plain_torch


def _phi_sees_one_element(estimator):
    return estimator.module is None and estimator.encoder == "elementwise"


def _pays_attention(estimator):
    return estimator.module is None and not {"attention", "pma"}.isdisjoint(pool_names(estimator.pool_type))


class ByElementMixin:
    """Mixin of the estimators with one prediction per set."""

    @available_if(_phi_sees_one_element)
    def leave_one_out(self, X):
        """Predict for each set without each of its elements.

        Exact, in time linear in the number of elements: phi runs once per element, and so does rho, since the pool
        can be updated for one element. Not available with a ``module`` of your own or another ``encoder``, where
        the representation of an element depends on the others.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i, n_classes), (n_i,) or (n_i, n_outputs)
            One array per set, of several collections a dict of such lists, with what ``predict_proba``, or ``predict``
            of a regressor, returns for the set without each element. Without its only element, a set is empty.
        """
        return self._by_element(
            X, lambda data: self._fitted.target.answers(leave_one_out(self.net_, data).double().numpy())
        )

    @available_if(_phi_sees_one_element)
    def occlusion(self, X, output=None):
        """Measure how much the prediction changes when an element is left out: with it minus without it.

        Of a classifier, the log-odds of a class or label, log(p / (1 - p)), where p is what ``predict_proba`` gives;
        of a regressor, the prediction. See :meth:`leave_one_out` for the cost.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        output : int or array-like of int, shape (n_sets,), default=None
            Which column of ``predict_proba``, or of a regressor's ``predict``; one for all sets, or one for each.
            None: the largest output of each set, which for a classifier is the predicted class.

        Returns
        -------
        list of ndarray of shape (n_i,), or dict of such lists by collection
            One array per set.
        """
        target, outputs, sets = self._predict(X)
        columns = target.largest(outputs) if output is None else np.broadcast_to(output, len(sets))
        whole = target.explained(outputs, columns)
        without = leave_one_out(self.net_, SetDataset(sets)).double().numpy()
        changes = whole[sets.segments] - target.explained(without, columns[sets.segments])
        return self._split_elements(changes, sets)

    @available_if(_pays_attention)
    def attention(self, X):
        """Weight of each element in the weighted mean that ``pool_type="attention"`` or ``"pma"`` computes.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        list of ndarray of shape (n_i,), or dict of such lists by collection
            One array per set; each sums to 1. The mean over the members of an ensemble, and over the heads of
            ``"pma"``; of both pools side by side, that of the first.
        """
        return self._by_element(X, lambda data: attention(self.net_, data).double().numpy())

    @plain_torch()
    def integrated_gradients(self, X, output=0, n_steps=32):
        """Attribute the prediction for a set to its elements by integrated gradients.

        The gradient of the prediction is integrated along the straight line on which all elements of a set move from
        the mean of the training elements to their values (Sundararajan, Taly and Yan, 2017, "Axiomatic attribution
        for deep networks"). Over a set, the values add up to the prediction minus the one for as many mean elements, as
        exactly as ``n_steps`` allows. Categories do not change, and add nothing.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        output : int or array-like of int, shape (n_sets,), default=0
            Which column of ``predict_proba``, or of a regressor's ``predict``; one for all sets, or one for each.
        n_steps : int, default=32
            Number of points on the line at which the gradient is computed.

        Returns
        -------
        list of ndarray of shape (n_i,), or dict of such lists by collection
            One array per set.
        """

        def added(data):
            columns = torch.from_numpy(np.broadcast_to(output, len(data)).astype(np.int64))
            return (
                integrated_gradients(self.net_, data, columns, self._fitted.target.decoder, n_steps)
                .double()
                .sum(dim=1)
                .numpy()
            )

        return self._by_element(X, added)

    def _by_element(self, X, function):
        """One array per set, of what a function of the data set gives for all elements."""
        check_is_fitted(self)
        sets = self._read_sets(X)
        self._outputs(sets)  # raises for sets without a finite prediction
        return self._split_elements(function(SetDataset(sets)), sets)

    def _split_elements(self, values, sets):
        """Values of all elements as one array per set; of several collections a dict of such lists."""
        return self._fitted.reader.encoder.split_elements(values, sets)
