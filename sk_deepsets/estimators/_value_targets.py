"""Values to learn: how each loss scales them, what its outputs stand for, and the best answer without a look."""

import numpy as np
from sklearn.metrics import r2_score

from sk_deepsets.estimators._check_targets import check_squares, check_targets
from sk_deepsets.estimators._scaling import mean_and_scale, median_and_scale, weighted_quantiles
from sk_deepsets.estimators._targets import AS_BEFORE, Target
from sk_deepsets.training import REGRESSION_LOSSES, SetDataset

# Outliers beyond it are all alike: in float64 the mean of their losses has digits left for those of the others.
FAR = 1e13


class ValueTarget(Target):
    """One or several numbers for each set.

    Parameters
    ----------
    loss : str
        Of ``REGRESSION_LOSSES``.
    standardize : bool
    quantile : float, optional
        Which one to predict, with ``loss="quantile"``.
    """

    output_dim = None
    is_flat = True

    def __init__(self, loss, standardize, quantile=None):
        self.loss = loss
        self.standardize = standardize
        self.loss_options = {"quantile": quantile} if loss == "quantile" else None

    @property
    def robust(self):
        """Whether the loss is made for outliers."""
        return REGRESSION_LOSSES[self.loss].robust

    def read(self, y, sets, name="", classes=None):
        """Values (n_sets, n_outputs) in float64."""
        y = check_targets(y, sets, name, multi_output=True, y_numeric=True).astype(np.float64)
        if self.output_dim is None:
            self.is_flat = y.ndim == 1
            self.output_dim = 1 if self.is_flat else y.shape[1]
        if self.is_flat != (y.ndim == 1):
            wanted = "(n_sets,)" if self.is_flat else f"(n_sets, {self.output_dim})"
            raise ValueError(f"y{name} has the shape {y.shape}, but {wanted} {AS_BEFORE}")
        y = y.reshape(len(y), -1)
        self.check_range(y, name, "set")
        if y.shape[1] != self.output_dim:
            raise ValueError(f"y{name} has {y.shape[1]} outputs, but {self.output_dim} {AS_BEFORE}")
        return y

    def check_range(self, values, name, what):
        """Raise for values that the loss does not take; ``what`` has them: sets or elements."""
        check_squares(values, name, what)

    def learn_scale(self, values, sets, weight):
        """Learn the middle and the spread of each output."""
        self.mean, self.scale = np.zeros(self.output_dim), np.ones(self.output_dim)
        if self.standardize:
            self.mean, self.scale = (median_and_scale if self.robust else mean_and_scale)(values, weight)

    def prior(self, values, weight):
        """The mean of the standardised targets, or the quantile that the loss asks for."""
        scaled = self.scaled(values)
        if self.loss == "squared_error":
            return np.average(scaled, axis=0, weights=weight)
        share = (self.loss_options or {"quantile": 0.5})["quantile"]
        return weighted_quantiles(scaled, [share], weight)[0]

    def dataset(self, values, sets, weight):
        """Standardised targets."""
        return SetDataset(sets, self.scaled(values), weight)

    def scaled(self, values):
        """Standardised values."""
        scaled = (values - self.mean) / self.scale
        return np.clip(scaled, -FAR, FAR) if self.robust and self.standardize else scaled

    def values(self, outputs, sets=None):
        """Values of the form of y from outputs (n, n_outputs)."""
        values = outputs * self.scale + self.mean
        return values[:, 0] if self.is_flat else values

    def answers(self, outputs):
        """The values."""
        return self.values(outputs)

    def explained(self, outputs, columns):
        """One of the values of each row, (n,)."""
        return self.values(outputs).reshape(len(outputs), -1)[np.arange(len(outputs)), columns]

    def score(self, values, outputs, weight):
        """R²."""
        return r2_score(values, self.values(outputs).reshape(values.shape), sample_weight=weight)


class PositiveTarget(ValueTarget):
    """Counts, or positive numbers, whose mean is the exponential of the output: Poisson and gamma deviance."""

    link = "log"

    def check_range(self, values, name, what):
        """Raise for negative values; with the gamma deviance for 0, too."""
        super().check_range(values, name, what)
        wrong, wanted = values < 0, "of at least 0"
        if self.loss == "gamma":
            wrong, wanted = values <= 0, "above 0"
        if wrong.any():
            number, value = np.argwhere(wrong)[0][0], float(values[wrong][0])
            raise ValueError(f'loss="{self.loss}" requires y{name} {wanted}, but got {value} ({what} {number}).')

    def learn_scale(self, values, sets, weight):
        """Learn the mean of each output, which is what they are measured in."""
        self.mean, self.scale = np.zeros(self.output_dim), np.average(values, axis=0, weights=weight)
        if not self.scale.all():
            raise ValueError(f'loss="{self.loss}" requires a positive y for at least one training set.')

    def prior(self, values, weight):
        """The logarithm of the mean, which is the unit."""
        return np.zeros(self.output_dim)

    def values(self, outputs, sets=None):
        """Values of the form of y from outputs (n, n_outputs)."""
        return super().values(np.exp(outputs), sets)
