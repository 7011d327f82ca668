"""Statistics against SetAggregator, which computes them with NumPy in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import SetAggregator
from sk_deepsets.nn import PackedSets, Standardize, Statistics, _chunked
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
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


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
    np.testing.assert_allclose(found[:, :n_columns], means, rtol=1e-4, atol=1e-5)
    assert statistics.output_dim == (4 * n_columns if n_columns == MANY_COLUMNS else n_columns) + 2


def test_an_empty_set_has_zeros_and_without_columns_there_is_the_size():
    assert not Statistics(plain(2), 2)(packed_of([0, 3], 2))[0].any()
    sizes = Statistics(plain(0), 0)(packed_of([0, 3], 2))
    torch.testing.assert_close(sizes, torch.tensor([[0.0, 0.0], [3.0, np.log(4)]], dtype=torch.float32))


@settings(max_examples=20)
@given(SIZES, st.integers(1, 5))
def test_chunks_change_nothing(sizes, at_once):
    packed, statistics = packed_of(sizes, 2), Statistics(plain(2), 2)
    wanted = statistics(packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_chunked, "CHUNK_VALUES", 2 * at_once)
        torch.testing.assert_close(statistics(packed), wanted, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_differences():
    packed, statistics = packed_of([3, 0, 2], 2), Statistics(plain(2), 2).double()
    elements = packed.elements.requires_grad_()
    assert torch.autograd.gradcheck(lambda elements: statistics(packed._replace(elements=elements)), elements)


def test_a_gradient_goes_through_where_it_is_asked_for():
    packed = packed_of([3, 2], 2)
    weights = torch.nn.Linear(2, 2)
    assert not Statistics(weights, 2)(packed._replace(elements=packed.elements.float())).requires_grad
    packed.elements.requires_grad_()
    Statistics(plain(2), 2)(packed)[:, :2].sum().backward()
    torch.testing.assert_close(
        packed.elements.grad, torch.tensor([[1 / 3] * 2] * 3 + [[1 / 2] * 2] * 2, dtype=torch.float64)
    )
