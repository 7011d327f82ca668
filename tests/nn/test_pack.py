"""Pack: the weights of kinds and of the prior in the mean, against NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from sk_deepsets.nn import Kind, Pack

TO_ANSWERS = {"softmax": lambda o: softmax(o, axis=-1), "sigmoid": expit, "log": np.exp, "identity": lambda o: o}
KINDS = [Kind(("standard",), label_smoothing=0.1), Kind(("clipped",))]
PRIOR = [0.5, -1.0]


class Bare(Pack):
    """What a pack has without members."""

    of_kind = joined = with_kinds = said_by = None


def mean_by_hand(outputs, of_members, of_prior, link):
    answers = TO_ANSWERS[link](np.concatenate([outputs, np.broadcast_to(PRIOR, (1, *outputs.shape[1:]))]))
    return np.einsum("k,kbo->bo", [*of_members, of_prior], answers)


@pytest.mark.parametrize("link", TO_ANSWERS)
def test_the_mean_is_of_the_answers_of_members_and_prior(link):
    pack = Bare(KINDS, 3, link, PRIOR)
    outputs = np.random.default_rng(0).normal(size=(6, 4, 2))
    even = TO_ANSWERS[link](pack.mean_of(torch.from_numpy(outputs).float()).numpy())
    np.testing.assert_allclose(even, mean_by_hand(outputs, [1 / 6] * 6, 0, link), rtol=1e-4)
    assert pack.weighted([0.6, 0.1], 0.3) is pack
    found = TO_ANSWERS[link](pack.mean_of(torch.from_numpy(outputs).float()).numpy())
    of_members = [0.2, 0.2, 0.2, 0.1 / 3, 0.1 / 3, 0.1 / 3]
    np.testing.assert_allclose(found, mean_by_hand(outputs, of_members, 0.3, link), rtol=1e-4)


def test_the_prior_alone():
    pack = Bare(KINDS, 3, "identity", PRIOR).weighted([0.0, 0.0], 1.0)
    torch.testing.assert_close(pack.mean_of(torch.randn(6, 4, 2)), torch.tensor(PRIOR).expand(4, 2))


def test_members_have_what_their_kinds_have():
    pack = Bare(KINDS, 3, "softmax", PRIOR)
    assert pack.n_members == 6
    assert pack.label_smoothing == [0.1, 0.1, 0.1, 0, 0, 0]


def test_weights_and_prior_are_saved_with_the_pack():
    pack, fresh = Bare(KINDS, 3, "softmax", PRIOR).weighted([0.6, 0.1], 0.3), Bare(KINDS, 3, "softmax", [0.0, 0.0])
    fresh.load_state_dict(pack.state_dict())
    outputs = torch.randn(6, 4, 2)
    assert torch.equal(fresh.mean_of(outputs), pack.mean_of(outputs))
    assert pack.double().weighted([0.5, 0.5], 0.0).weights.dtype is torch.float64
