"""ElementEnsemble: an ensemble of equivariant nets, whose variants see the elements in different scalings."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sk_deepsets.nn._columns import take_columns
from sk_deepsets.nn._ensemble import Inputs
from sk_deepsets.nn._equivariant import DeepSetsEquivariant
from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._relative_columns import RelativeColumns
from sk_deepsets.nn._scaled_ensemble import ScaledEnsemble, VariantStack


class ElementStack(VariantStack):
    """Equivariant nets of one variant, side by side; options are further arguments of these."""

    net: DeepSetsEquivariant

    def make_net(self, layers: Layers, elements: Any, own: list[dict[str, Any]], **options: Any) -> DeepSetsEquivariant:
        """See :class:`VariantStack`."""
        self.element_places = elements.places(self.variant.elements)
        return DeepSetsEquivariant(dropout=self.variant.dropout, member_layers=layers, **own[0], **options)

    def last_layers(self) -> tuple[Any, ...]:
        """See :class:`VariantStack`."""
        last: Any = self.net.layers[-1]
        return last.Lambda, last.Gamma

    def forward(self, inputs: Inputs) -> Tensor:
        """Outputs of the members for each element, (K, n, o)."""
        packed = inputs.packed._replace(elements=take_columns(inputs.packed.elements, self.element_places))
        outputs = self.net(packed, None, inputs.context, self.own_statistics(inputs.statistics))
        return outputs.view(self.net.n_members, -1, outputs.shape[1])


class ElementEnsemble(ScaledEnsemble):
    """The weighted mean of equivariant nets that see the elements, beside the others of their set, in several ways.

    Parameters
    ----------
    *arguments, **options
        As in :class:`ScaledEnsemble`; ``elements`` are columns of what ``relative`` gives. Further options are
        ``hidden_dims``, ``pool_type``, ``activation``, ``residual``, ``layer_norm``, ``sum_scale`` and ``fusion_type``,
        as in :class:`DeepSetsEquivariant`.
    relative : RelativeColumns
        What is scaled.
    """

    pooling = None
    stack_type = ElementStack

    def __init__(self, *arguments: Any, relative: RelativeColumns, **options: Any) -> None:
        super().__init__(*arguments, **options)
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
