import pytest
import torch
from torch import nn

from sk_deepsets.nn import ACTIVATIONS
from sk_deepsets.nn._mlp import hidden_layers, last_dim, make_activation

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
    block = [nn.Linear, nn.Tanh, nn.Dropout] if dropout else [nn.Linear, nn.Tanh]
    assert [type(layer) for layer in layers] == block * 2
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(3, 4), (4, 5)]
    assert all(layer.p == dropout for layer in layers if isinstance(layer, nn.Dropout))


def test_without_hidden_dims_there_is_no_layer():
    assert hidden_layers(3, [], dropout=0.5) == []


@pytest.mark.parametrize(("hidden_dims", "expected"), [([], 3), ((), 3), ([4], 4), ((4, 5), 5)])
def test_last_dim_is_the_last_width_or_the_input(hidden_dims, expected):
    assert last_dim(3, hidden_dims) == expected
