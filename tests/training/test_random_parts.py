"""random_places: uniform samples without replacement."""

from collections import Counter
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from sk_deepsets.training._random_parts import Parts, random_places


@settings(deadline=None, max_examples=60)
@given(most=st.integers(1, 40), more=st.lists(st.integers(1, 10_000), max_size=5), seed=st.integers(0, 2**63 - 2))
def test_places_differ_rise_and_follow_from_the_seed(most, more, seed):
    sizes = torch.tensor(more, dtype=torch.int64) + most
    places = random_places(sizes, most, seed)
    assert places.shape == (len(more), most)
    assert (places.diff(dim=1) > 0).all()
    assert (places >= 0).all()
    assert (places < sizes.unsqueeze(1)).all()
    assert torch.equal(random_places(sizes, most, seed), places)


@pytest.mark.parametrize(("size", "most"), [(2, 1), (5, 1), (6, 4), (6, 3), (7, 3), (8, 2)])
def test_any_part_is_as_likely_as_any_other(size, most):
    places = random_places(torch.full((10_000,), size), most, 1)
    counts = Counter(map(tuple, places.tolist()))
    assert set(counts) == set(combinations(range(size), most))
    assert len(counts) == comb(size, most)
    assert chisquare(list(counts.values())).pvalue > 1e-3


@settings(deadline=None, max_examples=30)
@given(blocks=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8), data=st.data())
def test_what_a_set_consists_of_is_cut_by_itself(blocks, data):
    blocks = torch.tensor(blocks)
    parts = Parts(3, blocks, torch.cat([torch.zeros(1, dtype=torch.int64), blocks.sum(1).cumsum(0)])[:-1])
    numbers = torch.tensor(data.draw(st.lists(st.integers(0, len(blocks) - 1), min_size=1, max_size=5)))
    taken = parts.take(numbers, 0)
    owners = torch.repeat_interleave(blocks.flatten())  # the block of each element of the table
    counts = [
        torch.bincount(owners[taken.rows[taken.segments == place]], minlength=blocks.numel())
        for place in range(len(numbers))
    ]
    for number, count in zip(numbers, counts, strict=True):
        expected = torch.zeros_like(blocks)
        expected[number] = blocks[number].clamp(max=3)
        assert torch.equal(count.view(blocks.shape), expected)
    assert torch.equal(taken.sizes, blocks[numbers].clamp(max=3).sum(1))
    assert torch.equal(taken.sizes, parts.sizes[numbers])
    weights = torch.zeros(len(numbers)).index_add(0, taken.segments, taken.weight[:, 0])
    torch.testing.assert_close(weights, blocks[numbers].sum(1).float())
    assert parts.cut(numbers) == bool((blocks[numbers] > 3).any())


def test_sets_beside_each_other_have_parts_of_their_own():
    one, other = random_places(torch.tensor([100_000, 100_000]), 1_000, 0)
    assert np.isin(one, other).mean() < 0.05
