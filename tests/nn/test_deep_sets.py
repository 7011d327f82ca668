from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close

from sk_deepsets.nn import ENCODERS, POOL_TYPES, DeepSetsConditional, DeepSetsInvariant, Standardize, pack
from tests.nn.layers import run_layer

FUSIONS = ("concat", "add", "film")
POOLS = ("sum", "max", "std", "attention", ("mean", "max"), POOL_TYPES)
NUMPY = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "std": np.std}


class Model(nn.Module):
    """Either model behind one signature, (x, context, mask)."""

    def __init__(self, fusion, encoder, pool_type="sum", phi=(6, 5), rho=(4,), **options):
        super().__init__()
        self.fusion, self.encoder = fusion, encoder
        if fusion is None:
            self.model = DeepSetsInvariant(3, phi, rho, 2, pool_type, encoder=encoder, **options)
        else:
            self.model = DeepSetsConditional(3, 2, phi, rho, 2, pool_type, fusion, encoder=encoder, **options)

    def forward(self, x, context, mask=None):
        return self.model(x, mask) if self.fusion is None else self.model(x, context, mask)


every_model = pytest.mark.parametrize(
    ("fusion", "encoder"),
    [*product((None, *FUSIONS), ("elementwise", "equivariant")), (None, "attention")],
)
every_pool = pytest.mark.parametrize("pool_type", POOLS, ids=str)


@pytest.fixture(scope="session")
def make_inputs(make_batch):
    def make(sizes, **options):
        x, mask = make_batch(sizes, **options)
        return x, torch.linspace(-1, 1, 2 * len(sizes), dtype=x.dtype).reshape(len(sizes), 2), mask

    return make


def embed_one_set(module, elements, context):
    """phi and pool of one set (n, 3), in NumPy from the weights alone."""
    model, weights = module.model, {name: value.double().numpy() for name, value in module.state_dict().items()}
    if module.fusion == "concat":
        elements = np.hstack([elements, np.tile(context, (len(elements), 1))])
    elif module.fusion == "add":
        elements = elements + weights["model.fusion.projection.weight"] @ context
    for layer in ("0", "2"):
        hidden = run_layer(module.encoder, weights, f"model.phi.{layer}.", elements)
        if module.fusion == "film" and layer == "0":
            gamma, beta = (
                weights[f"model.fusion.{name}.weight"] @ context + weights[f"model.fusion.{name}.bias"]
                for name in ("gamma", "beta")
            )
            hidden = gamma * hidden + beta
        elements = np.maximum(hidden, 0)
    return np.concatenate([NUMPY[name](elements, axis=0) for name in model.pooling.names])


def run_one_set(module, elements, context):
    weights = {name: value.double().numpy() for name, value in module.state_dict().items()}
    pooled = embed_one_set(module, elements, context) if len(elements) else np.zeros(module.model.pooling.output_dim)
    if module.fusion is not None and module.model.context_in_rho:
        pooled = np.concatenate([pooled, context])
    hidden = np.maximum(weights["model.rho.0.weight"] @ pooled + weights["model.rho.0.bias"], 0)
    return weights["model.rho.2.weight"] @ hidden + weights["model.rho.2.bias"]


@every_model
@pytest.mark.parametrize("context_in_rho", [True, False])
@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    pool_type=st.sampled_from([*NUMPY, tuple(NUMPY), ["max", "mean"]]),
)
def test_each_set_is_computed_as_in_numpy(make_inputs, fusion, encoder, context_in_rho, sizes, seed, dtype, pool_type):
    x, context, mask = make_inputs(sizes, seed=seed, dtype=dtype)
    options = {} if fusion is None else {"context_in_rho": context_in_rho}
    module = Model(fusion, encoder, pool_type, **options).to(dtype)
    rows = zip(x.double().numpy(), context.double().numpy(), mask.numpy(), strict=True)
    expected = np.stack([run_one_set(module, elements[here], z) for elements, z, here in rows])
    output = module(x, context, mask).detach()
    assert output.dtype == dtype
    assert_close(output, torch.from_numpy(expected).to(dtype), rtol=1e-4, atol=1e-5)


