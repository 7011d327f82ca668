"""The mini-batches of a data set, and the data set whose elements are scaled once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sk_deepsets.nn import Ensemble, current_generator
from sk_deepsets.training._batch import SetBatch
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._processes import Processes

# Without a gradient, batches are as large as makes the cost of a call small; the core works on them in chunks.
ELEMENTS_AT_ONCE = 65_536
# Values of scaled elements that a fit keeps, 256 MiB; beyond it each batch is scaled when it is needed.
MOST_SCALED_VALUES = 67_108_864
# In a mini-batch, as far as its size is not given.
MOST_TRAINED_ELEMENTS = 16_384


def auto_batch_size(dataset: SetDataset, least: int) -> int:
    """Sets in a mini-batch: about a sixteenth, ``least`` to 256; down to a quarter where they have many elements."""
    n_sets = len(dataset)
    most = max(least // 4, MOST_TRAINED_ELEMENTS * n_sets // max(int(dataset.trained_sizes.sum()), 1))
    return int(min(np.clip(2 ** round(np.log2(n_sets / 16)), least, max(least, 256)), most))


class SetBatches:
    """The mini-batches of a data set, in a new random order each time it is iterated, or in its own.

    Parameters
    ----------
    dataset : SetDataset
    batch_size : int
        Sets in a batch.
    shuffle : bool
        Whether to take the sets in random order, from the generator of this thread's fit, or else from torch's.
    max_elements : int, optional
        A batch in order ends before it would hold more elements than this (but holds one set at least), and
        may hold more sets than ``batch_size`` until then.
    device : torch.device
    processes : Processes, optional
        Those that each take their own share of shuffled batches.
    """

    def __init__(
        self,
        dataset: SetDataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        max_elements: int | None = None,
        device: torch.device | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.processes = Processes(torch.device("cpu")) if processes is None else processes
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
        generator = current_generator()
        if generator is not None and self.processes.n_processes > 1:
            # that of process 0 draws what it would draw alone; others may have drawn for themselves
            generator.set_state(self.processes.same(generator.get_state()))
        device = None if generator is None else generator.device
        order = torch.randperm(len(self.dataset), generator=generator, device=device).cpu()
        batches, seeds = order.split(self.batch_size), [0] * len(self)
        if self.dataset.parts is not None:
            seeds = torch.randint(2**63 - 1, (len(self),), generator=generator, device=device).tolist()
        shares = [self.processes.share(len(places)) for places in batches]
        for places, seed, own in self.dataset.reading(batches, seeds, shares):
            yield self.dataset.take_parts(places, seed, own)

    def _in_order(self) -> Iterator[tuple[SetBatch, Tensor | int]]:
        for first, last in pairwise(self._bounds()):
            yield self.dataset.between(first, last)

    def _bounds(self) -> list[int]:
        n_sets = len(self.dataset)
        if self.max_elements is None:
            return [*range(0, n_sets, self.batch_size), n_sets]
        offsets = np.concatenate([[0], self.dataset.sizes.numpy().cumsum()])
        bounds = [0]
        while bounds[-1] < n_sets:
            last = np.searchsorted(offsets, offsets[bounds[-1]] + self.max_elements, side="right") - 1
            # empty sets take no room among the elements, but a row of every output
            bounds.append(min(max(int(last), bounds[-1] + 1), bounds[-1] + self.max_elements, n_sets))
        return bounds


@torch.no_grad()
def scaled(dataset: SetDataset, ensemble: Ensemble) -> SetDataset:
    """The data set with what the stacks of an ensemble take, computed once.

    It is itself where that would be too much memory, and where each batch moves to the device of the ensemble: there is
    less to move of the elements as they came. The statistics of sets that are trained on in part are always computed
    before, since they are those of the whole sets.
    """
    whole, device = dataset.whole(), ensemble.prior.device
    n_elements = int(whole.sizes.sum())
    if not 0 < n_elements * ensemble.scaled_width <= MOST_SCALED_VALUES or dataset.device != device:
        return dataset if dataset.parts is None else dataset.with_statistics(_statistics(whole, ensemble))
    table, n_done = ensemble.prior.new_empty(n_elements, ensemble.scaled_width), 0
    contexts, statistics, weights = [], [], []
    for batch, _ in SetBatches(whole, 1, max_elements=ELEMENTS_AT_ONCE):
        packed, context, set_statistics, _ = batch.inputs(ensemble)
        elements = packed.elements
        table[n_done : n_done + len(elements)] = elements
        n_done += len(elements)
        contexts.append(context)
        statistics.append(set_statistics)
        weights.append(packed.weight)
    return dataset.with_inputs(table, _joined(contexts), _joined(statistics), _joined(weights))


def _statistics(dataset: SetDataset, ensemble: Ensemble) -> Tensor | None:
    """The statistics of all sets, as the stacks of an ensemble take them."""
    batches = SetBatches(dataset, 1, max_elements=ELEMENTS_AT_ONCE, device=ensemble.prior.device)
    found = _joined([ensemble.set_statistics(batch.packed) for batch, _ in batches])
    return None if found is None else found.to(dataset.device)


def _joined(pieces: list[Tensor | None]) -> Tensor | None:
    there = [piece for piece in pieces if piece is not None]
    return torch.cat(there) if there else None
