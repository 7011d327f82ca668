import pytest
import torch
from torch import nn
from torch.testing import assert_close

from sk_deepsets.nn import pack
from sk_deepsets.nn._encoder import ENCODERS, make_encoder
from sk_deepsets.nn._fusion import FUSION_TYPES
from sk_deepsets.nn._model import SetModel


class FusedEncoder(SetModel):
    """The smallest model: what the fusion makes of elements and context goes through an encoder."""

    def __init__(self, fusion_type, input_dim, context_dim, hidden_dims, encoder="elementwise", **options):
        super().__init__(input_dim, next(iter(hidden_dims), None), context_dim, fusion_type)
        self.encoder = make_encoder(encoder, self.fused_dim, hidden_dims, **options)

    def forward(self, packed, context):
        return self.encoder(*self.fuse(packed, context))


@pytest.fixture
def packed(make_batch):
    return pack(*make_batch([3, 0, 1]))


@pytest.fixture
def context():
    return torch.randn(3, 2, dtype=torch.float64)


def test_concat_appends_the_context_to_each_element(packed, context):
    fusion = FusedEncoder("concat", 3, 2, [4]).double()
    layer = fusion.encoder[0]
    set_of_element = [0, 0, 0, 2]
    rows = [torch.cat([packed.elements[i], context[s]]) for i, s in enumerate(set_of_element)]
    expected = torch.stack([(layer.weight @ row + layer.bias).relu() for row in rows])
    assert_close(fusion(packed, context), expected)


def test_concat_without_layers_gives_element_and_context(packed, context):
    expected = [torch.cat([packed.elements[i], context[s]]) for i, s in enumerate([0, 0, 0, 2])]
    assert torch.equal(FusedEncoder("concat", 3, 2, [])(packed, context), torch.stack(expected))


def test_add_shifts_each_element_by_the_projected_context(packed, context):
    fusion = FusedEncoder("add", 3, 2, []).double()
    expected = [packed.elements[i] + fusion.fusion.projection.weight @ context[s] for i, s in enumerate([0, 0, 0, 2])]
    assert_close(fusion(packed, context), torch.stack(expected))


@pytest.mark.parametrize(("input_dim", "context_dim"), [(3, 2), (1, 7), (5, 1)])
def test_the_projection_of_add_has_context_dim_times_input_dim_weights(input_dim, context_dim):
    fusion = FusedEncoder("add", input_dim, context_dim, [4])
    assert sum(parameter.numel() for parameter in fusion.fusion.projection.parameters()) == context_dim * input_dim


def test_film_scales_and_shifts_the_first_layer_by_hand():
    fusion = FusedEncoder("film", 1, 1, [2])
    with torch.no_grad():
        fusion.encoder[0].weight[:] = torch.tensor([[1.0], [-1.0]])
        fusion.encoder[0].bias[:] = torch.tensor([0.0, 1.0])
        fusion.fusion.gamma.weight[:] = torch.tensor([[2.0], [1.0]])
        fusion.fusion.gamma.bias[:] = torch.tensor([0.0, -4.0])
        fusion.fusion.beta.weight[:] = torch.tensor([[1.0], [0.0]])
        fusion.fusion.beta.bias[:] = torch.tensor([-1.0, 0.5])
    output = fusion(pack(torch.tensor([[[3.0]], [[5.0]]])), torch.tensor([[2.0], [-1.0]]))
    # h = (3, -2), gamma = (4, -2), beta = (1, 0.5); then h = (5, -4), gamma = (-2, -5), beta = (-2, 0.5)
    assert output.tolist() == [[13.0, 4.5], [0.0, 20.5]]


def test_film_leaves_the_later_layers_alone(packed, context):
    fusion = FusedEncoder("film", 3, 2, [4, 5]).double()
    first, last = fusion.encoder[0], fusion.encoder[2]
    for i, s in enumerate([0, 0, 0, 2]):
        hidden = fusion.fusion.gamma(context[s]) * first(packed.elements[i]) + fusion.fusion.beta(context[s])
        assert_close(fusion(packed, context)[i], last(hidden.relu()).relu())


