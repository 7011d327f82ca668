"""Several stacks, run as one: with few elements, calls of torch take more time than its arithmetic.

What is behind the first layer has the same shape in all variants, so that one product serves the members of all of
them. Beside their columns, variants differ in dropout and in whether they sum or take means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sk_deepsets.nn._chunked import embed
from sk_deepsets.nn._dropout import member_dropout
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._ensemble import Inputs
from sk_deepsets.nn._layers import MemberLinear, add_products, share_rows
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._pools import Known, Pool, Sum, positive
from sk_deepsets.nn._set_pooling import SetPooling

if TYPE_CHECKING:
    from sk_deepsets.nn._deep_sets_ensemble import DeepSetsStack

Map = Callable[[Tensor], Tensor]
"""From rows of all members, (M, n, d), to (M, n, k)"""


def can_be_merged(stacks: Sequence[DeepSetsStack]) -> bool:
    """Whether there are several stacks, whose phi sees single elements, without dropout, and whose pools are fixed."""
    embeddings = stacks[0].net.embeddings
    if len(stacks) == 1 or any(embedding.phi.dropout or not embedding.phi.elementwise for embedding in embeddings):
        return False
    return not any(True for embedding in embeddings for _ in embedding.pooling.parameters())


def merged_outputs(stacks: Sequence[DeepSetsStack], inputs: Inputs) -> Tensor:
    """The outputs of the members of all stacks, those of the first stack first, (M, b, o)."""
    contexts = [stack.net.member_context(inputs.context) for stack in stacks]
    nets = [stack.net for stack in stacks]
    counts = [net.n_members for net in nets]
    n_members, is_training = sum(counts), stacks[0].training
    pairs = zip(stacks, counts, strict=True)
    dropout = [stack.variant.dropout * is_training for stack, count in pairs for _ in range(count)]
    pooled = []
    for number, part in enumerate(nets[0].split(inputs.packed)):
        embeddings = [net.embeddings[number] for net in nets]
        later = _later_layers([embedding.phi for embedding in embeddings])

        def phi(part: PackedSets, number: int = number, later: Map = later) -> Tensor:
            if inputs.scale is not None:
                part = part._replace(elements=inputs.scale(part.elements))
            pairs = zip(stacks, contexts, strict=True)
            first = torch.cat([stack.first_layer(number, part, context) for stack, context in pairs])
            return later(first.view(n_members, -1, first.shape[1])).flatten(0, 1)

        pooling = _merged_pooling([embedding.pooling for embedding in embeddings], counts)
        vectors = embed(phi, embeddings[0].phi, pooling, embeddings[0].weigh(part.packed), n_members)
        pooled.append(member_dropout(vectors.view(n_members, -1, vectors.shape[1]), dropout))
    return _read_out(stacks, counts, pooled, contexts, inputs.statistics, dropout)


def _later_layers(encoders: Sequence[Encoder]) -> Map:
    """What follows the first layers of encoders without dropout: the activation, and further layers."""
    linears = [_merged_linear([encoder[place] for encoder in encoders]) for place in range(2, len(encoders[0]), 2)]  # type: ignore[misc]
    activation = encoders[0][1]

    def later(rows: Tensor) -> Tensor:
        rows = activation(rows)
        for linear in linears:
            rows = activation(linear(rows))
        return rows

    return later


def _merged_linear(layers: Sequence[MemberLinear]) -> Map:
    """One linear map for the members of several layers of one shape, of one input."""
    weight, bias = _weight(layers, 0), torch.cat([layer.bias for layer in layers]).unsqueeze(1)  # type: ignore[misc]
    return lambda rows: torch.baddbmm(bias, rows, weight)


def _weight(layers: Sequence[MemberLinear], number: int) -> Tensor:
    return torch.cat([layer.weights[number] for layer in layers])


def _read_out(
    stacks: Sequence[DeepSetsStack],
    counts: Sequence[int],
    pooled: Sequence[Tensor],
    contexts: Sequence[Tensor | None],
    statistics: Tensor | None,
    dropout: Sequence[float],
) -> Tensor:
    """The outputs (M, b, o) for pooled vectors (M, b, k), see ``ReadOut.read_out``."""
    rhos = [[layer for layer in stack.net.rho if isinstance(layer, MemberLinear)] for stack in stacks]
    first, *others = zip(*rhos, strict=True)
    rows = _merged_linear(first)(pooled[0])
    for number, vectors in enumerate(pooled[1:], start=1):
        rows = rows.add_(torch.bmm(vectors, _weight(first, number)))
    if any(len(layer.weights) > len(pooled) for layer in first):
        beside = []
        for stack, layer, context, n_members in zip(stacks, first, contexts, counts, strict=True):
            own = stack.own_statistics(statistics)
            inputs = [] if own is None else [share_rows(own, n_members)]
            if context is not None and stack.net.context_in_rho:
                inputs.append(context)
            product = add_products(inputs, layer.weights[len(pooled) :])
            beside.append(rows.new_zeros(n_members, *rows.shape[1:]) if product is None else product)
        rows = rows.add_(torch.cat(beside))
    for layers in others:
        rows = _merged_linear(layers)(member_dropout(stacks[0].net.rho[1](rows), dropout))
    return rows


class SumOrMean(Pool):
    """The sum, times a constant factor, or the mean, as each member has it.

    Parameters
    ----------
    input_dim : int
    pools : sequence of (Pool, int)
        A :class:`Sum` or :class:`Mean`, and how many members have it.
    """

    def __init__(self, input_dim: int, pools: Sequence[tuple[Pool, int]]) -> None:
        super().__init__(input_dim)
        self.members = pools

    def finish(self, known: Known, totals: Tensor) -> Tensor:
        """See :class:`Pool`."""
        n_sets = len(totals) // sum(count for _, count in self.members)
        pairs = zip(self.members, totals.split([count * n_sets for _, count in self.members]), strict=True)
        divisors = [
            torch.full_like(own, 1 / pool.scale, dtype=known[0].dtype) if isinstance(pool, Sum) else positive(own)
            for (pool, _), own in pairs
        ]
        return known[0] / torch.cat(divisors).unsqueeze(1)


def _merged_pooling(poolings: Sequence[SetPooling], counts: Sequence[int]) -> SetPooling:
    """The pools of so many members each, of which some may have sums in the place of means."""
    first = poolings[0]
    if all(pooling.names == first.names for pooling in poolings):
        return first
    merged = SetPooling(first.names, first.output_dim // len(first.names), first.sum_scale)
    for place, pool in enumerate(first.pools):
        own = [pooling.pools[place] for pooling in poolings]
        if any(type(other) is not type(pool) for other in own):
            merged.pools[place] = SumOrMean(pool.widths[0], [*zip(own, counts, strict=True)])  # type: ignore[index]
    return merged
