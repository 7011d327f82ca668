"""PackedSets: the elements of a batch without padding, as the layers work on them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PackedSets(NamedTuple):
    """A batch of sets as one table of elements.

    ``n`` elements in ``b`` sets; the elements of a set stand together, sets in order.
    Every module of :mod:`sk_deepsets.nn` takes a ``PackedSets`` in place of ``x`` and ``mask``.
    """

    elements: Tensor
    """(n, d)"""
    segments: Tensor
    """(n,) int64: the set of each element, never falling"""
    sizes: Tensor
    """(b,) int64: the number of elements of each set"""


def pack(x: Tensor, mask: Tensor | None = None) -> PackedSets:
    """Take the elements out of a padded batch.

    Parameters
    ----------
    x : Tensor of shape (b, m, d)
    mask : Tensor of shape (b, m), optional
        True or non-zero where an element stands. None: everywhere.

    Returns
    -------
    PackedSets
        A gradient through it leaves exact zeros under the mask, whatever stands there.
    """
    if x.dim() != 3:
        raise ValueError(f"x must have shape (batch, set size, features), but has shape {tuple(x.shape)}.")
    b, m, d = x.shape
    if mask is None:
        sizes = torch.full((b,), m, dtype=torch.int64, device=x.device)
        segments = torch.arange(b, device=x.device).repeat_interleave(m)
        return PackedSets(x.reshape(b * m, d), segments, sizes)
    if mask.shape != (b, m):
        raise ValueError(f"mask must have the shape {(b, m)} of x, but has shape {tuple(mask.shape)}.")
    mask = mask.bool()
    segments, positions = mask.nonzero(as_tuple=True)  # (n,), (n,)
    return PackedSets(x[segments, positions], segments, mask.sum(dim=1))


def unpack(elements: Tensor, mask: Tensor | None, shape: tuple[int, int]) -> Tensor:
    """Put packed elements (n, k) back into a padded batch (b, m, k), with 0 under the mask."""
    if mask is None:
        return elements.reshape(*shape, elements.shape[-1])
    return elements.new_zeros(*shape, elements.shape[-1]).index_put(mask.bool().nonzero(as_tuple=True), elements)


def pad(packed: PackedSets) -> tuple[Tensor, Tensor]:
    """Fill the sets of a packed batch up with zeros: x (b, m, d) and mask (b, m)."""
    sizes = packed.sizes
    width = int(sizes.max()) if sizes.shape[0] else 0
    mask = torch.arange(width, device=sizes.device) < sizes[:, None]
    return unpack(packed.elements, mask, (sizes.shape[0], width)), mask
