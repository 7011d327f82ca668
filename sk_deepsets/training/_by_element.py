"""Explanations of a trained net by element: the output without each of them, their attention, their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from sk_deepsets.nn import elements_at_once
from sk_deepsets.training._batch import SetBatch
from sk_deepsets.training._batches import SetBatches
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._net import SetNet, _context


@torch.no_grad()
def leave_one_out(net: SetNet, dataset: SetDataset) -> Tensor:
    """The output for its set without it, for each element: (n_elements, n_outputs), from one pass of phi."""
    module = net.module_
    return torch.cat([module.leave_one_out(batch.packed, **_context(batch)) for batch in _batches(net, dataset)]).cpu()


@torch.no_grad()
def attention(net: SetNet, dataset: SetDataset) -> Tensor:
    """The weight of each element in the mean of its set (n_elements,); of members, the mean by their own weights."""
    module = net.module_
    return torch.cat([module.attention(batch.packed, **_context(batch)) for batch in _batches(net, dataset)]).cpu()


def integrated_gradients(
    net: SetNet, dataset: SetDataset, columns: Tensor, to_answers: Callable[[Tensor], Tensor], n_steps: int
) -> Tensor:
    """How much each feature of each element adds to an answer on the way from the mean element, (n_elements, d).

    The gradient is integrated along a straight line by the Gauss-Legendre rule (Sundararajan, Taly and Yan, 2017,
    "Axiomatic attribution for deep networks"). Codes of categories stay as they are, and add nothing.

    Parameters
    ----------
    net : SetNet
    dataset : SetDataset
    columns : Tensor of shape (n_sets,)
        Which answer to explain for each set.
    to_answers : callable
        From outputs (b, n_outputs) to answers of that shape.
    n_steps : int
        Points of the line.
    """
    points, weights = np.polynomial.legendre.leggauss(n_steps)
    found, first = [torch.empty(0)], 0
    for batch in _batches(net, dataset):
        chosen = columns[first : first + len(batch), None].to(batch.packed.elements.device)
        first += len(batch)
        elements = batch.packed.elements.double()  # in float32, the way from a large mean would be lost
        way = net.module_.from_mean(elements)
        total = torch.zeros_like(elements)
        for point, weight in zip(points.tolist(), weights.tolist(), strict=True):
            there = (elements - (1 - point) / 2 * way).requires_grad_()
            output = net.module_(batch.packed._replace(elements=there), **_context(batch))
            answers = to_answers(output).gather(1, chosen)
            total += weight / 2 * torch.autograd.grad(answers.sum(), there)[0]
        found.append((total * way).cpu())
    return torch.cat(found)


def _batches(net: SetNet, dataset: SetDataset) -> Iterator[SetBatch]:
    """Batches of whole sets in their order, which are small enough to keep all that phi makes of them."""
    net._set_training(False)
    device = torch.device(net.device)
    budget = None if net.module_.is_padded else elements_at_once(net.module_.width(), device)
    batches = SetBatches(dataset, net.batch_size, max_elements=budget, device=device)
    return (batch for batch, _ in batches)
