"""From RaggedSets to batches: index arithmetic on flat tensors, never an item for each set."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor

from sk_deepsets.nn import Ensemble, Inputs, PackedSets
from sk_deepsets.sets import RaggedSets


@dataclass
class SetBatch:
    """What the net takes: the sets of one mini-batch."""

    packed: PackedSets
    n_terms: int
    """How many losses the loss of the batch is the mean of: those of the sets, or elements, with a weight"""
    context: Tensor | None = None
    """(b, c)"""
    weight: Tensor | None = None
    """(b,) weights of the sets in the loss, (b, o) of each of their outputs, or (n,) of the elements; 1 on average over
    the data set"""
    fold: Tensor | None = None
    """(b,) of each set, the fold whose members are not trained on it"""
    statistics: Tensor | None = None
    """(b, s)"""
    is_scaled: bool = False
    """Whether elements, context and statistics are what the stacks of an ensemble take"""

    def __len__(self) -> int:
        return len(self.packed.sizes)

    def inputs(self, ensemble: Ensemble) -> Inputs:
        """What the stacks of an ensemble take of the batch."""
        if self.is_scaled:
            return Inputs(self.packed, self.context, self.statistics)
        return ensemble.inputs(self.packed, self.context)

    def to(self, device: torch.device) -> SetBatch:
        """The batch on another device."""
        parts = (self.context, self.weight, self.fold, self.statistics)
        move = [None if t is None else t.to(device, non_blocking=True) for t in parts]
        packed = PackedSets(*(t.to(device, non_blocking=True) for t in self.packed))
        context, weight, fold, statistics = move
        return SetBatch(packed, self.n_terms, context, weight, fold, statistics, self.is_scaled)


class SetDataset(Dataset):
    """Sets and their targets as flat tensors that share the memory of the arrays.

    Parameters
    ----------
    sets : RaggedSets
        With context as a numeric array, if there is any.
    y : ndarray of shape (n_sets, ...) or (n_elements, ...), optional
    weight : ndarray of shape (n_sets,), (n_sets, n_outputs) or (n_elements,), optional
        An element, or set, of weight 0 is part of the input but not of the loss.
    y_of, weight_of : {"set", "element"}, default="set"
        What has a target, and what has a term of the loss, which the weight is of.

    Attributes
    ----------
    numbers : Tensor of shape (n_chosen,) or None
        Which of the sets belong to the data set; None: all.
    fold : Tensor of shape (n_sets,) or None
        The fold of each set, also of those outside the data set, where each member of an ensemble holds out one.
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
        self.numbers: Tensor | None = None
        self.fold: Tensor | None = None
        self._sets = sets
        self._elements = as_tensor(sets.elements)
        self._sizes = torch.from_numpy(sets.sizes)
        self._offsets = torch.from_numpy(sets.offsets)
        self._context = None if sets.context is None else as_tensor(sets.context)
        self._y = None if y is None else in_default_dtype(y)
        self._weight = None if weight is None else in_default_dtype(weight / weight[has_weight(weight)].mean())
        self._statistics: Tensor | None = None
        self._is_scaled = False

    def with_inputs(self, elements: Tensor, context: Tensor | None, statistics: Tensor | None) -> SetDataset:
        """The data set with what the stacks of an ensemble take of all its sets, also of those outside ``numbers``."""
        other = copy.copy(self)
        other._elements, other._context, other._statistics, other._is_scaled = elements, context, statistics, True
        return other

    def whole(self) -> SetDataset:
        """The data set of all sets, also of those outside ``numbers``."""
        other = copy.copy(self)
        other.numbers = None
        return other

    def subset(self, numbers: np.ndarray) -> SetDataset:
        """The sets of these numbers, without a copy of their elements."""
        part = copy.copy(self)
        chosen = torch.from_numpy(numbers)
        part.numbers = chosen
        part_weight = part.weights()
        if self._weight is not None and part_weight is not None:
            part._weight = self._weight / part_weight[has_weight(part_weight)].mean()
        return part

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, number: int) -> tuple[np.ndarray, Tensor | int]:
        """One set and its target, for inspection: training takes batches."""
        y = self.y
        return self.X[number], 0 if y is None or self.y_of == "element" else y[number]

    @property
    def X(self) -> RaggedSets:  # noqa: N802 - skorch's name
        """The sets."""
        return self._sets if self.numbers is None else self._sets[self.numbers.numpy()]

    @property
    def y(self) -> Tensor | None:
        """Their targets."""
        y, chosen = self._y, self.numbers
        if y is None or chosen is None:
            return y
        return y[chosen if self.y_of == "set" else self._find(chosen)[2]]

    def weights(self) -> Tensor | None:
        """The weights of the losses, of sets or of elements."""
        weight, chosen = self._weight, self.numbers
        if weight is None or chosen is None:
            return weight
        return weight[chosen if self.weight_of == "set" else self._find(chosen)[2]]

    @property
    def sizes(self) -> Tensor:
        """How many elements each set has."""
        return self._sizes if self.numbers is None else self._sizes[self.numbers]

    def arrays(self) -> list[np.ndarray]:
        """All arrays of the data set that training depends on."""
        X, numbers = self.X, slice(None) if self.numbers is None else self.numbers
        tensors = (self.y, self.weights(), None if self.fold is None else self.fold[numbers])
        found = [X.elements, X.offsets, X.context, *(None if tensor is None else tensor.numpy() for tensor in tensors)]
        return [array for array in found if array is not None]

    def take(self, places: Tensor) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets at these places."""
        numbers = places if self.numbers is None else self.numbers[places]
        sizes, segments, rows = self._find(numbers)
        return self._batch(self._elements.index_select(0, rows), segments, sizes, numbers, rows)

    def between(self, first: int, last: int) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets at the places ``first`` to ``last``; of a whole data set with no copy of elements."""
        if self.numbers is not None:
            return self.take(torch.arange(first, last))
        sizes = self._sizes[first:last]
        begin, end = self._sets.offsets[[first, last]].tolist()
        segments = torch.repeat_interleave(sizes, output_size=end - begin)
        return self._batch(self._elements[begin:end], segments, sizes, slice(first, last), slice(begin, end))

    def _find(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The sizes (b,) of these sets, and for each of their elements its set (n,) and its row in the table (n,)."""
        sizes = self._sizes[numbers]
        ends = sizes.cumsum(0)
        n_elements = int(ends[-1]) if len(ends) else 0
        segments = torch.repeat_interleave(sizes, output_size=n_elements)
        # element r of the batch is element r - begin of its set, which starts at its offset in the table
        shift = self._offsets[numbers] - ends + sizes
        return sizes, segments, shift[segments].add_(torch.arange(n_elements))

    def _batch(
        self, elements: Tensor, segments: Tensor, sizes: Tensor, key: Tensor | slice, rows: Tensor | slice
    ) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets ``key``, whose elements are ``rows`` of the table."""
        weight = None if self._weight is None else self._weight[rows if self.weight_of == "element" else key]
        batch = SetBatch(
            PackedSets(elements, segments, sizes),
            len(sizes) if weight is None else int(has_weight(weight).sum()),
            None if self._context is None else self._context[key],
            weight,
            None if self.fold is None else self.fold[key],
            None if self._statistics is None else self._statistics[key],
            self._is_scaled,
        )
        # 0 means "no target" in skorch, too
        return batch, 0 if self._y is None else self._y[rows if self.y_of == "element" else key]


def has_weight(weight: Any) -> Any:
    """Which rows of weights (n,) or (n, o) are not 0 as a whole, (n,)."""
    return (weight if weight.ndim == 1 else weight.sum(1)) > 0


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; read-only arrays (memory maps, say) are only ever read."""
    array = np.ascontiguousarray(array)
    # torch warns of read-only memory, and a filter for warnings would be for all threads
    return torch.from_numpy(array if array.flags.writeable else np.asarray(_Writable(array)))


class _Writable:
    """The memory of a read-only array, for a view that does not say so."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def in_default_dtype(array: np.ndarray) -> Tensor:
    """Numbers of classes as they are, values in torch's default dtype."""
    tensor = torch.from_numpy(array)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
