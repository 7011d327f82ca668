"""Encoder: the hidden layers that elements go through before the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from sk_deepsets.nn._equivariant import PermutationEquivariantLayer
from sk_deepsets.nn._mlp import MakeLinear, hidden_layers
from sk_deepsets.nn._packed import PackedSets


class Encoder(nn.Sequential):
    """Layers over the elements of a packed batch, each followed by the activation and by dropout.

    Without ``hidden_dims`` it is the identity. Of kind ``"elementwise"``, the layers are linear maps of each
    element by itself (phi of Theorem 2); of kind ``"equivariant"``, they are those of Lemma 3, in which each element
    also sees the maximum over its set.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        kind: str = "elementwise",
        linear: MakeLinear = nn.Linear,
    ) -> None:
        if kind not in ("elementwise", "equivariant"):
            raise ValueError(f'encoder must be "elementwise" or "equivariant", but got {kind!r}.')
        make_layer = linear if kind == "elementwise" else partial(PermutationEquivariantLayer, linear=linear)
        super().__init__(*hidden_layers(input_dim, hidden_dims, activation, dropout, make_layer))
        self.elementwise = kind == "elementwise"
        self.dropout = dropout
        self.width = max([1, input_dim, *hidden_dims])
        self.output_dim = [input_dim, *hidden_dims][-1]

    @property
    def drops_out(self) -> bool:
        """Whether the same element may give another output each time."""
        return self.training and self.dropout > 0

    def forward(self, packed: PackedSets, modulate: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Hidden features of the elements, (n, k); ``modulate`` changes the first layer's output."""
        for number, layer in enumerate(self):
            output = layer(packed) if isinstance(layer, PermutationEquivariantLayer) else layer(packed.elements)
            if number == 0 and modulate is not None:
                output = modulate(output)
            packed = packed._replace(elements=output)
        return packed.elements
