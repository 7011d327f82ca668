"""Losses that torch does not have: of values, of the elements of a set, and of the members of an ensemble."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sk_deepsets.nn._packed import PackedSets


class GammaNLLLoss(nn.Module):
    """Half the gamma deviance, up to a constant, for the logarithm of the mean as output: o + y exp(-o)."""

    def __init__(self, reduction: str = "none") -> None:
        super().__init__()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Losses of the shape of ``output``."""
        return output + target * (-output).exp()


class PinballLoss(nn.Module):
    """The loss of a quantile (Koenker and Bassett, 1978): q (y - o) above it, (1 - q) (o - y) below."""

    def __init__(self, quantile: float = 0.5, reduction: str = "none") -> None:
        super().__init__()
        self.quantile = quantile

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Losses of the shape of ``output``."""
        return pinball(self.quantile, target - output)


class QuantilesLoss(nn.Module):
    """The losses of several quantiles, of outputs (..., q) that are sorted first, as the link ``"sorted"`` does.

    Quantiles that are sorted are never further from the true ones than those that cross (Chernozhukov, Fernández-Val
    and Galichon, 2010, "Quantile and probability curves without crossing").
    """

    quantiles: Tensor

    def __init__(self, quantiles: Sequence[float], reduction: str = "none") -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.tensor(quantiles, dtype=torch.float64))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Losses of the shape of ``output`` for targets (..., 1)."""
        return pinball(self.quantiles.to(output), target - output.sort(dim=-1).values)


def pinball(quantile: float | Tensor, error: Tensor) -> Tensor:
    """The pinball losses of errors: targets minus outputs."""
    return torch.maximum(quantile * error, (quantile - 1) * error)


def log_softmax_over_sets(scores: Tensor, packed: PackedSets) -> Tensor:
    """The logarithm of the softmax of scores (n, k) over the elements of each set; ``packed`` tells the sets."""
    # the largest score cancels out: it needs no gradient
    largest = packed.max(scores.detach())
    shifted = scores - packed.spread(largest)
    total = packed.sum(shifted.exp())
    return shifted - packed.spread(torch.where(total > 0, total, 1).log())  # an empty set has no elements


def softmax_over_sets(scores: Tensor, packed: PackedSets) -> Tensor:
    """The softmax of scores (n, k) over the elements of each set: shares that add up to 1 in each set."""
    return log_softmax_over_sets(scores, packed).exp()


class LossOfSets(nn.Module):
    """A loss with one value for each set, (b,), from outputs and targets of its elements."""