@every_model
@every_pool
@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 99), extra=st.integers(0, 3))
def test_neither_order_nor_padding_nor_the_batch_matters(make_inputs, fusion, encoder, pool_type, sizes, seed, extra):
    x, context, mask = make_inputs(sizes, seed=seed, dtype=torch.float32)
    module = Model(fusion, encoder, pool_type)
    together = module(x, context, mask)
    order = torch.randperm(x.shape[1])
    assert_close(module(x[:, order], context, mask[:, order]), together, rtol=1e-4, atol=1e-5)
    wide = nn.functional.pad(x, (0, 0, 0, extra), value=torch.nan), nn.functional.pad(mask, (0, extra))
    assert_close(module(wide[0], context, wide[1]), together, rtol=1e-4, atol=1e-5)
    for i in range(len(sizes)):
        alone = module(x[i][mask[i]].unsqueeze(0), context[i : i + 1])
        assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-5)


@every_model
@every_pool
def test_what_is_under_the_mask_changes_neither_output_nor_gradient(
    make_inputs, assert_mask_hides, fusion, encoder, pool_type
):
    module = Model(fusion, encoder, pool_type)
    for sizes in ([3, 0, 1, 5], [0, 0]):
        x, context, mask = make_inputs(sizes, dtype=torch.float32)
        assert_mask_hides(module, x, mask, context)


@every_model
@every_pool
def test_gradients_are_right(make_inputs, fusion, encoder, pool_type):
    x, context, mask = make_inputs([3, 0, 1])
    module = Model(fusion, encoder, pool_type, phi=(4,), activation="tanh").double()
    leaves = (x.requires_grad_(), context.requires_grad_(fusion is not None), *module.parameters())
    assert gradcheck(lambda x, context, *_: module(x, context, mask), leaves, fast_mode=True)


@every_model
@every_pool
def test_the_embedding_of_an_empty_set_is_zero(make_inputs, fusion, encoder, pool_type):
    x, context, mask = make_inputs([3, 0, 1], dtype=torch.float32)
    model = Model(fusion, encoder, pool_type).model
    pooled = model.embed(x, mask) if fusion is None else model.embed(x, context, mask)
    assert pooled.shape == (3, 5 if isinstance(pool_type, str) else 5 * len(pool_type))
    assert pooled.any(dim=1).tolist() == [True, False, pool_type != "std"]


@every_model
def test_masks_of_any_dtype_and_no_mask_and_packed_sets_agree(make_inputs, fusion, encoder):
    x, context, mask = make_inputs([3, 0, 1], dtype=torch.float32)
    module = Model(fusion, encoder, POOL_TYPES)
    output = module(x, context, mask)
    for dtype in (torch.int64, torch.uint8, torch.float32):
        assert torch.equal(module(x, context, mask.to(dtype)), output)
    assert torch.equal(module(pack(x, mask), context), output)
    assert torch.equal(module(x, context), module(x, context, torch.ones_like(mask)))


@every_model
def test_phi_runs_on_real_elements_only(make_inputs, fusion, encoder):
    x, context, mask = make_inputs([3, 0, 1, 5], width=40, dtype=torch.float32)
    module = Model(fusion, encoder)
    rows = []
    first = next(layer for layer in module.model.phi.modules() if isinstance(layer, nn.Linear))
    first.register_forward_hook(lambda module, inputs, output: rows.append(len(inputs[0])))
    module(x, context, mask)
    assert rows == [mask.sum()]


@every_model
@every_pool
def test_no_gradient_depends_on_the_order_of_threads(make_inputs, assert_sums_in_order, fusion, encoder, pool_type):
    x, context, mask = make_inputs([3, 0, 1, 5], dtype=torch.float32)
    assert_sums_in_order(Model(fusion, encoder, pool_type, dropout=0.2)(pack(x, mask), context))


@pytest.mark.parametrize(
    ("fusion", "encoder", "pool_type"),
    [(None, "elementwise", "std"), (None, "equivariant", "mean"), ("film", "elementwise", "attention")],
)
def test_gradients_repeat_on_two_threads(make_inputs, assert_repeats_on_two_threads, fusion, encoder, pool_type):
    x, context, mask = make_inputs([300, 0, 900, 5, 60, 1], dtype=torch.float32)
    assert_repeats_on_two_threads(Model(fusion, encoder, pool_type, phi=(64, 64)), pack(x, mask), context)


