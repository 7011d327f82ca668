"""The multilayer perceptrons that phi and rho are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from sk_deepsets.nn._dropout import Dropout
from sk_deepsets.nn._layers import ONE_NET, Layers, MakeLinear

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),  # what a layer gives needs no memory of its own before it
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
}


def make_activation(name: str) -> nn.Module:
    """The activation of that name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {tuple(ACTIVATIONS)}, but got {name!r}.")
    return ACTIVATIONS[name]()


def hidden_layers(
    input_dim: int,
    hidden_dims: Sequence[int],
    activation: str = "relu",
    dropout: float = 0.0,
    make_layer: MakeLinear = nn.Linear,
    per_element: bool = False,
) -> list[nn.Module]:
    """Layers, each followed by the activation and, when there is any, dropout."""
    layers: list[nn.Module] = []
    for hidden_dim in hidden_dims:
        layers += [make_layer(input_dim, hidden_dim), make_activation(activation)]
        if dropout:
            layers.append(Dropout(dropout, per_element))
        input_dim = hidden_dim
    return layers


def mlp(
    input_dims: Sequence[int],
    hidden_dims: Sequence[int],
    output_dim: int,
    activation: str = "relu",
    dropout: float = 0.0,
    layers: Layers = ONE_NET,
) -> nn.Sequential:
    """Hidden layers and a last linear map, of inputs of these widths side by side."""
    first_dim, *others = [*hidden_dims, output_dim]
    first = layers.linear(input_dims, first_dim)
    if not hidden_dims:
        return nn.Sequential(first)
    hidden = hidden_layers(first_dim, others[:-1], activation, dropout, layers.linear)
    between = [make_activation(activation), *([Dropout(dropout)] if dropout else [])]
    return nn.Sequential(first, *between, *hidden, layers.linear(hidden_dims[-1], output_dim))
