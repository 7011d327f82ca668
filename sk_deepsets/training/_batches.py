"""From RaggedSets to mini-batches: index arithmetic on flat tensors, never an item for each set."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor

from sk_deepsets.nn import PackedSets
from sk_deepsets.sets import RaggedSets

# Without a gradient, batches are as large as makes the cost of a call small; the core works on them in chunks.
ELEMENTS_AT_ONCE = 65_536


@dataclass
class SetBatch:
    """What the net takes: the sets of one mini-batch."""

    packed: PackedSets
    context: Tensor | None = None
    """(b, c)"""
    weight: Tensor | None = None
    """(b,) weights of the sets in the loss, or (n,) of the elements, 1 on average over the data set"""

    def __len__(self) -> int:
        return len(self.packed.sizes)

    def to(self, device: torch.device) -> SetBatch:
        """The batch on another device."""
        move = [None if t is None else t.to(device, non_blocking=True) for t in (self.context, self.weight)]
        return SetBatch(PackedSets(*(t.to(device, non_blocking=True) for t in self.packed)), *move)


class SetDataset(Dataset):
    """Sets and their targets as flat tensors that share the memory of the arrays.

    Parameters
    ----------
    sets : RaggedSets
        With context as a numeric array, if there is any.
    y : ndarray of shape (n_sets,) or (n_sets, n_outputs), optional
    weight : ndarray of shape (n_sets,), optional
        Scaled here to a mean of 1 over what has a weight.
    y_of, weight_of : {"set", "element"}, default="set"
        What has a target, and what a term of the loss, which the weight is of. An element, or set, of weight 0 is
        part of the input but not of the loss.
    """

    def __init__(
        self,
        sets: RaggedSets,
        y: np.ndarray | None = None,
        weight: np.ndarray | None = None,
        *,
        y_of: str = "set",
        weight_of: str = "set",
    ) -> None:
        self.y_of, self.weight_of = y_of, weight_of
        self.X = sets
        self.elements = as_tensor(sets.elements)
        self.sizes = torch.from_numpy(sets.sizes)
        self.starts = torch.from_numpy(sets.offsets[:-1].copy())
        self.context = None if sets.context is None else as_tensor(sets.context)
        self.y = None if y is None else in_default_dtype(y)
        self.weight = None if weight is None else in_default_dtype(weight / weight[weight > 0].mean())

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, number: int) -> tuple[np.ndarray, Tensor | int]:
        """One set and its target, to look at: training takes batches."""
        return self.X[number], 0 if self.y is None or self.y_of == "element" else self.y[number]

    def take(self, numbers: Tensor) -> tuple[SetBatch, Tensor | int]:
        """The batch of these sets."""
        sizes = self.sizes[numbers]  # (b,)
        ends = sizes.cumsum(0)
        n_elements = int(ends[-1])
        segments = torch.repeat_interleave(sizes, output_size=n_elements)  # (n,)
        # element r of the batch is element r - begin of its set, which starts at `starts` in the table
        shift = self.starts[numbers] - ends + sizes
        rows = shift[segments].add_(torch.arange(n_elements))
        return self._batch(self.elements.index_select(0, rows), segments, sizes, numbers, rows)

    def between(self, first: int, last: int) -> tuple[SetBatch, Tensor | int]:
        """The batch of sets ``first`` to ``last``, with no copy of their elements."""
        sizes = self.sizes[first:last]
        begin, end = self.X.offsets[[first, last]].tolist()
        segments = torch.repeat_interleave(sizes, output_size=end - begin)
        return self._batch(self.elements[begin:end], segments, sizes, slice(first, last), slice(begin, end))

    def _batch(
        self, elements: Tensor, segments: Tensor, sizes: Tensor, key: Tensor | slice, rows: Tensor | slice
    ) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets ``key``, whose elements are ``rows`` of the table."""
        batch = SetBatch(
            PackedSets(elements, segments, sizes),
            None if self.context is None else self.context[key],
            None if self.weight is None else self.weight[self._key(self.weight_of, key, rows)],
        )
        # skorch, too, stands 0 for "no target"
        return batch, 0 if self.y is None else self.y[self._key(self.y_of, key, rows)]

    @staticmethod
    def _key(of: str, key: Tensor | slice, rows: Tensor | slice) -> Tensor | slice:
        return rows if of == "element" else key


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; read-only arrays (memory maps, say) are only ever read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))


def in_default_dtype(array: np.ndarray) -> Tensor:
    """Numbers of classes as they are, values in torch's default dtype."""
    tensor = torch.from_numpy(array)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


class SetBatches:
    """The mini-batches of a data set, in a new random order each time it is iterated, or in its own.

    Parameters
    ----------
    dataset : SetDataset
    batch_size : int
        Sets in a batch.
    shuffle : bool
        Whether to take the sets in random order, from torch's generator.
    max_elements : int, optional
        A batch in order ends before it would hold more elements than this (but holds one set at least), and
        may hold more sets than ``batch_size`` until then.
    device : torch.device
    """

    def __init__(
        self,
        dataset: SetDataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        max_elements: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.max_elements = max_elements
        self.device = torch.device("cpu") if device is None else device

    def __iter__(self) -> Iterator[tuple[SetBatch, Tensor | int]]:
        for batch, y in self._shuffled() if self.shuffle else self._in_order():
            if self.device.type == "cpu":
                yield batch, y
            else:
                yield batch.to(self.device), y.to(self.device) if isinstance(y, Tensor) else y

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size) if self.shuffle else len(self._bounds()) - 1

    def _shuffled(self) -> Iterator[tuple[SetBatch, Tensor | int]]:
        for numbers in torch.randperm(len(self.dataset)).split(self.batch_size):
            yield self.dataset.take(numbers)

    def _in_order(self) -> Iterator[tuple[SetBatch, Tensor | int]]:
        bounds = self._bounds()
        for first, last in pairwise(bounds):
            yield self.dataset.between(first, last)

    def _bounds(self) -> list[int]:
        n_sets = len(self.dataset)
        if self.max_elements is None:
            return [*range(0, n_sets, self.batch_size), n_sets]
        offsets = self.dataset.X.offsets
        bounds = [0]
        while bounds[-1] < n_sets:
            last = np.searchsorted(offsets, offsets[bounds[-1]] + self.max_elements, side="right") - 1
            # empty sets take no room among the elements, but a row of every output
            bounds.append(min(max(int(last), bounds[-1] + 1), bounds[-1] + self.max_elements, n_sets))
        return bounds
