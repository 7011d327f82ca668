"""Equivariant models: one output for each element, which depends on the whole set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from sk_deepsets.nn._dropout import Dropout
from sk_deepsets.nn._layers import ONE_NET, Layers, MakeLinear, repeat_rows, share_rows
from sk_deepsets.nn._mlp import make_activation
from sk_deepsets.nn._model import SetModel, WeightCounts, count_weights
from sk_deepsets.nn._packed import PackedSets, pack, unpack
from sk_deepsets.nn._set_pooling import SetPooling


class PermutationEquivariantLayer(nn.Module):
    """f(x)_i = Lambda x_i + Gamma pool(X), Lemma 3 of Zaheer et al. (2017), "Deep Sets".

    Parameters
    ----------
    input_dim, output_dim : int
    pool_type : {"max", "sum"}, default="max"
    sum_scale : float, default=1.0
        Constant factor of the sum, as in :class:`SetPooling`.
    linear : callable, default=nn.Linear
        Makes Lambda and Gamma.

    Raises
    ------
    ValueError
        For any other pool: a mean depends on the set's size, which breaks the lemma's form.

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import PermutationEquivariantLayer
    >>> layer = PermutationEquivariantLayer(3, 5, pool_type="sum")
    >>> layer(torch.randn(2, 4, 3), mask=torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])).shape
    torch.Size([2, 4, 5])
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        pool_type: str = "max",
        *,
        sum_scale: float = 1.0,
        linear: MakeLinear = nn.Linear,
    ) -> None:
        super().__init__()
        if pool_type not in ("max", "sum"):
            raise ValueError(f'pool_type must be "max" or "sum", but got {pool_type!r}.')
        self.pool_type = pool_type
        self.sum_scale = sum_scale
        self.Lambda = linear(input_dim, output_dim)
        self.Gamma = linear(input_dim, output_dim, bias=False)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """One output for each element.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), a jagged nested tensor, or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.

        Returns
        -------
        Tensor of shape (b, m, output_dim), 0 under the mask; (n, output_dim) for PackedSets
        """
        packed = pack(x, mask)
        return unpack(self.Lambda(packed.elements) + packed.spread(self.Gamma(self.pool(packed))), x, mask)

    def pool(self, packed: PackedSets) -> Tensor:
        """What Gamma takes of each set, (b, input_dim)."""
        if self.pool_type == "max":
            return packed.max(packed.elements)
        return packed.sum(packed.weighted(packed.elements)) * self.sum_scale

    def extra_repr(self) -> str:
        """What ``print(module)`` shows of the pool."""
        return f"pool_type={self.pool_type!r}, sum_scale={self.sum_scale:.4g}"


