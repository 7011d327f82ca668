import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from sk_deepsets.nn import InducedAttention, PackedSets, pack
from sk_deepsets.nn._attention import Blocks
from sk_deepsets.nn._layers import Layers
from tests.nn.layers import run_layer

SIZES = st.lists(st.sampled_from([0, 1, 2, 5, 15, 16, 17, 40]), min_size=1, max_size=5)


def packed_sets(sizes, dim=3):
    sizes = torch.tensor(sizes, dtype=torch.int64)
    return PackedSets(torch.randn(int(sizes.sum()), dim), torch.repeat_interleave(sizes), sizes)


@settings(max_examples=25, deadline=None)
@given(sizes=SIZES, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_each_set_attends_as_in_numpy(make_batch, sizes, dtype):
    x, mask = make_batch(sizes, dtype=dtype)
    layer = InducedAttention(3, 5).to(dtype)
    weights = {name: value.double().numpy() for name, value in layer.state_dict().items()}
    expected = torch.zeros(*x.shape[:2], 5, dtype=dtype)
    for i in np.flatnonzero(sizes):
        own = x[i][mask[i]].double().numpy()
        expected[i, mask[i]] = torch.from_numpy(run_layer("attention", weights, "", own)).to(dtype)
    assert_close(layer(x, mask).detach(), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(sizes=SIZES, extra=st.integers(0, 3))
def test_outputs_move_with_the_elements_and_ignore_padding_and_batch(make_batch, sizes, extra):
    x, mask = make_batch(sizes)
    layer = InducedAttention(3, 5).double()
    together = layer(x, mask)
    order = torch.randperm(x.shape[1])
    assert_close(layer(x[:, order], mask[:, order]), together[:, order])
    wide = nn.functional.pad(x, (0, 0, 0, extra), value=torch.nan)
    assert_close(layer(wide, nn.functional.pad(mask, (0, extra)))[:, : x.shape[1]], together)
    for i in range(len(sizes)):
        assert_close(layer(x[i][mask[i]].unsqueeze(0))[0], together[i][mask[i]])


def test_what_is_under_the_mask_changes_neither_output_nor_gradient(make_batch, assert_mask_hides):
    x, mask = make_batch([3, 0, 18, 1], dtype=torch.float32)
    assert_mask_hides(InducedAttention(3, 5), x, mask)
    assert_mask_hides(InducedAttention(3, 5), torch.zeros(2, 3, 3), torch.zeros(2, 3, dtype=torch.bool))


def test_gradients_are_those_of_finite_differences(make_batch):
    x, mask = make_batch([3, 0, 17, 1])
    layer = InducedAttention(3, 2).double()
    assert gradcheck(lambda x: layer(x, mask), (x.requires_grad_(),), fast_mode=True)


def test_an_element_sees_the_others_of_its_set_alone():
    packed = packed_sets([3, 20])
    layer, changed = InducedAttention(3, 5), packed.elements.clone()
    changed[4] += 1
    moved = (layer(packed) - layer(packed._replace(elements=changed))).abs().amax(dim=1)
    assert not moved[:3].any()
    assert moved[3:].min() > 0


def test_scores_of_any_size_are_finite():
    layer = InducedAttention(1, 4)
    x = torch.tensor([[[1e4], [-1e4], [3e4]]], requires_grad=True)
    layer(x).sum().backward()
    assert layer(x).isfinite().all()
    assert x.grad.isfinite().all()


def test_members_are_nets_of_their_own():
    packed = packed_sets([3, 0, 20])
    members = InducedAttention(3, 5, linear=Layers(4).linear)
    outputs = members(packed.repeated(4, packed.elements.repeat(4, 1))).view(4, -1, 5)
    for k in range(4):
        alone, own = InducedAttention(3, 5), {}
        for name, weight in members.state_dict().items():
            plain = name.replace("weights.0", "weight")
            own[plain] = weight[k].T if plain.endswith("weight") else weight[k]
        alone.load_state_dict(own)
        assert_close(alone(packed), outputs[k])


@given(sizes=SIZES)
@settings(max_examples=20, deadline=None)
def test_blocks_hold_each_element_once(sizes):
    packed = packed_sets(sizes)
    blocks = Blocks.of(packed)
    folded = blocks.fold(packed.elements)
    assert torch.equal(blocks.unfold(folded), packed.elements)
    assert torch.equal(
        blocks.fold(packed.segments.unsqueeze(1) + 1).amax((1, 2))[: blocks.counts.sum()] - 1,
        blocks.owners[: blocks.counts.sum()],
    )
    assert_close(blocks.sum(folded.sum(dim=1)), packed.sum(packed.elements))


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]], ids=str)
def test_no_elements(sizes):
    packed = packed_sets(sizes)
    assert InducedAttention(3, 5)(packed).shape == (0, 5)


def test_the_time_is_linear_in_the_elements():
    work = []
    for size in (1000, 4000):
        x = torch.randn(1, size, 3)
        with FlopCounterMode(display=False) as counter:
            InducedAttention(3, 8)(x)
        work.append(counter.get_total_flops())
    assert 3.5 < work[1] / work[0] < 4.1


def test_nested_tensors_stay_nested():
    rows = [torch.randn(size, 3) for size in (2, 5)]
    layer = InducedAttention(3, 5)
    nested = layer(torch.nested.nested_tensor(rows, layout=torch.jagged))
    for row, output in zip(rows, nested.unbind(), strict=True):
        assert_close(output, layer(pack(row.unsqueeze(0))))
