"""Links: answers and back, and means of answers, against SciPy and NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from sk_deepsets.nn import LINKS, QuantileDecoder, linked_mean

TO_ANSWERS = {
    "softmax": lambda outputs: special.softmax(outputs, axis=-1),
    "sigmoid": special.expit,
    "log": np.exp,
    "identity": lambda outputs: outputs,
    "sorted": lambda outputs: np.sort(outputs, axis=-1),
}
TO_OUTPUTS = {"softmax": np.log, "sigmoid": special.logit, "log": np.log} | dict.fromkeys(
    ("identity", "sorted"), lambda answers: answers
)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))


def drawn(shape, scale=3.0):
    k, b, o, seed = shape
    random = np.random.default_rng(seed)
    return random.normal(scale=scale, size=(k, b, o)), random.dirichlet(np.ones(k))


def test_there_is_a_reference_for_each_link():
    assert LINKS.keys() == TO_ANSWERS.keys()


@pytest.mark.parametrize("link", LINKS)
@given(shape=SHAPES)
def test_outputs_stand_for_answers(link, shape):
    outputs, _ = drawn(shape)
    to_answers, to_outputs = LINKS[link]
    answers = to_answers(torch.from_numpy(outputs))
    np.testing.assert_allclose(answers, TO_ANSWERS[link](outputs), rtol=1e-12)
    np.testing.assert_allclose(to_outputs(answers), TO_OUTPUTS[link](answers.numpy()), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("link", ["softmax", "sigmoid", "log"])
def test_an_answer_of_zero_is_an_output_that_is_finite(link):
    outputs = LINKS[link][1](torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert outputs.isfinite().all()
    assert outputs[0] < -25


@pytest.mark.parametrize("link", LINKS)
@given(shape=SHAPES)
def test_the_mean_is_of_answers(link, shape):
    outputs, weights = drawn(shape)
    wanted = np.einsum("k,kbo->bo", weights, TO_ANSWERS[link](outputs))
    found = linked_mean(torch.from_numpy(outputs), torch.from_numpy(weights), link)
    np.testing.assert_allclose(TO_ANSWERS[link](found.numpy()), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("link", LINKS)
def test_a_weight_of_zero_leaves_an_output_out(link):
    outputs, _ = drawn((3, 4, 2, 0))
    weights = torch.tensor([0.25, 0, 0.75], dtype=torch.float64)
    found = linked_mean(torch.from_numpy(outputs), weights, link)
    assert torch.equal(found, linked_mean(torch.from_numpy(outputs[[0, 2]]), weights[[0, 2]], link))


@pytest.mark.parametrize("link", ["softmax", "sigmoid", "log"])
@pytest.mark.parametrize("size", [50.0, 500.0])
def test_means_of_certain_answers_stay_finite_in_float32(link, size):
    outputs = torch.tensor([[[size, -size]], [[size, -size]], [[-size, size]]])
    mean = linked_mean(outputs, torch.full((3,), 1 / 3), link)
    assert mean.isfinite().all()
    # two thirds for the first, and a third for the second
    wanted = {"softmax": np.log(2), "sigmoid": np.log(2), "log": size + np.log(2 / 3)}[link]
    found = mean[0, 0] - mean[0, 1] if link == "softmax" else mean[0, 0]
    assert found == pytest.approx(wanted, rel=1e-4)


def test_the_dtype_is_that_of_the_outputs():
    for link in LINKS:
        assert linked_mean(torch.zeros(2, 1, 1), torch.tensor([0.5, 0.5], dtype=torch.float64), link).dtype is (
            torch.float32
        )


@given(shape=SHAPES, places=st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_quantiles_do_not_cross_and_come_in_the_order_that_is_asked_for(shape, places):
    outputs, weights = drawn((*shape[:2], 3, shape[3]))
    mean = linked_mean(torch.from_numpy(outputs).float(), torch.from_numpy(weights), "sorted")
    one = torch.ones(1, dtype=torch.float64)
    found = QuantileDecoder(torch.tensor(places), 1000 * one, 0.1 * one)(mean).numpy()
    wanted = 1000 + 0.1 * np.einsum("k,kbo->bo", weights, np.sort(outputs, axis=2))[:, places]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert (np.diff(found[:, np.argsort(places)], axis=1) >= 0).all()