class DeepSetsEquivariant(SetModel):
    """A stack of equivariant layers with an activation between them; with ``final_pool`` an invariant model.

    Parameters
    ----------
    input_dim : int
        Features of an element.
    hidden_dims : sequence of int
        Widths between the layers. Empty: one layer.
    output_dim : int
    pool_type : {"max", "sum"}, default="max"
        Pool of every layer.
    final_pool : {"sum", "mean", "max", "min", "std", "attention", "pma"}, optional
        Pools the last layer's output over each set.
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.
    activation : {"relu", "gelu", "silu", "elu", "tanh"}, default="relu"
    residual : bool, default=False
        Whether a layer between two of the same width adds to its input.
    layer_norm : bool, default=False
        Whether the hidden features of each element are normalised before each activation (Ba et al., 2016).
    sum_scale : float, default=1.0
        Constant factor of the sums of ``pool_type="sum"`` (and of a sum as ``final_pool``): one over a typical set
        size keeps training stable.
    context_dim : int, optional
        Features of the context of a set.
    fusion_type : {"concat", "add", "film"}, default="concat"
        How elements see the context, as in :class:`DeepSetsConditional`; in the first layer.
    input_layer, context_layer : nn.Module, optional
        What packed elements, and the context, go through before the first layer.
    statistics_dim : int, default=0
        Width of the statistics of a set that the first layer sees, too.
    member_layers : Layers
        Makes all layers with weights: those of one net, or of the members of a stack.

    Attributes
    ----------
    layers : nn.ModuleList of PermutationEquivariantLayer

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import DeepSetsEquivariant
    >>> x = torch.randn(2, 4, 3)
    >>> DeepSetsEquivariant(3, [8, 8], 5)(x).shape
    torch.Size([2, 4, 5])
    >>> DeepSetsEquivariant(3, [8, 8], 5, final_pool="mean")(x).shape
    torch.Size([2, 5])
    """

    pooling = None

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        output_dim: int,
        pool_type: str = "max",
        final_pool: str | None = None,
        dropout: float = 0.0,
        *,
        activation: str = "relu",
        residual: bool = False,
        layer_norm: bool = False,
        sum_scale: float = 1.0,
        context_dim: int | None = None,
        fusion_type: str = "concat",
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
        statistics_dim: int = 0,
        member_layers: Layers = ONE_NET,
    ) -> None:
        first_dim = [*hidden_dims, output_dim][0]
        super().__init__(input_dim, first_dim, context_dim, fusion_type, input_layer, context_layer, member_layers)
        self.member_layers = member_layers
        is_moved = input_layer is not None or (context_dim is not None and fusion_type != "film")
        self.shares_elements = member_layers.n_members is not None and not is_moved
        self.residual = residual
        # a ModuleList rather than a Sequential, since each layer takes the mask (or the cuts) along
        self.layers = nn.ModuleList(
            PermutationEquivariantLayer(before, after, pool_type, sum_scale=sum_scale, linear=member_layers.linear)
            for before, after in pairwise([self.fused_dim, *hidden_dims, output_dim])
        )
        make_norm = member_layers.norm if layer_norm else nn.Identity
        self.norms = nn.ModuleList(make_norm(dim) for dim in hidden_dims)
        self.statistics_layer = member_layers.linear(statistics_dim, first_dim, bias=False) if statistics_dim else None
        self.activation = make_activation(activation)
        self.dropout = Dropout(dropout, per_element=True)
        self.final_pool = None if final_pool is None else SetPooling(final_pool, output_dim, sum_scale)

    def forward(
        self,
        x: Tensor | PackedSets,
        mask: Tensor | None = None,
        context: Tensor | None = None,
        statistics: Tensor | None = None,
    ) -> Tensor:
        """One output for each element, or with ``final_pool`` for each set.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), a jagged nested tensor, or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where there is an element; None: everywhere.
        context : Tensor of shape (b, context_dim), optional
        statistics : Tensor of shape (b, statistics_dim), optional

        Returns
        -------
        Tensor
            Of shape (b, m, output_dim), 0 under the mask ((n, output_dim) for PackedSets); of shape
            (b, output_dim) with ``final_pool``. Of a stack of K members, those of member 0 come first, (K * n, o).
        """
        packed, output = self._first_layer(pack(x, mask), context, statistics)
        for number, layer in enumerate(self.layers):
            if number:
                output = layer(packed)
            if number < len(self.norms):
                output = self.dropout(self.activation(self.norms[number](output)))
                if self.residual and output.shape == packed.elements.shape:
                    output = packed.elements + output
            packed = packed._replace(elements=output)
        return unpack(packed.elements, x, mask) if self.final_pool is None else self.final_pool(packed)

    def _first_layer(
        self, packed: PackedSets, context: Tensor | None, statistics: Tensor | None
    ) -> tuple[PackedSets, Tensor]:
        """The elements of each member, and the output of the first layer for them."""
        n_members = self.n_members
        if context is not None:
            context = self.context_layer(repeat_rows(context, n_members))
        first: Any = self.layers[0]  # a ModuleList does not say of what
        if self.shares_elements:  # what all members take is pooled once
            pooled = share_rows(first.pool(packed), n_members)
            packed, modulate = self.fuse(packed.repeated(n_members, share_rows(packed.elements, n_members)), context)
            output = first.Lambda(packed.elements) + packed.spread(first.Gamma(pooled))
        else:
            members = packed.repeated(n_members, repeat_rows(packed.elements, n_members))
            packed, modulate = self.fuse(members, context)
            output = first(packed)
        if self.statistics_layer is not None and statistics is not None:
            shared = self.member_layers.n_members is not None
            rows = share_rows(statistics, n_members) if shared else statistics
            output = output + packed.spread(self.statistics_layer(rows))
        return packed, output if modulate is None else modulate(output)

    @property
    def n_members(self) -> int:
        """How many nets run side by side; read from the weights, since a call may be given those of some members."""
        return 1 if self.member_layers.n_members is None else next(self.parameters()).shape[0]

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`."""
        return WeightCounts(count_weights(self), 0, 0)
