"""DeepSets: one output for each set, by one net or by the members of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sk_deepsets.nn._model import WeightCounts
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._read_out import Part, ReadOut
from sk_deepsets.nn._set_embedding import SetEmbedding
from sk_deepsets.nn._set_pooling import PoolType


class DeepSets(SetEmbedding, ReadOut):
    """f(X) = rho([pool_i phi(x_i, z), s, z]) with a context z and statistics s of the set, where there are any.

    Of a stack of K members each gives an output: those of member 0 for all sets come first, (K * b, output_dim).

    Parameters
    ----------
    input_dim, phi_hidden_dims, rho_hidden_dims, output_dim, pool_type, activation
        As in :class:`DeepSetsInvariant`.
    context_dim, context_in_rho
        As in :class:`DeepSetsConditional`.
    statistics_dim : int, default=0
        Width of what rho takes beside the pooled vector and the context.
    pooled_dropout, rho_dropout : float, default=0.0
        Share of the pooled values, and of the hidden units of rho, dropped in training.
    **options
        Further arguments of :class:`SetEmbedding`.
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
        context_in_rho: bool = True,
        statistics_dim: int = 0,
        pooled_dropout: float = 0.0,
        rho_dropout: float = 0.0,
        activation: str = "relu",
        **options: Any,
    ) -> None:
        super().__init__(
            input_dim, phi_hidden_dims, pool_type, context_dim=context_dim, activation=activation, **options
        )
        self.context_in_rho = context_in_rho
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
        return (self,)

    @property
    def n_members(self) -> int:
        """See :class:`SetEmbedding`; to walk through all modules for the first parameter takes far longer."""
        return 1 if self.layers.n_members is None else self.rho[0].bias.shape[0]  # type: ignore[index,return-value]

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        return ReadOut.weight_counts(self)

    def split(self, packed: PackedSets) -> list[Part]:
        """See :class:`ReadOut`."""
        return [Part(torch.arange(packed.elements.shape[0], device=packed.elements.device), packed)]
