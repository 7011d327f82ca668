"""CollectionsEnsemble: an ensemble of nets for rows with several collections of sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sk_deepsets.nn._collections import CollectionColumns, DeepSetsCollections, Phi
from sk_deepsets.nn._columns import Columns, take_columns
from sk_deepsets.nn._deep_sets_ensemble import DeepSetsEnsemble, variant_pools
from sk_deepsets.nn._ensemble import Inputs
from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._model import WeightCounts
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._scaled_ensemble import Variant, VariantStack, element_options, set_options
from sk_deepsets.nn._set_pooling import PoolType


class CollectionsStack(VariantStack):
    """Nets of one variant for several collections, side by side.

    Parameters
    ----------
    variant, n_folds, statistics, context, output_dim, prior, pool_type
        As in :class:`DeepSetsStack`.
    elements : CollectionColumns
    names : sequence of str
        Of the collections.
    sum_scale : sequence of float
        Of each.
    **options
        Further arguments of :class:`DeepSetsCollections`.
    """

    def __init__(
        self,
        variant: Variant,
        n_folds: int,
        elements: CollectionColumns,
        statistics: Columns,
        context: Columns | None,
        output_dim: int,
        prior: Tensor,
        pool_type: PoolType,
        *,
        names: Sequence[str],
        sum_scale: Sequence[float],
        **options: Any,
    ) -> None:
        super().__init__(variant, statistics)
        layers = Layers(n_folds)
        self.element_places = [columns.places(variant.elements) for columns in elements.columns]
        own = [element_options(variant, layers, columns) for columns in elements.columns]
        collections = {
            name: {**each, "sum_scale": scale} for name, each, scale in zip(names, own, sum_scale, strict=True)
        }
        widths = [sum(place.stop - place.start for place in places) for places in self.element_places]
        self.net = DeepSetsCollections(
            collections,
            widths,
            output_dim=output_dim,
            pool_type=variant_pools(variant, pool_type),
            pooled_dropout=variant.dropout,
            rho_dropout=variant.dropout,
            layers=layers,
            **set_options(variant, layers, statistics, context),
            **options,
        )
        self.start_from(prior, self.net.rho[-1])

    def forward(self, inputs: Inputs) -> Tensor:
        """See :class:`Stack`."""
        context = self.net.member_context(inputs.context)
        pooled = self.net.pool(self.net.split(inputs.packed), self._phis(inputs, context))
        return self._outputs(pooled, context, inputs.statistics)

    def embed(self, inputs: Inputs) -> Tensor:
        """See :class:`Stack`."""
        phis = self._phis(inputs, self.net.member_context(inputs.context))
        pooled = torch.cat(self.net.pool(self.net.split(inputs.packed), phis), dim=1)
        return pooled.view(self.net.n_members, -1, pooled.shape[1])

    def leave_one_out(self, inputs: Inputs, size: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """See :class:`DeepSetsStack`; the pooled vectors of each collection."""
        phis = self._phis(inputs, self.net.member_context(inputs.context))
        return self.net.leave_each_out(self.net.split(inputs.packed), phis, size)

    def read_out(self, pooled: Sequence[Tensor], context: Tensor | None, statistics: Tensor | None) -> Tensor:
        """See :class:`DeepSetsStack`; for the pooled vectors of each collection."""
        return self._outputs(pooled, self.net.member_context(context), statistics)

    def attention(self, inputs: Inputs) -> Tensor:
        """See :class:`DeepSetsStack`."""
        phis = self._phis(inputs, self.net.member_context(inputs.context))
        return self.net.member_attention(self.net.split(inputs.packed), phis)

    def weight_counts(self) -> WeightCounts:
        """See :class:`Stack`."""
        return self.net.weight_counts()

    def _phis(self, inputs: Inputs, context: Tensor | None) -> list[Phi]:
        """Phi of all members for the elements of each collection, or of parts of it."""

        def after_scaling(phi: Phi, places: Sequence[slice]) -> Phi:
            def phi_of_part(part: PackedSets) -> Tensor:
                scaled = part.elements if inputs.scale is None else inputs.scale(part.elements)
                return phi(part._replace(elements=take_columns(scaled, places)))

            return phi_of_part

        pairs = zip(self.net.encode(context), self.element_places, strict=True)
        return [after_scaling(phi, places) for phi, places in pairs]

    def _outputs(self, pooled: Sequence[Tensor], context: Tensor | None, statistics: Tensor | None) -> Tensor:
        """Outputs (K, b, o) for pooled vectors and contexts of all members, and statistics that they share."""
        outputs = self.net.read_out(pooled, context, self.own_statistics(statistics))
        return outputs.view(self.net.n_members, -1, outputs.shape[1])


class CollectionsEnsemble(DeepSetsEnsemble):
    """The weighted mean of nets for several collections, which see the sets in several ways.

    Parameters
    ----------
    elements : CollectionColumns
    statistics : CollectionStatistics
    names, sum_scale
        As in :class:`CollectionsStack`.
    **options
        Further arguments of :class:`DeepSetsEnsemble`.
    """

    stack_type = CollectionsStack
    stacks: Sequence[CollectionsStack]  # type: ignore[assignment]  # which pool each collection by itself
    pooling = None  # type: ignore[assignment]
