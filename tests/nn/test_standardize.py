import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sk_deepsets.nn import DeepSetsInvariant, Standardize

SECONDS = 1.7e9  # since 1970: float32 knows such times to two minutes


def test_subtracts_the_mean_and_divides_by_the_scale():
    x = np.random.default_rng(0).normal(5, 3, size=(20, 3))
    mean, scale = x.mean(axis=0), x.std(axis=0)
    layer = Standardize(torch.from_numpy(mean), torch.from_numpy(scale))
    assert_close(layer(torch.from_numpy(x)), torch.from_numpy((x - mean) / scale).float())


def test_time_stamps_keep_their_seconds():
    times = SECONDS + torch.arange(4, dtype=torch.float64)[:, None]
    layer = Standardize(torch.tensor([SECONDS], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64))
    output = layer(times)
    assert output.dtype == torch.float32
    assert output.flatten().tolist() == [0.0, 0.5, 1.0, 1.5]


def test_time_stamps_keep_their_seconds_inside_a_model():
    layer = Standardize(torch.tensor([SECONDS], dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    model = DeepSetsInvariant(1, [], [], 1, input_layer=layer)
    times = SECONDS + torch.tensor([[[0.0], [1.0], [5.0]]], dtype=torch.float64)
    assert model.embed(times).tolist() == [[6.0]]


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6, 1.7e9])
@pytest.mark.parametrize("spread", [1e-2, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_each_dtype_is_standardised_as_exactly_as_it_can_be(offset, spread, dtype):
    x = (offset + spread * np.random.default_rng(0).normal(size=(50, 2))).astype(dtype)
    exact = x.astype(np.longdouble)
    mean, scale = exact.mean(axis=0), exact.std(axis=0) + spread / 10
    layer = Standardize(torch.from_numpy(mean.astype(float)), torch.from_numpy(scale.astype(float)))
    wanted = torch.from_numpy(((exact - mean) / scale).astype(float))
    assert_close(layer(torch.from_numpy(x)).double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int16, torch.int64, torch.float32])
def test_the_same_values_in_any_dtype_are_the_same_to_the_last_bit(dtype):
    layer = Standardize(torch.tensor([0.1, 1e9], dtype=torch.float64), torch.tensor([0.3, 7.0], dtype=torch.float64))
    x = torch.tensor([[0, 1], [1, 1], [1, 0]]).to(dtype)
    assert torch.equal(layer(x), layer(x.double()))
    assert torch.equal(layer.unrounded(x), layer.unrounded(x.double()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_the_output_has_the_dtype_of_the_model_whatever_comes_in(dtype):
    layer = Standardize(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    assert layer(torch.ones(4, 2, dtype=dtype)).dtype == torch.float32


def test_the_dtype_is_the_default_at_construction():
    torch.set_default_dtype(torch.float64)
    try:
        layer = Standardize(torch.zeros(2), torch.ones(2))
    finally:
        torch.set_default_dtype(torch.float32)
    assert layer(torch.ones(4, 2)).dtype == torch.float64


def test_a_model_turned_to_float64_takes_its_input_layer_along():
    layer = Standardize(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    model = DeepSetsInvariant(2, [4], [], 1, input_layer=layer).double()
    assert model(torch.ones(1, 3, 2, dtype=torch.float64)).dtype == torch.float64


def test_the_statistics_travel_in_the_state_dict_and_are_not_trained():
    layer = Standardize(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    assert list(layer.parameters()) == []
    fresh = Standardize(torch.zeros(2), torch.ones(2))
    fresh.load_state_dict(layer.state_dict())
    x = torch.randn(5, 2)
    assert torch.equal(fresh(x), layer(x))
    assert not torch.equal(fresh(x), x)


def test_no_elements_give_no_rows():
    layer = Standardize(torch.zeros(2), torch.ones(2))
    assert layer(torch.zeros(0, 2)).shape == (0, 2)
