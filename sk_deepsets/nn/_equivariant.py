"""DeepSetsEquivariant: a stack of equivariant layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from sk_deepsets.nn._equivariant_layer import PermutationEquivariantLayer
from sk_deepsets.nn._fusion import make_fusion
from sk_deepsets.nn._mlp import make_activation
from sk_deepsets.nn._packed import PackedSets, pack, unpack
from sk_deepsets.nn._pooling import SetPooling


class DeepSetsEquivariant(nn.Module):
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
    final_pool : {"sum", "mean", "max", "min", "std", "attention"}, optional
        Pools the last layer's output over each set.
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    activation : {"relu", "gelu", "silu", "elu", "tanh"}, default="relu"
    residual : bool, default=False
        Whether a layer between two of the same width adds to its input.
    layer_norm : bool, default=False
        Whether the hidden features of each element are normalised before each activation (Ba et al., 2016).
    context_dim : int, optional
        Features of the context of a set.
    fusion_type : {"concat", "add", "film"}, default="concat"
        How elements see the context, as in :class:`DeepSetsConditional`; in the first layer.
    input_layer, context_layer : nn.Module, optional
        What packed elements, and the context, go through first.

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
        context_dim: int | None = None,
        fusion_type: str = "concat",
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.input_layer = input_layer
        self.context_layer = context_layer
        first_dim = hidden_dims[0] if len(hidden_dims) else output_dim
        self.fusion = None if context_dim is None else make_fusion(fusion_type, input_dim, context_dim, first_dim)
        dims = [input_dim if self.fusion is None else self.fusion.output_dim, *hidden_dims, output_dim]
        # a ModuleList rather than a Sequential, since each layer takes the mask (or the cuts) along
        self.layers = nn.ModuleList(
            PermutationEquivariantLayer(before, after, pool_type) for before, after in pairwise(dims)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) if layer_norm else nn.Identity() for dim in hidden_dims)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.final_pool = None if final_pool is None else SetPooling(final_pool, output_dim)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """One output for each element, or with ``final_pool`` for each set.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where an element stands; None: everywhere.
        context : Tensor of shape (b, context_dim), optional

        Returns
        -------
        Tensor
            Of shape (b, m, output_dim), 0 under the mask ((n, output_dim) for PackedSets); of shape
            (b, output_dim) with ``final_pool``.
        """
        packed = x if isinstance(x, PackedSets) else pack(x, mask)
        elements = self._elements(packed, context)
        if self.final_pool is not None:
            return self.final_pool(packed._replace(elements=elements))
        return elements if isinstance(x, PackedSets) else unpack(elements, mask, (x.shape[0], x.shape[1]))

    def _elements(self, packed: PackedSets, context: Tensor | None) -> Tensor:
        """Outputs of the packed elements, (n, output_dim)."""
        if self.input_layer is not None:
            packed = packed._replace(elements=self.input_layer(packed.elements))
        if context is not None and self.context_layer is not None:
            context = self.context_layer(context)
        modulate = None
        if self.fusion is not None:
            packed, modulate = self.fusion(packed, context)
        hidden = packed.elements
        for number, layer in enumerate(self.layers):
            output = layer(packed)
            if number == 0 and modulate is not None:
                output = modulate(output)
            if number < len(self.norms):
                output = self.dropout(self.activation(self.norms[number](output)))
                if self.residual and output.shape == hidden.shape:
                    output = hidden + output
            hidden = output
            packed = packed._replace(elements=hidden)
        return hidden
