import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from sk_deepsets.nn import (
    DeepSetsEquivariant,
    DeepSetsInvariant,
    PackedSets,
    PermutationEquivariantLayer,
    _packed,
    masked_pool,
    pack,
    pad,
)
from sk_deepsets.nn._packed import unpack

sizes_of_sets = st.lists(st.integers(0, 5), max_size=5)


@settings(max_examples=50, deadline=None)
@given(sizes=sizes_of_sets, seed=st.integers(0, 99), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_pack_takes_the_elements_row_by_row(make_batch, sizes, seed, dtype):
    x, mask = make_batch(sizes, seed=seed, dtype=dtype)
    packed = pack(x, mask)
    elements = [x[i, j] for i in range(len(sizes)) for j in range(x.shape[1]) if mask[i, j]]
    assert packed.elements.dtype == dtype
    assert torch.equal(packed.elements, torch.stack(elements) if elements else x.new_zeros(0, 3))
    assert packed.segments.tolist() == [i for i, size in enumerate(sizes) for _ in range(size)]
    assert packed.sizes.tolist() == sizes
    assert packed.segments.dtype == packed.sizes.dtype == torch.int64


@settings(max_examples=50, deadline=None)
@given(sizes=sizes_of_sets, seed=st.integers(0, 99))
def test_pad_puts_each_set_at_the_start_of_its_row_and_zeros_after_it(make_batch, sizes, seed):
    x, mask = make_batch(sizes, seed=seed)
    padded, padded_mask = pad(pack(x, mask))
    assert padded.shape == (len(sizes), max(sizes, default=0), 3)
    for row, size in enumerate(sizes):
        assert torch.equal(padded[row, :size], x[row][mask[row]])
        assert (padded[row, size:] == 0).all()
        assert padded_mask[row].tolist() == [True] * size + [False] * (padded.shape[1] - size)


@settings(max_examples=50, deadline=None)
@given(sizes=sizes_of_sets, seed=st.integers(0, 99))
def test_pack_undoes_pad(make_batch, sizes, seed):
    packed = pack(*make_batch(sizes, seed=seed))
    again = pack(*pad(packed))
    assert all(torch.equal(one, other) for one, other in zip(packed[:3], again[:3], strict=True))
    assert packed.weight is again.weight is None


def test_unpack_puts_elements_back_where_the_mask_had_them(make_batch):
    x, mask = make_batch([3, 0, 1, 5])
    poisoned = x.masked_fill(~mask[..., None], torch.nan)
    assert torch.equal(unpack(pack(poisoned, mask).elements, x, mask), x)


@pytest.mark.parametrize("shape", [(2, 4, 3), (0, 4, 3), (2, 0, 3), (0, 0, 3)])
def test_no_mask_means_all_ones(shape):
    x = torch.randn(shape)
    for one, other in zip(pack(x)[:3], pack(x, torch.ones(shape[:2]))[:3], strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    assert torch.equal(unpack(pack(x).elements, x), x)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32, torch.float64])
