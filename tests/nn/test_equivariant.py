import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close

from sk_deepsets.nn import DeepSetsEquivariant, PermutationEquivariantLayer, pack

LAYER_POOLS = ("max", "sum")
FINAL_POOLS = (None, "sum", "max", "pma")
MODULES = {f"layer, {pool}": (lambda pool=pool: PermutationEquivariantLayer(3, 4, pool)) for pool in LAYER_POOLS} | {
    f"stack, {pool}, {final}": (lambda pool=pool, final=final: DeepSetsEquivariant(3, [5, 6], 4, pool, final))
    for pool in LAYER_POOLS
    for final in FINAL_POOLS
}
every_module = pytest.mark.parametrize("make_module", MODULES.values(), ids=MODULES)


def run_layer(weights, prefix, elements, pool_type):
    """Lemma 3 for one set (n, d), in NumPy."""
    lambda_, bias, gamma = (weights[prefix + name] for name in ("Lambda.weight", "Lambda.bias", "Gamma.weight"))
    pooled = elements.max(axis=0) if pool_type == "max" else elements.sum(axis=0)
    return np.stack([lambda_ @ element + bias + gamma @ pooled for element in elements])


@pytest.mark.parametrize(("pool_type", "expected"), [("max", [90, 82, 0, 86]), ("sum", [120, 112, 0, 116])])
def test_lemma_3_by_hand(pool_type, expected):
    layer = PermutationEquivariantLayer(1, 1, pool_type)
    with torch.no_grad():
        layer.Lambda.weight.fill_(4)
        layer.Lambda.bias.fill_(48)
        layer.Gamma.weight.fill_(10)
    x = torch.tensor([[[3.0], [1.0], [torch.nan], [2.0]]])
    assert layer(x, torch.tensor([[1, 1, 0, 1]])).flatten().tolist() == expected


@pytest.mark.parametrize("pool_type", LAYER_POOLS)
@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_each_set_goes_through_the_layers_as_in_numpy(make_batch, pool_type, sizes, seed, dtype):
    x, mask = make_batch(sizes, seed=seed, dtype=dtype)
    module = DeepSetsEquivariant(3, [5], 4, pool_type).to(dtype)
    weights = {name: value.double().numpy() for name, value in module.state_dict().items()}
    output = module(x, mask).detach()
    expected = torch.zeros(*x.shape[:2], 4, dtype=dtype)
    for i in np.flatnonzero(sizes):
        hidden = run_layer(weights, "layers.0.", x[i][mask[i]].double().numpy(), pool_type)
        elements = run_layer(weights, "layers.1.", np.maximum(hidden, 0), pool_type)
        expected[i, mask[i]] = torch.from_numpy(elements).to(dtype)
    assert_close(output, expected, rtol=1e-4, atol=1e-5)


@every_module
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 99), extra=st.integers(0, 3))
def test_output_moves_with_the_elements_and_ignores_padding_and_batch(make_batch, make_module, sizes, seed, extra):
    x, mask = make_batch(sizes, seed=seed)
    module = make_module().double()
    per_element = module(x, mask).dim() == 3
    together = module(x, mask)
    order = torch.randperm(x.shape[1])
    assert_close(module(x[:, order], mask[:, order]), together[:, order] if per_element else together)
    wide, wide_mask = nn.functional.pad(x, (0, 0, 0, extra), value=torch.nan), nn.functional.pad(mask, (0, extra))
    wide_output = module(wide, wide_mask)
    assert_close(wide_output[:, : x.shape[1]] if per_element else wide_output, together)
    for i in range(len(sizes)):
        alone = module(x[i][mask[i]].unsqueeze(0))[0]
        assert_close(alone, together[i][mask[i]] if per_element else together[i])


@every_module
def test_what_is_under_the_mask_changes_neither_output_nor_gradient(make_batch, assert_mask_hides, make_module):
    x, mask = make_batch([3, 0, 1, 5], dtype=torch.float32)
    assert_mask_hides(make_module(), x, mask)
    empty = torch.zeros(2, 3, dtype=torch.bool)
    assert_mask_hides(make_module(), torch.zeros(2, 3, 3), empty)
    assert not make_module()(torch.full((2, 3, 3), torch.nan), empty).any()


@every_module
def test_masks_of_any_dtype_and_no_mask_and_packed_sets_agree(make_batch, make_module):
    x, mask = make_batch([3, 0, 1], dtype=torch.float32)
    module = make_module()
    output = module(x, mask)
    for dtype in (torch.int64, torch.float32):
        assert torch.equal(module(x, mask.to(dtype)), output)
    assert torch.equal(module(x), module(x, torch.ones(mask.shape)))
    assert torch.equal(module(pack(x, mask)), output[mask] if output.dim() == 3 else output)


@every_module
def test_gradients_are_right(make_batch, make_module):
    x, mask = make_batch([3, 0, 1])
    module = make_module().double()
    leaves = (x.requires_grad_(), *module.parameters())
    assert gradcheck(lambda x, *_: module(x, mask), leaves, fast_mode=True)


@every_module
def test_only_real_elements_are_computed_on(make_batch, make_module):
    x, mask = make_batch([3, 0, 1, 5], width=40, dtype=torch.float32)
    module = make_module()
    rows = []
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Linear))
    first.register_forward_hook(lambda module, inputs, output: rows.append(len(inputs[0])))
    module(x, mask)
    assert rows == [mask.sum()]


