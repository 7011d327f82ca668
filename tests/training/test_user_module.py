"""PaddedModule: a module called as forward(x, mask) in the place of the package's core."""

import pytest
import torch
from torch import nn

from sk_deepsets.nn import PackedSets, pack
from sk_deepsets.training._user_module import PaddedModule


class Recorder(nn.Module):
    """Sums elements under the mask, and keeps what it was built and called with."""

    def __init__(self, **dims):
        super().__init__()
        self.dims = dims
        self.linear = nn.Linear(dims["input_dim"], dims["output_dim"])

    def embed(self, x, mask, **context):
        self.seen = x, mask, context
        return (x * mask.unsqueeze(-1)).sum(1)

    def forward(self, x, mask, **context):
        return self.linear(self.embed(x, mask, **context))


class WrongShape(Recorder):
    def forward(self, x, mask):
        return super().forward(x, mask)[:, 0]


class PerElement(Recorder):
    def forward(self, x, mask):
        return self.linear(x)


@pytest.fixture
def padded():
    x = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(4) < torch.tensor([2, 0, 4])[:, None]
    return x.masked_fill(~mask.unsqueeze(-1), 0), mask


def test_the_module_is_built_with_its_dimensions_only(padded):
    assert PaddedModule(Recorder, 2, 3).module.dims == {"input_dim": 2, "output_dim": 3}
    with_context = PaddedModule(Recorder, 2, 3, context_dim=5)
    assert with_context.module.dims == {"input_dim": 2, "output_dim": 3, "context_dim": 5}


def test_the_module_sees_the_padded_batch_it_was_packed_from(padded):
    x, mask = padded
    model = PaddedModule(Recorder, 2, 3)
    output = model(pack(x, mask))
    seen_x, seen_mask, context = model.module.seen
    assert torch.equal(seen_x, x)
    assert torch.equal(seen_mask, mask)
    assert context == {}
    torch.testing.assert_close(output, model.module.linear(x.sum(1)))


def test_padding_is_no_wider_than_the_largest_set(padded):
    x, mask = padded
    model = PaddedModule(Recorder, 2, 3)
    model(pack(x[:2], mask[:2]))
    assert model.module.seen[0].shape == (2, 2, 2)


def test_a_batch_of_empty_sets_goes_through():
    model = PaddedModule(Recorder, 2, 3)
    packed = PackedSets(torch.empty(0, 2), torch.empty(0, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    assert torch.isfinite(model(packed)).all()


def test_elements_and_context_go_through_their_layers_first_and_padding_does_not(padded):
    x, mask = padded
    shift = nn.Linear(2, 2)
    context = torch.ones(3, 5)
    model = PaddedModule(Recorder, 2, 3, 5, input_layer=shift, context_layer=nn.Linear(5, 5, bias=False))
    model(pack(x, mask), context)
    seen_x, _, seen_context = model.module.seen
    torch.testing.assert_close(seen_x[mask], shift(x[mask]))
    assert (seen_x[~mask] == 0).all()
    torch.testing.assert_close(seen_context["context"], model.context_layer(context))


def test_context_without_a_layer_arrives_as_it_is(padded):
    x, mask = padded
    context = torch.randn(3, 5)
    model = PaddedModule(Recorder, 2, 3, 5)
    model(pack(x, mask), context)
    assert model.module.seen[2]["context"] is context


def test_embed_is_the_modules_own(padded):
    x, mask = padded
    torch.testing.assert_close(PaddedModule(Recorder, 2, 3).embed(pack(x, mask)), x.sum(1))


@pytest.mark.parametrize(("module", "shape"), [(WrongShape, r"\(3,\)"), (PerElement, r"\(3, 4, 3\)")])
def test_an_output_of_the_wrong_shape_is_an_error(padded, module, shape):
    x, mask = padded
    with pytest.raises(ValueError, match=rf"output of shape {shape}; wanted \(b, output_dim\), \(3, 3\)"):
        PaddedModule(module, 2, 3)(pack(x, mask))


def test_gradients_reach_the_modules_weights(padded):
    x, mask = padded
    model = PaddedModule(Recorder, 2, 3)
    model(pack(x, mask)).square().sum().backward()
    assert model.module.linear.weight.grad.abs().sum() > 0
