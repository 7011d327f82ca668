"""ScaledEnsemble: the base of ensembles whose variants see the sets in different scalings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sk_deepsets.nn._collections import CollectionColumns, CollectionStatistics
from sk_deepsets.nn._columns import Columns, take_columns
from sk_deepsets.nn._ensemble import Ensemble, Stack
from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._projection import Projection
from sk_deepsets.nn._statistics import Statistics


class Variant(NamedTuple):
    """How the members of a stack see the sets."""

    elements: tuple[str, ...]
    """The scalings of the elements that phi takes"""
    statistics: tuple[str, ...] = ()
    """The scalings of the statistics of the set that rho takes beside the pooled vector"""
    dropout: float = 0.0
    """Share of the pooled values, and of rho's hidden units, dropped in training"""
    sums: bool = False
    """Whether sums over the set take the place of means"""
    label_smoothing: float = 0.0
    """Share of the probability that is given to all classes alike in training"""


class VariantStack(Stack):
    """The members of one variant, which take some of the scaled columns.

    Parameters
    ----------
    variant : Variant
    statistics : Columns
    """

    def __init__(self, variant: Variant, statistics: Columns) -> None:
        super().__init__()
        self.variant, self.label_smoothing = variant, variant.label_smoothing
        self.statistic_places = statistics.places(variant.statistics)

    def own_statistics(self, statistics: Tensor | None) -> Tensor | None:
        """What the variant takes of the statistics, (b, k); None for nothing."""
        if not self.statistic_places:
            return None
        assert statistics is not None
        return take_columns(statistics, self.statistic_places)

    @torch.no_grad()
    def start_from(self, prior: Tensor, last: Any, *beside: Any) -> None:
        """Let training start near the prior (output_dim,), given the last layer, and those that are added to it."""
        for layer in (last, *beside):
            for weight in layer.weights:
                weight.mul_(0.3)
        last.bias.copy_(prior)


def element_options(variant: Variant, layers: Layers, elements: Columns) -> dict[str, Any]:
    """The arguments of a net that say what a variant takes of the elements."""
    input_layer, input_dim = elements.input_layer(variant.elements, layers)
    return {"input_layer": input_layer, "input_dim": input_dim}


def set_options(variant: Variant, layers: Layers, statistics: Columns, context: Columns | None) -> dict[str, Any]:
    """The arguments of a net that say what a variant takes of the statistics and of the context."""
    options: dict[str, Any] = {"statistics_dim": statistics.input_layer(variant.statistics, layers)[1]}
    if context is not None:
        context_layer, context_dim = context.input_layer(context.scalings.names, layers)
        options |= {"context_layer": context_layer, "context_dim": context_dim}
    return options


class ScaledEnsemble(Ensemble):
    """The weighted mean of nets that see the sets in several ways.

    Parameters
    ----------
    stacks : iterable of VariantStack
    n_folds, link, prior
        As in :class:`Ensemble`.
    elements : Columns
    statistics : Statistics
    statistic_columns : Columns
        Of the statistics.
    context : Columns or None
    projection : Projection or None
        What elements go through first, of which the statistics and the scalings are then.
    """

    stacks: Sequence[VariantStack]

    def __init__(
        self,
        stacks: Iterable[VariantStack],
        n_folds: int,
        link: str,
        prior: Sequence[float],
        elements: Columns | CollectionColumns,
        statistics: Statistics | CollectionStatistics,
        statistic_columns: Columns,
        context: Columns | None,
        projection: Projection | None = None,
    ) -> None:
        super().__init__(stacks, n_folds, link, prior)
        if projection is not None:
            self.add_module("project", projection)
        self.elements, self.statistics = elements, statistics
        self.statistic_columns, self.context = statistic_columns, context

    @property
    def projection(self) -> Projection | None:
        """What elements go through first."""
        return self._modules.get("project")  # type: ignore[return-value]  # of few columns there is none

    @property
    def projected_dim(self) -> int | None:
        """See :class:`Model`."""
        return None if self.projection is None else self.projection.output_dim

    def projected(self, packed: PackedSets) -> PackedSets:
        """The sets with elements as the scalings take them."""
        return packed if self.projection is None else packed._replace(elements=self.projection(packed.elements))

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        return self.elements.means if self.projection is None else [self.projection.mean]

    @property
    def scaled_width(self) -> int:
        """See :class:`Ensemble`."""
        return self.elements.width

    @property
    def reads_statistics(self) -> bool:
        """See :class:`Model`."""
        return any(stack.variant.statistics for stack in self.stacks)

    def scaled_context(self, context: Tensor | None) -> Tensor | None:
        """The context of sets, as the stacks take it."""
        return None if context is None or self.context is None else self.context(context)

    def set_statistics(self, packed: PackedSets) -> Tensor | None:
        """See :class:`Ensemble`."""
        return self.scaled_statistics(self.projected(packed))

    def scaled_statistics(self, packed: PackedSets) -> Tensor | None:
        """The statistics of sets whose elements are projected, as the stacks take them."""
        return self.statistic_columns(self.statistics(packed)) if self.reads_statistics else None