@every_module
def test_a_plain_training_loop_lowers_the_loss(make_batch, assert_trains, make_module):
    packed = pack(*make_batch([3, 2, 4, 5], dtype=torch.float32))
    module = make_module()
    assert_trains(module, torch.ones_like(module(packed)), packed)


@every_module
def test_weights_make_a_fresh_module_the_same(make_batch, assert_state_dict_round_trip, make_module):
    assert_state_dict_round_trip(make_module, *make_batch([3, 0, 1, 5], dtype=torch.float32))


@every_module
def test_no_gradient_depends_on_the_order_of_threads(make_batch, assert_sums_in_order, make_module):
    assert_sums_in_order(make_module()(pack(*make_batch([3, 0, 1, 5], dtype=torch.float32))))


@pytest.mark.parametrize("pool_type", LAYER_POOLS)
def test_gradients_repeat_on_two_threads(make_batch, assert_repeats_on_two_threads, pool_type):
    packed, context = pack(*make_batch([300, 0, 900, 5, 60, 1], dtype=torch.float32)), torch.randn(6, 2)
    module = DeepSetsEquivariant(3, [64, 64], 4, pool_type, context_dim=2, fusion_type="film", layer_norm=True)
    assert_repeats_on_two_threads(module, packed, None, context)


@pytest.mark.parametrize("pool_type", LAYER_POOLS)
def test_sum_scale_multiplies_the_sums_alone(make_batch, pool_type):
    x, mask = make_batch([3, 0, 1])
    plain = PermutationEquivariantLayer(3, 4, pool_type).double()
    scaled = PermutationEquivariantLayer(3, 4, pool_type, sum_scale=0.25).double()
    scaled.load_state_dict(plain.state_dict())
    with torch.no_grad():
        plain.Gamma.weight.mul_(0.25 if pool_type == "sum" else 1)
    assert_close(scaled(x, mask), plain(x, mask))
    assert f"pool_type='{pool_type}', sum_scale=0.25" in repr(scaled)


def test_every_layer_and_the_final_pool_have_the_sum_scale():
    module = DeepSetsEquivariant(3, [5, 6], 4, "sum", final_pool="sum", sum_scale=0.01)
    assert [layer.sum_scale for layer in module.layers] == [0.01] * 3
    assert module.final_pool.sum_scale == 0.01


def test_one_over_the_size_of_sets_keeps_sums_of_large_sets_in_range():
    x = torch.randn(4, 1000, 3)
    module = DeepSetsEquivariant(3, [16, 16, 16], 1, "sum", sum_scale=1 / 1000)
    plain = DeepSetsEquivariant(3, [16, 16, 16], 1, "sum")
    plain.load_state_dict(module.state_dict())
    assert module(x).abs().max() < 10
    assert plain(x).abs().max() > 1e4


@pytest.mark.parametrize("name", ["layer, max", "layer, sum", "stack, max, None", "stack, sum, pma"])
def test_exports_with_dynamic_shapes(assert_exports, name):
    assert_exports(MODULES[name]())


def test_without_hidden_dims_it_is_one_layer(make_batch):
    x, mask = make_batch([3, 0, 1], dtype=torch.float32)
    module = DeepSetsEquivariant(3, [], 4)
    assert isinstance(module.layers, nn.ModuleList)
    assert len(module.layers) == 1
    assert torch.equal(module(x, mask), module.layers[0](x, mask))


def test_dropout_acts_in_training_alone(make_batch):
    x, mask = make_batch([3, 0, 1], dtype=torch.float32)
    module = DeepSetsEquivariant(3, [50], 4, dropout=0.5)
    assert not torch.equal(module(x, mask), module(x, mask))
    module.eval()
    assert torch.equal(module(x, mask), module(x, mask))


@pytest.mark.parametrize("pool_type", ["mean", "min", "std", "attention", "median", ("max",), None], ids=str)
def test_layers_refuse_every_pool_but_max_and_sum(pool_type):
    with pytest.raises(ValueError, match='pool_type must be "max" or "sum", but got') as error:
        PermutationEquivariantLayer(3, 4, pool_type)
    assert repr(pool_type) in str(error.value)
    with pytest.raises(ValueError, match='pool_type must be "max" or "sum", but got'):
        DeepSetsEquivariant(3, [], 4, pool_type)


def test_an_unknown_final_pool_is_refused_by_name():
    with pytest.raises(ValueError, match=r"pool_type must be one of .* but got 'median'"):
        DeepSetsEquivariant(3, [5], 4, final_pool="median")


def test_residual_layers_add_to_their_input_where_widths_are_the_same(make_batch):
    x, mask = make_batch([3, 0, 5], dim=4, dtype=torch.float32)
    plain = DeepSetsEquivariant(4, [4, 6], 2)
    residual = DeepSetsEquivariant(4, [4, 6], 2, residual=True)
    residual.load_state_dict(plain.state_dict())
    hidden = x
    for number, layer in enumerate(residual.layers):
        output = layer(hidden, mask)
        if number < 2:
            output = torch.relu(output)
        hidden = hidden + output if number == 0 else output
    assert_close(residual(x, mask), hidden)
    assert not torch.allclose(plain(x, mask), hidden)
