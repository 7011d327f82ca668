"""Losses against scikit-learn's, and losses of members against torch's own for one net."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_gamma_deviance, mean_pinball_loss
from torch import nn

from sk_deepsets.nn import GammaNLLLoss, PinballLoss, member_losses

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


@pytest.mark.parametrize("loss", [GammaNLLLoss(), PinballLoss(0.3)])
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
