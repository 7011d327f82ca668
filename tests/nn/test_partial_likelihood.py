"""The partial likelihood against a loop over the times of events, and against lifelines where that is installed."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from torch.autograd import gradcheck
from torch.testing import assert_close

from sk_deepsets.nn import PartialLikelihood

SEEDS = st.integers(0, 2**32 - 1)


def log_likelihood(risk, time, event, weight):
    """Term by term, as the documentation of R's coxph has it."""
    total = 0.0
    for t in np.unique(time[event & (weight > 0)]):
        at_risk, tied = (time >= t) & (weight > 0), (time == t) & event & (weight > 0)
        score, d = weight * np.exp(risk), tied.sum()
        total += (weight * risk)[tied].sum()
        total -= weight[tied].mean() * sum(
            np.log(score[at_risk].sum() - place / d * score[tied].sum()) for place in range(d)
        )
    return total


def draw(seed, n_models=1):
    """Risks (k, n), times with ties, events, and weights (k, n) some of which are 0."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 30)
    time, event = rng.integers(0, rng.integers(1, 40), n) / 7, rng.random(n) < 0.6
    weight = rng.gamma(1, 1, (n_models, n)) * (rng.random((n_models, n)) < 0.8)
    return rng.normal(scale=2, size=(n_models, n)), time, event, weight


def loss(risk, time, event, weight=None):
    """Losses (k, n) of risks (k, n)."""
    target = torch.from_numpy(np.column_stack([time, event]).astype(float))
    weight = None if weight is None else torch.as_tensor(weight)
    return PartialLikelihood().eval()(torch.as_tensor(risk)[..., None], target, weight)


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_it_is_that_of_a_loop_over_the_times_of_events_and_1_for_an_event_where_risks_are_alike(seed):
    risk, time, event, weight = draw(seed, n_models=3)
    got = loss(risk, time, event, weight)
    for model in range(3):
        gain = log_likelihood(risk[model], time, event, weight[model])
        gain -= log_likelihood(0 * risk[model], time, event, weight[model])
        assert got[model].sum().item() == pytest.approx(weight[model] @ event - gain, rel=1e-9, abs=1e-9)
    assert not got[:, ~event].any()
    without = loss(risk, time, event)
    alone = [loss(one[None], time, event, np.ones(len(time))) for one in risk]
    assert_close(without, torch.cat(alone))
    alike = loss(np.full((1, len(time)), 3.0), time, event)
    assert alike.sum().item() == pytest.approx(event.sum(), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-50, 50))
def test_neither_the_level_of_risks_nor_the_unit_of_time_nor_the_order_of_sets_matters(seed, shift):
    risk, time, event, weight = draw(seed)
    plain = loss(risk, time, event, weight)
    assert_close(loss(risk + shift, time, event, weight), plain, rtol=1e-7, atol=1e-9)
    assert_close(loss(risk, np.exp(time), event, weight), plain)
    order = np.random.default_rng(seed).permutation(len(time))
    assert_close(loss(risk[:, order], time[order], event[order], weight[:, order]), plain[:, order])
    there = weight[0] > 0  # sets of weight 0 are not there
    if there.any():
        assert_close(loss(risk[:, there], time[there], event[there], weight[:, there]), plain[:, there])


@pytest.mark.parametrize("training", [False, True])
def test_its_gradient_is_that_of_differences(training):
    risk, time, event, weight = draw(5, n_models=2)
    target = torch.from_numpy(np.column_stack([time, event]).astype(float))
    outputs = torch.from_numpy(risk)[..., None].requires_grad_()
    criterion = PartialLikelihood().train(training)
    assert gradcheck(lambda outputs: criterion(outputs, target, torch.from_numpy(weight)), outputs)


@pytest.mark.parametrize("spread", [1.0, 60.0, 1e4, 1e30])
def test_risks_far_apart_have_finite_losses_and_gradients(spread):
    risk = torch.tensor([[-1.0, 0.5, 1, 0, 0.2, -0.5]])[..., None] * spread
    risk.requires_grad_()
    target = torch.tensor([[1.0, 1], [1, 1], [2, 1], [3, 0], [3, 1], [0.5, 0]])
    weight = torch.tensor([0.0, 1, 2, 1, 1, 1])
    losses = PartialLikelihood().eval()(risk, target, weight)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert risk.grad.isfinite().all()
    # of the one at time 2, those at risk are it and two with risks of 0 and 0.2
    wanted = logsumexp(np.array([0.0, -1, -0.8]) * spread, b=[2, 1, 1])
    assert losses[0, 2].item() == pytest.approx(2 * (1 + wanted - np.log(4)), abs=1e-6 * spread)


def test_in_training_the_mean_risk_is_pulled_to_0():
    risk, time, event, weight = draw(1)
    outputs, target = torch.from_numpy(risk)[..., None], torch.from_numpy(np.column_stack([time, event]).astype(float))
    with_level = PartialLikelihood().train()(outputs, target, torch.from_numpy(weight)).sum()
    level = np.average(risk[0], weights=weight[0])
    wanted = loss(risk, time, event, weight).sum() + 0.1 * level**2 * weight.sum()
    assert with_level.item() == pytest.approx(wanted.item(), rel=1e-9)


def test_without_an_event_it_is_0():
    outputs = torch.randn(2, 3, 1, requires_grad=True)
    losses = PartialLikelihood().eval()(outputs, torch.tensor([[1.0, 0], [2, 0], [3, 1]]), torch.tensor([1.0, 1, 0]))
    losses.sum().backward()
    assert not losses.any()
    assert not outputs.grad.any()


def test_its_minimum_is_that_of_lifelines():
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=200), rng.integers(1, 4, 200).astype(float)
    time, event = np.ceil(rng.exponential(np.exp(-x)) * 5), rng.random(200) < 0.7
    frame = pd.DataFrame({"x": x, "time": time, "event": event, "weight": weight})
    with warnings.catch_warnings(action="ignore"):  # its own, of pandas
        model = lifelines.CoxPHFitter().fit(frame, "time", "event", weights_col="weight", robust=True)
    slope = float(model.params_["x"])
    assert log_likelihood(slope * x, time, event, weight) == pytest.approx(model.log_likelihood_, rel=1e-6)
    beta = torch.tensor(slope, dtype=torch.float64, requires_grad=True)
    loss((beta * torch.from_numpy(x))[None], time, event, weight).sum().backward()
    assert beta.grad.item() == pytest.approx(0, abs=0.01)
