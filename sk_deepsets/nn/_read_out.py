"""ReadOut: rho behind what one or several collections of sets are pooled to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sk_deepsets.nn._dropout import Dropout
from sk_deepsets.nn._layers import Layers, share_rows
from sk_deepsets.nn._leave_one_out import elements_at_once, in_order, leave_one_out
from sk_deepsets.nn._mlp import mlp
from sk_deepsets.nn._model import Model, WeightCounts, count_weights
from sk_deepsets.nn._packed import PackedSets, pack
from sk_deepsets.nn._set_embedding import SetEmbedding

Phi = Callable[[PackedSets], Tensor]


class Part(NamedTuple):
    """One collection of the sets in a batch."""

    rows: Tensor
    """(n,) where its elements are in the batch"""
    packed: PackedSets
    """With the columns of the batch"""


class ReadOut(Model):
    """rho([pool_i phi_1(x_i, z), pool_j phi_2(v_j, z), ..., s, z]), of one collection or of several.

    Subclasses make the embeddings, then rho by ``make_rho``, and say how a batch is split.
    """

    layers: Layers
    context_in_rho: bool

    @property
    @abstractmethod
    def embeddings(self) -> Sequence[SetEmbedding]:
        """That of each collection."""

    @abstractmethod
    def split(self, packed: PackedSets) -> list[Part]:
        """The collections of a batch."""

    @abstractmethod
    def member_context(self, context: Tensor | None) -> Tensor | None:
        """The context behind its layer, once for each member: (K * b, c)."""

    def phis(self, context: Tensor | None) -> list[Phi]:
        """Phi of each collection, see ``SetEmbedding.encode``."""
        return [embedding.encode(context) for embedding in self.embeddings]

    def make_rho(
        self,
        rho_hidden_dims: Sequence[int],
        output_dim: int,
        *,
        context_dim: int | None,
        statistics_dim: int,
        pooled_dropout: float,
        rho_dropout: float,
        activation: str,
    ) -> None:
        """Make rho, see :class:`DeepSets`."""
        self.dropout = Dropout(pooled_dropout) if pooled_dropout else nn.Identity()
        pooled_dims = [embedding.pooling.output_dim for embedding in self.embeddings]
        input_dims = (*pooled_dims, statistics_dim, (context_dim or 0) * self.context_in_rho)
        self.rho = mlp(input_dims, rho_hidden_dims, output_dim, activation, rho_dropout, self.layers)

    def forward(
        self,
        x: Tensor | PackedSets,
        mask: Tensor | None = None,
        context: Tensor | None = None,
        statistics: Tensor | None = None,
    ) -> Tensor:
        """One output for each set.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), or PackedSets
            Of several collections, the elements of all in one table, see :class:`DeepSetsCollections`.
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.
        context : Tensor of shape (b, context_dim), optional
        statistics : Tensor of shape (b, statistics_dim), optional

        Returns
        -------
        Tensor of shape (b, output_dim)
        """
        context = self.member_context(context)
        return self.read_out(self.pool_parts(self.split(pack(x, mask)), self.phis(context)), context, statistics)

    def embed(self, x: Tensor | PackedSets, mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """The pooled embedding of each set, (b, k); arguments as in ``forward``."""
        return side_by_side(self.pool_parts(self.split(pack(x, mask)), self.phis(self.member_context(context))))

    def leave_one_out(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`."""
        context, size = self.member_context(context), elements_at_once(self.width(), packed.sizes.device)
        found, places = [], []
        for rows, pooled in self.leave_each_out(self.split(packed), self.phis(context), size):
            own = None if context is None else context.index_select(0, packed.segments[rows])
            found.append(self.read_out(pooled, own))
            places.append(rows)
        return in_order(found, places)

    def attention(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`; of several collections, they sum to 1 in each."""
        return self.part_attention(self.split(packed), self.phis(self.member_context(context)))[0]

    def pool_parts(self, parts: Sequence[Part], phis: Sequence[Phi]) -> list[Tensor]:
        """The pooled vectors of each collection, (K * b, k)."""
        pairs = zip(self.embeddings, parts, phis, strict=True)
        return [embedding.pool(part.packed, phi) for embedding, part, phi in pairs]

    def leave_each_out(
        self, parts: Sequence[Part], phis: Sequence[Phi], size: int
    ) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Rows of a batch, in chunks of a size, and the pooled vectors (K * n, k) of their sets without them."""
        n_members = self.n_members
        whole = self.pool_parts(parts, phis) if len(parts) > 1 else []
        for number, (part, phi) in enumerate(zip(parts, phis, strict=True)):
            others = [pooled.view(n_members, -1, pooled.shape[1]) for pooled in whole]
            embedding = self.embeddings[number]
            for chosen, own in leave_one_out(phi, embedding.pooling, embedding.weigh(part.packed), size, n_members):
                segments = part.packed.segments[chosen]
                found = [pooled.index_select(1, segments).flatten(0, 1) for pooled in others]
                yield part.rows[chosen], [*found[:number], own, *found[number + 1 :]]

    def part_attention(self, parts: Sequence[Part], phis: Sequence[Phi]) -> Tensor:
        """The weight of each element in the attention pool of its set, for each member: (K, n)."""
        pairs = zip(self.embeddings, parts, phis, strict=True)
        found = [embedding.member_attention(part.packed, phi).T for embedding, part, phi in pairs]
        return in_order(found, [part.rows for part in parts]).T

    def read_out(self, pooled: Sequence[Tensor], context: Tensor | None, statistics: Tensor | None = None) -> Tensor:
        """The outputs (K * b, output_dim) for pooled vectors and contexts of as many rows; statistics are shared."""
        inputs = [self.dropout(each) for each in pooled]
        if statistics is not None:
            inputs.append(statistics if self.layers.n_members is None else share_rows(statistics, self.n_members))
        if context is not None and self.context_in_rho:
            inputs.append(context)
        first, *others = self.rho
        hidden = self.layers.join(first, inputs) if len(inputs) > 1 else first(inputs[0])
        for layer in others:
            hidden = layer(hidden)
        return hidden

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        own = [embedding.own_weights() for embedding in self.embeddings]
        phi, pool = (sum(counts) for counts in zip(*own, strict=True))
        return WeightCounts(phi, pool, count_weights(self.context_layer, self.rho))  # type: ignore[arg-type]


def side_by_side(pooled: Sequence[Tensor]) -> Tensor:
    """The pooled vectors of all collections, (K * b, k)."""
    return pooled[0] if len(pooled) == 1 else torch.cat([*pooled], dim=1)
