"""Tables: the flat tensors that batches are cut from, and how arrays become such tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sk_deepsets.sets import RaggedSets


class Tables(NamedTuple):
    """What batches are cut from, on one device."""

    elements: Tensor
    """(n_elements, d)"""
    element_weight: Tensor | None
    """(n_elements, 1), where it is not a column of the elements"""
    sizes: Tensor
    starts: Tensor
    """(n_sets,): where the elements of each set begin"""
    context: Tensor | None
    statistics: Tensor | None
    y: Tensor | None
    weight: Tensor | None
    fold: Tensor | None

    def to(self, device: torch.device, moved: dict[int, Tensor]) -> Tables:
        """The same on another device, where those that have been ``moved`` are already."""
        for table in self:
            if table is not None and id(table) not in moved:
                moved[id(table)] = table.to(device)
        return Tables(*(None if table is None else moved[id(table)] for table in self))  # type: ignore[arg-type]


def terms_of_sets(weight: np.ndarray, sets: RaggedSets | None) -> Tensor:
    """How many terms of the loss each set has, (n_sets,): of weights of elements, those of ``sets``, that are not 0."""
    there = has_weight(weight).astype(np.int64)
    if sets is None:
        return torch.from_numpy(there)
    return torch.from_numpy(np.diff(np.r_[0, there.cumsum()][sets.offsets]))


def has_weight(weight: Any) -> Any:
    """Which rows of weights (n,) or (n, o) are not 0 as a whole, (n,)."""
    return (weight if weight.ndim == 1 else weight.sum(1)) > 0


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; read-only arrays (memory maps, say) are only ever read."""
    array = np.ascontiguousarray(array)
    # torch warns of read-only memory, and a filter for warnings would be for all threads
    return torch.from_numpy(array if array.flags.writeable else np.asarray(_Writable(array)))


def in_default_dtype(array: np.ndarray) -> Tensor:
    """Numbers of classes as they are, values in torch's default dtype."""
    tensor = torch.from_numpy(array)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


class _Writable:
    """The memory of a read-only array, for a view that does not say so."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}
