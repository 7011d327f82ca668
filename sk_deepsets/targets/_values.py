"""The targets of regressors of sets: how each loss scales them, and the constant prediction that fits them best."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from sklearn.metrics import r2_score

from sk_deepsets.nn import Decoder
from sk_deepsets.preprocessing import mean_and_scale, median_and_scale, weighted_quantiles
from sk_deepsets.targets._check import check_targets
from sk_deepsets.targets._target import AS_BEFORE, Target
from sk_deepsets.training import REGRESSION_LOSSES, SetDataset

# Outliers beyond it are all alike: in float64 the mean of their losses has digits left for those of the others.
FAR = 1e13
# Largest of which the square, as in a variance, is in float64.
MOST = 1e150


@dataclass
class ValueTarget(Target):
    """One or several numbers for each set.

    Parameters
    ----------
    loss : str
        Of ``REGRESSION_LOSSES``.
    standardize : bool
    quantile : float, or tuple of float, optional
        Which to predict, with ``loss="quantile"``.

    Attributes
    ----------
    is_flat : bool
        Whether y has one dimension.
    mean, scale : ndarray of shape (n_targets,)
    """

    loss: str
    standardize: bool
    quantile: float | tuple[float, ...] | None = None
    output_dim: int | None = None
    is_flat: bool = True
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def loss_options(self):
        """See :class:`Target`."""
        return {"quantile": self.quantile} if self.loss == "quantile" else None

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
            shape = "(n_sets,)" if self.is_flat else f"(n_sets, {self.output_dim})"
            raise ValueError(f"y{name} has the shape {y.shape}; expected {shape}, {AS_BEFORE}")
        y = y.reshape(len(y), -1)
        self.check_range(y, sets, name)
        if y.shape[1] != self.output_dim:
            raise ValueError(f"y{name} has {y.shape[1]} outputs; expected {self.output_dim}, {AS_BEFORE}")
        return y

    def check_range(self, values, sets, name):
        """Raise for values, one or one row for each set or element, that the loss does not take."""
        too_large = np.abs(values) > MOST
        if too_large.any():
            value = float(values[too_large][0])
            raise ValueError(
                f"y{name} holds {value!r} ({self.first_place(too_large, sets)}), the square of which overflows. Divide "
                "the targets by a constant first."
            )

    def fit(self, encoded, weight):
        """Learn the middle and the spread of each output."""
        self.learn_scale(encoded.values, weight)

    def learn_scale(self, values, weight):
        """Learn them from values (n, n_targets)."""
        self.mean, self.scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
        if self.standardize:
            self.mean, self.scale = (median_and_scale if self.robust else mean_and_scale)(values, weight)

    def prior(self, encoded, weight):
        """The mean of the standardised targets, or the quantile that the loss asks for."""
        scaled = self.scaled(encoded.values)
        if self.loss == "squared_error":
            return np.average(scaled, axis=0, weights=weight)
        share = self.quantile if self.loss == "quantile" else 0.5
        return weighted_quantiles(scaled, [share], weight)[0]

    def dataset(self, encoded):
        """Standardised targets."""
        return SetDataset(encoded.sets, self.scaled(encoded.values), encoded.weight)

    def scaled(self, values):
        """Standardised values."""
        scaled = (values - self.mean) / self.scale
        return np.clip(scaled, -FAR, FAR) if self.robust and self.standardize else scaled

    @property
    def decoder(self):
        """See :class:`Target`."""
        return Decoder(self.link, torch.from_numpy(self.mean), torch.from_numpy(self.scale))

    def answers(self, outputs, sets=None):
        """Values of the form of y."""
        values = super().answers(outputs, sets)
        return values[:, 0] if self.is_flat else values

    def spread(self, std):
        """Standard deviations of outputs, (n, output_dim), in the unit and the form of answers."""
        values = self.decoder.spread(torch.from_numpy(std)).numpy()
        return values[:, 0] if self.is_flat else values

    def explained(self, outputs, columns):
        """One of the values of each row, (n,)."""
        return super().explained(self.answers(outputs).reshape(len(outputs), -1), columns)

    def score(self, values, outputs, weight, sets):
        """The metric of what the outputs stand for."""
        return self.metric(values, self.answers(outputs), weight)

    def metric(self, values, answers, weight):
        """R² of what ``predict`` gives."""
        return r2_score(values, answers, sample_weight=weight)


@dataclass
class PositiveTarget(ValueTarget):
    """Counts, or positive numbers, whose mean is the exponential of the output: Poisson and gamma deviance."""

    link: ClassVar[str] = "log"

    def check_range(self, values, sets, name):
        """Raise for negative values; with the gamma deviance for 0, too."""
        super().check_range(values, sets, name)
        wrong, expected = values < 0, "of at least 0"
        if self.loss == "gamma":
            wrong, expected = values <= 0, "above 0"
        if wrong.any():
            value, place = float(values[wrong][0]), self.first_place(wrong, sets)
            raise ValueError(f'loss="{self.loss}" requires y{name} {expected}, but got {value} ({place}).')

    def learn_scale(self, values, weight):
        """Learn the mean of each output, which is what they are measured in."""
        self.mean, self.scale = np.zeros(self.output_dim), np.average(values, axis=0, weights=weight)
        if not self.scale.all():
            raise ValueError(f'loss="{self.loss}" requires a positive y for at least one training set.')

    def prior(self, encoded, weight):
        """The logarithm of the mean, which is the unit."""
        return np.zeros(self.output_dim)
