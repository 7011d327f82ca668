"""find_device and random_numbers: the device that is meant, and nobody's random numbers but our own."""

import numpy as np
import pytest
import torch

from sk_deepsets.training import find_device, random_numbers

NOT_THERE = "cuda:97"


def test_auto_is_the_accelerator_or_else_the_cpu():
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    assert find_device("auto") == (torch.device("cpu") if accelerator is None else accelerator)


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu")])
def test_the_cpu_is_always_there(device):
    assert find_device(device).type == "cpu"


@pytest.mark.parametrize("device", ["gpu", "cud", "", "cuda:first", "cpu,cuda"])
def test_a_name_torch_does_not_know_is_an_error(device):
    with pytest.raises(ValueError, match=r'device must be "auto" or a torch device such as "cpu"'):
        find_device(device)


@pytest.mark.parametrize("device", [NOT_THERE, torch.device(NOT_THERE), "meta"])
def test_a_device_that_is_not_there_is_an_error(device):
    with pytest.raises(ValueError, match=rf"device='{device}' is not on this machine .*use \"auto\" or \"cpu\""):
        find_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_an_error_that_says_what_there_is():
    with pytest.raises(ValueError, match=r"device=.cuda. is not on this machine .torch sees"):
        find_device("cuda")


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="this machine has no accelerator")
def test_the_accelerator_is_found_by_its_name():
    there = torch.accelerator.current_accelerator()
    assert find_device(there.type).type == there.type


def test_a_block_of_random_numbers_leaves_the_global_generators_as_they_were():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with random_numbers(torch.device("cpu"), 0):
        torch.randn(100)
        assert not torch.equal(torch.get_rng_state(), torch_state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_the_generator_is_put_back_after_an_error_too():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="size"), random_numbers(torch.device("cpu"), 0):
        torch.randn(3) @ torch.randn(4)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_seed_alone_decides_the_numbers():
    drawn = []
    for seed in (1, 1, 2):
        torch.rand(5)  # moves the global generator on
        with random_numbers(torch.device("cpu"), seed):
            drawn.append(torch.randn(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_kept_state_goes_on_where_the_block_ended():
    cpu = torch.device("cpu")
    with random_numbers(cpu, 3):
        whole = torch.randn(6)
    with random_numbers(cpu, 3):
        first = torch.randn(3)
        state = torch.get_rng_state()
    with random_numbers(cpu, 99, state):
        second = torch.randn(3)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=0)
