"""PaddedModule: a module called as forward(x, mask) in the place of the package's core."""

import copy

import pytest
import torch
from torch import nn

from sk_deepsets.nn import PackedSets, pack
from sk_deepsets.training._user_module import ModuleEnsemble, PaddedModule


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


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda out: out[:, 0], ValueError, r"a tensor of shape \(3,\); expected \(b, output_dim\), here \(3, 3\)"),
        (lambda out: out[:2], ValueError, r"a tensor of shape \(2, 3\); expected \(b, output_dim\), here \(3, 3\)"),
        (lambda out: out[:, None], ValueError, r"a tensor of shape \(3, 1, 3\); expected"),
        (
            lambda out: (out, out),
            TypeError,
            r"a tuple of 2; expected one tensor .*\(3, 3\). Return the logits or values alone",
        ),
        (lambda out: [out], TypeError, "a list of 1"),
        (lambda out: {"logits": out}, TypeError, "a dict; expected one tensor"),
        (lambda out: None, TypeError, "a NoneType; expected one tensor .* without a return"),
        (lambda out: out.detach().numpy(), TypeError, "a ndarray; expected one tensor"),
        (
            lambda out: out.argmax(1, keepdim=True).expand(3, 3),
            TypeError,
            "a tensor of torch.int64; expected .* of torch.float32",
        ),
        (lambda out: out > 0, TypeError, "a tensor of torch.bool"),
        (lambda out: out + 1j, TypeError, "a tensor of torch.complex64"),
        (lambda out: out.to("meta"), ValueError, "a tensor on meta; expected it on cpu"),
        (lambda out: out.detach(), ValueError, "a tensor without a gradient, which cannot be trained"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_an_output_that_cannot_be_used_is_told_with_what_was_expected(padded, change, error, message, training):
    class Other(Recorder):
        def forward(self, x, mask):
            return change(super().forward(x, mask))

        def embed(self, x, mask):
            return change(self.linear(super().embed(x, mask))) if self.changes else super().embed(x, mask)

    Other.changes = False
    model = PaddedModule(Other, 2, 3).train(training)
    if "gradient" in message and not training:  # as in predict
        assert model(pack(*padded)).shape == (3, 3)
        return
    with pytest.raises(error, match=f"Other.forward returned {message}"):
        model(pack(*padded))
    Other.changes = True
    if not model.training:
        with pytest.raises(error, match=r"Other.embed returned a "):
            model.embed(pack(*padded))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_an_output_in_another_precision_is_taken(padded, dtype):
    class Other(Recorder):
        def forward(self, x, mask):
            return super().forward(x, mask).to(dtype)

    output = PaddedModule(Other, 2, 3)(pack(*padded))
    assert output.dtype == torch.float32
    assert output.requires_grad


def test_options_build_the_module():
    model = PaddedModule(Recorder, 2, 3, options={"depth": 2})
    assert model.module.dims == {"input_dim": 2, "output_dim": 3, "depth": 2}


def test_gradients_reach_the_modules_weights(padded):
    x, mask = padded
    model = PaddedModule(Recorder, 2, 3)
    model(pack(x, mask)).square().sum().backward()
    assert model.module.linear.weight.grad.abs().sum() > 0


class TestModuleEnsemble:
    """Several modules side by side, one for each fold."""

    N_FOLDS = 3

    def make(self, **options):
        dims = {"module": Recorder, "input_dim": 2, "output_dim": 2, **options}
        return ModuleEnsemble(self.N_FOLDS, "softmax", [0.0, 0.0], **dims)

    def test_outputs_are_those_of_the_modules_one_by_one(self, padded):
        packed = pack(*padded)
        made = self.make(input_layer=nn.Linear(2, 2))
        members = made.stacks[0].members
        outputs = made.member_outputs(packed)
        torch.testing.assert_close(outputs, torch.stack([member(packed) for member in members]))
        assert len({tuple(member_outputs.flatten().tolist()) for member_outputs in outputs}) == 3
        probabilities = outputs.softmax(dim=2).mean(dim=0)
        torch.testing.assert_close(made(packed).softmax(dim=1), probabilities)
        torch.testing.assert_close(made.embed(packed), torch.cat([member.embed(packed) for member in members], 1))

    def test_context_reaches_all_modules(self, padded):
        made = self.make(context_dim=5)
        context = torch.randn(3, 5)
        made(pack(*padded), context=context)
        assert all(member.module.seen[2]["context"] is context for member in made.stacks[0].members)

    def test_outputs_of_a_fold_are_those_of_its_member(self, padded):
        packed, made = pack(*padded), self.make()
        outputs = made.eval().member_outputs(packed)
        for fold in range(self.N_FOLDS):
            # outputs of a softmax are known but for a constant
            alone = made.of_fold(fold).variant_outputs(made.inputs(packed))
            torch.testing.assert_close(alone.softmax(dim=2), outputs[[fold]].softmax(dim=2))

    def test_stacks_are_times_of_the_training(self, padded):
        packed, made, other = pack(*padded), self.make(), self.make()
        joined = made.with_stacks([copy.deepcopy(one.stacks[0]) for one in (made, other, made)])
        one, two = made.member_outputs(packed), other.member_outputs(packed)
        torch.testing.assert_close(joined.member_outputs(packed), torch.cat([one, two, one]))
        with torch.no_grad():
            next(joined.parameters()).fill_(9)
        torch.testing.assert_close(made.member_outputs(packed), one)  # copies, not the modules themselves
