"""CustomLossTarget: the target of regressors whose loss is a callable; and the check of such a loss before training."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sk_deepsets.nn import CustomLoss
from sk_deepsets.preprocessing import median_and_scale, weighted_quantiles
from sk_deepsets.targets._values import ValueTarget
from sk_deepsets.training import SetDataset


@dataclass
class CustomLossTarget(ValueTarget):
    """One or several numbers for each set, with a loss that sees them as they are in y.

    Attributes
    ----------
    custom_loss : callable
    gradient_factor : float
        See :class:`CustomLoss`.
    robust : bool
        Whether the largest of the gradients is a much smaller share of all than with a squared error.
    """

    custom_loss: Callable | None = None
    gradient_factor: float = 1.0
    robust: bool = False

    @property
    def loss_options(self):
        """See :class:`Target`."""
        return {
            "function": self.custom_loss,
            "target": "values",
            "mean": torch.from_numpy(self.mean),
            "scale": torch.from_numpy(self.scale),
            "is_flat": self.is_flat,
            "gradient_factor": self.gradient_factor,
        }

    def fit(self, encoded, weight):
        """Learn middle and spread, and how large a gradient of the loss is; an error where it is no loss."""
        self.robust = False
        gradient, square_gradient = self._gradients(encoded, weight)
        # outliers that count for little must not set the scale, as in the losses that are made for them
        self.robust = _largest_share(gradient, weight) < _largest_share(square_gradient, weight) / 2
        if self.robust:
            gradient, square_gradient = self._gradients(encoded, weight)
            spread = median_and_scale(self.scaled(encoded.values), weight)[1]
            square_gradient = np.minimum(np.abs(square_gradient), 2 / self.output_dim * spread)
        found, wanted = (np.average((one**2).mean(axis=1), weights=weight) for one in (gradient, square_gradient))
        if found > 0 and wanted > 0:
            self.gradient_factor = float(np.sqrt(wanted / found))

    def _gradients(self, encoded, weight):
        """The gradients of the loss and of the squared error at the prior, (n, o), in a scale that it learns."""
        self.gradient_factor = 1.0
        super().fit(encoded, weight)
        prior = np.broadcast_to(self.prior(encoded, weight), encoded.values.shape)
        return loss_gradient(self, prior, encoded), 2 / self.output_dim * (prior - self.scaled(encoded.values))

    def encode(self, y, sets, name):
        """See :class:`Target`; an error where the loss of one of them is not finite."""
        encoded = super().encode(y, sets, name)
        loss_gradient(self, np.zeros(encoded.values.shape), encoded, name)
        return encoded

    def prior(self, encoded, weight):
        """The mean of the standardised targets, or their median where outliers count for little."""
        scaled = self.scaled(encoded.values)
        if self.robust:
            return weighted_quantiles(scaled, [0.5], weight)[0]
        return np.average(scaled, axis=0, weights=weight)

    def dataset(self, encoded):
        """The targets as they are, in float64."""
        return SetDataset(encoded.sets, torch.from_numpy(encoded.values), encoded.weight)


def loss_gradient(target, outputs, encoded, name=""):
    """The gradient of a callable with respect to outputs, (n, o), 0 for sets of weight 0; an error if it is no loss."""
    used = np.arange(len(outputs)) if encoded.weight is None else np.flatnonzero(encoded.weight)
    criterion, gradient = CustomLoss(**target.loss_options), np.zeros(outputs.shape)
    found = criterion.gradient_at(torch.tensor(outputs[used]), torch.from_numpy(encoded.values[used]), used, name)
    gradient[used] = found
    return gradient


def _largest_share(gradient, weight):
    """The largest share that one set has in the squares of gradients (n, output_dim); 1 where there is no gradient."""
    squares = (gradient**2).mean(axis=1) * (1 if weight is None else weight)
    return squares.max() / squares.sum() if squares.any() else 1.0
