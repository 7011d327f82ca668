"""Dropout that draws from a generator handed down to it, so that fits in parallel threads do not affect each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Part(NamedTuple):
    """Rows of a mini-batch that follow one another."""

    first: int
    n_rows: int
    total: int
    """How many rows the mini-batch has"""


class Share(NamedTuple):
    """What one of several processes, which train a model together, has of a mini-batch."""

    sets: Part
    """Its sets; the first process has the first of them"""
    elements: Part


class _Current(threading.local):
    generator: torch.Generator | None = None
    share: Share | None = None


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
    before = _current.generator, _current.share
    _current.generator, _current.share = generator, None
    try:
        yield
    finally:
        _current.generator, _current.share = before


@contextmanager
def random_share(share: Share) -> Iterator[None]:
    """Let every :class:`Dropout` within the block drop of these rows what one process would drop of them."""
    before, _current.share = _current.share, share
    try:
        yield
    finally:
        _current.share = before


def current_generator() -> torch.Generator | None:
    """The generator that this thread draws from; None: torch's global one."""
    return _current.generator


def own_generator() -> torch.Generator | None:
    """The same, for numbers that other processes do not draw at this time: the first one's, or one of this process."""
    generator, share = _current.generator, _current.share
    if generator is None or share is None or share.sets.first == 0:
        return generator
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    return torch.Generator(generator.device).manual_seed(int(seed) + share.sets.first)


class Dropout(nn.Dropout):
    """Set each value to 0 with probability p in training, and divide the others by 1 - p (Srivastava et al., 2014).

    Parameters
    ----------
    p : float, default=0.5
    per_element : bool, default=False
        Whether there is a row for each element, of each member, rather than for each set.
    """

    per_element = False  # of models saved without it

    def __init__(self, p: float = 0.5, per_element: bool = False) -> None:
        super().__init__(p)
        self.per_element = per_element

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with units dropped, in the same shape; ``x`` itself outside of training."""
        if not self.training:
            return x
        keep = 1 - self.p
        # on a CPU, uniform numbers take a third of the time of the Bernoulli numbers that nn.Dropout draws
        uniform = _uniform(x, self.per_element)
        return x * uniform.lt_(keep).to(x.dtype).div_(keep or 1)


def member_dropout(rows: Tensor, probabilities: Sequence[float]) -> Tensor:
    """Rows (M, n, k) of members with units dropped, as in training, with the probability of each member.

    There is a row for each set.
    """
    if not any(probabilities):
        return rows
    # filled on the device, which needs no transfer to it
    keep = torch.cat([rows.new_full((len([*group]), 1, 1), 1 - p) for p, group in groupby(probabilities)])
    uniform = _uniform(rows.flatten(0, 1), per_element=False).view(rows.shape)
    return rows * ((uniform < keep) / keep)


def _uniform(x: Tensor, per_element: bool) -> Tensor:
    """Numbers in [0, 1) for rows of members (M * n, k): of a share, those that one process would draw for them."""
    share = _current.share
    if share is None:
        return torch.rand(x.shape, device=x.device, generator=_current.generator)
    part = share.elements if per_element else share.sets
    if x.shape[0] % max(part.n_rows, 1):  # the elements of one collection, say
        return torch.rand(x.shape, device=x.device, generator=own_generator())
    # those of the whole mini-batch: so what is dropped does not depend on the number of processes
    shape = (x.shape[0] // max(part.n_rows, 1), part.total, *x.shape[1:])
    whole = torch.rand(shape, device=x.device, generator=_current.generator)
    return whole[:, part.first : part.first + part.n_rows].reshape(x.shape)
