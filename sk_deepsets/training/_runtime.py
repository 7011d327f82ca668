"""What a fit runs on: its device, its own random numbers, and the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from sk_deepsets.nn import own_generator, random_generator

# Multiplications in one mini-batch, forward, as measured by examples/benchmarks/threads.py: below, handing work to a
# second thread that sleeps while it waits costs more than it saves (up to four times the step); above, it pays.
MIN_MULTIPLICATIONS_FOR_THREADS = 50_000_000

CPU = torch.device("cpu")
_GLOBAL_GENERATOR = threading.RLock()


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name, or the best one there for ``"auto"``.

    Raises
    ------
    ValueError
        For a name that torch does not know, and for a device that this machine does not have.
    """
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if device == "auto":
        # sets are standardised in float64, which Apple's MPS does not have
        return CPU if there is None or there.type == "mps" else there
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f'device must be "auto" or a torch device such as "cpu" or "cuda:0", got {device!r}.'
        ) from error
    if found.type == "cpu":
        return found
    if found.type == "mps":
        raise ValueError('device="mps" has no float64, in which sets are standardised; use "cpu".')
    if there is None or found.type != there.type or (found.index or 0) >= torch.accelerator.device_count():
        seen = "none but the CPU" if there is None else f"{torch.accelerator.device_count()} of type {there.type!r}"
        raise ValueError(f'device={str(device)!r} is not on this machine (torch sees {seen}); use "auto" or "cpu".')
    return found


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device; 0 where torch does not tell."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run a block without what the caller has set for torch: a default device other than the CPU, inference mode."""
    is_elsewhere = torch.empty(0).device != CPU  # torch.get_default_device of old versions does not know all ways
    with torch.inference_mode(False), CPU if is_elsewhere else nullcontext():
        yield


class RandomNumbers:
    """The random numbers of one model, from a generator of its own.

    Torch's global generators are shared by all threads, so fits side by side would take numbers away from each other.

    Parameters
    ----------
    seed : int
        Where the generator begins, on each device that it is asked for.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._states: dict[str, Tensor] = {}  # by type of device, on the CPU: a pickle needs no GPU

    @contextmanager
    def drawn(self, device: torch.device) -> Iterator[None]:
        """Run a block of this thread on these numbers; after an error, the next block draws the same ones again."""
        generator = torch.Generator(device).manual_seed(self.seed)
        if device.type in self._states:
            generator.set_state(self._states[device.type])
        with random_generator(generator):
            yield
        self._states[device.type] = generator.get_state()


@contextmanager
def as_global_generator() -> Iterator[None]:
    """Let code that knows only torch's global generator draw from that of this thread, and put the global one back.

    One thread at a time does so: for the making of modules, and for the users' own.
    """
    ours = own_generator()
    if ours is None:
        yield
        return
    with _GLOBAL_GENERATOR:
        before = _get_state(ours.device)
        _set_state(ours.device, ours.get_state())
        try:
            yield
        finally:
            ours.set_state(_get_state(ours.device))
            _set_state(ours.device, before)


def _get_state(device: torch.device) -> Tensor:
    return torch.get_rng_state() if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)


def _set_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cpu":
        torch.set_rng_state(state)
    else:
        torch.get_device_module(device).set_rng_state(state, device)


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()  # takes milliseconds, since it inspects the libraries of the process


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """Run a block on one thread if batches of this size are too small for more.

    Not by ``torch.set_num_threads``, which is for all threads: of fits side by side, the last to end would leave its
    own setting behind. OpenMP's is for the calling thread alone.
    """
    # asking also makes torch set this thread up, which would overwrite the limit later
    if torch.get_num_threads() == 1 or multiplications >= MIN_MULTIPLICATIONS_FOR_THREADS:
        yield
        return
    with _thread_pools().limit(limits=1, user_api="openmp"):
        yield
