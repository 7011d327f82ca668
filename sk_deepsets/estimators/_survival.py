"""DeepSetsSurvival: the risk that something happens soon, learned from partly censored times."""

import numpy as np
from sklearn.utils import check_array

from sk_deepsets.estimators._documented import parameter, with_parameters
from sk_deepsets.estimators._module_parameters import takes_module_parameters
from sk_deepsets.estimators._parameters import BATCH_SIZE, SetParameters
from sk_deepsets.estimators._set_estimator import SetEstimator
from sk_deepsets.targets import SurvivalTarget


@takes_module_parameters
@with_parameters
class DeepSetsSurvival(SetEstimator, SetParameters):
    """Deep Sets for survival analysis: the risk of each set, from partly censored times.

    The hazard of a set X at time t is h(t) exp(f(X)), where f(X) = rho(pool_i phi(x_i)) is the log risk that
    ``predict`` gives, and the baseline h is the same for all sets: Cox's model (1972), with Deep Sets (Zaheer et al.,
    2017) instead of a linear function. f is trained by the partial likelihood, with ties as in Efron (1977); the
    baseline is that of Breslow (1972).

    The partial likelihood compares a set that has an event with those that are *at risk* at that time. In training,
    these are the sets of the mini-batch (Kvamme et al., 2019); the validation loss, and the choice of members, compare
    all sets that are held out. There is no ``partial_fit``.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    event_times_ : ndarray of shape (n_event_times,)
        The times of the events in training, in ascending order, at which the curves change.
    {fitted}
    oof_prediction_ : ndarray of shape (n_sets,)
        Out-of-fold predictions: the log risk of each training set, predicted by the members that were not trained on
        it; NaN for sets of weight 0. Only of ensembles, and not with ``X_val``.
    oof_score_ : float
        The concordance index of ``oof_prediction_``. It is slightly optimistic, since the number of epochs and the
        weights of the members were chosen on the same folds.

    See Also
    --------
    DeepSetsRegressor : Predicts a number that is known for all training sets.

    Notes
    -----
    ``y`` is a structured array as in scikit-survival, with a boolean event, True where it was observed, and a time, in
    any order and with any names; or a DataFrame with two such columns, where the event may also be 0 or 1.
    Losses in ``history_`` are means over the sets: a set without an event contributes 0, and one with an event
    contributes 1 if all risks are equal.

    Examples
    --------
    Machines that vibrate fail early; some were still running when the study ended, at time 2:

    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsSurvival
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) * rng.uniform(0.2, 2) for size in rng.integers(5, 12, 300)]
    >>> time = rng.exponential([np.exp(-2 * one_set.std()) for one_set in sets]) * 10
    >>> y = np.array(list(zip(time <= 2, time.clip(max=2))), dtype=[("event", bool), ("time", float)])
    >>> model = DeepSetsSurvival(n_members=1, max_epochs=20, random_state=0).fit(sets[:200], y[:200])
    >>> model.score(sets[200:], y[200:]) > 0.7
    True
    >>> model.predict_survival_function(sets[200:], times=[0, 0.5, 1]).shape
    (100, 3)
    """

    batch_size: int | str = parameter(
        "auto",
        'int or "auto"',
        """Number of sets in a mini-batch, which are those at risk. ``"auto"``: about a sixteenth of the sets, 32 to
        256; more, up to 2,048, if few sets have an event: about 8 of a mini-batch; and fewer, down to a quarter of
        that, if these have more than 16,384 elements in total.""",
        *BATCH_SIZE,
    )

    def predict(self, X):
        """The log risk of each set: the higher, the earlier the event is expected.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets,), float64
            A difference of 1 is a hazard that is e times as high.
        """
        target, outputs, sets = self._predict(X)
        return target.answers(outputs, sets)

    def predict_survival_function(self, X, times=None):
        """The probability of each set that nothing has happened until each of the times.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        times : array-like of shape (n_times,), default=None
            None: ``event_times_``.

        Returns
        -------
        ndarray of shape (n_sets, n_times), float64
            Steps: from one of ``event_times_`` to the next, and after the last, nothing changes.
        """
        return np.exp(-self._cumulative_hazard(X, times))

    def predict_cumulative_hazard_function(self, X, times=None):
        """The cumulative hazard of each set until each of the times: minus the logarithm of the survival function.

        Parameters
        ----------
        X, times
            As in :meth:`predict_survival_function`.

        Returns
        -------
        ndarray of shape (n_sets, n_times), float64
        """
        return self._cumulative_hazard(X, times)

    def score(self, X, y, sample_weight=None):
        """The concordance index (Harrell et al., 1982): 0.5 by chance, and 1 if the risks are in the order of events.

        It is the share of the pairs of sets in which the one with the earlier event has the higher risk. Pairs of equal
        risk count one half; pairs for which it is not known which event was earlier do not count.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``. A pair has the product of the weights of its sets.

        Returns
        -------
        float
            NaN if there is no pair that counts.
        """
        target, outputs, sets = self._predict(X)
        weight = self._check_weight(y, sample_weight, sets)
        return target.score(target.read(y, sets), outputs, weight, sets)

    def _cumulative_hazard(self, X, times):
        target, outputs, _ = self._predict(X, stacklevel=4)
        if times is None:
            times = target.event_times
        times = check_array(times, ensure_2d=False, dtype=np.float64, input_name="times", ensure_min_samples=0)
        return np.exp(target.log_cumulative_hazard(outputs, times.ravel()))

    def _make_target(self, y):
        return SurvivalTarget()

    def _keep(self, fitted, training, history, out_of_fold):
        super()._keep(fitted, training, history, out_of_fold)
        self.event_times_ = fitted.target.event_times

    def __sklearn_tags__(self):
        """It is of no kind that scikit-learn knows, but needs targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