class LossAcrossSets(nn.Module):
    """A loss that compares the sets of a batch with one another: what it is for one depends on the weights of all."""

    @abstractmethod
    def forward(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The share of each set in the loss, times its weight, (k, b).

        Parameters
        ----------
        outputs : Tensor of shape (k, b, o)
            Of k models, which share the targets.
        target : Tensor of shape (b, ...)
        weight : Tensor of shape (b,) or (k, b), optional
            Of the sets, or those that they have for each model; one of weight 0 is not there.
        """


class SmoothableLoss(nn.Module):
    """A loss whose classes, if it has some, may be smoothed."""

    @abstractmethod
    def alike(self, outputs: Tensor) -> Tensor | None:
        """The losses (k, b, 1) of outputs (k, b, o) where all classes are equally true; None of values."""


class OnePerSet(LossOfSets):
    """Minus the log of the softmax over the set at the chosen element: the conditional logit (McFadden, 1974); (b,)."""

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is 1 for the chosen element and 0 elsewhere."""
        chosen = target.unsqueeze(1) * log_softmax_over_sets(output, packed)
        return -packed.sum(chosen)[:, 0]


class ListNet(LossOfSets):
    """Cross-entropy of the softmax of the scores with that of the relevance: ListNet (Cao et al., 2007); (b,)."""

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is the relevance."""
        relevance = softmax_over_sets(target.unsqueeze(1), packed)
        return -packed.sum(relevance * log_softmax_over_sets(output, packed))[:, 0]


class LambdaRank(LossOfSets):
    """Logistic losses of pairs, each times what a swap of the two would change in the NDCG; (b,).

    LambdaRank as a loss (Wang et al., 2018, "The LambdaLoss framework for ranking metric optimization"). Gains are the
    grades, as in :func:`sklearn.metrics.ndcg_score`. In the present order of a set, at least one of a pair is among the
    first 30: the time is linear in the elements.
    """

    n_first = 30

    def forward(self, output: Tensor, target: Tensor, packed: PackedSets) -> Tensor:
        """Losses (b,) of scores (n, 1); the target (n,) is the relevance, not negative; 0 where all of a set are 0."""
        segments, starts = packed.segments, packed.sizes.cumsum(0) - packed.sizes
        numbers = torch.arange(output.shape[0], device=output.device)
        rank = numbers - starts.index_select(0, segments)  # of what is ordered within each set
        discount = 1 / torch.log2(rank.to(output.dtype) + 2)
        order = _order_within_sets(output.detach()[:, 0], segments)
        scores, gains = output[:, 0].index_select(0, order), target.index_select(0, order)
        # each element with those of the first that are above it, (n, 30)
        first = torch.arange(self.n_first, device=output.device)
        is_above = first < rank.unsqueeze(1)
        above = torch.where(is_above, numbers.unsqueeze(1) - rank.unsqueeze(1) + first, numbers.unsqueeze(1))
        more = gains[above] - gains.unsqueeze(1)
        change = more.abs() * (discount[above] - discount.unsqueeze(1)).abs()
        lead = scores.index_select(0, above.flatten()).view(above.shape) - scores.unsqueeze(1)
        losses = change * nn.functional.softplus(-lead * more.sign())
        best_gains = target.index_select(0, _order_within_sets(target, segments))
        best = packed.sum((best_gains * discount).unsqueeze(1))
        return packed.sum(losses.sum(dim=1, keepdim=True))[:, 0] / torch.where(best > 0, best, 1)[:, 0]


def _order_within_sets(values: Tensor, segments: Tensor) -> Tensor:
    """The elements set by set, in each set those with the largest values first."""
    order = values.argsort(descending=True, stable=True)
    return order[segments[order].argsort(stable=True)]


def row_losses(losses: Tensor, weight: Tensor | None) -> Tensor:
    """The mean over the outputs, (k, b), of losses (k, b, o) times weights (b,), or (b, o) of each output."""
    if weight is not None:
        losses = losses * (weight if weight.dim() == 2 else weight.unsqueeze(1))
    return losses.mean(dim=2)


def output_losses(criterion: nn.Module, outputs: Tensor, target: Tensor, packed: PackedSets | None) -> Tensor:
    """The losses (k, b, o) of outputs (k, b, o) for targets that they share; of a :class:`LossOfSets`, (k, b, 1)."""
    repeated = target.expand(len(outputs), *target.shape).flatten(0, 1)
    rows = outputs.flatten(0, 1)
    if isinstance(criterion, LossOfSets):
        assert packed is not None
        return criterion(rows, repeated, packed.repeated(len(outputs), rows)).view(len(outputs), -1, 1)
    return criterion(rows, repeated).view(*outputs.shape[:2], -1)


def set_losses(
    criterion: nn.Module, outputs: Tensor, target: Tensor, weight: Tensor | None, packed: PackedSets | None
) -> Tensor:
    """The losses of rows, or of whole sets, times their weights, (k, b), of outputs (k, b, o)."""
    if isinstance(criterion, LossAcrossSets):
        return criterion(outputs, target, weight)
    return row_losses(output_losses(criterion, outputs, target, packed), weight)


def losses_of_all_alike(criterion: nn.Module, outputs: Tensor) -> Tensor | None:
    """The losses of outputs (k, b, o) where all classes are equally true, (k, b, o) or (k, b, 1); None of values."""
    if isinstance(criterion, nn.CrossEntropyLoss):
        return -outputs.log_softmax(dim=2).mean(dim=2, keepdim=True)
    if isinstance(criterion, nn.BCEWithLogitsLoss):
        return criterion(outputs, torch.full_like(outputs, 0.5))
    return criterion.alike(outputs) if isinstance(criterion, SmoothableLoss) else None


def member_losses(
    criterion: nn.Module,
    outputs: Tensor,
    target: Tensor,
    label_smoothing: Sequence[float],
    weight: Tensor | None = None,
    packed: PackedSets | None = None,
) -> Tensor:
    """The loss of each set for each member, (K, b), of outputs (K, b, o) for targets that all members share.

    ``label_smoothing`` is that of each member: which share of the probability is given to all classes alike.
    ``weight`` is that of the sets (b,), or of each of their outputs (b, o). Of elements, (K, n, o), losses are (K, n),
    or of a :class:`LossOfSets`, which ``packed`` tells the sets, (K, b).
    """
    losses = output_losses(criterion, outputs, target, packed)
    alike = losses_of_all_alike(criterion, outputs) if any(label_smoothing) else None
    if alike is not None:
        share = torch.tensor(label_smoothing, device=outputs.device)[:, None, None]
        losses = (1 - share) * losses + share * alike
    return row_losses(losses, weight)
