"""PackedSets: the elements of a batch without padding, as the layers work on them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# A running sum of many equal terms loses digits in float32: no more terms than these are added up one by one.
BLOCK = 64


class PackedSets(NamedTuple):
    """A batch of sets as one table of elements.

    ``n`` elements in ``b`` sets: the elements of each set follow one another, and the sets are in order.
    Every module of :mod:`sk_deepsets.nn` takes a ``PackedSets`` in place of ``x`` and ``mask``.
    """

    elements: Tensor
    """(n, d)"""
    segments: Tensor
    """(n,) int64: the set of each element, never falling"""
    sizes: Tensor
    """(b,) int64: the number of elements of each set"""
    weight: Tensor | None = None
    """(n, 1): how much each element counts in the pools, not negative; None: 1. Two equal elements count as one of
    their weights together, and an element of weight 0 as none."""

    @property
    def total(self) -> Tensor:
        """How much all elements of each set count, (b,): without weights, its size."""
        return self.sizes if self.weight is None else self.sum(self.weight)[:, 0]

    def weighted(self, values: Tensor) -> Tensor:
        """Values of the elements (n, k), times their weights."""
        return values if self.weight is None else values * self.weight

    def weighted_scores(self, scores: Tensor) -> Tensor:
        """Scores of the elements (n, h) before a softmax, in which each element takes part by its weight."""
        return scores if self.weight is None else scores + self.weight.log()

    def weigh(self, column: int | None, dtype: torch.dtype) -> PackedSets:
        """The same sets with a column of the elements, which stays where it is, for a weight, times the present one."""
        if column is None:
            return self
        return self.times(self.elements[:, column : column + 1].detach().to(dtype))

    def times(self, weight: Tensor) -> PackedSets:
        """The same sets with these weights of the elements (n, 1), times the present ones."""
        return self._replace(weight=weight if self.weight is None else weight * self.weight)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of values of the elements (n, k) over each set: (b, k)."""
        segments, n_sets = self.segments, self.sizes.shape[0]
        if torch.compiler.is_compiling():
            # an exported program has no loop whose length depends on the data; and of index_add it makes a ScatterND,
            # of which onnxruntime loses a term now and then where several threads add to one row
            rows = segments.unsqueeze(1).expand_as(values)
            return values.new_zeros(n_sets, values.shape[1]).scatter_add(0, rows, values)
        longest = values.shape[0]
        if longest > BLOCK and values.device.type == "cpu":  # elsewhere, to read a number is to wait for the device
            longest = int(self.sizes.max())
        sizes = self.sizes
        while longest > BLOCK:
            # each set has blocks of its own, so that its sum is the same to the last bit wherever the set stands
            n_blocks = (sizes + BLOCK - 1) // BLOCK
            shift = (n_blocks.cumsum(0) - n_blocks) * BLOCK - (sizes.cumsum(0) - sizes)
            places = torch.arange(values.shape[0], device=values.device)
            blocks = (shift.index_select(0, segments) + places) // BLOCK
            most = n_sets + (values.shape[0] - 1) // BLOCK  # blocks there may be: to count them is to wait for a GPU
            values = values.new_zeros(most, values.shape[1]).index_add(0, blocks, values)
            segments = segments.new_zeros(most).index_copy(0, blocks, segments).cummax(0).values
            sizes, longest = n_blocks, (longest + BLOCK - 1) // BLOCK
        # index_add: several times faster than segment_reduce and scatter_reduce, forward and backward
        return values.new_zeros(n_sets, values.shape[1]).index_add(0, segments, values)

    def max(self, values: Tensor) -> Tensor:
        """The largest of the values of the elements (n, k) over each set: (b, k), 0 where no element counts."""
        return torch.where(self.total.unsqueeze(1) > 0, self.largest(values), 0)

    def largest(self, values: Tensor) -> Tensor:
        """The same, but -inf where elements have no weight, and any value for an empty set."""
        if self.weight is not None:
            values = values.masked_fill(self.weight == 0, -torch.inf)
        if torch.compiler.is_compiling():  # in an exported program, embedding_bag is a loop over the sets
            rows = self.segments.unsqueeze(1).expand_as(values)
            lowest = values.new_full((self.sizes.shape[0], values.shape[1]), -torch.inf)
            return lowest.scatter_reduce(0, rows, values, "amax")
        if values.shape[0] == 0:
            return self.sum(values)
        # a gather, which has a gradient of its gradient, too; scatter_reduce(amax) is several times slower
        return values.gather(0, self.holders(values))

    def holders(self, values: Tensor) -> Tensor:
        """The elements that hold the largest of the values (n, k) over each set: (b, k), any for an empty set.

        Whatever their weights.
        """
        rows = torch.arange(values.shape[0], device=values.device)
        starts = self.sizes.cumsum(0) - self.sizes
        # embedding_bag with each element as its own row; its fourth result are the rows that hold the maxima
        held = torch.embedding_bag(values.detach(), rows, starts, mode=2)[3]
        return held.clamp(min=0)

    def spread(self, values: Tensor) -> Tensor:
        """Values of the sets (b, k), repeated for each of their elements: (n, k)."""
        # several threads sum the gradient of values[segments] in an order that changes from run to run
        return values.index_select(0, self.segments)

    def repeated(self, times: int, elements: Tensor) -> PackedSets:
        """The same sets so many times one after another, with these elements (times * n, k)."""
        if times == 1:
            return self._replace(elements=elements)
        n_sets = self.sizes.shape[0]
        before = torch.arange(times, device=self.sizes.device)[:, None] * n_sets
        weight = None if self.weight is None else self.weight.repeat(times, 1)
        return PackedSets(elements, (self.segments + before).flatten(), self.sizes.repeat(times), weight)