@every_model
def test_exports_with_dynamic_shapes(assert_exports, fusion, encoder):
    module = Model(fusion, encoder, POOL_TYPES)
    assert_exports(module.model, context_dim=None if fusion is None else 2)


@pytest.mark.skipif(torch.__version__ < "2.10", reason="torch.compile before torch 2.10 breaks up what it compiles")
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
@pytest.mark.parametrize(("fusion", "encoder"), [(None, "elementwise"), ("film", "equivariant")])
def test_compiles_as_a_whole(make_inputs, fusion, encoder):
    module = Model(fusion, encoder, POOL_TYPES, dropout=0.5).eval()
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        for sizes in ([3, 0, 1, 5], [2, 1]):
            inputs = make_inputs(sizes, dtype=torch.float32)
            assert_close(compiled(*inputs), module(*inputs))


@every_model
def test_a_plain_training_loop_lowers_the_loss(make_inputs, assert_trains, fusion, encoder):
    x, context, mask = make_inputs([3, 2, 1, 5, 4], dtype=torch.float32)
    module = Model(fusion, encoder, POOL_TYPES, phi=(8, 8), rho=(8,), activation="tanh")
    assert_trains(module, torch.randn(5, 2), x, context, mask)


@every_model
def test_weights_make_a_fresh_model_the_same(make_inputs, assert_state_dict_round_trip, fusion, encoder):
    inputs = make_inputs([3, 0, 1], dtype=torch.float32)
    assert_state_dict_round_trip(lambda: Model(fusion, encoder, POOL_TYPES), *inputs)


@every_model
def test_dropout_acts_in_training_alone(make_inputs, fusion, encoder):
    inputs = make_inputs([3, 0, 1], dtype=torch.float32)
    module = Model(fusion, encoder, phi=(50,), rho=(50,), dropout=0.5)
    assert not torch.equal(module(*inputs), module(*inputs))
    module.eval()
    assert torch.equal(module(*inputs), module(*inputs))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_without_layers_phi_is_the_identity_and_rho_linear_in_the_scaled_sum(make_batch, encoder):
    x, mask = make_batch([3, 0, 1])
    model = DeepSetsInvariant(3, [], [], 2, encoder=encoder, sum_scale=0.1).double()
    assert len(list(model.parameters())) == 2
    assert_close(model.embed(x, mask), x.sum(dim=1) / 10)
    assert_close(model(x, mask), x.sum(dim=1) / 10 @ model.rho[0].weight.T + model.rho[0].bias)


@every_model
def test_input_and_context_layers_come_first(make_inputs, fusion, encoder):
    x, context, mask = make_inputs([3, 0, 1], dtype=torch.float32)
    layers = {"input_layer": Standardize(torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 3, 4]))}
    if fusion is not None:
        layers["context_layer"] = Standardize(torch.tensor([1.0, -1.0]), torch.tensor([2.0, 0.5]))
    plain, layered = Model(fusion, encoder), Model(fusion, encoder, **layers)
    layered.load_state_dict(plain.state_dict(), strict=False)
    by_hand = (x - torch.tensor([1.0, 2, 3])) / torch.tensor([2.0, 3, 4])
    context_by_hand = (context - torch.tensor([1.0, -1.0])) / torch.tensor([2.0, 0.5])
    assert_close(layered(x, context, mask), plain(by_hand, context_by_hand, mask))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_film_refuses_an_empty_phi(encoder):
    with pytest.raises(ValueError, match=r'fusion_type="film" modulates phi\'s first layer, but phi_hidden_dims is'):
        DeepSetsConditional(3, 2, [], [4], 1, fusion_type="film", encoder=encoder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion_type": "gate"}, r"fusion_type must be one of \('concat', 'add', 'film'\), but got 'gate'"),
        ({"pool_type": "median"}, "pool_type must be one of .* but got 'median'"),
        ({"activation": "step"}, "activation must be one of .* but got 'step'"),
        ({"encoder": "graph"}, "encoder must be one of .* but got 'graph'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_unknown_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        DeepSetsConditional(3, 2, [4], [4], 1, **options)
    if "fusion_type" not in options:
        with pytest.raises(ValueError, match=message):
            DeepSetsInvariant(3, [4], [4], 1, **options)
