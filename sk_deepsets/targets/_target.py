"""Target: what a model learns to predict, from y to numbers and from outputs to predictions."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from sk_deepsets.nn import Decoder, PackedSets
from sk_deepsets.sets import RaggedSets
from sk_deepsets.training import SetDataset

AS_BEFORE = "as in the y of the first fit. To start over, set warm_start=False or clone the estimator."


class Encoded(NamedTuple):
    """What a target made of y."""

    sets: RaggedSets
    values: np.ndarray
    """Numbers: of the sets, (n_sets, ...), or of the elements, (n_elements, ...), where NaN is no target"""
    weight: np.ndarray | None
    """(n_sets,) in the loss; a set of weight 0 is left out. None: all sets count the same"""
    strata: np.ndarray | None
    """(n_sets,) of which folds and held-out parts have the same shares as the whole; None: of nothing"""


@dataclass
class Target:
    """Base of the targets.

    ``fit_encode`` reads the y of a fit, ``fit`` learns the scale from the sets that are trained on, and ``dataset``
    gives what the loss takes. All that a target learns are its fields.

    Attributes
    ----------
    loss : str
        Which loss to train with.
    loss_options : dict or None
        Arguments of the loss.
    link : str
        What the outputs stand for, see ``LINKS``.
    output_dim : int
        How many outputs there are for each set, or element.
    per_element : bool
        Whether there is one target for each element.
    robust : bool
        Whether outliers among the targets must not count much.
    learns_from_outputs : bool
        Whether ``learn_from`` is to be called after training.
    least_in_batch : int
        Of sets, where their number in a mini-batch is not given.
    needs_classes : bool
        Whether part of the targets may not tell which classes there are.
    classes : ndarray or None
        What a classifier calls ``classes_``.
    """

    link: ClassVar[str] = "identity"
    per_element: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    learns_from_outputs: ClassVar[bool] = False
    least_in_batch = 32
    robust = False
    loss_options = None
    classes = None

    def fit_encode(self, y, sets, weight=None, *, classes=None, class_weight=None):
        """Read the targets of the training sets; the first time, learn what they are.

        Parameters
        ----------
        y : array-like
        sets : RaggedSets
        weight : ndarray of shape (n_sets,) or None
            The user's weights.
        classes : array-like, optional
            All classes, where these targets need not have all of them.
        class_weight : dict, list of dict, "balanced" or None

        Returns
        -------
        Encoded
        """
        values = self.read(y, sets, classes=classes)
        self.learn_class_weights(values, sets, weight, class_weight)
        return Encoded(sets, values, self.weigh(values, sets, weight), self.strata(values))

    def encode(self, y, sets, name):
        """Read other targets like them, such as those of validation sets; ``name`` follows X and y in messages."""
        values = self.read(y, sets, name)
        return Encoded(sets, values, self.weigh(values, sets, None, name), None)

    @abstractmethod
    def read(self, y, sets, name="", classes=None):
        """The targets as numbers; the first time, what they are is learned."""

    def first_place(self, wrong, sets):
        """Where the first of these values is, in words; ``wrong`` are booleans of the form of the values."""
        return f"set {np.argwhere(wrong)[0][0]}"

    def learn_class_weights(self, values, sets, weight, class_weight):
        """Learn the weight of each class."""

    def weigh(self, values, sets, weight, name=""):
        """Weights of the sets in the loss, or None."""
        return weight

    def strata(self, values):
        """What the held-out part has the same shares of as the rest; None: of nothing."""

    def fit(self, encoded, weight):
        """Learn mean and spread of the targets.

        Parameters
        ----------
        encoded : Encoded
        weight : ndarray of shape (n_sets,) or None
            0 for sets that are not trained on.
        """

    def can_evaluate(self, encoded, numbers):
        """Whether these of the training sets are enough to evaluate a model on."""
        return True

    def learn_from(self, outputs, encoded):
        """Learn what predictions need beside outputs, from those for the training sets, (n_sets, output_dim)."""

    def prior(self, encoded, weight):
        """The outputs of the constant prediction that fits the training sets best, (output_dim,).

        Parameters
        ----------
        encoded, weight
            As in ``fit``, which comes first.
        """
        return np.zeros(self.output_dim)

    def dataset(self, encoded):
        """The sets with their targets and weights, as the loss takes them."""
        return SetDataset(encoded.sets, encoded.values, encoded.weight)

    @property
    def decoder(self):
        """From outputs to predictions, in torch."""
        return Decoder(self.link)

    def answers(self, outputs, sets=None):
        """Probabilities or values, of the form that the estimator gives them in.

        Parameters
        ----------
        outputs : ndarray of shape (n, output_dim)
            Of sets, or of elements.
        sets : RaggedSets, optional
            To which elements belong.
        """
        outputs = torch.from_numpy(outputs)
        packed = None
        if self.per_element and sets is not None:
            packed = PackedSets(outputs, torch.from_numpy(sets.segments), torch.from_numpy(sets.sizes))
        return self.decoder(outputs, packed).numpy()

    def largest(self, outputs):
        """The column of the largest answer in each row, (n,)."""
        return outputs.argmax(axis=1)

    def explained(self, outputs, columns):
        """What explanations of one column of each row are in, (n,): log-odds, which keep all digits, or values."""
        return outputs[np.arange(len(outputs)), columns]

    @abstractmethod
    def score(self, values, outputs, weight, sets):
        """Accuracy of a classifier, R² of a regressor; weights and ``sets`` are those of all rows."""
