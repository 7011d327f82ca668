"""From RaggedSets to batches: index arithmetic on flat tensors, never an item for each set."""

from __future__ import annotations

import copy
import functools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor

from sk_deepsets.nn import PackedSets, Part, Share
from sk_deepsets.sets import RaggedSets, ScatteredReads
from sk_deepsets.training._batch import SetBatch
from sk_deepsets.training._random_parts import Parts, Taken
from sk_deepsets.training._tables import Tables, as_tensor, has_weight, in_default_dtype, terms_of_sets


class SetDataset(Dataset):
    """Sets and their targets as flat tensors that share the memory of the arrays.

    Parameters
    ----------
    sets : RaggedSets
        With context as a numeric array, if there is any.
    y : ndarray or Tensor of shape (n_sets, ...) or (n_elements, ...), optional
        A tensor keeps its dtype.
    weight : ndarray of shape (n_sets,), (n_sets, n_outputs) or (n_elements,), optional
        An element, or set, of weight 0 is part of the input but not of the loss.
    y_of, weight_of : {"set", "element"}, default="set"
        What has a target, and what has a term of the loss, which the weight is of.

    Attributes
    ----------
    numbers : Tensor of shape (n_chosen,) or None
        Which of the sets belong to the data set, on the CPU; None: all.
    parts : Parts or None
        What ``take_parts`` takes of large sets.
    """

    parts: Parts | None = None

    def __init__(
        self,
        sets: RaggedSets,
        y: np.ndarray | Tensor | None = None,
        weight: np.ndarray | None = None,
        *,
        y_of: str = "set",
        weight_of: str = "set",
    ) -> None:
        self.y_of, self.weight_of = y_of, weight_of
        self.numbers: Tensor | None = None
        self._sets = sets
        self._sizes = torch.from_numpy(sets.sizes)  # on the CPU also where the tables are not: how large a batch is
        self._terms = None if weight is None else terms_of_sets(weight, sets if weight_of == "element" else None)
        self._tables = Tables(
            elements=as_tensor(sets.elements),
            element_weight=None,
            sizes=self._sizes,
            starts=torch.from_numpy(sets.offsets[:-1]),
            context=None if sets.context is None else as_tensor(sets.context),
            statistics=None,
            y=in_default_dtype(y) if isinstance(y, np.ndarray) else y,
            weight=None if weight is None else in_default_dtype(weight / weight[has_weight(weight)].mean()),
            fold=None,
        )
        self._is_scaled = False

    def _with_tables(self, tables: Tables) -> SetDataset:
        other = copy.copy(self)
        other._tables = tables
        return other

    def with_inputs(
        self,
        elements: Tensor,
        context: Tensor | None,
        statistics: Tensor | None,
        element_weight: Tensor | None = None,
    ) -> SetDataset:
        """The data set with what the stacks of an ensemble take of all its sets, also of those outside ``numbers``."""
        tables = self._tables._replace(elements=elements, context=context, statistics=statistics)
        other = self._with_tables(tables._replace(element_weight=element_weight))
        other._is_scaled = True
        return other

    def with_folds(self, fold: np.ndarray | None) -> SetDataset:
        """The data set with the fold, which a member holds out, of each set, (n_sets,), also outside ``numbers``."""
        return self._with_tables(self._tables._replace(fold=None if fold is None else torch.from_numpy(fold)))

    def with_statistics(self, statistics: Tensor | None) -> SetDataset:
        """The data set with the statistics, as the stacks of an ensemble take them, of all its sets."""
        return self._with_tables(self._tables._replace(statistics=statistics))

    def with_parts(self, size: int, blocks: np.ndarray | None = None) -> SetDataset:
        """The data set of which larger sets are trained on in parts of a size.

        ``blocks`` are the sizes of what each set consists of, (n_sets, n_blocks), of which each is then cut by itself.
        """
        other = copy.copy(self)
        sizes = self._sizes.unsqueeze(1) if blocks is None else torch.from_numpy(blocks)
        other.parts = Parts(size, sizes, torch.from_numpy(self._sets.offsets[:-1]))
        return other

    def to(self, device: torch.device, moved: dict[int, Tensor] | None = None) -> SetDataset:
        """The data set on a device, where batches are then cut without waiting for it.

        ``moved`` is for data sets that share tables: those that are there already, by their ids.
        """
        return self._with_tables(self._tables.to(device, {} if moved is None else moved))

    @property
    def device(self) -> torch.device:
        """Where batches are cut."""
        return self._tables.elements.device

    @property
    def n_bytes(self) -> int:
        """What the tables take."""
        return sum(table.numel() * table.element_size() for table in self._tables if table is not None)

    @property
    def fold(self) -> Tensor | None:
        """See ``with_folds``."""
        return self._tables.fold

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
        weight, part_weight = self._tables.weight, part.weights()
        if weight is None or part_weight is None:
            return part
        weight = weight / part_weight[has_weight(part_weight)].mean()
        return part._with_tables(self._tables._replace(weight=weight))

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
        y, chosen = self._tables.y, self.numbers
        if y is None or chosen is None:
            return y
        return y[chosen if self.y_of == "set" else self._find(chosen)[2]]

    @property
    def rows(self) -> Tensor:
        """Which of all sets, or where these have the targets, of all elements, the targets are of."""
        if self.y_of == "element":
            return self._find(torch.arange(len(self._sizes)) if self.numbers is None else self.numbers)[2]
        return torch.arange(len(self._sizes)) if self.numbers is None else self.numbers

    def weights(self) -> Tensor | None:
        """The weights of the losses, of sets or of elements."""
        weight, chosen = self._tables.weight, self.numbers
        if weight is None or chosen is None:
            return weight
        return weight[chosen if self.weight_of == "set" else self._find(chosen)[2]]

    @property
    def sizes(self) -> Tensor:
        """How many elements each set has."""
        return self._sizes if self.numbers is None else self._sizes[self.numbers]

    @property
    def trained_sizes(self) -> Tensor:
        """How many elements of each set are trained on in an epoch."""
        if self.parts is None:
            return self.sizes
        sizes = self.parts.sizes
        return sizes if self.numbers is None else sizes[self.numbers]

    def digest(self) -> int:
        """A checksum of sizes, targets and weights: it tells data sets apart without reading their elements."""
        tensors = (self.sizes, self.y, self.weights())
        arrays = [np.ascontiguousarray(tensor.cpu().numpy()) for tensor in tensors if tensor is not None]
        return functools.reduce(lambda known, array: zlib.crc32(array.tobytes(), known), arrays, 0)

    def arrays(self) -> list[np.ndarray]:
        """All arrays of the data set that training depends on."""
        X, numbers = self.X, slice(None) if self.numbers is None else self.numbers
        tensors = (self.y, self.weights(), None if self.fold is None else self.fold[numbers])
        found = [X.elements, X.offsets, X.context, *(None if tensor is None else tensor.numpy() for tensor in tensors)]
        return [array for array in found if array is not None]

    def reading(
        self, batches: Sequence[Tensor], seeds: Sequence[int], shares: Sequence[slice | None]
    ) -> Iterator[tuple[Tensor, int, slice | None]]:
        """Arguments of ``take_parts``, of which each is being read ahead where the elements are in a large file."""
        reads = None if self._is_scaled else ScatteredReads.of(self._sets.elements)
        each = list(zip(batches, seeds, shares, strict=True))
        if reads is None:
            yield from each
            return
        with reads:
            for number, places in enumerate(each):
                for ahead in each[:2] if number == 0 else each[number + 1 : number + 2]:
                    reads.fetch(*self._ranges(*ahead))
                yield places

    def _ranges(self, places: Tensor, seed: int, own: slice | None) -> tuple[np.ndarray, np.ndarray]:
        """Where the rows of the batch ``take_parts`` begin and end."""
        numbers = places if self.numbers is None else self.numbers[places]
        if self.parts is not None and self.parts.cut(numbers):
            taken = self.parts.take(numbers, seed)
            rows = (taken if own is None else taken.of(own)).rows.numpy()
            return rows, rows + 1
        numbers = numbers if own is None else numbers[own]
        return self._sets.offsets[numbers.numpy()], self._sets.offsets[numbers.numpy() + 1]

    def take(self, places: Tensor) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets at these places."""
        numbers = places if self.numbers is None else self.numbers[places]
        key, segments, rows = self._find(numbers)
        elements = self._tables.elements.index_select(0, rows)
        return self._batch(elements, segments, key, rows, None if self._terms is None else self._terms[numbers])

    def take_parts(self, places: Tensor, seed: int, own: slice | None = None) -> tuple[SetBatch, Tensor | int]:
        """The same of random parts of large sets, see ``parts``; ``own``: a share, beside those of others."""
        numbers = places if self.numbers is None else self.numbers[places]
        if self.parts is not None and self.parts.cut(numbers):
            whole = self.parts.take(numbers, seed)
            batch, y = (
                self._take_parts(numbers, whole) if own is None else self._take_parts(numbers[own], whole.of(own))
            )
            sizes = whole.sizes
        else:
            batch, y = self.take(places if own is None else places[own])
            sizes = self._sizes[numbers]
        return batch if own is None else self._shared(batch, numbers, sizes, own), y

    def _take_parts(self, numbers: Tensor, taken: Taken) -> tuple[SetBatch, Tensor | int]:
        taken = Taken(*(table.to(self.device, non_blocking=True) for table in taken))
        key, terms = numbers.to(self.device, non_blocking=True), self._terms
        elements = self._tables.elements.index_select(0, taken.rows)
        batch, y = self._batch(elements, taken.segments, key, taken.rows, None if terms is None else terms[numbers])
        return replace(batch, packed=batch.packed._replace(sizes=taken.sizes).times(taken.weight)), y

    def _shared(self, batch: SetBatch, numbers: Tensor, sizes: Tensor, own: slice) -> SetBatch:
        """The share ``own`` of the batch of the sets ``numbers``, which knows what it is a share of."""
        n_terms = len(numbers) if self._terms is None else int(self._terms[numbers].sum())
        ends = [int(sizes[:end].sum()) for end in (own.start, own.stop)]
        elements = Part(ends[0], ends[1] - ends[0], int(sizes.sum()))
        return replace(batch, n_terms=n_terms, share=Share(Part(own.start, len(batch), len(numbers)), elements))

    def between(self, first: int, last: int) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets at the places ``first`` to ``last``; of a whole data set with no copy of elements."""
        if self.numbers is not None:
            return self.take(torch.arange(first, last))
        key, (begin, end) = slice(first, last), self._sets.offsets[[first, last]].tolist()
        segments = torch.repeat_interleave(self._tables.sizes[key], output_size=end - begin)
        elements = self._tables.elements[begin:end]
        return self._batch(
            elements, segments, key, slice(begin, end), None if self._terms is None else self._terms[key]
        )

    def _find(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """These sets on the device (b,), and for each of their elements its set (n,) and its row in the table (n,)."""
        n_elements = int(self._sizes[numbers].sum())
        numbers = numbers.to(self.device, non_blocking=True)
        sizes = self._tables.sizes[numbers]
        segments = torch.repeat_interleave(sizes, output_size=n_elements)
        # element r of the batch is element r - begin of its set, which has its own start in the table
        shift = self._tables.starts[numbers] - sizes.cumsum(0) + sizes
        return numbers, segments, shift[segments].add_(torch.arange(n_elements, device=self.device))

    def _batch(
        self, elements: Tensor, segments: Tensor, key: Tensor | slice, rows: Tensor | slice, terms: Tensor | None
    ) -> tuple[SetBatch, Tensor | int]:
        """The batch of the sets ``key``, whose elements are ``rows`` of the table, with so many terms of the loss."""
        tables = self._tables
        sizes = tables.sizes[key]
        fold = None if tables.fold is None else tables.fold[key]
        if fold is not None and self.weight_of == "element":
            fold = fold[segments]
        batch = SetBatch(
            PackedSets(
                elements, segments, sizes, None if tables.element_weight is None else tables.element_weight[rows]
            ),
            len(sizes) if terms is None else int(terms.sum()),
            None if tables.context is None else tables.context[key],
            None if tables.weight is None else tables.weight[rows if self.weight_of == "element" else key],
            fold,
            None if tables.statistics is None else tables.statistics[key],
            self._is_scaled,
        )
        # 0 means "no target" in skorch, too
        return batch, 0 if tables.y is None else tables.y[rows if self.y_of == "element" else key]
