"""A callable as a loss: against torch's own losses, in other units, and what it must not return."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sk_deepsets.nn import CustomLoss, member_losses


def squared(outputs, targets):
    return (outputs - targets) ** 2


def log_loss(outputs, targets):
    return functional.cross_entropy(outputs, targets, reduction="none")


def label_loss(outputs, targets):
    return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=1)


@pytest.mark.parametrize(
    ("function", "target", "criterion", "targets"),
    [
        (log_loss, "classes", nn.CrossEntropyLoss, torch.tensor([0, 2, 1, 2, 0])),
        (label_loss, "labels", nn.BCEWithLogitsLoss, torch.tensor([[0.0, 1, 1]] * 5)),
    ],
)
@pytest.mark.parametrize("smoothing", [(0.0, 0.0), (0.1, 0.0), (0.3, 0.6)])
def test_losses_of_members_and_their_smoothing_are_those_of_torch(function, target, criterion, targets, smoothing):
    outputs = torch.randn(2, 5, 3)
    found = member_losses(CustomLoss(function, target), outputs, targets, smoothing)
    torch.testing.assert_close(found, member_losses(criterion(reduction="none"), outputs, targets, smoothing))


def test_values_come_in_their_own_unit_and_in_float64():
    seen = []

    def function(outputs, targets):
        seen.append((outputs.detach(), targets))
        return squared(outputs, targets).mean(dim=1)

    mean, scale = torch.tensor([1e9, -3.0], dtype=torch.float64), torch.tensor([2.0, 0.5], dtype=torch.float64)
    outputs, targets = torch.randn(4, 2), torch.randn(4, 2, dtype=torch.float64) + mean
    losses = CustomLoss(function, "values", mean, scale)(outputs, targets)
    np.testing.assert_array_equal(seen[0][0], outputs.double() * scale + mean)
    np.testing.assert_array_equal(seen[0][1], targets)
    assert losses.shape == (4,)


@pytest.mark.parametrize("factor", [1.0, 1e-6, 7.0])
def test_the_gradient_is_multiplied_and_the_loss_is_not(factor):
    mean, scale = torch.zeros(1, dtype=torch.float64), torch.full((1,), 3.0, dtype=torch.float64)
    criterion = CustomLoss(squared, "values", mean, scale, is_flat=True, gradient_factor=factor)
    outputs, targets = torch.randn(5, 1, requires_grad=True), torch.randn(5, 1, dtype=torch.float64)
    losses = criterion(outputs, targets)
    np.testing.assert_allclose(losses.detach(), (3 * outputs.detach().double() - targets)[:, 0] ** 2)
    losses.sum().backward()
    wanted = factor * 3 * 2 * (3 * outputs.detach() - targets)
    np.testing.assert_allclose(outputs.grad, wanted, rtol=1e-5)
    np.testing.assert_allclose(criterion.gradient_at(outputs.detach(), targets), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (
            lambda o, t: ((o - t) ** 2).mean(),
            ValueError,
            r"returned a tensor of shape \(\); .*here \(4,\).*Leave out th",
        ),
        (lambda o, t: (o - t) ** 2, ValueError, r"shape \(4, 2\); expected a tensor of shape \(b,\).*\.mean\(dim=1\)"),
        (lambda o, t: (o - t)[:3, 0], ValueError, r"returned a tensor of shape \(3,\); expected"),
        (lambda o, t: (o - t)[:, :1], ValueError, r"returned a tensor of shape \(4, 1\); expected"),
        (lambda o, t: 1.0, TypeError, r"loss=<lambda> returned 1.0 \(float\); expected a tensor of shape \(b,\)"),
        (lambda o, t: None, TypeError, r"returned None \(NoneType\); expected a tensor"),
        (lambda o, t: (o > t)[:, 0], TypeError, "returned a tensor of torch.bool; expected .* in floating point"),
        (lambda o, t: (o.detach() - t)[:, 0], ValueError, "without a gradient with respect to the outputs"),
        (lambda o, t: (t * t.clone().requires_grad_())[:, 0], ValueError, "without a gradient with respect to the out"),
        (
            lambda o, t: (o / t)[:, 0],
            ValueError,
            r"the loss of set 11 of X is \[nan\] for outputs of \[0.0, 0.0\] and y of",
        ),
        (lambda o, t: (o - t).abs().sqrt()[:, 0], ValueError, r"the gradient of the loss of set 11 of X is \[nan"),
    ],
)
def test_what_is_no_loss_for_each_set_is_an_error(function, error, message):
    criterion = CustomLoss(function, "values", torch.zeros(2), torch.ones(2))
    targets = torch.tensor([[1.0, 1], [0, 2], [3, 4], [5, 6]])
    with pytest.raises(error, match=message):
        criterion.gradient_at(torch.zeros(4, 2), targets, [10, 11, 12, 13])


def test_a_class_is_not_what_is_called():
    with pytest.raises(
        TypeError, match=r"loss=MSELoss is a class; expected a callable .* an instance of it, loss=MSELoss\(\)"
    ):
        CustomLoss(nn.MSELoss, "values")
