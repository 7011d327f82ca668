"""DeepSetsInvariant and DeepSetsConditional: one output for each set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sk_deepsets.nn._chunked import embed
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._fusion import SetModel
from sk_deepsets.nn._leave_one_out import elements_at_once, leave_one_out
from sk_deepsets.nn._mlp import mlp
from sk_deepsets.nn._packed import PackedSets, pack
from sk_deepsets.nn._pools import PoolType, SetPooling


class DeepSetsInvariant(SetModel):
    """f(X) = rho(pool_i phi(x_i)), Theorem 2 of Zaheer et al. (2017), "Deep Sets".

    Parameters
    ----------
    input_dim : int
        Features of an element.
    phi_hidden_dims : sequence of int
        Widths of the layers of phi, which every element goes through; each is followed by the activation.
        Empty: phi is the identity.
    rho_hidden_dims : sequence of int
        Widths of the hidden layers of rho, which follow the pool. Empty: rho is one linear map.
    output_dim : int
    pool_type : {"sum", "mean", "max", "min", "std", "attention"} or a sequence of them, default="sum"
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.
    activation : {"relu", "gelu", "silu", "elu", "tanh"}, default="relu"
    encoder : {"elementwise", "equivariant"}, default="elementwise"
        Whether phi takes each element by itself, as in the theorem, or has the layers of Lemma 3, in which each
        element also sees the maximum over its set.
    sum_scale : float, default=1.0
        Constant factor of the sum pool, see :class:`SetPooling`.
    input_layer : nn.Module, optional
        What packed elements (n, ...) go through before phi, such as a standardisation; gives (n, input_dim). It
        must give the same output each time: no dropout.

    Attributes
    ----------
    phi, pooling, rho : nn.Module

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import DeepSetsInvariant
    >>> model = DeepSetsInvariant(input_dim=3, phi_hidden_dims=[16, 8], rho_hidden_dims=[8], output_dim=2)
    >>> x = torch.randn(4, 5, 3)  # 4 sets of up to 5 elements
    >>> mask = torch.arange(5) < torch.tensor([5, 2, 0, 1])[:, None]
    >>> model(x, mask).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        input_dim: int,
        phi_hidden_dims: Sequence[int],
        rho_hidden_dims: Sequence[int],
        output_dim: int,
        pool_type: PoolType = "sum",
        dropout: float = 0.0,
        *,
        activation: str = "relu",
        encoder: str = "elementwise",
        sum_scale: float = 1.0,
        input_layer: nn.Module | None = None,
    ) -> None:
        super().__init__(input_dim, input_layer=input_layer)
        self.phi = Encoder(self.fused_dim, phi_hidden_dims, activation, dropout, encoder)
        self.pooling = SetPooling(pool_type, self.phi.output_dim, sum_scale)
        self.rho = mlp(self.pooling.output_dim, rho_hidden_dims, output_dim, activation, dropout)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """One output for each set.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), a jagged nested tensor, or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.

        Returns
        -------
        Tensor of shape (b, output_dim)
        """
        return self.rho(self.embed(x, mask))

    def embed(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """The pooled embedding of each set, (b, k); arguments as in ``forward``."""
        return embed(lambda packed: self.phi(*self.fuse(packed)), self.phi, self.pooling, pack(x, mask))

    def pooled_elements(self, packed: PackedSets) -> PackedSets:
        """What the pool takes of each element: the output of phi, (n, k)."""
        return packed._replace(elements=self.phi(*self.fuse(packed)))

    def leave_one_out(self, packed: PackedSets) -> Tensor:
        """The output for its set without it, for each element: (n, output_dim); the encoder must be elementwise."""
        size = elements_at_once(self.phi, packed.elements.device)
        pooled = leave_one_out(lambda part: self.phi(*self.fuse(part)), self.pooling, packed, size)
        return torch.cat([self.rho(of_chunk) for _, of_chunk in pooled])


class DeepSetsConditional(SetModel):
    """Deep Sets with a context vector for each set: rho([pool_i phi(x_i, z), z]).

    The context enters each element (``fusion_type``) and, with ``context_in_rho``, what follows the pool.

    Parameters
    ----------
    input_dim, context_dim : int
        Features of an element, and of the context of a set.
    phi_hidden_dims, rho_hidden_dims, output_dim, pool_type
        As in :class:`DeepSetsInvariant`.
    fusion_type : {"concat", "add", "film"}, default="concat"
        How phi sees the context z. ``"concat"``: phi takes [x, z]. ``"add"``: phi takes x + W z. ``"film"``: the
        first layer's output h becomes activation(gamma(z) * h + beta(z)) with linear gamma and beta (Perez et al.,
        2018, "FiLM: Visual reasoning with a general conditioning layer").
    context_in_rho : bool, default=True
        Whether rho takes [pooled, z] in place of the pooled vector alone.
    dropout, activation, encoder, sum_scale, input_layer
        As in :class:`DeepSetsInvariant`.
    context_layer : nn.Module, optional
        What the context goes through before anything else; gives (b, context_dim).

    Raises
    ------
    ValueError
        For ``fusion_type="film"`` without a layer in phi.
    """

    def __init__(
        self,
        input_dim: int,
        context_dim: int,
        phi_hidden_dims: Sequence[int],
        rho_hidden_dims: Sequence[int],
        output_dim: int,
        pool_type: PoolType = "sum",
        fusion_type: str = "concat",
        context_in_rho: bool = True,
        dropout: float = 0.0,
        *,
        activation: str = "relu",
        encoder: str = "elementwise",
        sum_scale: float = 1.0,
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
    ) -> None:
        first_dim = phi_hidden_dims[0] if len(phi_hidden_dims) else None
        super().__init__(input_dim, first_dim, context_dim, fusion_type, input_layer, context_layer)
        self.context_in_rho = context_in_rho
        self.phi = Encoder(self.fused_dim, phi_hidden_dims, activation, dropout, encoder)
        self.pooling = SetPooling(pool_type, self.phi.output_dim, sum_scale)
        rho_input_dim = self.pooling.output_dim + (context_dim if context_in_rho else 0)
        self.rho = mlp(rho_input_dim, rho_hidden_dims, output_dim, activation, dropout)

    def forward(self, x: Tensor | PackedSets, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """One output for each set.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), a jagged nested tensor, or PackedSets
        context : Tensor of shape (b, context_dim)
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.

        Returns
        -------
        Tensor of shape (b, output_dim)
        """
        context = self.context_layer(context)
        return self._rho(self._embed(x, context, mask), context)

    def embed(self, x: Tensor | PackedSets, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """The pooled embedding of each set, (b, k); arguments as in ``forward``."""
        return self._embed(x, self.context_layer(context), mask)

    def _embed(self, x: Tensor | PackedSets, context: Tensor, mask: Tensor | None) -> Tensor:
        return embed(lambda packed: self.phi(*self.fuse(packed, context)), self.phi, self.pooling, pack(x, mask))

    def _rho(self, pooled: Tensor, context: Tensor) -> Tensor:
        return self.rho(torch.cat([pooled, context], dim=-1) if self.context_in_rho else pooled)

    def pooled_elements(self, packed: PackedSets, context: Tensor) -> PackedSets:
        """What the pool takes of each element: the output of phi, (n, k)."""
        return packed._replace(elements=self.phi(*self.fuse(packed, self.context_layer(context))))

    def leave_one_out(self, packed: PackedSets, context: Tensor) -> Tensor:
        """The output for its set without it, for each element: (n, output_dim); the encoder must be elementwise."""
        context, size = self.context_layer(context), elements_at_once(self.phi, packed.elements.device)
        pooled = leave_one_out(lambda part: self.phi(*self.fuse(part, context)), self.pooling, packed, size)
        return torch.cat([self._rho(one, context.index_select(0, packed.segments[rows])) for rows, one in pooled])
