"""DeepSetsCollections: one output for each row with several collections of sets, such as orders and visits.

The elements of all collections stand in one table: each has its own columns first, then zeros, and in the last column
the number of its collection. So the sets of a row are one set, which is batched, shuffled and cut like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sk_deepsets.nn._columns import Columns
from sk_deepsets.nn._dropout import Dropout
from sk_deepsets.nn._layers import ONE_NET, Layers, repeat_rows
from sk_deepsets.nn._leave_one_out import elements_at_once, in_order, leave_one_out
from sk_deepsets.nn._mlp import mlp, read_out
from sk_deepsets.nn._model import Model, WeightCounts, count_weights
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._set_embedding import SetEmbedding
from sk_deepsets.nn._set_pooling import PoolType
from sk_deepsets.nn._statistics import Statistics

Phi = Callable[[PackedSets], Tensor]


class Part(NamedTuple):
    """One collection of the sets in a batch."""

    rows: Tensor
    """(n,) where its elements are in the table of all collections"""
    packed: PackedSets
    """With the columns of that table"""


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
        self.columns: Sequence[Columns] = nn.ModuleList(columns)  # type: ignore[assignment]

    @property
    def means(self) -> list[Tensor]:
        """The means of the numbers of each collection, (d,) in float64."""
        return [mean for columns in self.columns for mean in columns.means]

    def forward(self, table: Tensor) -> Tensor:
        """Scale a table (n, d) of all collections: (n, width)."""
        found = None
        for number, columns in enumerate(self.columns):
            rows = (table[:, -1] == number).nonzero().squeeze(1)
            part = table.index_select(0, rows)
            values = columns(part)
            zeros = values.new_zeros(values.shape[0], self.width - 1 - columns.width)
            values = torch.cat([values, zeros, part[:, -1:].to(values.dtype)], dim=1)
            # not one table after another, whose joint length an exported program cannot bound
            found = values.new_zeros(table.shape[0], self.width) if found is None else found
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


class DeepSetsCollections(Model):
    """rho([pool_i phi_1(x_i, z), pool_j phi_2(v_j, z), ..., s, z]): each collection has a phi and a pool of its own.

    Parameters
    ----------
    collections : mapping of str to mapping
        The arguments of :class:`SetEmbedding` that are a collection's own: ``input_dim``, ``sum_scale``,
        ``input_layer``, ``weight_column``; in the order of their numbers in the table.
    n_columns : sequence of int
        How many columns of the table are those of each collection.
    phi_hidden_dims, rho_hidden_dims, output_dim, pool_type, activation, encoder
        As in :class:`DeepSetsInvariant`, for each collection.
    context_dim, fusion_type, context_in_rho, context_layer
        As in :class:`DeepSetsConditional`.
    statistics_dim, phi_dropout, pooled_dropout, rho_dropout, layers
        As in :class:`DeepSets`.
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
        fusion_type: str = "concat",
        context_in_rho: bool = True,
        statistics_dim: int = 0,
        phi_dropout: float = 0.0,
        pooled_dropout: float = 0.0,
        rho_dropout: float = 0.0,
        activation: str = "relu",
        encoder: str = "elementwise",
        context_layer: nn.Module | None = None,
        layers: Layers = ONE_NET,
    ) -> None:
        super().__init__()
        self.names, self.n_columns = [*collections], [*n_columns]
        self.layers, self.context_in_rho = layers, context_in_rho
        self.context_layer = nn.Identity() if context_layer is None else context_layer
        embeddings = [
            SetEmbedding(
                phi_hidden_dims=phi_hidden_dims,
                pool_type=pool_type,
                context_dim=context_dim,
                fusion_type=fusion_type,
                phi_dropout=phi_dropout,
                activation=activation,
                encoder=encoder,
                layers=layers,
                **own,
            )
            for own in collections.values()
        ]
        # a list: a module dict takes no name such as "items"
        self.embeddings: Sequence[SetEmbedding] = nn.ModuleList(embeddings)  # type: ignore[assignment]
        self.dropout = Dropout(pooled_dropout) if pooled_dropout else nn.Identity()
        pooled_dims = [embedding.pooling.output_dim for embedding in embeddings]
        rho_input_dims = (*pooled_dims, statistics_dim, (context_dim or 0) * context_in_rho)
        self.rho = mlp(rho_input_dims, rho_hidden_dims, output_dim, activation, rho_dropout, layers)

    @property
    def n_members(self) -> int:
        """See :class:`SetEmbedding`."""
        return self.embeddings[0].n_members

    @property
    def is_elementwise(self) -> bool:
        """See :class:`Model`."""
        return self.embeddings[0].is_elementwise

    @property
    def embedding_dim(self) -> int:
        """See :class:`Model`."""
        return sum(embedding.pooling.output_dim for embedding in self.embeddings)

    @property
    def pool_names(self) -> list[tuple[str, ...]]:
        """See :class:`Model`."""
        return self.embeddings[0].pool_names

    def forward(self, packed: PackedSets, context: Tensor | None = None, statistics: Tensor | None = None) -> Tensor:
        """One output for each row, (b, output_dim).

        Parameters
        ----------
        packed : PackedSets
            The elements of all collections in one table (n, d): its own columns of each first, and last its number.
        context : Tensor of shape (b, context_dim), optional
        statistics : Tensor of shape (b, statistics_dim), optional
        """
        context = self.member_context(context)
        return self.read_out(self.pool(self.split(packed), self.encode(context)), context, statistics)

    def embed(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """The pooled vectors of all collections side by side, (b, k); arguments as in ``forward``."""
        return torch.cat(self.pool(self.split(packed), self.encode(self.member_context(context))), dim=1)

    def leave_one_out(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`."""
        context, size = self.member_context(context), elements_at_once(self.width(), packed.sizes.device)
        found, places = [], []
        for rows, pooled in self.leave_each_out(self.split(packed), self.encode(context), size):
            own = None if context is None else context.index_select(0, packed.segments[rows])
            found.append(self.read_out(pooled, own))
            places.append(rows)
        return in_order(found, places)

    def attention(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`; they sum to 1 in each collection of a set."""
        return self.member_attention(self.split(packed), self.encode(self.member_context(context)))[0]

    def split(self, packed: PackedSets) -> list[Part]:
        """The collections of a batch."""
        return split_collections(packed, len(self.embeddings))

    def member_context(self, context: Tensor | None) -> Tensor | None:
        """See :class:`SetEmbedding`."""
        return None if context is None else self.context_layer(repeat_rows(context, self.n_members))

    def encode(self, context: Tensor | None) -> list[Phi]:
        """Phi of each collection, see :class:`SetEmbedding`, for elements with the columns of the table."""

        def encode_first(phi: Phi, width: int) -> Phi:
            return lambda part: phi(part._replace(elements=part.elements[:, :width]))

        pairs = zip(self.embeddings, self.n_columns, strict=True)
        return [encode_first(embedding.encode(context), width) for embedding, width in pairs]

    def pool(self, parts: Sequence[Part], phis: Sequence[Phi]) -> list[Tensor]:
        """The pooled vectors of each collection, (K * b, k)."""
        pairs = zip(self.embeddings, parts, phis, strict=True)
        return [embedding.pool(part.packed, phi) for embedding, part, phi in pairs]

    def leave_each_out(
        self, parts: Sequence[Part], phis: Sequence[Phi], size: int
    ) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Rows of the table, and the pooled vectors (K * n, k) of each collection of their sets without them."""
        n_members, whole = self.n_members, self.pool(parts, phis)
        for number, (part, phi) in enumerate(zip(parts, phis, strict=True)):
            embedding = self.embeddings[number]
            for chosen, own in leave_one_out(phi, embedding.pooling, embedding.weigh(part.packed), size, n_members):
                segments = part.packed.segments[chosen]
                found = [
                    pooled.view(n_members, -1, pooled.shape[1]).index_select(1, segments).flatten(0, 1)
                    for pooled in whole
                ]
                yield part.rows[chosen], [*found[:number], own, *found[number + 1 :]]

    def member_attention(self, parts: Sequence[Part], phis: Sequence[Phi]) -> Tensor:
        """See :class:`SetEmbedding`; of the elements of all collections, (K, n)."""
        pairs = zip(self.embeddings, parts, phis, strict=True)
        found = [embedding.member_attention(part.packed, phi).T for embedding, part, phi in pairs]
        return in_order(found, [part.rows for part in parts]).T

    def read_out(self, pooled: Sequence[Tensor], context: Tensor | None, statistics: Tensor | None = None) -> Tensor:
        """See :class:`DeepSets`; for the pooled vectors of each collection."""
        inputs, context = [self.dropout(each) for each in pooled], context if self.context_in_rho else None
        return read_out(self.rho, self.layers, inputs, statistics, context, self.n_members)

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        own = [embedding.weight_counts() for embedding in self.embeddings]
        phi, pool = sum(counts.phi for counts in own), sum(counts.pool for counts in own)
        return WeightCounts(phi, pool, count_weights(self.context_layer, self.rho))

    def width(self) -> int:
        """See :class:`Model`."""
        return max(embedding.width() for embedding in self.embeddings)

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        return [mean for embedding in self.embeddings for mean in embedding.mean_elements()]
