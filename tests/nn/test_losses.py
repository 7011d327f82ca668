"""Losses against NumPy and scikit-learn, and losses of members against torch's own for one net."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.metrics import mean_gamma_deviance, mean_pinball_loss, ndcg_score
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close

from sk_deepsets.nn import (
    GammaNLLLoss,
    LambdaRank,
    ListNet,
    OnePerSet,
    PackedSets,
    PinballLoss,
    QuantilesLoss,
    log_softmax_over_sets,
    member_losses,
    softmax_over_sets,
)

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_gamma_is_half_the_deviance_up_to_a_constant(seed):
    random = np.random.default_rng(seed)
    target, outputs = random.gamma(2, 3, 20) + 1e-3, random.normal(size=(2, 20))
    losses = GammaNLLLoss()(torch.from_numpy(outputs), torch.from_numpy(target)).numpy()
    deviances = [mean_gamma_deviance(target, np.exp(output)) for output in outputs]
    assert np.diff(losses.mean(axis=1)) == pytest.approx(np.diff(deviances) / 2, rel=1e-6, abs=1e-9)


@given(SEEDS, st.floats(0, 1))
def test_pinball_is_scikit_learns(seed, quantile):
    target, output = np.random.default_rng(seed).normal(size=(2, 20))
    losses = PinballLoss(quantile)(torch.from_numpy(output), torch.from_numpy(target))
    assert losses.shape == (20,)
    assert losses.mean().item() == pytest.approx(mean_pinball_loss(target, output, alpha=quantile), rel=1e-9)


@given(SEEDS, st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True).map(sorted))
def test_of_several_quantiles_the_outputs_are_sorted_first(seed, quantiles):
    random = np.random.default_rng(seed)
    target, outputs = random.normal(size=20), random.normal(size=(20, len(quantiles)))
    losses = QuantilesLoss(quantiles)(torch.from_numpy(outputs), torch.from_numpy(target)[:, None])
    for quantile, output, found in zip(quantiles, np.sort(outputs, axis=1).T, losses.T, strict=True):
        assert found.mean().item() == pytest.approx(mean_pinball_loss(target, output, alpha=quantile), rel=1e-9)


@pytest.mark.parametrize("loss", [GammaNLLLoss(), PinballLoss(0.3), QuantilesLoss([0.2, 0.3, 0.4, 0.5, 0.6, 0.7])])
def test_gradients_are_those_of_differences(loss):
    output = torch.randn(6, dtype=torch.float64, requires_grad=True)
    target = torch.rand(6, dtype=torch.float64) + 0.1
    assert torch.autograd.gradcheck(lambda o: loss(o, target), output)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_constant_of_least_pinball_loss_is_the_quantile(quantile):
    target = torch.from_numpy(np.random.default_rng(0).exponential(size=1001))
    grid = target.sort().values
    losses = torch.stack([PinballLoss(quantile)(one.expand(1001), target).mean() for one in grid])
    assert grid[losses.argmin()].item() == pytest.approx(np.quantile(target, quantile), rel=1e-9)


CRITERIA = {
    "classes": (nn.CrossEntropyLoss, lambda: torch.randint(3, (5,))),
    "labels": (nn.BCEWithLogitsLoss, lambda: torch.randint(2, (5, 3)).float()),
    "values": (nn.MSELoss, lambda: torch.randn(5, 3)),
    "counts": (nn.PoissonNLLLoss, lambda: torch.rand(5, 3)),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_members_have_the_losses_that_they_have_alone(name):
    make, draw = CRITERIA[name]
    outputs, target = torch.randn(4, 5, 3), draw()
    losses = member_losses(make(reduction="none"), outputs, target, [0.0] * 4)
    assert losses.shape == (4, 5)
    for member, output in enumerate(outputs):
        for number in range(5):
            alone = make()(output[number : number + 1], target[number : number + 1])
            assert losses[member, number].item() == pytest.approx(alone.item(), rel=1e-5)


def test_label_smoothing_of_classes_is_torchs_member_by_member():
    outputs, target = torch.randn(3, 5, 4), torch.randint(4, (5,))
    smoothing = [0.0, 0.1, 0.7]
    losses = member_losses(nn.CrossEntropyLoss(reduction="none"), outputs, target, smoothing)
    for output, share, found in zip(outputs, smoothing, losses, strict=True):
        wanted = nn.CrossEntropyLoss(reduction="none", label_smoothing=share)(output, target)
        torch.testing.assert_close(found, wanted)


def test_label_smoothing_of_labels_moves_targets_to_a_half():
    outputs, target = torch.randn(2, 5, 3), torch.randint(2, (5, 3)).float()
    losses = member_losses(nn.BCEWithLogitsLoss(reduction="none"), outputs, target, [0.0, 0.2])
    for output, share, found in zip(outputs, [0.0, 0.2], losses, strict=True):
        moved = target * (1 - share) + share / 2
        torch.testing.assert_close(found, nn.BCEWithLogitsLoss(reduction="none")(output, moved).mean(dim=1))


def test_values_have_no_labels_to_smooth():
    outputs, target = torch.randn(2, 5, 1), torch.randn(5, 1)
    plain, smoothed = (member_losses(nn.MSELoss(reduction="none"), outputs, target, [s, s]) for s in (0.0, 0.5))
    assert torch.equal(plain, smoothed)


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


def lambdarank_by_hand(scores, gains, n_first=30):
    """One set, pair by pair."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    discount = {i: 1 / np.log2(rank + 2) for rank, i in enumerate(order)}
    best = sum(gain / np.log2(rank + 2) for rank, gain in enumerate(sorted(gains, reverse=True)))
    total = 0.0
    for first, i in enumerate(order[:n_first]):
        for j in order[first + 1 :]:
            change = abs(gains[i] - gains[j]) * abs(discount[i] - discount[j])
            lead = (scores[i] - scores[j]) * np.sign(gains[i] - gains[j])
            total += change * np.log1p(np.exp(-lead))
    return total / best if best else 0.0


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 2, 5, 30, 31, 45]), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_lambdarank_weighs_pairs_by_what_a_swap_changes(sizes, seed):
    rng = np.random.default_rng(seed)
    scores, target = rng.normal(size=sum(sizes)), rng.integers(0, 5, sum(sizes)).astype(float)
    got = LambdaRank()(torch.from_numpy(scores)[:, None], torch.from_numpy(target), packed_like(sizes))
    pairs = zip(parts(scores, sizes), parts(target, sizes), strict=True)
    np.testing.assert_allclose(got, [lambdarank_by_hand(*pair) for pair in pairs], rtol=1e-9, atol=1e-12)


