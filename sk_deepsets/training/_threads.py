"""As many threads as the work in a mini-batch is worth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiplications in one batch, forward. Measured on two cores: below, handing work to a second thread costs more than
# it saves, and up to three times the whole step. Threads that sleep while they wait have to be woken each time.
WORTH_MORE_THREADS = 150_000_000 if os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive" else 20_000_000


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """Run a block on one thread if batches of this size are too small for more; torch's setting comes back."""
    before = torch.get_num_threads()
    if multiplications < WORTH_MORE_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
