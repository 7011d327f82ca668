"""PartialLikelihood: the loss of Cox's model, which compares the risk of each set that has an event with others'."""

from __future__ import annotations

import torch
from torch import Tensor

from sk_deepsets.nn._losses import LossAcrossSets

NEVER = -1e30
"""The logarithm of a weight of 0, which unlike -inf has a gradient"""
LEVEL = 0.1
"""What the square of the mean risk counts; with 1, mini-batches of 32 sets would shrink all risks by a sixth"""


class PartialLikelihood(LossAcrossSets):
    """Minus the logarithm of the partial likelihood (Cox, 1972), with ties as in Efron (1977).

    A set with an event at time t has the share

        w (1 + mean over l < d of log(S - l / d D) - r - c),

    where r is its output, the log risk; S the sum of w exp(r) over the sets at risk, those of times of at least t; D
    that over the d sets with events at t; and c the same mean for risks that are all alike. Weights count as in R's
    ``coxph``. A set without an event has no share. What does not depend on the risks is such that 1 is the share of an
    event if all risks are alike, however many sets are at risk: in a mini-batch, these are those of the mini-batch
    (Kvamme, Borgan and Scheel, 2019, "Time-to-event prediction with neural networks and Cox regression").

    The level of the risks cancels out. In training, the square of their mean is added, a tenth of it, so that the risks
    of all members of an ensemble are on one level: their mean over the training sets is about 0.
    """

    def forward(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """See :class:`LossAcrossSets`; the target (b, 2) is the time, of which only the order counts, and the event."""
        weight = outputs.new_ones(1, len(target)) if weight is None else weight.to(outputs.dtype).view(-1, len(target))
        # those of the latest times first, in the rows
        order = target[:, 0].argsort(descending=True, stable=True)
        time, event = target[order].unbind(1)
        log_risk, weight = outputs[:, :, 0].T[order], weight.T[order]
        log_weight = torch.where(weight > 0, weight, 1).log().masked_fill(weight == 0, NEVER)
        has_event = (event > 0).unsqueeze(1) & (weight > 0)  # (b, k), or (b, 1)
        times = Times(time)
        terms = times.efron_terms(log_risk + log_weight, has_event) - times.efron_terms(log_weight, has_event)
        losses = torch.where(has_event, weight * (1 + terms - log_risk), 0)
        if self.training:
            total = weight.sum(dim=0)
            level = (weight * log_risk).sum(dim=0) / torch.where(total > 0, total, 1)
            losses = losses + LEVEL * weight * level.square()
        return losses[order.argsort()].T


class Times:
    """The sets of each time, in rows in the order of their times.

    Parameters
    ----------
    time : Tensor of shape (b,)
        The latest first.
    """

    def __init__(self, time: Tensor) -> None:
        self.first = torch.searchsorted(-time, -time)
        """(b,) for each row, the first row of its time"""
        self.last = torch.searchsorted(-time, -time, right=True) - 1
        """(b,) the last one: at risk are the rows up to there"""

    def efron_terms(self, log_scores: Tensor, has_event: Tensor) -> Tensor:
        """The means over l < d of log(S - l / d D), of scores exp(log_scores) (b, k), in the rows with events."""
        log_sums = log_scores.logcumsumexp(dim=0).index_select(0, self.last)
        events = has_event.to(log_scores.dtype)
        n_tied = self._sum(events)
        # which of the events of its time each is, in any order
        places = events.cumsum(dim=0)
        places = places - 1 - (places.index_select(0, self.last) - n_tied)
        n_tied = n_tied.clamp(min=1)
        tied_share = self._sum(events * (log_scores - log_sums).exp())  # D / S
        # at least 1 / d is left, but for rounding
        terms = log_sums + torch.log1p(-(events * places / n_tied * tied_share).clamp(max=1 - 1e-7))
        return self._sum(events * terms) / n_tied

    def _sum(self, values: Tensor) -> Tensor:
        """The sums over the rows of the time of each row, (b, k)."""
        return torch.zeros_like(values).index_add(0, self.first, values).index_select(0, self.first)
