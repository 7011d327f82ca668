import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.testing import assert_close

from sk_deepsets.nn import POOL_TYPES, PackedSets, SetPooling, masked_pool, pack

LEARNED = ("attention", "pma")
PLAIN = tuple(name for name in POOL_TYPES if name not in LEARNED)
POOLS = [*POOL_TYPES, ("mean", "max"), POOL_TYPES]
NUMPY = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "std": np.std}

batches = {
    "sizes": st.lists(st.integers(0, 5), min_size=1, max_size=5),
    "seed": st.integers(0, 99),
    "dtype": st.sampled_from([torch.float32, torch.float64]),
}


def pool_one_set(pooling, elements):
    """What a SetPooling gives for one set (n, k), in NumPy."""
    if not len(elements):
        return np.zeros(elements.shape[1] * len(pooling.names))
    return np.concatenate(
        [
            ATTEND[name](pool.state_dict(), elements) if name in LEARNED else NUMPY[name](elements, axis=0)
            for name, pool in zip(pooling.names, pooling.pools, strict=True)
        ]
    )


def attend(weights, elements):
    """Equation 9 of Ilse, Tomczak and Welling (2018), with V and U stacked in one matrix."""
    weights = {name: value.double().numpy() for name, value in weights.items()}
    v, u = np.split(elements @ weights["gate.weight"].T + weights["gate.bias"], 2, axis=1)
    scores = np.exp((np.tanh(v) / (1 + np.exp(-u))) @ weights["score.weight"].T)
    return (scores / scores.sum() * elements).sum(axis=0)


def attend_with_heads(weights, elements):
    """Equation 10 of Lee et al. (2019), whose V and keys times the seed are rows of one matrix, a head by itself."""
    weights = {name: value.double().numpy() for name, value in weights.items()}
    mapped = elements @ weights["project.weight"].T + weights["project.bias"]
    d = elements.shape[1]
    values, scores = mapped[:, :d], np.exp(mapped[:, d:])
    width = d // scores.shape[1]
    heads = [scores[:, h] @ values[:, h * width : (h + 1) * width] / scores[:, h].sum() for h in range(scores.shape[1])]
    return np.concatenate(heads)


ATTEND = {"attention": attend, "pma": attend_with_heads}


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
@settings(max_examples=25, deadline=None)
@given(**batches)
def test_every_set_pools_as_in_numpy(make_batch, pool_type, sizes, seed, dtype):
    x, mask = make_batch(sizes, seed=seed, dtype=dtype)
    pooling = SetPooling(pool_type, 3).to(dtype)
    pooled = pooling(x, mask)
    expected = np.stack([pool_one_set(pooling, x[i][mask[i]].double().numpy()) for i in range(len(sizes))])
    assert pooled.shape == (len(sizes), pooling.output_dim)
    assert_close(pooled.detach(), torch.from_numpy(expected).to(dtype))
    if not {*LEARNED} & {*pooling.names}:
        assert torch.equal(masked_pool(x, pool_type, mask), pooled)


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
@settings(max_examples=25, deadline=None)
@given(**batches, extra=st.integers(0, 5))
def test_neither_order_nor_padding_nor_the_batch_matters(make_batch, pool_type, sizes, seed, dtype, extra):
    x, mask = make_batch(sizes, seed=seed, dtype=dtype)
    pooling = SetPooling(pool_type, 3).to(dtype)
    together = pooling(x, mask)
    order = torch.randperm(x.shape[1])
    assert_close(pooling(x[:, order], mask[:, order]), together)
    wider = torch.nn.functional.pad(x, (0, 0, 0, extra), value=torch.nan)
    assert_close(pooling(wider, torch.nn.functional.pad(mask, (0, extra))), together)
    for i in range(len(sizes)):
        assert_close(pooling(x[i][mask[i]].unsqueeze(0)), together[i : i + 1])


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_under_the_mask_changes_neither_output_nor_gradient(make_batch, assert_mask_hides, pool_type, dtype):
    x, mask = make_batch([3, 0, 1, 5], dtype=dtype)
    assert_mask_hides(SetPooling(pool_type, 3).to(dtype), x, mask)


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 0, 3), (0, 4, 3), (0, 0, 3)])
def test_nothing_pools_to_zero_with_finite_gradients(pool_type, shape):
    pooling = SetPooling(pool_type, 3)
    x = torch.full(shape, torch.nan, requires_grad=True)
    pooled = pooling(x, torch.zeros(shape[:2], dtype=torch.bool))
    assert torch.equal(pooled, torch.zeros(shape[0], pooling.output_dim))
    pooled.sum().backward()
    assert torch.equal(x.grad, torch.zeros(shape))
    assert all(parameter.grad.isfinite().all() for parameter in pooling.parameters())


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
def test_gradients_are_right(make_batch, pool_type):
    x, mask = make_batch([3, 0, 1], dim=2)
    pooling = SetPooling(pool_type, 2).double()
    leaves = (x.requires_grad_(), *pooling.parameters())
    assert gradcheck(lambda x, *_: pooling(x, mask), leaves)


