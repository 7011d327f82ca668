"""Encoders: the hidden layers that elements go through before the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from torch import Tensor, nn

from sk_deepsets.nn._attention import InducedAttention
from sk_deepsets.nn._equivariant import PermutationEquivariantLayer
from sk_deepsets.nn._layers import ONE_NET, Layers, MakeLinear
from sk_deepsets.nn._mlp import hidden_layers
from sk_deepsets.nn._packed import PackedSets


class Encoder(nn.Sequential):
    """Linear maps of each element by itself (phi of Theorem 2), each followed by the activation and by dropout.

    Without ``hidden_dims`` it is the identity. Subclasses say how their layers are made, and how they are called.

    Attributes
    ----------
    elementwise : bool
        Whether the output for an element depends on this element alone, so that a set may be cut into chunks.
    width : int
        The most values that a layer has for an element.
    output_dim : int
    sees : str
        What goes through it, in words.
    """

    elementwise = True
    sees = "each element by itself"

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        layers: Layers = ONE_NET,
    ) -> None:
        make_layer = self.make_layer(layers)
        super().__init__(*hidden_layers(input_dim, hidden_dims, activation, dropout, make_layer, per_element=True))
        self.dropout = dropout
        self.step = 3 if dropout else 2  # each layer is followed by the activation and by dropout
        self.width = max([1, input_dim, *hidden_dims])
        self.output_dim = [input_dim, *hidden_dims][-1]

    def make_layer(self, layers: Layers) -> MakeLinear:
        """What makes a layer of an input and an output dimension."""
        return layers.linear

    def call_layer(self, layer: nn.Module, packed: PackedSets) -> Tensor:
        """The output of a layer for the elements, (n, k)."""
        return layer(packed.elements)

    @property
    def is_stochastic(self) -> bool:
        """Whether the same element may give another output each time."""
        return self.training and self.dropout > 0

    def forward(self, packed: PackedSets, modulate: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Hidden features of the elements, (n, k); ``modulate`` changes the first layer's output."""
        if not len(self):
            return packed.elements
        packed = packed._replace(elements=self.first_layer(packed, modulate))
        for number, layer in enumerate(islice(self, 1, None), start=1):
            output = layer(packed.elements) if number % self.step else self.call_layer(layer, packed)
            packed = packed._replace(elements=output)
        return packed.elements

    def first_layer(self, packed: PackedSets, modulate: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The output of the first layer, before the activation."""
        output = self.call_layer(self[0], packed)
        return output if modulate is None else modulate(output)


class EquivariantEncoder(Encoder):
    """The layers of Lemma 3, in which each element also sees the maximum over its set."""

    elementwise = False
    sees = "each element with the maximum over its set"

    def make_layer(self, layers: Layers) -> MakeLinear:
        """See :class:`Encoder`."""
        return partial(PermutationEquivariantLayer, linear=layers.linear)

    def call_layer(self, layer: nn.Module, packed: PackedSets) -> Tensor:
        """See :class:`Encoder`."""
        return layer(packed)


class AttentionEncoder(EquivariantEncoder):
    """Layers of induced set attention, in which each element also sees a mean of its set that it weights itself."""

    sees = "each element, which attends to its set,"

    def make_layer(self, layers: Layers) -> MakeLinear:
        """See :class:`Encoder`."""
        return partial(InducedAttention, linear=layers.linear)


ENCODERS: dict[str, type[Encoder]] = {
    "elementwise": Encoder,
    "equivariant": EquivariantEncoder,
    "attention": AttentionEncoder,
}


def make_encoder(
    name: str,
    input_dim: int,
    hidden_dims: Sequence[int],
    activation: str = "relu",
    dropout: float = 0.0,
    layers: Layers = ONE_NET,
) -> Encoder:
    """The encoder of that name."""
    if name not in ENCODERS:
        raise ValueError(f"encoder must be one of {tuple(ENCODERS)}, but got {name!r}.")
    return ENCODERS[name](input_dim, hidden_dims, activation, dropout, layers)
