"""QuantilesTarget: several quantiles of one number for each set, learned at once."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.metrics import d2_pinball_score

from sk_deepsets.nn import QuantileDecoder
from sk_deepsets.preprocessing import weighted_quantiles
from sk_deepsets.targets._check import check_targets
from sk_deepsets.targets._values import ValueTarget


@dataclass
class QuantilesTarget(ValueTarget):
    """Several quantiles of one number for each set, which never cross.

    The outputs are the quantiles in ascending order, each once; answers are in the order of ``quantile``.

    Attributes
    ----------
    quantile : tuple of float
        As the user gave them.
    levels : ndarray of shape (output_dim,)
        The same in ascending order, each once.
    places : ndarray of shape (len(quantile),)
        Where each of them is among the levels.
    """

    levels: np.ndarray | None = None
    places: np.ndarray | None = None

    link: ClassVar[str] = "sorted"
    robust = True

    def __post_init__(self):
        """Arrange the quantiles."""
        self.levels, self.places = np.unique(self.quantile, return_inverse=True)
        self.output_dim, self.is_flat = len(self.levels), False

    @property
    def loss_options(self):
        """See :class:`Target`."""
        return {"quantiles": self.levels.tolist()}

    def read(self, y, sets, name="", classes=None):
        """Values (n_sets, 1) in float64."""
        values = check_targets(y, sets, name, multi_output=True, y_numeric=True).astype(np.float64)
        values = values.reshape(len(values), -1)
        if values.shape[1] > 1:
            raise ValueError(
                f"y{name} has {values.shape[1]} outputs, but quantile={list(self.quantile)} is of one: fit a regressor "
                "for each column of y, or one quantile of all columns, such as quantile=0.9."
            )
        self.check_range(values, sets, name)
        return values

    def prior(self, encoded, weight):
        """The quantiles of the standardised targets."""
        return weighted_quantiles(self.scaled(encoded.values), self.levels, weight)[:, 0]

    @property
    def decoder(self):
        """See :class:`Target`."""
        return QuantileDecoder(*map(torch.from_numpy, (self.places, self.mean, self.scale)))

    def largest(self, outputs):
        """The column of the highest quantile, in each row."""
        return np.full(len(outputs), self.places.argmax())

    def metric(self, values, answers, weight):
        """The mean over the quantiles of D²: the share of the pinball loss of a constant that is explained."""
        pairs = zip(self.quantile, answers.T, strict=True)
        scores = [d2_pinball_score(values, column, alpha=alpha, sample_weight=weight) for alpha, column in pairs]
        return float(np.mean(scores))


def check_quantiles(quantiles):
    """Several quantiles as a tuple of floats."""
    found = tuple(quantiles.tolist() if isinstance(quantiles, np.ndarray) else quantiles)
    if not found or not all(isinstance(one, Real) and not isinstance(one, bool) and 0 < one < 1 for one in found):
        raise ValueError(
            f"quantile={quantiles!r:.200}; expected a number, or a list of numbers between 0 and 1, such as "
            "[0.1, 0.5, 0.9]."
        )
    return tuple(map(float, found))
