"""DeepSetsInvariant and DeepSetsConditional: one net of Deep Sets, with the arguments of the papers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sk_deepsets.nn._deep_sets import DeepSets
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._set_pooling import PoolType


class DeepSetsInvariant(DeepSets):
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
    pool_type : {"sum", "mean", "max", "min", "std", "attention", "pma"} or a sequence of them, default="sum"
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.
    activation : {"relu", "gelu", "silu", "elu", "tanh"}, default="relu"
    encoder : {"elementwise", "equivariant", "attention"}, default="elementwise"
        Whether phi takes each element by itself, as in the theorem, or has the layers of Lemma 3, in which each
        element also sees the maximum over its set, or those of :class:`InducedAttention`.
    sum_scale : float, default=1.0
        Constant factor of the sum pool, see :class:`SetPooling`.
    input_layer : nn.Module, optional
        What packed elements (n, ...) go through before phi, such as a standardisation; gives (n, input_dim). It
        must give the same output each time: no dropout.
    weight_column : int, optional
        Which column of ``x`` weighs the elements in the pool, as the energies of particles do in an energy flow network
        (Komiske, Metodiev and Thaler, 2019): a sum is sum_i w_i phi(x_i). ``input_layer`` must leave it out.

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
        weight_column: int | None = None,
    ) -> None:
        super().__init__(
            input_dim,
            phi_hidden_dims,
            rho_hidden_dims,
            output_dim,
            pool_type,
            phi_dropout=dropout,
            rho_dropout=dropout,
            activation=activation,
            encoder=encoder,
            sum_scale=sum_scale,
            input_layer=input_layer,
            weight_column=weight_column,
        )


class DeepSetsConditional(DeepSets):
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
    dropout, activation, encoder, sum_scale, input_layer, weight_column
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
        weight_column: int | None = None,
    ) -> None:
        super().__init__(
            input_dim,
            phi_hidden_dims,
            rho_hidden_dims,
            output_dim,
            pool_type,
            context_dim=context_dim,
            fusion_type=fusion_type,
            context_in_rho=context_in_rho,
            phi_dropout=dropout,
            rho_dropout=dropout,
            activation=activation,
            encoder=encoder,
            sum_scale=sum_scale,
            input_layer=input_layer,
            weight_column=weight_column,
            context_layer=context_layer,
        )

    def forward(  # type: ignore[override]  # the context comes first, and is needed
        self, x: Tensor | PackedSets, context: Tensor, mask: Tensor | None = None
    ) -> Tensor:
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
        return super().forward(x, mask, context)

    def embed(  # type: ignore[override]
        self, x: Tensor | PackedSets, context: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The pooled embedding of each set, (b, k); arguments as in ``forward``."""
        return super().embed(x, mask, context)