@pytest.mark.parametrize("n_elements", [1, 3])
def test_equal_elements_have_std_zero_with_gradient_zero(n_elements):
    x = torch.full((1, n_elements, 2), 1.5, requires_grad=True)
    std = masked_pool(x, "std")
    std.sum().backward()
    assert torch.equal(std, torch.zeros(1, 2))
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_std_keeps_its_digits_far_from_zero():
    x = 1e8 + torch.tensor([[[-1.0], [1.0], [3.0], [-3.0]]], dtype=torch.float64)
    assert_close(masked_pool(x, "std"), torch.tensor([[math.sqrt(5)]], dtype=torch.float64), rtol=1e-9, atol=0)


@pytest.mark.parametrize("pool_type", ["sum", "mean", "std"])
@pytest.mark.parametrize(("n_elements", "offset"), [(1, 1e3), (3, 1e6), (16_384, 1e5), (1_000_000, 1e3)])
def test_float32_pools_keep_their_digits_in_large_sets_far_from_zero(pool_type, n_elements, offset):
    x = torch.randn(2, n_elements, 3) + offset
    expected = NUMPY[pool_type](x.double().numpy(), axis=1)
    assert_close(masked_pool(x, pool_type).double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("pool_type", ["max", "min"])
def test_the_extremes_are_not_cut_at_zero(pool_type):
    x = torch.tensor([[[-3.0, 3.0], [-1.0, 1.0]]])
    expected = [[-1.0, 3.0]] if pool_type == "max" else [[-3.0, 1.0]]
    assert masked_pool(x, pool_type).tolist() == expected


@pytest.mark.parametrize("pool_type", ["sum", "mean", "std"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_real_nan_shows_in_its_set_alone_wherever_it_stands(pool_type, place):
    x = torch.ones(2, 3, 1)
    x[0, place] = torch.nan
    assert masked_pool(x, pool_type).isnan().flatten().tolist() == [True, False]


def test_attention_is_a_weighted_mean():
    pooling = SetPooling("attention", 3)
    same = torch.randn(2, 1, 3).expand(2, 4, 3)
    assert_close(pooling(same), same[:, 0])


@pytest.mark.parametrize("sign", [-1, 1])
def test_attention_withstands_large_scores(sign):
    pooling = SetPooling("attention", 2)
    torch.nn.init.constant_(pooling.pools[0].score.weight, sign * 1e4)
    x = torch.randn(2, 5, 2, requires_grad=True)
    pooled = pooling(x)
    pooled.sum().backward()
    assert all(tensor.isfinite().all() for tensor in (pooled, x.grad, *(p.grad for p in pooling.parameters())))
    _, scores = pooling.pools[0].read(x[0])
    assert_close(pooled[0], x[0, scores.argmax()])


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
def test_sum_scale_multiplies_the_sum_alone(make_batch, pool_type):
    x, mask = make_batch([3, 0, 1])
    plain, scaled = SetPooling(pool_type, 3).double(), SetPooling(pool_type, 3, sum_scale=0.25).double()
    scaled.load_state_dict(plain.state_dict())
    factor = torch.tensor([0.25 if name == "sum" else 1.0 for name in plain.names]).repeat_interleave(3)
    assert_close(scaled(x, mask), plain(x, mask) * factor)


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
def test_packed_sets_stand_in_for_x_and_mask(make_batch, pool_type):
    x, mask = make_batch([3, 0, 1])
    pooling = SetPooling(pool_type, 3).double()
    assert torch.equal(pooling(pack(x, mask)), pooling(x, mask))


@pytest.mark.parametrize("pool_type", [*PLAIN, ("mean", "max"), ["sum"], PLAIN], ids=str)
def test_keepdim_keeps_the_pooled_dimension(make_batch, pool_type):
    x, mask = make_batch([3, 0, 1])
    pooled = masked_pool(x, pool_type, mask)
    assert pooled.shape == (3, 3 if isinstance(pool_type, str) else 3 * len(pool_type))
    assert torch.equal(masked_pool(x, pool_type, mask, keepdim=True), pooled.unsqueeze(1))


def test_several_pools_stand_in_the_order_asked_for(make_batch):
    x, mask = make_batch([3, 0, 1])
    parts = [masked_pool(x, name, mask) for name in ("max", "sum", "max")]
    assert torch.equal(masked_pool(x, ("max", "sum", "max"), mask), torch.cat(parts, dim=1))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_the_mask_may_be_bool_or_zeros_and_ones(make_batch, dtype):
    x, mask = make_batch([3, 0, 1])
    assert torch.equal(masked_pool(x, PLAIN, mask.to(dtype)), masked_pool(x, PLAIN, mask))
    assert torch.equal(masked_pool(x, PLAIN), masked_pool(x, PLAIN, torch.ones(mask.shape, dtype=dtype)))


@pytest.mark.parametrize("pool_type", ["median", (), ("sum", "median"), "", ["SUM"]], ids=str)
def test_an_unknown_pool_is_refused_by_name(pool_type):
    with pytest.raises(ValueError, match=r"pool_type must be one of \('sum', .* but got") as error:
        masked_pool(torch.zeros(1, 1, 1), pool_type)
    assert repr(pool_type) in str(error.value)
    with pytest.raises(ValueError, match="pool_type must be one of"):
        SetPooling(pool_type, 3)


@pytest.mark.parametrize("pool_type", ["attention", ("sum", "attention"), "pma"], ids=str)
def test_masked_pool_points_to_the_module_for_what_it_learns(pool_type):
    name = pool_type if isinstance(pool_type, str) else pool_type[-1]
    with pytest.raises(ValueError, match=rf'use SetPooling\("{name}", dim\)'):
        masked_pool(torch.zeros(1, 1, 1), pool_type)


@pytest.mark.parametrize(("dim", "n_heads"), [(1, 1), (3, 1), (6, 2), (8, 4), (32, 4)])
def test_heads_share_the_width(dim, n_heads):
    pooling = SetPooling("pma", dim)
    assert pooling.pools[0].n_heads == n_heads
    x = torch.randn(2, 5, dim)
    expected = np.stack([attend_with_heads(pooling.pools[0].state_dict(), one.double().numpy()) for one in x])
    assert_close(pooling(x).detach().double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-5)


def test_exports_with_dynamic_shapes(assert_exports):
    pooling = SetPooling(POOL_TYPES, 3)
    assert pooling.output_dim == 21
    assert_exports(pooling)


def test_the_weights_of_attention_travel_in_the_state_dict(make_batch, assert_state_dict_round_trip):
    x, mask = make_batch([3, 0, 1], dtype=torch.float32)
    assert_state_dict_round_trip(lambda: SetPooling("attention", 3), x, mask)


def repeated(packed):
    """The same elements without weights, each as often as its weight says."""
    times = packed.weight[:, 0].long()
    segments = packed.segments.repeat_interleave(times)
    sizes = torch.bincount(segments, minlength=len(packed.sizes))
    return PackedSets(packed.elements.repeat_interleave(times, dim=0), segments, sizes)


@pytest.mark.parametrize("pool_type", POOL_TYPES)
@settings(max_examples=25, deadline=None)
@given(**batches, scale=st.sampled_from([1.0, 1e-3, 1e3]))
def test_a_weight_says_how_often_an_element_counts(make_batch, pool_type, sizes, seed, dtype, scale):
    packed = pack(*make_batch(sizes, seed=seed, dtype=dtype))
    weight = torch.randint(0, 4, (sum(sizes), 1), generator=torch.Generator().manual_seed(seed)).to(dtype)
    packed = packed._replace(weight=weight)
    pooling = SetPooling(pool_type, 3).to(dtype)
    expected = pooling(repeated(packed))
    assert_close(pooling(packed), expected)
    # all weights times a constant: a sum is that much larger, all others are the same
    scaled = pooling(packed._replace(weight=scale * weight))
    assert_close(scaled, expected * (scale if pool_type == "sum" else 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool_type", POOL_TYPES)
def test_gradients_are_finite_where_weights_are_zero(make_batch, pool_type):
    packed = pack(*make_batch([3, 2, 0]))
    elements = packed.elements.requires_grad_()
    pooling = SetPooling(pool_type, 3).double()
    weight = torch.tensor([[0.0], [1.5], [1e-300], [0.0], [0.0]], dtype=torch.float64)
    pooled = pooling(packed._replace(elements=elements, weight=weight))
    assert torch.equal(pooled[1], torch.zeros(3, dtype=torch.float64))  # as an empty set
    (gradient,) = torch.autograd.grad(pooled.sum(), elements)
    assert gradient.isfinite().all()
    assert torch.equal(gradient[weight[:, 0] == 0], torch.zeros(3, 3, dtype=torch.float64))
