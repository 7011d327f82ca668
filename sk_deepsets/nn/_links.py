"""Links: what the outputs of a model stand for, and means of it; the only place where outputs are decoded."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from sk_deepsets.nn._losses import softmax_over_sets
from sk_deepsets.nn._packed import PackedSets

TINY = 1e-12  # a probability that is 0 to the last digit is not known that well

# From outputs (..., o) to answers, and back: probabilities of classes, of labels, positive values, values, or values in
# ascending order, such as quantiles.
LINKS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "softmax": (lambda outputs: outputs.softmax(dim=-1), lambda answers: answers.clamp(min=TINY).log()),
    "sigmoid": (torch.sigmoid, lambda answers: answers.logit(eps=TINY)),
    "log": (torch.exp, lambda answers: answers.clamp(min=TINY).log()),
    "identity": (lambda outputs: outputs, lambda answers: answers),
    "sorted": (lambda outputs: outputs.sort(dim=-1).values, lambda answers: answers),
}


class Decoder(nn.Module):
    """From the outputs of a model, (n, o), to what an estimator predicts: probabilities, or values in their own unit.

    Parameters
    ----------
    link : str
        Of ``LINKS``.
    mean, scale : Tensor of shape (o,), optional
        What the values were standardised with.
    """

    mean: Tensor | None
    scale: Tensor | None

    def __init__(self, link: str, mean: Tensor | None = None, scale: Tensor | None = None) -> None:
        super().__init__()
        self.link = link
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, outputs: Tensor, packed: PackedSets | None = None) -> Tensor:
        """Answers of the shape and dtype of ``outputs``; ``packed`` tells to which sets elements belong."""
        answers = LINKS[self.link][0](outputs)
        if self.mean is None or self.scale is None:
            return answers
        return answers * self.scale.to(outputs) + self.mean.to(outputs)

    def spread(self, std: Tensor) -> Tensor:
        """Standard deviations of values, (n, o), in their own unit."""
        return std if self.scale is None else std * self.scale.to(std)


class QuantileDecoder(Decoder):
    """From outputs (n, q) to the quantiles of a value, (n, k), which never cross.

    Parameters
    ----------
    places : Tensor of shape (k,)
        The place of each quantile in ascending order.
    mean, scale : Tensor of shape (1,)
        What the values were standardised with.
    """

    places: Tensor

    def __init__(self, places: Tensor, mean: Tensor, scale: Tensor) -> None:
        super().__init__("sorted", mean, scale)
        self.register_buffer("places", places)

    def forward(self, outputs: Tensor, packed: PackedSets | None = None) -> Tensor:
        """See :class:`Decoder`."""
        return super().forward(outputs, packed).index_select(-1, self.places)

    def spread(self, std: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        return super().spread(std).index_select(-1, self.places)


class ChoiceDecoder(Decoder):
    """From scores of elements, (n, 1), to the probabilities, (n, 2), that an element is the chosen one of its set.

    Parameters
    ----------
    chosen : {0, 1}
        Which of the two columns is that of the chosen element; over a set, it adds up to 1.
    """

    def __init__(self, chosen: int) -> None:
        super().__init__("identity")
        self.chosen = chosen

    def forward(self, outputs: Tensor, packed: PackedSets | None = None) -> Tensor:
        """See :class:`Decoder`."""
        assert packed is not None
        probability = softmax_over_sets(outputs, packed)
        return torch.cat([1 - probability, probability][:: 1 if self.chosen == 1 else -1], dim=1)


def even_weights(outputs: Tensor) -> Tensor:
    """Weights (k,) of outputs (k, b, o) that all count the same."""
    return outputs.new_full((len(outputs),), 1 / len(outputs))


def linked_mean(outputs: Tensor, weights: Tensor, link: str) -> Tensor:
    """The weighted mean of the answers that outputs (k, b, o) stand for, as an output: (b, o)."""
    weights = weights[:, None, None].to(outputs.dtype)
    if link in ("identity", "sorted"):  # a mean of sorted values is sorted
        return (weights * LINKS[link][0](outputs)).sum(dim=0)
    logs = weights.log()
    if link == "sigmoid":
        yes, no = (_log_of_sum(logs + logsigmoid(signed)) for signed in (outputs, -outputs))
        return yes - no
    return _log_of_sum(logs + (outputs.log_softmax(dim=2) if link == "softmax" else outputs))


def linked_std(outputs: Tensor, weights: Tensor, link: str) -> Tensor:
    """The weighted standard deviation of the answers that outputs (k, b, o) stand for, (b, o) in float64."""
    answers, weights = LINKS[link][0](outputs.double()), weights[:, None, None].double()
    weights = weights / weights.sum()  # 1 in float32 only
    mean = (weights * answers).sum(dim=0)
    return (weights * (answers - mean) ** 2).sum(dim=0).sqrt()


def _log_of_sum(logs: Tensor) -> Tensor:
    """The logarithm of the sum of what logarithms (k, n, o) are of: (n, o)."""
    if not torch.compiler.is_compiling():
        return logs.logsumexp(dim=0)
    # an exported program does not know whether there are elements, which logsumexp asks
    largest = logs.amax(dim=0)
    return (logs - largest).exp().sum(dim=0).log() + largest
