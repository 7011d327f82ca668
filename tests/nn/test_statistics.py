"""Statistics against SetAggregator, which computes them with NumPy in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import SetAggregator
from sk_deepsets.nn import PackedSets, Standardize, Statistics, _chunked
from sk_deepsets.nn._scalings import robust
from sk_deepsets.nn._statistics import MANY_COLUMNS

SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)


def plain(n_columns):
    return Standardize(torch.zeros(n_columns, dtype=torch.float64), torch.ones(n_columns, dtype=torch.float64))


def packed_of(sizes, dim, seed=0):
    elements = np.random.default_rng(seed).normal(size=(sum(sizes), dim)) * 3 + 1
    sizes = torch.tensor(sizes)
    return PackedSets(torch.from_numpy(elements), torch.repeat_interleave(sizes), sizes)


def aggregated(packed, statistics):
    sets = [part.numpy() for part in packed.elements.split(packed.sizes.tolist())]
    return np.nan_to_num(SetAggregator(statistics).fit_transform(sets))


@given(SIZES, st.integers(0, 100))
def test_they_are_those_of_a_table_of_aggregates(sizes, seed):
    packed = packed_of(sizes, 3, seed)
    found = Statistics(plain(3), 3)(packed).numpy()
    size = np.array(sizes)[:, None]
    wanted = np.hstack([aggregated(packed, ("mean", "std", "min", "max")), size, np.log(size + 1)])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_columns_are_standardised_first_and_those_behind_are_not_looked_at():
    packed = packed_of([3, 1, 4], 5)
    elements = packed.elements.clone()
    elements[:, 3:] = torch.nan
    scaled = packed._replace(elements=(packed.elements[:, :3] - 2) / 7)
    standardize = Standardize(torch.full((3,), 2.0).double(), torch.full((3,), 7.0).double())
    found = Statistics(standardize, 3)(packed._replace(elements=elements))
    torch.testing.assert_close(found, Statistics(plain(3), 3)(scaled))


@pytest.mark.parametrize("n_columns", [MANY_COLUMNS, MANY_COLUMNS + 1])
def test_of_very_many_columns_there_are_means_alone(n_columns):
    packed = packed_of([3, 2], n_columns)
    statistics = Statistics(plain(n_columns), n_columns)
    found = statistics(packed)
    assert found.shape == (2, statistics.output_dim)
    means = aggregated(packed, ("mean",))
    np.testing.assert_allclose(found[:, :n_columns], means, rtol=1e-12, atol=1e-12)
    assert statistics.output_dim == (4 * n_columns if n_columns == MANY_COLUMNS else n_columns) + 2


def test_an_empty_set_has_zeros_and_without_columns_there_is_the_size():
    assert not Statistics(plain(2), 2)(packed_of([0, 3], 2))[0].any()
    sizes = Statistics(plain(0), 0)(packed_of([0, 3], 2))
    torch.testing.assert_close(sizes, torch.tensor([[0.0, 0.0], [3.0, np.log(4)]], dtype=torch.float64))


@settings(max_examples=20)
@given(SIZES, st.integers(1, 5))
def test_chunks_change_nothing(sizes, at_once):
    packed, statistics = packed_of(sizes, 2), Statistics(plain(2), 2)
    wanted = statistics(packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_chunked, "CHUNK_VALUES", 2 * at_once)
        torch.testing.assert_close(statistics(packed), wanted, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_differences():
    packed, statistics = packed_of([3, 0, 2], 2), Statistics(plain(2), 2).double()
    elements = packed.elements.requires_grad_()
    assert torch.autograd.gradcheck(lambda elements: statistics(packed._replace(elements=elements)), elements)


def test_a_gradient_goes_through_where_it_is_asked_for():
    packed = packed_of([3, 2], 2)
    learned = plain(2)
    learned.scale.requires_grad_()
    assert not Statistics(learned, 2)(packed).requires_grad
    packed.elements.requires_grad_()
    Statistics(plain(2), 2)(packed)[:, :2].sum().backward()
    torch.testing.assert_close(
        packed.elements.grad, torch.tensor([[1 / 3] * 2] * 3 + [[1 / 2] * 2] * 2, dtype=torch.float64)
    )


LARGER = st.lists(st.integers(0, 300), min_size=2, max_size=6).filter(any)


@settings(max_examples=40, deadline=None)
@given(LARGER, st.sampled_from(["float64", "few digits"]), st.integers(0, 99))
def test_a_set_has_the_same_statistics_to_the_last_bit_wherever_it_stands(sizes, kind, seed):
    """Alone or between other sets; and what has few digits, in any order of its elements, dtype and chunks."""
    packed, random = packed_of(sizes, 2, seed), np.random.default_rng(seed)
    if kind == "few digits":
        packed = packed._replace(elements=(8 * packed.elements).round() + 2**20)
    statistics = Statistics(robust(packed.elements), 2)
    found = statistics(packed)
    ends = packed.sizes.cumsum(0).tolist()
    for number, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        alone = PackedSets(packed.elements[end - size : end], torch.zeros(size).long(), torch.tensor([size]))
        assert torch.equal(statistics(alone)[0], found[number])
    if kind == "few digits":
        keys = random.random(len(packed.elements))
        order = torch.from_numpy(np.lexsort((keys, packed.segments.numpy())))
        for elements in (packed.elements[order], packed.elements.float(), packed.elements.int()):
            again = statistics(packed._replace(elements=elements))
            means, extremes = [0, 1], [4, 5, 6, 7, 8, 9]
            assert torch.equal(again[:, means + extremes], found[:, means + extremes])
            # of squares of differences from a mean, the sum is rounded
            torch.testing.assert_close(again[:, 2:4], found[:, 2:4], rtol=1e-13, atol=0)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.1, 7.0])
def test_of_equal_elements_the_mean_is_each_of_them_and_the_deviation_nothing(value):
    sizes = [1, 3, 7, 64, 65, 300]
    packed = packed_of(sizes, 1)
    packed = packed._replace(elements=torch.full_like(packed.elements, value))
    found = Statistics(plain(1), 1)(packed)
    torch.testing.assert_close(found[:, 0], torch.full((6,), value, dtype=torch.float64), rtol=1e-13, atol=0)
    assert found[:, 1].abs().max() <= 1e-13 * value
    centred = Statistics(robust(packed.elements), 1)(packed)
    assert not centred[:, :4].any()


@given(SIZES, st.integers(0, 100))
def test_a_weight_says_how_often_an_element_counts(sizes, seed):
    packed = packed_of(sizes, 3, seed)
    times = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (sum(sizes), 1)))
    weighted = packed._replace(elements=torch.cat([packed.elements, times.double() / 2], dim=1))
    segments = packed.segments.repeat_interleave(times[:, 0])
    counts = torch.bincount(segments, minlength=len(sizes))
    repeated = PackedSets(packed.elements.repeat_interleave(times[:, 0], dim=0), segments, counts)
    wanted = Statistics(plain(3), 3)(repeated)
    found = Statistics(plain(3), 3, weight_column=3)(weighted)
    torch.testing.assert_close(found[:, :-2], wanted[:, :-2], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[:, -2:], torch.stack([counts / 2, (counts / 2).log1p()], dim=1).double())
