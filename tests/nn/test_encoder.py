import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from sk_deepsets.nn import Dropout, pack
from sk_deepsets.nn._encoder import make_encoder
from tests.nn.layers import KINDS, run_layer


def encode(weights, elements, kind):
    """Two hidden layers of one set (n, 3), in NumPy."""
    for layer in ("0.", "2."):
        elements = np.maximum(run_layer(kind, weights, layer, elements), 0)
    return elements


@pytest.mark.parametrize("kind", KINDS)
def test_each_set_is_encoded_as_in_numpy(make_batch, kind):
    x, mask = make_batch([3, 0, 1, 5])
    encoder = make_encoder(kind, 3, [4, 5]).double()
    weights = {name: value.numpy() for name, value in encoder.state_dict().items()}
    expected = np.concatenate([encode(weights, x[i][mask[i]].numpy(), kind) for i in (0, 2, 3)])
    assert_close(encoder(pack(x, mask)).detach(), torch.from_numpy(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_without_layers_it_is_the_identity(make_batch, kind):
    packed = pack(*make_batch([3, 0, 1]))
    encoder = make_encoder(kind, 3, [], dropout=0.5)
    assert torch.equal(encoder(packed), packed.elements)
    assert encoder.output_dim == 3
    assert list(encoder.parameters()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_elementwise_kind_says_that_elements_do_not_see_each_other(make_batch, kind):
    packed = pack(*make_batch([4]))
    encoder = make_encoder(kind, 3, [16, 16], activation="tanh").double()
    changed = packed.elements.clone()
    changed[0] = 10
    others_unchanged = torch.equal(encoder(packed)[1:], encoder(packed._replace(elements=changed))[1:])
    assert others_unchanged == encoder.elementwise == (kind == "elementwise")


@pytest.mark.parametrize("kind", KINDS)
def test_modulate_acts_on_the_first_layer_before_its_activation(make_batch, kind):
    packed = pack(*make_batch([3, 0, 1]))
    encoder = make_encoder(kind, 3, [4, 5]).double()
    seen = []
    encoder[0].register_forward_hook(lambda module, inputs, output: seen.append(output))

    def modulate(hidden):
        seen.append(hidden)
        return -hidden

    output = encoder(packed, modulate)
    assert len(seen) == 2
    assert torch.equal(*seen)
    rest = packed._replace(elements=(-seen[0]).relu())
    assert_close(output, encoder[2](rest.elements if kind == "elementwise" else rest).relu())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_each_layer_is_followed_by_activation_and_dropout(kind, dropout):
    encoder = make_encoder(kind, 3, [4, 5], "silu", dropout)
    followers = [nn.SiLU, Dropout] if dropout else [nn.SiLU]
    assert [type(layer) for layer in encoder] == [type(encoder[0]), *followers] * 2
    assert encoder.output_dim == 5


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(ValueError, match=r"encoder must be one of .*elementwise.* but got 'transformer'"):
        make_encoder("transformer", 3, [4])
