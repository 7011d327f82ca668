"""What a fit runs on: the device that is meant, nobody's random numbers but its own, its own number of threads."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sk_deepsets.nn import current_generator
from sk_deepsets.training import RandomNumbers, as_global_generator, find_device, threads_for
from sk_deepsets.training._runtime import MIN_MULTIPLICATIONS_FOR_THREADS

NOT_THERE = "cuda:97"
CPU = torch.device("cpu")


@pytest.mark.parametrize(("there", "wanted"), [(None, "cpu"), ("cuda:0", "cuda:0"), ("mps", "cpu")])
def test_auto_is_the_accelerator_unless_it_is_apples(monkeypatch, there, wanted):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: there is not None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(there))
    assert find_device("auto") == torch.device(wanted)


def test_apples_accelerator_is_refused_with_the_reason():
    with pytest.raises(ValueError, match='device="mps" has no float64'):
        find_device("mps")


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


def draw(random_numbers, n=4):
    with random_numbers.drawn(CPU):
        return torch.rand(n, generator=current_generator())


def test_the_seed_alone_decides_the_numbers_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    drawn = [draw(RandomNumbers(seed)) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert current_generator() is None


def test_the_next_block_goes_on_where_the_last_one_ended_also_from_a_pickle():
    random_numbers = RandomNumbers(3)
    first = draw(random_numbers, 8)
    loaded = pickle.loads(pickle.dumps(random_numbers))
    second = draw(random_numbers, 8)
    whole = draw(RandomNumbers(3), 16)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=0)
    assert torch.equal(draw(loaded, 8), second)


def test_after_an_error_the_same_numbers_are_drawn_again():
    random_numbers = RandomNumbers(0)
    draw(random_numbers)
    with pytest.raises(RuntimeError, match="size"), random_numbers.drawn(CPU):
        torch.randn(3, generator=current_generator()) @ torch.randn(4)
    again = draw(random_numbers)
    fresh = RandomNumbers(0)
    draw(fresh)
    assert torch.equal(again, draw(fresh))
    assert current_generator() is None


def test_code_that_knows_the_global_generator_only_draws_from_that_of_the_fit():
    before = torch.get_rng_state()
    random_numbers = RandomNumbers(5)
    with random_numbers.drawn(CPU):
        with as_global_generator():
            first = torch.rand(8)
        assert torch.equal(torch.get_rng_state(), before)
        second = torch.rand(8, generator=current_generator())
    assert torch.equal(torch.cat([first, second]), draw(RandomNumbers(5), 16))


def test_the_global_generator_is_put_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="size"), RandomNumbers(0).drawn(CPU), as_global_generator():
        torch.randn(3) @ torch.randn(4)
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_side_by_side_draw_what_each_draws_alone():
    def numbers(seed):
        random_numbers, drawn = RandomNumbers(seed), []
        for _ in range(30):
            with random_numbers.drawn(CPU), as_global_generator():
                drawn.append(torch.randn(5))
            drawn.append(draw(random_numbers, 5))
        return torch.stack(drawn)

    alone = [numbers(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(numbers, range(8)))
    assert all(map(torch.equal, together, alone))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_little_work_runs_on_one_thread_and_much_on_all():
    for work, threads in ((MIN_MULTIPLICATIONS_FOR_THREADS - 1, 1), (MIN_MULTIPLICATIONS_FOR_THREADS, 2)):
        with threads_for(work):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    with pytest.raises(KeyError), threads_for(1):
        raise KeyError
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_the_number_of_threads_is_that_of_the_calling_thread_alone():
    inside, outside = threading.Barrier(3), threading.Barrier(3)
    seen = {}

    def block(name, work):
        with threads_for(work):
            inside.wait()
            seen[name] = torch.get_num_threads()
            outside.wait()
        seen[name + " after"] = torch.get_num_threads()

    workers = [threading.Thread(target=block, args=pair) for pair in (("little", 1), ("much", 1e12))]
    for worker in workers:
        worker.start()
    inside.wait()
    seen["main"] = torch.get_num_threads()
    outside.wait()
    for worker in workers:
        worker.join()
    assert seen == {"little": 1, "much": 2, "main": 2, "little after": 2, "much after": 2}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="this machine has no accelerator")
def test_the_generator_of_the_accelerator_follows_the_seed():
    device = torch.accelerator.current_accelerator()

    def numbers(seed):
        with RandomNumbers(seed).drawn(device):
            return torch.randn(4, device=device, generator=current_generator()).cpu()

    assert torch.equal(numbers(1), numbers(1))
    assert not torch.equal(numbers(1), numbers(2))
