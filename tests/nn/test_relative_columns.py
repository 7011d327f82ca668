"""Elements beside the others of their set: deviations and ranks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from sk_deepsets.nn import PackedSets, Standardize
from sk_deepsets.nn._relative_columns import RelativeColumns, ranks

UNITS = Standardize(torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([2.0, 0.5], dtype=torch.float64))


def packed_of(sets):
    sizes = [len(one) for one in sets]
    elements = torch.from_numpy(np.concatenate(sets))
    return PackedSets(elements, torch.repeat_interleave(torch.tensor(sizes)), torch.tensor(sizes))


SIZES = st.lists(st.integers(0, 12), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(SIZES, st.integers(0, 2**32 - 1))
def test_ranks_are_scipys_in_each_set(sizes, seed):
    rng = np.random.default_rng(seed)
    sets = [rng.integers(-3, 4, (size, 3)).astype(np.float32) for size in sizes]  # with many ties
    packed = packed_of(sets)
    found = ranks(packed.elements, packed).numpy()
    wanted = [(rankdata(one, axis=0) - 0.5) / len(one) for one in sets if len(one)]
    np.testing.assert_allclose(found, np.concatenate([np.empty((0, 3)), *wanted]), rtol=1e-12)


def test_columns_by_hand():
    sets = [np.array([[1.0, 5, 1], [3, 5, 2], [8, 2, 0]]), np.array([[4.0, 4, 3]]), np.empty((0, 3))]
    found = RelativeColumns(UNITS, 2)(packed_of(sets)).numpy()
    wanted = [
        # the numbers; the deviations from (4, 4) in units of 2 and 0.5; the ranks; the code
        [1, 5, -1.5, 2, 1 / 6, 2 / 3, 1],
        [3, 5, -0.5, 2, 3 / 6, 2 / 3, 2],
        [8, 2, 2.0, -4, 5 / 6, 1 / 6, 0],
        [4, 4, 0.0, 0, 0.5, 0.5, 3],
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
def test_an_element_has_the_same_columns_in_any_order_and_batch(sizes, dtype, seed):
    rng = np.random.default_rng(seed)
    sets = [(rng.normal(size=(size, 2)) * 1000).astype(dtype) for size in sizes]
    columns = RelativeColumns(UNITS, 2)
    together = np.split(columns(packed_of(sets)).numpy(), np.cumsum(sizes)[:-1])
    for one_set, found in zip(sets, together, strict=True):
        order = rng.permutation(len(one_set))
        alone = columns(packed_of([one_set[order]])).numpy()
        np.testing.assert_allclose(alone, found[order], rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("n_numbers", [1, 2])
def test_what_is_behind_the_numbers_is_a_code(n_numbers):
    packed = packed_of([np.array([[2.0, 7.0], [3.0, 9.0]])])
    columns = RelativeColumns(Standardize(torch.zeros(n_numbers).double(), torch.ones(n_numbers).double()), n_numbers)
    found = columns(packed)
    assert columns.width == 3 * n_numbers
    assert found.shape == (2, columns.width + 2 - n_numbers)
    torch.testing.assert_close(found[:, columns.width :], packed.elements[:, n_numbers:])
