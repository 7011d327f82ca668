import pytest
import torch
from torch import nn

from sk_deepsets.nn import ACTIVATIONS, Dropout
from sk_deepsets.nn._mlp import hidden_layers, make_activation, mlp

FUNCTIONS = {
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * (1 + torch.erf(torch.tensor(x / 2**0.5)).item()) / 2,
    "silu": lambda x: x / (1 + torch.tensor(-x).exp().item()),
    "elu": lambda x: x if x > 0 else torch.tensor(x).exp().item() - 1,
    "tanh": lambda x: torch.tensor(x).tanh().item(),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("x", [-1.5, 0.0, 0.75])
def test_activations_are_the_functions_they_are_named_after(name, x):
    assert make_activation(name)(torch.tensor(x)).item() == pytest.approx(FUNCTIONS[name](x), abs=1e-6)


def test_an_unknown_activation_is_refused_by_name():
    with pytest.raises(ValueError, match=r"activation must be one of \('relu', .*\), but got 'softmax'"):
        hidden_layers(3, [4], activation="softmax")


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_each_linear_map_is_followed_by_activation_and_dropout(dropout):
    layers = hidden_layers(3, [4, 5], "tanh", dropout)
    block = [nn.Linear, nn.Tanh, Dropout] if dropout else [nn.Linear, nn.Tanh]
    assert [type(layer) for layer in layers] == block * 2
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(3, 4), (4, 5)]
    assert all(layer.p == dropout for layer in layers if isinstance(layer, Dropout))


def test_without_hidden_dims_there_is_no_layer():
    assert hidden_layers(3, [], dropout=0.5) == []


@pytest.mark.parametrize("hidden_dims", [[], [4], (4, 5)])
def test_the_last_layer_is_linear(hidden_dims):
    layers = mlp(3, hidden_dims, 2, dropout=0.25)
    assert isinstance(layers[-1], nn.Linear)
    assert (layers[-1].in_features, layers[-1].out_features) == ([3, *hidden_dims][-1], 2)
    assert len(layers) == 3 * len(hidden_dims) + 1
