"""Links: what the outputs of a net stand for, and the mean of several nets' outputs by way of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

TINY = 1e-12  # a probability that is 0 to the last digit is not known that well

# From outputs (..., o) to answers, and back: probabilities of classes, of labels, positive values, or values.
LINKS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "softmax": (lambda outputs: outputs.softmax(dim=-1), lambda answers: answers.clamp(min=TINY).log()),
    "sigmoid": (torch.sigmoid, lambda answers: answers.logit(eps=TINY)),
    "log": (torch.exp, lambda answers: answers.clamp(min=TINY).log()),
    "identity": (lambda outputs: outputs, lambda answers: answers),
}


def linked_mean(outputs: Tensor, weights: Tensor, link: str) -> Tensor:
    """The weighted mean of the answers that outputs (k, b, o) stand for, as an output: (b, o)."""
    weights = weights[:, None, None].to(outputs.dtype)
    if link == "identity":
        return (weights * outputs).sum(dim=0)
    logs = weights.log()
    if link == "sigmoid":
        yes, no = ((logs + logsigmoid(one)).logsumexp(dim=0) for one in (outputs, -outputs))
        return yes - no
    return (logs + (outputs.log_softmax(dim=2) if link == "softmax" else outputs)).logsumexp(dim=0)
