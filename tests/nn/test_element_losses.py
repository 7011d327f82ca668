"""Losses of elements and of whole sets, against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from torch.autograd import gradcheck
from torch.testing import assert_close

from sk_deepsets.nn import ListNet, OnePerSet, PackedSets, log_softmax_over_sets, softmax_over_sets

SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any)


def packed_like(sizes):
    """The cuts alone: what the losses need to know of the sets."""
    sizes = torch.tensor(sizes)
    segments = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    return PackedSets(torch.zeros(len(segments), 1), segments, sizes)


def parts(flat, sizes):
    return np.split(np.asarray(flat), np.cumsum(sizes)[:-1])


def one_chosen(sizes, rng):
    chosen = [np.eye(size)[rng.integers(size)] if size else np.empty(0) for size in sizes]
    return np.concatenate(chosen)


@settings(max_examples=50, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99), scale=st.sampled_from([1.0, 1e3, 1e30]))
def test_softmax_and_its_logarithm_of_each_set_are_those_of_scipy(sizes, seed, scale):
    scores = np.random.default_rng(seed).normal(scale=scale, size=(sum(sizes), 2))
    got = log_softmax_over_sets(torch.from_numpy(scores), packed_like(sizes))
    wanted = np.concatenate([log_softmax(part, axis=0) for part in parts(scores, sizes) if len(part)])
    assert_close(got, torch.from_numpy(wanted))
    assert got.isfinite().all()
    assert_close(softmax_over_sets(torch.from_numpy(scores), packed_like(sizes)), torch.from_numpy(np.exp(wanted)))


@settings(max_examples=50, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_one_per_set_is_minus_log_softmax_at_the_chosen_element(sizes, seed):
    rng = np.random.default_rng(seed)
    scores, target = rng.normal(scale=5, size=sum(sizes)), one_chosen(sizes, rng)
    got = OnePerSet()(torch.from_numpy(scores)[:, None], torch.from_numpy(target), packed_like(sizes))
    pairs = zip(parts(scores, sizes), parts(target, sizes), strict=True)
    wanted = [-np.log(softmax(s)[t == 1].item()) if len(s) else 0.0 for s, t in pairs]
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99), shift=st.floats(-100, 100))
def test_listnet_is_the_cross_entropy_of_two_softmaxes_and_knows_no_level(sizes, seed, shift):
    rng = np.random.default_rng(seed)
    scores, target = rng.normal(size=sum(sizes)), rng.integers(0, 5, sum(sizes)).astype(float)
    packed = packed_like(sizes)
    got = ListNet()(torch.from_numpy(scores)[:, None], torch.from_numpy(target), packed)
    pairs = zip(parts(scores, sizes), parts(target, sizes), strict=True)
    wanted = [-(softmax(t) * log_softmax(s)).sum() if len(s) else 0.0 for s, t in pairs]
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
    assert_close(ListNet()(torch.from_numpy(scores + shift)[:, None], torch.from_numpy(target + shift), packed), got)


def test_listnet_is_smallest_where_the_scores_are_the_grades():
    sizes, grades = [4, 3], torch.tensor([0.0, 2.0, 1.0, 3.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    best = ListNet()(grades[:, None], grades, packed_like(sizes))
    entropy = [-(softmax(part) * log_softmax(part)).sum() for part in parts(grades, sizes)]
    np.testing.assert_allclose(best, entropy)
    assert (ListNet()(-grades[:, None], grades, packed_like(sizes)) > best).all()


@pytest.mark.parametrize("loss", [OnePerSet(), ListNet()], ids=["one per set", "listnet"])
def test_each_set_has_its_own_loss_and_the_order_of_elements_does_not_matter(loss):
    sizes = [3, 0, 1, 5]
    rng = np.random.default_rng(0)
    scores, target = torch.from_numpy(rng.normal(size=(9, 1))), torch.from_numpy(one_chosen(sizes, rng))
    together = loss(scores, target, packed_like(sizes))
    order = np.concatenate([rng.permutation(part) for part in parts(np.arange(9), sizes)])
    assert_close(loss(scores[order], target[order], packed_like(sizes)), together)
    for number, rows in enumerate(parts(np.arange(9), sizes)):
        if len(rows):
            assert_close(loss(scores[rows], target[rows], packed_like([len(rows)])), together[[number]])


@pytest.mark.parametrize("loss", [OnePerSet(), ListNet()], ids=["one per set", "listnet"])
def test_gradients_are_right_and_finite_for_scores_far_apart(loss):
    sizes = [3, 0, 1, 2]
    rng = np.random.default_rng(0)
    target = torch.from_numpy(one_chosen(sizes, rng))
    scores = torch.from_numpy(rng.normal(size=(6, 1))).requires_grad_()
    assert gradcheck(lambda scores: loss(scores, target, packed_like(sizes)), scores)
    far = torch.tensor([[1e4], [-1e4], [0.0], [3e38], [1e30], [-1e30]], requires_grad=True)
    loss(far, target.float(), packed_like(sizes)).sum().backward()
    assert far.grad.isfinite().all()


@pytest.mark.parametrize("loss", [OnePerSet(), ListNet()], ids=["one per set", "listnet"])
def test_empty_sets_alone_cost_nothing(loss):
    assert loss(torch.empty(0, 1), torch.empty(0), packed_like([0, 0])).tolist() == [0, 0]