def pack(x: Tensor | PackedSets, mask: Tensor | None = None) -> PackedSets:
    """Take the elements out of a padded batch.

    Parameters
    ----------
    x : Tensor of shape (b, m, d), jagged nested tensor, or PackedSets
        Packed sets stay as they are; a nested tensor has one row of sets of different sizes.
    mask : Tensor of shape (b, m), optional
        True or non-zero where there is an element; None: everywhere.

    Returns
    -------
    PackedSets
        Its gradient is exactly zero under the mask, whatever the values there.

    Raises
    ------
    ValueError
        If ``x`` does not have three dimensions, or ``mask`` does not fit it.
    """
    if isinstance(x, PackedSets):
        if mask is not None:
            raise ValueError("x is a PackedSets, which holds no padding: call the module without a mask.")
        return x
    if x.is_nested:
        return _pack_nested(x, mask)
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


def _pack_nested(x: Tensor, mask: Tensor | None) -> PackedSets:
    """The elements of a nested tensor (b, sizes, d), without a copy where they lie side by side."""
    if mask is not None:
        raise ValueError("x is a nested tensor, which holds no padding: call the module without a mask.")
    if x.layout != torch.jagged:
        raise ValueError(
            "x is a nested tensor of another layout; expected torch.jagged: "
            "torch.nested.as_nested_tensor(list(x.unbind()), layout=torch.jagged)."
        )
    if x.dim() != 3 or x._ragged_idx != 1:  # type: ignore[attr-defined]
        raise ValueError("x is a nested tensor; expected (batch, set size, features) where only the set size differs.")
    x = x.contiguous()
    sizes = x.offsets().diff()  # type: ignore[attr-defined]  # torch's types know no nested tensors
    return PackedSets(x.values(), torch.repeat_interleave(sizes), sizes)


def unpack(elements: Tensor, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
    """Arrange outputs of elements (n, k) in the form of ``x``: (b, m, k) with 0 under the mask, nested or packed."""
    if isinstance(x, PackedSets):
        return elements
    if x.is_nested:
        return torch.nested.nested_tensor_from_jagged(elements, x.contiguous().offsets())  # type: ignore[attr-defined]
    shape = (x.shape[0], x.shape[1], elements.shape[1])
    if mask is None:
        return elements.reshape(shape)
    return elements.new_zeros(shape).index_put(mask.bool().nonzero(as_tuple=True), elements)


def pad(packed: PackedSets) -> tuple[Tensor, Tensor]:
    """Fill the sets of a packed batch up with zeros: x (b, m, d) and mask (b, m)."""
    elements, sizes = packed.elements, packed.sizes
    width = int(sizes.max()) if sizes.shape[0] else 0
    mask = torch.arange(width, device=sizes.device) < sizes[:, None]
    x = elements.new_zeros(*mask.shape, elements.shape[1])
    return x.index_put(mask.nonzero(as_tuple=True), elements), mask
