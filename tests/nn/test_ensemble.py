"""Ensemble: the weights of stacks and of the prior in the mean, against NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch import nn

from sk_deepsets.nn import Ensemble, PackedSets, Stack

TO_ANSWERS = {"softmax": lambda o: softmax(o, axis=-1), "sigmoid": expit, "log": np.exp, "identity": lambda o: o}
PRIOR = [0.5, -1.0]
N_FOLDS = 3


class Constant(Stack):
    """Members that give the same outputs for each set."""

    def __init__(self, value, label_smoothing=0.0):
        super().__init__()
        self.label_smoothing = label_smoothing
        self.outputs = nn.Parameter(value + torch.arange(2.0 * N_FOLDS).view(N_FOLDS, 1, 2))

    def forward(self, inputs):
        return self.outputs.expand(-1, len(inputs.packed.sizes), -1)


STACKS = [Constant(0.0, 0.1), Constant(-3.0)]


def batch(n_sets=4):
    sizes = torch.ones(n_sets, dtype=torch.int64)
    return PackedSets(torch.zeros(n_sets, 1), torch.arange(n_sets), sizes)


def mean_by_hand(outputs, member_weights, prior_weight, link):
    answers = TO_ANSWERS[link](np.concatenate([outputs, np.broadcast_to(PRIOR, (1, *outputs.shape[1:]))]))
    return np.einsum("k,kbo->bo", [*member_weights, prior_weight], answers)


@pytest.mark.parametrize("link", TO_ANSWERS)
def test_the_mean_is_of_the_answers_of_members_and_prior(link):
    even = Ensemble(STACKS, N_FOLDS, link, PRIOR)
    outputs = even.member_outputs(batch()).detach().numpy()
    assert outputs.shape == (6, 4, 2)
    np.testing.assert_array_equal(outputs[:, 0, 0], [0, 2, 4, -3, -1, 1])
    found = TO_ANSWERS[link](even(batch()).detach().numpy())
    np.testing.assert_allclose(found, mean_by_hand(outputs, [1 / 6] * 6, 0, link), rtol=1e-4)
    weighted = even.with_stacks(STACKS, [0.6, 0.1], 0.3)
    found = TO_ANSWERS[link](weighted(batch()).detach().numpy())
    member_weights = [0.2, 0.2, 0.2, 0.1 / 3, 0.1 / 3, 0.1 / 3]
    np.testing.assert_allclose(found, mean_by_hand(outputs, member_weights, 0.3, link), rtol=1e-4)


def test_the_prior_alone():
    ensemble = Ensemble(STACKS, N_FOLDS, "identity", PRIOR).with_stacks(STACKS, [0.0, 0.0], 1.0)
    torch.testing.assert_close(ensemble(batch()), torch.tensor(PRIOR).expand(4, 2))


def test_members_have_the_label_smoothing_of_their_stacks():
    ensemble = Ensemble(STACKS, N_FOLDS, "softmax", PRIOR)
    assert ensemble.n_members == 6
    assert ensemble.label_smoothing == [0.1, 0.1, 0.1, 0, 0, 0]


@pytest.mark.parametrize("fold", range(N_FOLDS))
def test_outputs_of_a_variant_are_the_mean_of_its_members_or_that_of_a_fold(fold):
    ensemble = Ensemble(STACKS, N_FOLDS, "identity", PRIOR)
    outputs = ensemble.member_outputs(batch()).view(2, N_FOLDS, 4, 2)
    torch.testing.assert_close(ensemble.variant_outputs(ensemble.inputs(batch())), outputs.mean(dim=1))
    torch.testing.assert_close(ensemble.of_fold(fold).variant_outputs(ensemble.inputs(batch())), outputs[:, fold])
    assert torch.equal(ensemble.member_outputs(batch()).view(2, N_FOLDS, 4, 2), outputs)  # the weights are back


def test_another_choice_of_stacks_leaves_the_first_as_it_was():
    ensemble = Ensemble(STACKS, N_FOLDS, "identity", PRIOR)
    before = ensemble(batch())
    chosen = ensemble.with_stacks([STACKS[1]], [0.5], 0.5)
    assert (chosen.n_members, ensemble.n_members) == (3, 6)
    assert torch.equal(ensemble(batch()), before)
    assert chosen.stacks[0] is STACKS[1]
    assert not ensemble.eval().with_stacks([Constant(1.0).train()]).stacks[0].training


def test_weights_and_prior_are_saved_with_the_ensemble():
    saved = Ensemble(STACKS, N_FOLDS, "softmax", PRIOR).with_stacks(STACKS, [0.6, 0.1], 0.3)
    fresh = Ensemble([Constant(7.0), Constant(8.0)], N_FOLDS, "softmax", [0.0, 0.0])
    fresh.load_state_dict(saved.state_dict())
    assert torch.equal(fresh(batch()), saved(batch()))
    assert saved.double().with_stacks(STACKS).weights.dtype is torch.float64
