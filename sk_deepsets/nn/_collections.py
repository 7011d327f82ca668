"""DeepSetsCollections: one output for each row with several collections of sets, such as orders and visits.

The elements of all collections stand in one table: each has its own columns first, then zeros, and in the last column
the number of its collection. So the sets of a row are one set, which is batched, shuffled and cut like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sk_deepsets.nn._columns import Columns
from sk_deepsets.nn._layers import ONE_NET, Layers, repeat_rows
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._projection import Projection
from sk_deepsets.nn._read_out import Part, Phi, ReadOut
from sk_deepsets.nn._set_embedding import SetEmbedding
from sk_deepsets.nn._set_pooling import PoolType
from sk_deepsets.nn._statistics import Statistics


def split_collections(packed: PackedSets, n_collections: int) -> list[Part]:
    """The collections of sets that stand in one table."""
    numbers = packed.elements[:, -1]
    parts = []
    for number in range(n_collections):
        rows = (numbers == number).nonzero().squeeze(1)
        segments = packed.segments.index_select(0, rows)
        sizes = packed.sum((numbers == number).unsqueeze(1).long()).squeeze(1)
        weight = None if packed.weight is None else packed.weight.index_select(0, rows)
        parts.append(Part(rows, PackedSets(packed.elements.index_select(0, rows), segments, sizes, weight)))
    return parts


class CollectionColumns(nn.Module):
    """The scaled columns of each collection, in a table like the one they come in.

    Parameters
    ----------
    columns : sequence of Columns

    Attributes
    ----------
    width : int
        Columns of the output.
    """

    def __init__(self, columns: Sequence[Columns]) -> None:
        super().__init__()
        self.width = max(each.width for each in columns) + 1
        self.collections: Sequence[Columns] = nn.ModuleList(columns)  # type: ignore[assignment]

    @property
    def means(self) -> list[Tensor]:
        """The means of the numbers of each collection, (d,) in float64."""
        return [mean for columns in self.collections for mean in columns.means]

    def forward(self, table: Tensor) -> Tensor:
        """Scale a table (n, d) of all collections: (n, width)."""
        return _map_collections(table, self.collections, self.width)


class CollectionProjection(nn.Module):
    """Collections with very many columns along some directions, in a table like the one they come in.

    Parameters
    ----------
    projections : sequence of Projection or None
        Of each collection; None: it stays as it is.
    n_columns : sequence of int
        How many columns of the table are those of each collection.
    """

    def __init__(self, projections: Sequence[Projection | None], n_columns: Sequence[int]) -> None:
        super().__init__()
        self.n_columns = [*n_columns]
        self.projections = nn.ModuleDict({str(n): own for n, own in enumerate(projections) if own is not None})

    @property
    def output_dims(self) -> list[int | None]:
        """See :class:`Projection`."""
        return [None if own is None else own.output_dim for own in self._all()]

    @property
    def means(self) -> list[Tensor | None]:
        """See :class:`Projection`."""
        return [None if own is None else own.mean for own in self._all()]

    def forward(self, table: Tensor) -> Tensor:
        """Project a table (n, d) of all collections."""
        first: Any = next(iter(self.projections.values()))

        def project(own: Projection | None, width: int, part: Tensor) -> Tensor:
            return part[:, :width].to(first.mean.dtype) if own is None else own(part[:, :width])

        functions = [partial(project, *pair) for pair in zip(self._all(), self.n_columns, strict=True)]
        widths = [
            width if own is None else own.output_dim + width - len(own.mean)
            for own, width in zip(self._all(), self.n_columns, strict=True)
        ]
        return _map_collections(table, functions, max(widths) + 1)

    def _all(self) -> list[Any]:
        known = dict(self.projections.items())
        return [known.get(str(number)) for number in range(len(self.n_columns))]


def _map_collections(table: Tensor, functions: Sequence[Callable[[Tensor], Tensor]], width: int) -> Tensor:
    """What the function of each collection gives of its rows (n, d), in a table (n, width) with their numbers last."""
    found = None
    for number, function in enumerate(functions):
        rows = (table[:, -1] == number).nonzero().squeeze(1)
        part = table.index_select(0, rows)
        values = function(part)
        zeros = values.new_zeros(values.shape[0], width - 1 - values.shape[1])
        values = torch.cat([values, zeros, part[:, -1:].to(values.dtype)], dim=1)
        # not one table after another, whose joint length an exported program cannot bound
        found = values.new_zeros(table.shape[0], width) if found is None else found
        found = found.index_copy(0, rows, values)
    assert found is not None
    return found


class CollectionStatistics(nn.Module):
    """The statistics of each collection, side by side.

    Parameters
    ----------
    statistics : sequence of Statistics
    """

    def __init__(self, statistics: Sequence[Statistics]) -> None:
        super().__init__()
        self.statistics: Sequence[Statistics] = nn.ModuleList(statistics)  # type: ignore[assignment]

    def forward(self, packed: PackedSets) -> Tensor:
        """See :class:`Statistics`."""
        return torch.cat(self._compute(split_collections(packed, len(self.statistics))), dim=1)

    def leave_one_out(self, packed: PackedSets, size: int) -> Iterator[Tensor]:
        """See :class:`Statistics`; the elements of the first collection come first."""
        parts = split_collections(packed, len(self.statistics))
        whole = self._compute(parts)
        for number, part in enumerate(parts):
            first = 0
            for own in self.statistics[number].leave_one_out(part.packed, size):
                segments = part.packed.segments[first : first + len(own)]
                first += len(own)
                found = [values.index_select(0, segments) for values in whole]
                yield torch.cat([*found[:number], own, *found[number + 1 :]], dim=1)

    def weigh(self, packed: PackedSets, dtype: torch.dtype) -> PackedSets:
        """See :class:`Statistics`; elements of collections without weights have a weight of 1."""
        columns = [statistics.weight_column for statistics in self.statistics]
        if columns == [None] * len(columns):
            return packed
        weight = packed.elements.new_ones(packed.elements.shape[0], 1)
        for number, column in enumerate(columns):
            if column is not None:
                own = packed.elements[:, column : column + 1].detach()
                weight = torch.where(packed.elements[:, -1:] == number, own, weight)
        return packed.times(weight.to(dtype))

    def _compute(self, parts: Sequence[Part]) -> list[Tensor]:
        return [statistics(part.packed) for statistics, part in zip(self.statistics, parts, strict=True)]


class DeepSetsCollections(ReadOut):
    """rho([pool_i phi_1(x_i, z), pool_j phi_2(v_j, z), ..., s, z]): each collection has a phi and a pool of its own.

    Parameters
    ----------
    collections : mapping of str to mapping
        The arguments of :class:`SetEmbedding` that are a collection's own: ``input_dim``, ``sum_scale``,
        ``input_layer``, ``weight_column``; in the order of their numbers in the table.
    n_columns : sequence of int
        How many columns of the table are those of each collection.
    phi_hidden_dims, rho_hidden_dims, output_dim, pool_type, activation
        As in :class:`DeepSetsInvariant`, for each collection.
    context_dim, context_in_rho, context_layer
        As in :class:`DeepSetsConditional`.
    statistics_dim, pooled_dropout, rho_dropout, layers
        As in :class:`DeepSets`.
    **options
        Further arguments of each :class:`SetEmbedding`.
    """

    pooling = None

    def __init__(
        self,
        collections: Mapping[str, Mapping[str, Any]],
        n_columns: Sequence[int],
        phi_hidden_dims: Sequence[int],
        rho_hidden_dims: Sequence[int],
        output_dim: int,
        pool_type: PoolType = "sum",
        *,
        context_dim: int | None = None,
        context_in_rho: bool = True,
        statistics_dim: int = 0,
        pooled_dropout: float = 0.0,
        rho_dropout: float = 0.0,
        activation: str = "relu",
        context_layer: nn.Module | None = None,
        layers: Layers = ONE_NET,
        **options: Any,
    ) -> None:
        super().__init__()
        self.n_columns, self.layers, self.context_in_rho = [*n_columns], layers, context_in_rho
        self.context_layer = nn.Identity() if context_layer is None else context_layer
        options |= {"phi_hidden_dims": phi_hidden_dims, "pool_type": pool_type, "context_dim": context_dim}
        options |= {"activation": activation, "layers": layers}
        embeddings = [SetEmbedding(**own, **options) for own in collections.values()]
        # a list: a module dict takes no name such as "items"
        self.parts: Sequence[SetEmbedding] = nn.ModuleList(embeddings)  # type: ignore[assignment]
        self.make_rho(
            rho_hidden_dims,
            output_dim,
            context_dim=context_dim,
            statistics_dim=statistics_dim,
            pooled_dropout=pooled_dropout,
            rho_dropout=rho_dropout,
            activation=activation,
        )

    @property
    def embeddings(self) -> Sequence[SetEmbedding]:
        """See :class:`ReadOut`."""
        return self.parts

    @property
    def n_members(self) -> int:
        """See :class:`Model`."""
        return self.parts[0].n_members

    @property
    def is_elementwise(self) -> bool:
        """See :class:`Model`."""
        return self.parts[0].is_elementwise

    @property
    def embedding_dim(self) -> int:
        """See :class:`Model`."""
        return sum(embedding.pooling.output_dim for embedding in self.parts)

    @property
    def pool_names(self) -> list[tuple[str, ...]]:
        """See :class:`Model`."""
        return self.parts[0].pool_names

    def split(self, packed: PackedSets) -> list[Part]:
        """See :class:`ReadOut`."""
        return split_collections(packed, len(self.parts))

    def member_context(self, context: Tensor | None) -> Tensor | None:
        """See :class:`ReadOut`."""
        return None if context is None else self.context_layer(repeat_rows(context, self.n_members))

    def phis(self, context: Tensor | None) -> list[Phi]:
        """See :class:`ReadOut`; for elements with the columns of the table."""

        def encode_first(phi: Phi, width: int) -> Phi:
            return lambda part: phi(part._replace(elements=part.elements[:, :width]))

        return [encode_first(phi, width) for phi, width in zip(super().phis(context), self.n_columns, strict=True)]

    def width(self) -> int:
        """See :class:`Model`."""
        return max(embedding.width() for embedding in self.parts)

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        return [mean for embedding in self.parts for mean in embedding.mean_elements()]