def test_a_mask_of_zeros_and_ones_reads_as_bool(make_batch, dtype):
    x, mask = make_batch([3, 0, 1])
    for one, other in zip(pack(x, mask.to(dtype))[:3], pack(x, mask)[:3], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("filler", [torch.nan, torch.inf, -torch.inf])
def test_the_gradient_through_pack_is_zero_under_the_mask(make_batch, filler):
    x, mask = make_batch([3, 0, 1])
    x = x.masked_fill(~mask[..., None], filler).requires_grad_()
    pack(x, mask).elements.square().sum().backward()
    assert (x.grad[~mask] == 0).all()
    assert_close(x.grad[mask], 2 * x.detach()[mask])


def test_packed_sets_stay_as_they_are_and_take_no_mask(make_batch):
    x, mask = make_batch([3, 0, 1])
    packed = pack(x, mask)
    assert pack(packed) is packed
    assert unpack(packed.elements, packed) is packed.elements
    with pytest.raises(ValueError, match="x is a PackedSets, which holds no padding: call the module without a mask"):
        pack(packed, mask)


def test_spread_repeats_what_belongs_to_a_set_for_each_of_its_elements(make_batch):
    packed = pack(*make_batch([3, 0, 1]))
    values = torch.randn(3, 2, dtype=torch.float64).requires_grad_()
    assert torch.equal(packed.spread(values), values[[0, 0, 0, 2]])
    assert torch.autograd.gradcheck(packed.spread, values)


def packed_of(sizes, values):
    sizes = torch.tensor(sizes, dtype=torch.int64)
    return PackedSets(values, torch.repeat_interleave(sizes), sizes)


# blocks of 2 would never become fewer: a run of 4 may lie in 4 // 2 + 2 of them
@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), max_size=6), block=st.integers(3, 5), seed=st.integers(0, 99))
def test_sums_in_blocks_are_the_sums_of_the_sets(sizes, block, seed):
    values = torch.randn(sum(sizes), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = torch.stack([part.sum(dim=0) for part in values.split(sizes)]) if sizes else values.new_zeros(0, 2)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(_packed, "BLOCK", block)
        packed = packed_of(sizes, values.requires_grad_())
        sums = packed.sum(values)
        assert_close(sums, expected)
        (gradient,) = torch.autograd.grad((sums * torch.arange(len(sizes))[:, None]).sum(), values)
    assert torch.equal(gradient, packed.segments[:, None].expand(-1, 2).double())


@pytest.mark.parametrize("sizes", [[16_384], [3, 0, 16_384, 0, 0, 700, 1], [1_000_000]], ids=str)
def test_sums_of_many_equal_numbers_keep_their_digits_in_float32(sizes):
    numbers = torch.tensor([0.1, 1 / 3, 0.7, 1234.567])
    packed = packed_of(sizes, numbers.expand(sum(sizes), 4))
    expected = packed.sizes[:, None] * numbers.double()
    assert_close(packed.sum(packed.elements).double(), expected, rtol=2e-6, atol=0)


@settings(max_examples=50, deadline=None)
@given(sizes=sizes_of_sets, seed=st.integers(0, 99))
def test_the_largest_values_are_those_of_each_set_and_0_of_an_empty_one(sizes, seed):
    values = torch.randn(sum(sizes), 2, generator=torch.Generator().manual_seed(seed)) - 3
    expected = [part.amax(dim=0) if len(part) else torch.zeros(2) for part in values.split(sizes)]
    assert torch.equal(packed_of(sizes, values).max(values), torch.stack(expected) if sizes else torch.zeros(0, 2))


def test_gradients_of_pack_and_pad_are_right(make_batch):
    x, mask = make_batch([2, 0, 1])
    assert torch.autograd.gradcheck(lambda x: pack(x, mask).elements, x.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: pad(pack(x, mask))[0], x)


def test_packed_sets_unpack_into_elements_segments_sizes_and_weight():
    packed = PackedSets(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64))
    elements, segments, sizes, weight = packed
    assert weight is None
    assert (elements, segments, sizes) == (packed.elements, packed.segments, packed.sizes)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3, 1)])
def test_x_must_have_three_dimensions(shape):
    with pytest.raises(ValueError, match=r"x must have shape \(batch, set size, features\), but has shape \("):
        pack(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2,), (4, 2), (2, 3), (2, 4, 1)])
def test_the_mask_must_fit_x(shape):
    with pytest.raises(ValueError, match=r"mask must have the shape \(2, 4\) of x, but has shape \("):
        pack(torch.zeros(2, 4, 3), torch.ones(shape))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=5).filter(any), st.integers(0, 99))