def test_the_gradient_of_lambdarank_is_what_swaps_change_in_the_ndcg_of_scikit_learn():
    grades, scores = np.array([3.0, 0, 1, 2, 0]), np.array([0.1, 0.9, 0.3, 0.2, 0.5])
    wanted = np.zeros(5)
    for i, j in combinations(range(5), 2):
        swapped = scores.copy()
        swapped[[i, j]] = scores[[j, i]]
        change = abs(ndcg_score([grades], [swapped]) - ndcg_score([grades], [scores]))
        sign = np.sign(grades[i] - grades[j])
        pull = change * sign / (1 + np.exp(sign * (scores[i] - scores[j])))
        wanted[[i, j]] += [-pull, pull]
    tensor = torch.from_numpy(scores[:, None]).requires_grad_()
    LambdaRank()(tensor, torch.from_numpy(grades), packed_like([5])).sum().backward()
    np.testing.assert_allclose(tensor.grad[:, 0], wanted, rtol=1e-9)


def test_a_set_without_relevant_elements_costs_nothing():
    scores = torch.randn(5, 1, requires_grad=True)
    loss = LambdaRank()(scores, torch.tensor([0.0, 0, 0, 1, 0]), packed_like([3, 2]))
    assert loss[0] == 0
    assert loss[1] > 0
    loss.sum().backward()
    assert not scores.grad[:3].any()


def test_listnet_is_smallest_where_the_scores_are_the_grades():
    sizes, grades = [4, 3], torch.tensor([0.0, 2.0, 1.0, 3.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    best = ListNet()(grades[:, None], grades, packed_like(sizes))
    entropy = [-(softmax(part) * log_softmax(part)).sum() for part in parts(grades, sizes)]
    np.testing.assert_allclose(best, entropy)
    assert (ListNet()(-grades[:, None], grades, packed_like(sizes)) > best).all()


@pytest.mark.parametrize("loss", [OnePerSet(), ListNet(), LambdaRank()], ids=["one per set", "listnet", "lambdarank"])
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


@pytest.mark.parametrize("loss", [OnePerSet(), ListNet(), LambdaRank()], ids=["one per set", "listnet", "lambdarank"])
def test_gradients_are_right_and_finite_for_scores_far_apart(loss):
    sizes = [3, 0, 1, 2]
    rng = np.random.default_rng(0)
    target = torch.from_numpy(one_chosen(sizes, rng))
    scores = torch.from_numpy(rng.normal(size=(6, 1))).requires_grad_()
    assert gradcheck(lambda scores: loss(scores, target, packed_like(sizes)), scores)
    far = torch.tensor([[1e4], [-1e4], [0.0], [3e38], [1e30], [-1e30]], requires_grad=True)
    loss(far, target.float(), packed_like(sizes)).sum().backward()
    assert far.grad.isfinite().all()


@pytest.mark.parametrize("loss", [OnePerSet(), ListNet(), LambdaRank()], ids=["one per set", "listnet", "lambdarank"])
def test_empty_sets_alone_cost_nothing(loss):
    assert loss(torch.empty(0, 1), torch.empty(0), packed_like([0, 0])).tolist() == [0, 0]
