"""Dropout that draws from a generator handed down to it, so that fits in parallel threads do not affect each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import torch
from torch import Tensor, nn


class _Current(threading.local):
    generator: torch.Generator | None = None


_current = _Current()


@contextmanager
def random_generator(generator: torch.Generator | None) -> Iterator[None]:
    """Let every :class:`Dropout` that this thread runs within the block draw from ``generator``.

    Parameters
    ----------
    generator : torch.Generator or None
        On the device of the model. None: torch's global generator of that device.

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import Dropout, random_generator
    >>> layer, x = Dropout(0.5), torch.ones(8)
    >>> with random_generator(torch.Generator().manual_seed(0)):
    ...     first = layer(x)
    >>> with random_generator(torch.Generator().manual_seed(0)):
    ...     second = layer(x)
    >>> torch.equal(first, second)
    True
    """
    before, _current.generator = _current.generator, generator
    try:
        yield
    finally:
        _current.generator = before


def current_generator() -> torch.Generator | None:
    """The generator that this thread draws from; None: torch's global one."""
    return _current.generator


class Dropout(nn.Dropout):
    """Set each value to 0 with probability p in training, and divide the others by 1 - p (Srivastava et al., 2014).

    Parameters
    ----------
    p : float, default=0.5
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with units dropped, in the same shape; ``x`` itself outside of training."""
        if not self.training:
            return x
        keep = 1 - self.p
        # on a CPU, uniform numbers take a third of the time of the Bernoulli numbers that nn.Dropout draws
        uniform = torch.rand(x.shape, device=x.device, generator=_current.generator)  # in [0, 1)
        return x * uniform.lt_(keep).to(x.dtype).div_(keep or 1)


def member_dropout(rows: Tensor, probabilities: Sequence[float]) -> Tensor:
    """Rows (M, n, k) of members with units dropped, as in training, with the probability of each member."""
    if not any(probabilities):
        return rows
    # filled on the device, which needs no transfer to it
    keep = torch.cat([rows.new_full((len([*group]), 1, 1), 1 - p) for p, group in groupby(probabilities)])
    uniform = torch.rand(rows.shape, device=rows.device, generator=_current.generator)
    return rows * ((uniform < keep) / keep)
