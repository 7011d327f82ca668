import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from sk_deepsets.nn import POOL_TYPES, SetPooling, pack
from sk_deepsets.nn import _leave_one_out as module

POOLS = [*POOL_TYPES, ("mean", "max"), POOL_TYPES]


def leave_one_out(pooling, packed, size=1_000):
    """The pools without each element, of so many elements at once, which are what phi gives."""
    found = list(module.leave_one_out(lambda part: part.elements, pooling, packed, size))
    assert [rows.stop - rows.start for rows, _ in found] == [len(pooled) for _, pooled in found]
    return torch.cat([pooled for _, pooled in found])


def one_by_one(pooling, x, mask):
    """The pool of each set that is left when an element is taken out, by leaving it out."""
    found = []
    for place in mask.nonzero().tolist():
        without = mask.clone()
        without[tuple(place)] = False
        found.append(pooling(x, without)[place[0]])
    return torch.stack(found) if found else torch.empty(0, pooling.output_dim, dtype=x.dtype)


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 19), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_each_element_is_left_out_as_if_it_were_not_there(make_batch, pool_type, sizes, seed):
    x, mask = make_batch(sizes, seed=seed)
    pooling = SetPooling(pool_type, 3, sum_scale=0.3).double()
    expected = one_by_one(pooling, x, mask)
    for size in (1_000, 7, 1):
        assert_close(leave_one_out(pooling, pack(x, mask), size), expected)


@pytest.mark.parametrize("pool_type", POOLS, ids=str)
def test_digits_are_kept_far_from_zero_and_next_to_an_element_that_dwarfs_the_others(make_batch, pool_type):
    x, mask = make_batch([9, 4], dtype=torch.float32)
    pooling = SetPooling(pool_type, 3)
    x = x.masked_fill(~mask[..., None], 0) + 1000
    x[0, mask[0].nonzero()[2, 0]] = 1e7
    expected = one_by_one(pooling.double(), x.double(), mask)
    found = leave_one_out(pooling.float(), pack(x, mask))
    assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("pool_type", POOL_TYPES)
def test_the_pools_without_each_element_have_the_gradients_of_the_pools(make_batch, pool_type):
    x, mask = make_batch([5, 2])
    pooling = SetPooling(pool_type, 3).double()
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.randn(7, 3, dtype=torch.float64)
    (leave_one_out(pooling, pack(ours, mask)) * weights).sum().backward()
    (one_by_one(pooling, theirs, mask) * weights).sum().backward()
    assert_close(ours.grad, theirs.grad)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_weighted_elements_are_left_out_as_if_they_had_no_weight(make_batch, sizes, seed):
    packed = pack(*make_batch(sizes, seed=seed))
    n_elements = len(packed.elements)
    weight = torch.rand(n_elements, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weight[weight < 0.2] = 0
    pooling = SetPooling(POOL_TYPES, 3, sum_scale=0.3).double()
    rows = torch.arange(n_elements)
    without = [pooling(packed._replace(weight=weight * (rows != row)[:, None])) for row in rows]
    expected = [pooled[segment] for pooled, segment in zip(without, packed.segments, strict=True)]
    for size in (1_000, 7, 1):
        found = leave_one_out(pooling, packed._replace(weight=weight), size)
        assert_close(found, torch.stack(expected) if expected else found)