def test_film_modulates_before_the_activation_asked_for(packed, context):
    fusion = FusedEncoder("film", 3, 2, [4], activation="tanh").double()
    segments = torch.tensor([0, 0, 0, 2])
    hidden = fusion.encoder[0](packed.elements)
    assert_close(
        fusion(packed, context),
        (fusion.fusion.gamma(context)[segments] * hidden + fusion.fusion.beta(context)[segments]).tanh(),
    )


def test_film_needs_a_layer_to_modulate():
    with pytest.raises(ValueError, match=r'fusion_type="film" modulates .* but phi_hidden_dims is empty'):
        FusedEncoder("film", 3, 2, [])


@pytest.mark.parametrize("name", FUSION_TYPES)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_zero_weights_for_the_context_leave_the_plain_encoder(packed, context, name, encoder):
    fusion = FusedEncoder(name, 3, 2, [4], encoder=encoder).double()
    plain = make_encoder(encoder, 3, [4]).double()
    with torch.no_grad():
        for parameter_name, parameter in fusion.named_parameters():
            if "encoder" not in parameter_name:
                parameter.fill_(1.0 if parameter_name == "fusion.gamma.bias" else 0.0)
        for mine, theirs in zip(plain.parameters(), fusion.encoder.parameters(), strict=True):
            mine.copy_(theirs[:, : mine.shape[1]] if theirs.dim() == 2 else theirs)
            if theirs.dim() == 2:
                theirs[:, mine.shape[1] :] = 0
    assert_close(fusion(packed, context), plain(packed))


def test_film_starts_near_the_plain_encoder():
    assert torch.equal(FusedEncoder("film", 3, 2, [4]).fusion.gamma.bias, torch.ones(4))


@pytest.mark.parametrize(("name", "layers"), [("add", ["projection"]), ("film", ["gamma", "beta"])])
def test_the_context_is_mapped_once_per_set(packed, context, name, layers):
    fusion = FusedEncoder(name, 3, 2, [4]).double()
    rows = []
    for layer in layers:
        getattr(fusion.fusion, layer).register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    fusion(packed, context)
    assert rows == [3] * len(layers)


@pytest.mark.parametrize("name", FUSION_TYPES)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_gradients_are_right(packed, context, name, encoder):
    fusion = FusedEncoder(name, 3, 2, [4], encoder=encoder, activation="tanh").double()
    leaves = (packed.elements.requires_grad_(), context.requires_grad_(), *fusion.parameters())

    def run(elements, context, *parameters):
        return fusion(packed._replace(elements=elements), context)

    assert torch.autograd.gradcheck(run, leaves)


def test_input_and_context_layers_are_the_identity_unless_given(packed, context):
    model = SetModel(3, context_dim=2)
    assert torch.equal(model.input_layer(packed.elements), packed.elements)
    assert torch.equal(model.context_layer(context), context)
    shifted = SetModel(3, input_layer=nn.Softplus()).fuse(packed)[0]
    assert torch.equal(shifted.elements, nn.functional.softplus(packed.elements))


def test_a_context_comes_where_the_model_was_built_for_one_and_only_there(packed, context):
    with pytest.raises(ValueError, match="The model was built with context_dim: call it with context"):
        SetModel(3, context_dim=2).fuse(packed)
    with pytest.raises(ValueError, match="The model was built without context_dim: call it without context"):
        SetModel(3).fuse(packed, context)


def test_an_unknown_fusion_is_refused_by_name():
    with pytest.raises(ValueError, match=r"fusion_type must be one of \('concat', 'add', 'film'\), but got 'gate'"):
        SetModel(3, context_dim=2, fusion_type="gate")
