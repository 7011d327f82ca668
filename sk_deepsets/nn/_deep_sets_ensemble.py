"""DeepSetsEnsemble: an ensemble of Deep Sets, whose variants see the elements and the sets in different scalings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from sk_deepsets.nn._collections import CollectionColumns, DeepSetsCollections
from sk_deepsets.nn._columns import Columns, take_columns
from sk_deepsets.nn._deep_sets import DeepSets
from sk_deepsets.nn._ensemble import Inputs
from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._leave_one_out import elements_at_once, in_order
from sk_deepsets.nn._merged import can_be_merged, merged_outputs
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._read_out import Phi, side_by_side
from sk_deepsets.nn._scaled_ensemble import ScaledEnsemble, Variant, VariantStack
from sk_deepsets.nn._set_pooling import PoolType, SetPooling

# Batches whose scaled elements have no more values than this are scaled as a whole, for all variants; larger ones in
# the chunks that phi goes through, which bounds the memory that a set takes.
SCALED_AT_ONCE = 16_777_216


class DeepSetsStack(VariantStack):
    """Deep Sets of one variant, side by side.

    Parameters
    ----------
    *arguments
        As in :class:`VariantStack`.
    pool_type : str or sequence of str
    names : sequence of str or None
        Of several collections.
    sum_scale : float, or sequence of float
        See :class:`SetPooling`; of several collections, that of each.
    **options
        Further arguments of :class:`DeepSets`.
    """

    net: DeepSets | DeepSetsCollections

    def make_net(
        self,
        layers: Layers,
        elements: Columns | CollectionColumns,
        own: list[dict[str, Any]],
        *,
        pool_type: PoolType = ("mean", "max"),
        names: Sequence[str] | None = None,
        sum_scale: Any = 1.0,
        **options: Any,
    ) -> DeepSets | DeepSetsCollections:
        """See :class:`VariantStack`."""
        self.element_places = [columns.places(self.variant.elements) for columns in elements.collections]
        options |= {
            "pool_type": variant_pools(self.variant, pool_type),
            "pooled_dropout": self.variant.dropout,
            "rho_dropout": self.variant.dropout,
            "layers": layers,
        }
        if names is None:
            return DeepSets(**own[0], **options, sum_scale=sum_scale)
        scaled = [{**each, "sum_scale": scale} for each, scale in zip(own, sum_scale, strict=True)]
        widths = [sum(place.stop - place.start for place in places) for places in self.element_places]
        return DeepSetsCollections(dict(zip(names, scaled, strict=True)), widths, **options)

    def last_layers(self) -> tuple[Any, ...]:
        """See :class:`VariantStack`."""
        return (self.net.rho[-1],)

    def forward(self, inputs: Inputs) -> Tensor:
        """See :class:`Stack`."""
        context = self.net.member_context(inputs.context)
        pooled = self.net.pool_parts(self.net.split(inputs.packed), self._phis(inputs, context))
        return self._outputs(pooled, context, inputs.statistics)

    def first_layer(self, number: int, part: PackedSets, context: Tensor | None) -> Tensor:
        """The first layer of a collection's phi for scaled elements, (K * n, k), before the activation."""
        own = part._replace(elements=take_columns(part.elements, self.element_places[number]))
        embedding = self.net.embeddings[number]
        return embedding.phi.first_layer(*embedding.fused(own, context))

    def embed(self, inputs: Inputs) -> Tensor:
        """See :class:`Stack`."""
        phis = self._phis(inputs, self.net.member_context(inputs.context))
        pooled = side_by_side(self.net.pool_parts(self.net.split(inputs.packed), phis))
        return pooled.view(self.net.n_members, -1, pooled.shape[1])

    def leave_one_out(self, inputs: Inputs, size: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """See ``ReadOut.leave_each_out``."""
        phis = self._phis(inputs, self.net.member_context(inputs.context))
        return self.net.leave_each_out(self.net.split(inputs.packed), phis, size)

    def read_out(self, pooled: Sequence[Tensor], context: Tensor | None, statistics: Tensor | None) -> Tensor:
        """Outputs (K, b, o) for pooled vectors (K * b, k), and for context and statistics that the members share."""
        return self._outputs(pooled, self.net.member_context(context), statistics)

    def attention(self, inputs: Inputs) -> Tensor:
        """The weight of each element in the attention pool of its set, for each member: (K, n)."""
        phis = self._phis(inputs, self.net.member_context(inputs.context))
        return self.net.part_attention(self.net.split(inputs.packed), phis)

    def _phis(self, inputs: Inputs, context: Tensor | None) -> list[Phi]:
        """Phi of all members for the elements of each collection, or of parts of it."""

        def after_scaling(phi: Phi, places: Sequence[slice]) -> Phi:
            def phi_of_part(part: PackedSets) -> Tensor:
                scaled = part.elements if inputs.scale is None else inputs.scale(part.elements)
                return phi(part._replace(elements=take_columns(scaled, places)))

            return phi_of_part

        pairs = zip(self.net.phis(context), self.element_places, strict=True)
        return [after_scaling(phi, places) for phi, places in pairs]

    def _outputs(self, pooled: Sequence[Tensor], context: Tensor | None, statistics: Tensor | None) -> Tensor:
        """Outputs (K, b, o) for pooled vectors and contexts of all members, and statistics that they share."""
        outputs = self.net.read_out(pooled, context, self.own_statistics(statistics))
        return outputs.view(self.net.n_members, -1, outputs.shape[1])


def variant_pools(variant: Variant, pool_type: PoolType) -> tuple[str, ...]:
    """The pools of a variant: with sums in the place of means, if it has sums."""
    pools = (pool_type,) if isinstance(pool_type, str) else tuple(pool_type)
    return tuple("sum" if name == "mean" and variant.sums else name for name in pools)


class DeepSetsEnsemble(ScaledEnsemble):
    """The weighted mean of Deep Sets that see the sets in several ways.

    Parameters
    ----------
    *arguments, **options
        As in :class:`ScaledEnsemble`. Further options are ``names`` and ``sum_scale`` as in :class:`DeepSetsStack`, and
        ``phi_hidden_dims``, ``rho_hidden_dims``, ``pool_type``, ``fusion_type``, ``context_in_rho``, ``activation`` and
        ``encoder`` as in :class:`DeepSetsConditional`; there must be a layer in phi.
    """

    stack_type = DeepSetsStack
    stacks: Sequence[DeepSetsStack]

    @property
    def pooling(self) -> SetPooling | None:  # type: ignore[override]  # stacks may come and go
        """See :class:`Model`; that of one stack, of which the others have one as wide."""
        return self.stacks[0].net.pooling

    @property
    def pool_names(self) -> list[tuple[str, ...]]:
        """See :class:`Model`."""
        return list(dict.fromkeys(names for stack in self.stacks for names in stack.net.pool_names))

    @property
    def embedding_dim(self) -> int | None:
        """See :class:`Model`."""
        return self.stacks[0].net.embedding_dim

    @property
    def is_elementwise(self) -> bool:
        """See :class:`Model`."""
        return self.stacks[0].net.is_elementwise

    def inputs(self, packed: PackedSets, context: Tensor | None = None, statistics: Tensor | None = None) -> Inputs:
        """Scaled elements, statistics and context."""
        return self._scaled_inputs(self.projected(packed), context, statistics)

    def _scaled_inputs(self, packed: PackedSets, context: Tensor | None, statistics: Tensor | None = None) -> Inputs:
        context = self.scaled_context(context)
        statistics = self.scaled_statistics(packed) if statistics is None else statistics
        packed = self.statistics.weigh(packed, self.prior.dtype)
        # an export knows no sizes, which come last therefore
        if not torch.compiler.is_compiling() and packed.elements.shape[0] * self.elements.width > SCALED_AT_ONCE:
            return Inputs(packed, context, statistics, scale=self.elements)
        return Inputs(packed._replace(elements=self.elements(packed.elements)), context, statistics)

    def outputs_of(self, inputs: Inputs) -> Tensor:
        """See :class:`Ensemble`."""
        if not torch.compiler.is_compiling() and can_be_merged(self.stacks):
            return merged_outputs(self.stacks, inputs)
        return super().outputs_of(inputs)

    def leave_one_out(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`."""
        packed = self.projected(packed)
        inputs, size = self._scaled_inputs(packed, context), elements_at_once(self.width(), packed.sizes.device)
        set_statistics = self.statistics.leave_one_out(packed, size) if self.reads_statistics else repeat(None)
        stack_pieces = zip(*(stack.leave_one_out(inputs, size) for stack in self.stacks), strict=True)
        found, rows = [], []
        for pieces, raw in zip(stack_pieces, set_statistics, strict=False):
            rows.append(pieces[0][0])
            statistics = None if raw is None else self.statistic_columns(raw)
            segments = packed.segments.index_select(0, rows[-1])
            own = None if inputs.context is None else inputs.context.index_select(0, segments)
            stacks = zip(self.stacks, pieces, strict=True)
            outputs = [stack.read_out(pooled, own, statistics) for stack, (_, pooled) in stacks]
            found.append(self.mean_of(torch.cat(outputs)))
        return in_order(found, rows)

    def attention(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`; the mean by the weights of the members."""
        inputs, weights = self.inputs(packed, context), self.weights[:-1]
        # all weight may be on the prior
        weights = weights / weights.sum() if weights.sum() > 0 else torch.full_like(weights, 1 / len(weights))
        return weights @ torch.cat([stack.attention(inputs) for stack in self.stacks])

    def width(self) -> int:
        """See :class:`Model`."""
        return max(self.elements.width, *(stack.net.width() for stack in self.stacks))
