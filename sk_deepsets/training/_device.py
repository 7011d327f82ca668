"""Which device to train on, and its random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name, or the best one there for ``"auto"``.

    Raises
    ------
    ValueError
        For a name that torch does not know, and for a device that this machine does not have.
    """
    there = torch.accelerator.current_accelerator(check_available=True)
    if device == "auto":
        # sets are standardised in float64, which Apple's MPS does not have
        return torch.device("cpu") if there is None or there.type == "mps" else there
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


@contextmanager
def random_numbers(device: torch.device, seed: int, state: Tensor | None = None) -> Iterator[None]:
    """Run a block on torch generators of its own, and put the global ones back after it.

    ``state`` goes on where an earlier block ended; without it the block begins at ``seed``.
    """
    devices = [] if device.type == "cpu" else [device.index or 0]
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        # not torch.manual_seed, which would also seed the accelerators that this fork does not put back
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.get_device_module(device.type).manual_seed(seed)
        if state is not None:
            torch.set_rng_state(state)
        yield
