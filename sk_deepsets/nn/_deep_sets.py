"""DeepSets: one output for each set, by one net or by the members of a stack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sk_deepsets.nn._dropout import Dropout
from sk_deepsets.nn._layers import ONE_NET, Layers
from sk_deepsets.nn._leave_one_out import elements_at_once, leave_one_out
from sk_deepsets.nn._mlp import mlp, read_out
from sk_deepsets.nn._model import WeightCounts, count_weights
from sk_deepsets.nn._packed import PackedSets, pack
from sk_deepsets.nn._set_embedding import SetEmbedding
from sk_deepsets.nn._set_pooling import PoolType


class DeepSets(SetEmbedding):
    """f(X) = rho([pool_i phi(x_i, z), s, z]) with a context z and statistics s of the set, where there are any.

    Of a stack of K members each gives an output: those of member 0 for all sets come first, (K * b, output_dim).

    Parameters
    ----------
    input_dim, phi_hidden_dims, rho_hidden_dims, output_dim, pool_type, activation, encoder, sum_scale, input_layer
        As in :class:`DeepSetsInvariant`; with members, ``input_layer`` takes the rows of all members.
    context_dim, fusion_type, context_in_rho, context_layer
        As in :class:`DeepSetsConditional`.
    statistics_dim : int, default=0
        Width of what rho takes beside the pooled vector and the context.
    phi_dropout, pooled_dropout, rho_dropout : float, default=0.0
        Share of the hidden units of phi, of the pooled values, and of the hidden units of rho, dropped in training.
    layers : Layers
        Makes all layers with weights: those of one net, or of the members of a stack.
    weight_column : int, optional
        See :class:`SetEmbedding`.
    """

    def __init__(
        self,
        input_dim: int,
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
        sum_scale: float = 1.0,
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
        layers: Layers = ONE_NET,
        weight_column: int | None = None,
    ) -> None:
        super().__init__(
            input_dim,
            phi_hidden_dims,
            pool_type,
            context_dim=context_dim,
            fusion_type=fusion_type,
            phi_dropout=phi_dropout,
            activation=activation,
            encoder=encoder,
            sum_scale=sum_scale,
            input_layer=input_layer,
            context_layer=context_layer,
            layers=layers,
            weight_column=weight_column,
        )
        self.context_in_rho = context_in_rho
        self.dropout = Dropout(pooled_dropout) if pooled_dropout else nn.Identity()
        rho_input_dims = (self.pooling.output_dim, statistics_dim, (context_dim or 0) * context_in_rho)
        self.rho = mlp(rho_input_dims, rho_hidden_dims, output_dim, activation, rho_dropout, layers)

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
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.
        context : Tensor of shape (b, context_dim), optional
        statistics : Tensor of shape (b, statistics_dim), optional

        Returns
        -------
        Tensor of shape (b, output_dim)
        """
        context = self.member_context(context)
        return self.read_out(self.pool(pack(x, mask), self.encode(context)), context, statistics)

    def leave_one_out(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """See :class:`Model`."""
        context, size = self.member_context(context), elements_at_once(self.width(), packed.sizes.device)
        found = []
        for rows, pooled in leave_one_out(self.encode(context), self.pooling, self.weigh(packed), size):
            own = None if context is None else context.index_select(0, packed.segments[rows])
            found.append(self.read_out(pooled, own))
        return torch.cat(found)

    def read_out(self, pooled: Tensor, context: Tensor | None, statistics: Tensor | None = None) -> Tensor:
        """The outputs (K * b, output_dim) for pooled vectors and contexts of as many rows; statistics are shared."""
        context = context if self.context_in_rho else None
        return read_out(self.rho, self.layers, [self.dropout(pooled)], statistics, context, self.n_members)

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        counts = super().weight_counts()
        return counts._replace(rho=counts.rho + count_weights(self.rho))
