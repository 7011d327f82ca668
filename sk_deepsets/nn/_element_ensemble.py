"""ElementEnsemble: an ensemble of equivariant nets, whose variants see the elements in different scalings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sk_deepsets.nn._columns import Columns, take_columns
from sk_deepsets.nn._ensemble import Inputs
from sk_deepsets.nn._equivariant import DeepSetsEquivariant
from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._model import WeightCounts
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._projection import Projection
from sk_deepsets.nn._relative_columns import RelativeColumns
from sk_deepsets.nn._scaled_ensemble import ScaledEnsemble, Variant, VariantStack, element_options, set_options
from sk_deepsets.nn._statistics import Statistics


class ElementStack(VariantStack):
    """Equivariant nets of one variant, side by side.

    Parameters
    ----------
    variant : Variant
    n_folds : int
    elements, statistics : Columns
    context : Columns or None
    output_dim : int
    prior : Tensor of shape (output_dim,)
        From which training starts.
    **options
        Further arguments of :class:`DeepSetsEquivariant`.
    """

    def __init__(
        self,
        variant: Variant,
        n_folds: int,
        elements: Columns,
        statistics: Columns,
        context: Columns | None,
        output_dim: int,
        prior: Tensor,
        **options: Any,
    ) -> None:
        super().__init__(variant, statistics)
        self.element_places = elements.places(variant.elements)
        layers = Layers(n_folds)
        self.net = DeepSetsEquivariant(
            output_dim=output_dim,
            dropout=variant.dropout,
            member_layers=layers,
            **element_options(variant, layers, elements),
            **set_options(variant, layers, statistics, context),
            **options,
        )
        last: Any = self.net.layers[-1]
        self.start_from(prior, last.Lambda, last.Gamma)

    def forward(self, inputs: Inputs) -> Tensor:
        """Outputs of the members for each element, (K, n, o)."""
        packed = inputs.packed._replace(elements=take_columns(inputs.packed.elements, self.element_places))
        outputs = self.net(packed, None, inputs.context, self.own_statistics(inputs.statistics))
        return outputs.view(self.net.n_members, -1, outputs.shape[1])

    def weight_counts(self) -> WeightCounts:
        """See :class:`Stack`."""
        return self.net.weight_counts()


class ElementEnsemble(ScaledEnsemble):
    """The weighted mean of equivariant nets that see the elements, beside the others of their set, in several ways.

    Parameters
    ----------
    variants : sequence of Variant
    n_folds : int
        How many members there are of each.
    relative : RelativeColumns
        What is scaled.
    elements : Columns
        Of what ``relative`` gives.
    statistics : Statistics
    statistic_columns : Columns
        Of the statistics.
    context : Columns, optional
    projection : Projection, optional
        As in :class:`ScaledEnsemble`.
    output_dim : int
    link, prior
        As in :class:`Ensemble`; by default outputs are values, and their prior is 0.
    hidden_dims, pool_type, activation, residual, layer_norm, sum_scale, fusion_type
        As in :class:`DeepSetsEquivariant`.
    """

    pooling = None

    def __init__(
        self,
        variants: Sequence[Variant],
        n_folds: int,
        relative: RelativeColumns,
        elements: Columns,
        statistics: Statistics,
        statistic_columns: Columns,
        output_dim: int,
        *,
        context: Columns | None = None,
        projection: Projection | None = None,
        link: str = "identity",
        prior: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        start = torch.tensor([0.0] * output_dim if prior is None else prior)
        arguments = (n_folds, elements, statistic_columns, context, output_dim, start)
        stacks = [ElementStack(variant, *arguments, **options) for variant in variants]
        super().__init__(
            stacks, n_folds, link, start.tolist(), elements, statistics, statistic_columns, context, projection
        )
        self.relative = relative

    def inputs(self, packed: PackedSets, context: Tensor | None = None, statistics: Tensor | None = None) -> Inputs:
        """Scaled elements, statistics and context."""
        packed, context = self.projected(packed), self.scaled_context(context)
        statistics = self.scaled_statistics(packed) if statistics is None else statistics
        return Inputs(packed._replace(elements=self.elements(self.relative(packed))), context, statistics)

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        # the scaled columns are the numbers, their deviations and their ranks
        n_numbers = self.relative.n_numbers if self.projection is None else None
        return [mean[:n_numbers] for mean in super().mean_elements()]
