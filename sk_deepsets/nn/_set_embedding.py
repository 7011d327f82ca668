"""SetEmbedding: phi and the pool, which make one vector of each set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sk_deepsets.nn._chunked import embed
from sk_deepsets.nn._encoder import make_encoder
from sk_deepsets.nn._fusion import Fused
from sk_deepsets.nn._layers import ONE_NET, Layers, repeat_rows, share_rows
from sk_deepsets.nn._leave_one_out import elements_at_once
from sk_deepsets.nn._losses import softmax_over_sets
from sk_deepsets.nn._model import SetModel, WeightCounts, count_weights
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._set_pooling import PoolType, SetPooling


class SetEmbedding(SetModel):
    """pool_i phi(x_i, z) with a context z of the set, where there is any.

    Of a stack of K members each gives a vector: those of member 0 for all sets come first, (K * b, k).

    Parameters
    ----------
    input_dim, phi_hidden_dims, pool_type, activation, encoder, sum_scale, input_layer
        As in :class:`DeepSetsInvariant`; with members, ``input_layer`` takes the rows of all members.
    context_dim, fusion_type, context_layer
        As in :class:`DeepSetsConditional`.
    phi_dropout : float, default=0.0
        Share of the hidden units of phi that are dropped in training.
    layers : Layers
        Makes all layers with weights: those of one net, or of the members of a stack.
    weight_column : int, optional
        Which column of the elements weighs them in the pools; the input layer must leave it out. None: packed sets
        have their weights, if any.
    """

    pooling: SetPooling
    weight_column: int | None = None

    def __init__(
        self,
        input_dim: int,
        phi_hidden_dims: Sequence[int],
        pool_type: PoolType = "sum",
        *,
        context_dim: int | None = None,
        fusion_type: str = "concat",
        phi_dropout: float = 0.0,
        activation: str = "relu",
        encoder: str = "elementwise",
        sum_scale: float = 1.0,
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
        layers: Layers = ONE_NET,
        weight_column: int | None = None,
    ) -> None:
        first_dim = phi_hidden_dims[0] if len(phi_hidden_dims) else None
        super().__init__(input_dim, first_dim, context_dim, fusion_type, input_layer, context_layer, layers)
        self.layers, self.weight_column = layers, weight_column
        # what is before phi's first layer, if anything, needs the elements of each member by themselves
        first_is_linear = input_layer is None and encoder == "elementwise" and len(phi_hidden_dims) > 0
        is_moved = context_dim is not None and fusion_type != "film"
        self.shares_elements = layers.n_members is not None and first_is_linear and not is_moved
        self.phi = make_encoder(encoder, self.fused_dim, phi_hidden_dims, activation, phi_dropout, layers)
        self.pooling = SetPooling(pool_type, self.phi.output_dim, sum_scale, layers.linear)

    @property
    def n_members(self) -> int:
        """How many nets run side by side; read from the weights, since a call may be given those of some members."""
        return 1 if self.layers.n_members is None else next(self.parameters()).shape[0]

    @property
    def is_elementwise(self) -> bool:
        """See :class:`Model`."""
        return self.phi.elementwise

    def member_attention(self, packed: PackedSets, phi: Callable[[PackedSets], Tensor]) -> Tensor:
        """The weight of each element in the attention pool of its set, for each member: (K, n); of heads, the mean."""
        packed, size = self.weigh(packed), elements_at_once(self.width(), packed.sizes.device)
        parts = [packed]
        if self.is_elementwise:  # an encoder that sees one element at a time can take a set in parts
            pieces = zip(packed.elements.split(size), packed.segments.split(size), strict=True)
            parts = [PackedSets(elements, segments, packed.sizes) for elements, segments in pieces]
        hidden = (phi(part) for part in parts)
        scores = [self.pooling.attention_scores(rows).unflatten(0, (self.n_members, -1)) for rows in hidden]
        rows = packed.weighted_scores(torch.cat(scores, dim=1).transpose(0, 1).flatten(1))  # (n, K * h)
        shares = softmax_over_sets(rows, packed)
        return shares.unflatten(1, (self.n_members, -1)).mean(dim=2).T

    def member_context(self, context: Tensor | None) -> Tensor | None:
        """The context behind its layer, once for each member: (K * b, c)."""
        return None if context is None else self.context_layer(repeat_rows(context, self.n_members))

    def encode(self, context: Tensor | None) -> Callable[[PackedSets], Tensor]:
        """Phi for the elements of a batch, or of parts of it, given the context of each member's sets: (K * n, k)."""
        return lambda part: self.phi(*self.fused(part, context))

    def fused(self, part: PackedSets, context: Tensor | None) -> Fused:
        """What goes into phi, of each member, for the elements of a batch, or of a part of it."""
        n_members = self.n_members
        rows = (share_rows if self.shares_elements else repeat_rows)(part.elements, n_members)
        # which set an element belongs to matters to a context and to an encoder that sees the whole set
        sees_sets = context is not None or not self.is_elementwise
        return self.fuse(part.repeated(n_members, rows) if sees_sets else part._replace(elements=rows), context)

    def pool(self, packed: PackedSets, phi: Callable[[PackedSets], Tensor]) -> Tensor:
        """The pooled vectors, (K * b, k)."""
        return embed(phi, self.phi, self.pooling, self.weigh(packed), self.n_members)

    def weigh(self, packed: PackedSets) -> PackedSets:
        """The packed sets with the weights of their elements, see ``weight_column``."""
        if self.weight_column is None:
            return packed
        return packed.weigh(self.weight_column, next(self.parameters()).dtype)

    def own_weights(self) -> tuple[int, int]:
        """How many weights there are in phi, with what is before it, and in the pool."""
        return count_weights(self.input_layer, self.fusion, self.phi), count_weights(self.pooling)

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        return WeightCounts(*self.own_weights(), count_weights(self.context_layer))

    def width(self) -> int:
        """See :class:`Model`."""
        return self.phi.width * self.n_members