def test_a_sum_is_the_same_to_the_last_bit_wherever_the_set_stands(sizes, seed):
    values = torch.from_numpy(np.random.default_rng(seed).normal(5, 1, size=(sum(sizes), 2)).astype(np.float32))
    sizes = torch.tensor(sizes)
    found = PackedSets(values, torch.repeat_interleave(sizes), sizes).sum(values)
    for number, part in enumerate(values.split(sizes.tolist())):
        alone = PackedSets(part, torch.zeros(len(part)).long(), sizes[[number]])
        assert torch.equal(alone.sum(part)[0], found[number])


class TestNested:
    """Jagged nested tensors in the place of padding."""

    SIZES = (3, 0, 1, 5)

    @pytest.fixture
    def both(self, make_batch):
        """The same sets, padded and nested."""
        x, mask = make_batch(self.SIZES)
        rows = [x[row][mask[row]] for row in range(len(x))]
        nested = torch.nested.nested_tensor(rows, layout=torch.jagged, requires_grad=True)
        return x.requires_grad_(), mask, nested

    @pytest.mark.parametrize(
        "module",
        [
            DeepSetsInvariant(3, [4], [4], 2, pool_type=("sum", "mean", "max", "min", "std", "attention")),
            DeepSetsInvariant(3, [4], [4], 2, encoder="equivariant"),
            DeepSetsInvariant(3, [4], [4], 2, encoder="attention"),
            DeepSetsEquivariant(3, [4], 2, final_pool="max"),
            DeepSetsEquivariant(3, [4], 3, pool_type="sum"),
            PermutationEquivariantLayer(3, 3),
        ],
    )
    def test_outputs_and_gradients_are_those_of_padded_sets(self, both, module):
        x, mask, nested = both
        module = module.double()
        wanted, output = module(x, mask), module(nested)
        if output.is_nested:
            assert [len(row) for row in output.unbind()] == [*self.SIZES]
            assert (output + nested).is_nested  # a residual connection by hand
            wanted, output = wanted[mask], output.values()
        assert_close(output, wanted)
        (of_nested,) = torch.autograd.grad(output.square().sum(), nested)
        (of_padded,) = torch.autograd.grad(wanted.square().sum(), x)
        assert_close(of_nested.values(), of_padded[mask])

    def test_a_part_of_each_row(self, both):
        x, _, _ = both
        starts, lengths = torch.tensor([1, 0, 2, 1]), torch.tensor([1, 0, 2, 3])
        part = torch.nested.narrow(x.detach(), 1, starts, lengths, layout=torch.jagged)
        wanted = [row[a : a + n].sum(0) for row, a, n in zip(x, starts, lengths, strict=True)]
        assert_close(masked_pool(part, "sum"), torch.stack(wanted))

    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
    def test_what_is_no_batch_of_sets_is_an_error(self, both):
        x, mask, nested = both
        with pytest.raises(ValueError, match="x is a nested tensor, which holds no padding"):
            pack(nested, mask)
        with pytest.raises(ValueError, match="only the set size differs"):
            pack(nested.transpose(1, 2))
        with pytest.raises(ValueError, match=r"expected torch.jagged: torch.nested.as_nested_tensor"):
            masked_pool(torch.nested.nested_tensor(list(x.detach())), "max")


def test_the_largest_has_a_gradient_of_its_gradient(make_batch):
    x, mask = make_batch([3, 0, 1, 5])
    for module in (
        DeepSetsInvariant(
            3, [4], [4], 2, pool_type=("sum", "mean", "max", "min", "std", "attention"), activation="tanh"
        ),
        DeepSetsInvariant(3, [4], [4], 2, encoder="equivariant", activation="tanh"),
        DeepSetsEquivariant(3, [4], 2, activation="tanh"),
    ):
        assert torch.autograd.gradgradcheck(module.double(), (x.requires_grad_(), mask))


def test_the_largest_of_nothing_is_zero_and_has_a_gradient():
    values = torch.empty(0, 2, requires_grad=True)
    packed = PackedSets(values, torch.empty(0, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    largest = packed.max(values)
    assert torch.equal(largest, torch.zeros(3, 2))
    largest.sum().backward()
    assert values.grad.shape == (0, 2)
