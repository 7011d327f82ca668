"""As many threads as the work in a mini-batch is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiplications in one batch, forward. Measured on two cores: below some 20 million, handing work to a second
# thread costs more than it saves, and up to three times the whole step.
WORTH_MORE_THREADS = 20_000_000


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
