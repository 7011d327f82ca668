"""SetBatch: what the net takes of one mini-batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sk_deepsets.nn import Ensemble, Inputs, PackedSets, Share


@dataclass
class SetBatch:
    """What the net takes: the sets of one mini-batch."""

    packed: PackedSets
    n_terms: int
    """How many losses the loss of the batch is the mean of: those of the sets, or elements, with a weight, also where
    other processes have them"""
    context: Tensor | None = None
    """(b, c)"""
    weight: Tensor | None = None
    """(b,) weights of the sets in the loss, (b, o) of each of their outputs, or (n,) of the elements; 1 on average over
    the data set"""
    fold: Tensor | None = None
    """(b,) of each set, or where losses are those of elements (n,) of each element, the fold whose members are not
    trained on it"""
    statistics: Tensor | None = None
    """(b, s)"""
    is_scaled: bool = False
    """Whether elements, context and statistics are what the stacks of an ensemble take"""
    share: Share | None = None
    """What this is of a batch that several processes divide"""

    def __len__(self) -> int:
        return len(self.packed.sizes)

    def inputs(self, ensemble: Ensemble) -> Inputs:
        """What the stacks of an ensemble take of the batch."""
        if self.is_scaled:
            return Inputs(self.packed, self.context, self.statistics)
        return ensemble.inputs(self.packed, self.context, self.statistics)

    def to(self, device: torch.device) -> SetBatch:
        """The batch on another device."""
        elements, segments, sizes, _ = self.packed
        parts = (self.context, self.weight, self.fold, self.statistics, self.packed.weight)
        move = [None if t is None else t.to(device, non_blocking=True) for t in parts]
        context, weight, fold, statistics, element_weight = move
        move_all = (t.to(device, non_blocking=True) for t in (elements, segments, sizes))
        packed = PackedSets(*move_all)._replace(weight=element_weight)
        return replace(self, packed=packed, context=context, weight=weight, fold=fold, statistics=statistics)
