"""ScaledEnsemble: the base of ensembles whose variants see the sets in different scalings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sk_deepsets.nn._collections import CollectionColumns, CollectionProjection, CollectionStatistics
from sk_deepsets.nn._columns import Columns, take_columns
from sk_deepsets.nn._ensemble import Ensemble, Stack
from sk_deepsets.nn._layers import Layers
from sk_deepsets.nn._model import Model, WeightCounts
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
    """The members of one variant, side by side, which take some of the scaled columns.

    Parameters
    ----------
    variant : Variant
    n_folds : int
    elements : Columns or CollectionColumns
    statistics : Columns
    context : Columns or None
    output_dim : int
    prior : Tensor of shape (output_dim,)
        Near which training starts.
    **options
        Further arguments of ``make_net``.
    """

    net: Model

    def __init__(
        self,
        variant: Variant,
        n_folds: int,
        elements: Columns | CollectionColumns,
        statistics: Columns,
        context: Columns | None,
        output_dim: int,
        prior: Tensor,
        **options: Any,
    ) -> None:
        super().__init__()
        self.variant, self.label_smoothing = variant, variant.label_smoothing
        self.statistic_places = statistics.places(variant.statistics)
        layers = Layers(n_folds)
        inputs = [columns.input_layer(variant.elements, layers) for columns in elements.collections]
        options |= {"output_dim": output_dim, "statistics_dim": statistics.input_layer(variant.statistics, layers)[1]}
        if context is not None:
            options["context_layer"], options["context_dim"] = context.input_layer(context.scalings.names, layers)
        own = [{"input_layer": layer, "input_dim": input_dim} for layer, input_dim in inputs]
        self.net = self.make_net(layers, elements, own, **options)
        last, *beside = self.last_layers()
        with torch.no_grad():
            for layer in (last, *beside):
                for weight in layer.weights:
                    weight.mul_(0.3)
            last.bias.copy_(prior)

    @abstractmethod
    def make_net(
        self, layers: Layers, elements: Columns | CollectionColumns, own: list[dict[str, Any]], **options: Any
    ) -> Model:
        """The net, given its arguments: what is a collection's own, and all others."""

    @abstractmethod
    def last_layers(self) -> tuple[Any, ...]:
        """The layer that gives the outputs, and those that are added to it."""

    def weight_counts(self) -> WeightCounts:
        """See :class:`Stack`."""
        return self.net.weight_counts()

    def own_statistics(self, statistics: Tensor | None) -> Tensor | None:
        """What the variant takes of the statistics, (b, k); None for nothing."""
        if not self.statistic_places:
            return None
        assert statistics is not None
        return take_columns(statistics, self.statistic_places)


class ScaledEnsemble(Ensemble):
    """The weighted mean of nets that see the sets in several ways.

    Parameters
    ----------
    variants : sequence of Variant
    n_folds : int
        How many members there are of each.
    elements : Columns or CollectionColumns
    statistics : Statistics or CollectionStatistics
    statistic_columns : Columns
        Of the statistics.
    output_dim : int
    context : Columns, optional
    projection : Projection or CollectionProjection, optional
        What elements go through first, of which the statistics and the scalings are then.
    link, prior
        As in :class:`Ensemble`; by default outputs are values, and their prior is 0.
    **options
        Further arguments of the stacks.
    """

    stack_type: type[VariantStack]
    stacks: Sequence[VariantStack]

    def __init__(
        self,
        variants: Sequence[Variant],
        n_folds: int,
        elements: Columns | CollectionColumns,
        statistics: Statistics | CollectionStatistics,
        statistic_columns: Columns,
        output_dim: int,
        *,
        context: Columns | None = None,
        projection: Projection | CollectionProjection | None = None,
        link: str = "identity",
        prior: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        start = torch.tensor([0.0] * output_dim if prior is None else prior)
        shared = (n_folds, elements, statistic_columns, context, output_dim, start)
        stacks = [self.stack_type(variant, *shared, **options) for variant in variants]
        super().__init__(stacks, n_folds, link, start.tolist())
        if projection is not None:
            self.add_module("project", projection)
        self.elements, self.statistics = elements, statistics
        self.statistic_columns, self.context = statistic_columns, context

    @property
    def projection(self) -> Projection | CollectionProjection | None:
        """What elements go through first."""
        return self._modules.get("project")  # type: ignore[return-value]  # of few columns there is none

    @property
    def projected_dims(self) -> list[int | None]:
        """See :class:`Model`."""
        return [] if self.projection is None else self.projection.output_dims

    def projected(self, packed: PackedSets) -> PackedSets:
        """The sets with elements as the scalings take them."""
        return packed if self.projection is None else packed._replace(elements=self.projection(packed.elements))

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        means = self.elements.means
        if self.projection is None:
            return means
        pairs = zip(means, self.projection.means, strict=True)
        return [mean if before is None else before for mean, before in pairs]

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
