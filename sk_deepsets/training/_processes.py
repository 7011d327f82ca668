"""Processes: several that train one model together, each on its share of every mini-batch.

Every process has the same data, parameters and random numbers, and so makes the same plan, model and order of the sets.
Of each mini-batch it takes its own sets through the model; the gradients of the shares are added up, and as each is a
share of the mean over the whole mini-batch, so is their sum: weights, an uneven last batch and any number of processes
come out as in one process. What is evaluated is divided and put together again in the same way.

skorch's ``AccelerateMixin`` wraps a model whose batches have items of one size that accelerate may cut, and whose loss
is a mean over the items of a share: the mean of such means is another loss where shares are unequal, or have weights.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sk_deepsets.nn import Part
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._runtime import find_device

LISTEN, TIMES = timedelta(seconds=0.5), 4
"""How often a process that waits for the others asks whether one of them has failed, and how many times one must have:
it may have failed after what this process still waits for"""
HEARD = 10.0
"""Seconds that a process which has failed waits for the others to hear of it"""
DIVIDED = ("DEEPSPEED", "FSDP", "MEGATRON_LM", "XLA")
"""Kinds of training in which no process has the whole model"""

_numbers = count()
_out_of_step: list[str] = []
"""Why this process can no longer exchange anything with the others"""


class ProcessError(RuntimeError):
    """Another process has failed, or is gone."""


class Processes:
    """One process alone, and the interface of several.

    Parameters
    ----------
    device : torch.device
    rank, n_processes : int
    """

    def __init__(self, device: torch.device, rank: int = 0, n_processes: int = 1) -> None:
        self.device, self.rank, self.n_processes = device, rank, n_processes

    def share(self, n_rows: int) -> slice | None:
        """Which of so many rows this process takes, where others take the rest; process 0 has the first ones."""
        return None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run a block, of which an error ends the same block in the other processes."""
        yield

    def tell(self, error: BaseException) -> None:
        """Let the other processes know of an error."""

    def same(self, value: Any) -> Any:
        """What process 0 has."""
        return value

    @torch.no_grad()
    def align(self, tensors: Sequence[Tensor]) -> None:
        """Give tensors the values that they have in process 0."""
        if tensors and self.n_processes > 1:
            for tensor, value in zip(tensors, self.same([tensor.cpu() for tensor in tensors]), strict=True):
                tensor.copy_(value)

    def any(self, flag: bool) -> bool:
        """Whether it is so in one of the processes."""
        return flag

    def added_up(self, module: nn.Module, loss: Tensor) -> Tensor:
        """The sum of the losses of all shares; the weights of the module then have the gradient of it."""
        return loss

    def outputs(self, dataset: SetDataset, run: Callable[[SetDataset], Tensor]) -> Tensor:
        """``run(dataset)``, (v, n, o) of sets or of elements."""
        return run(dataset)

    def with_others(self, rows: Tensor, part: Part, dim: int) -> Tensor:
        """All rows of a mini-batch, of which those of other processes have no gradient."""
        return rows


class SeveralProcesses(Processes):
    """Processes that a launcher of Accelerate, or of torch, has started; all that they exchange are sums."""

    def __init__(self, device: torch.device, rank: int, n_processes: int) -> None:
        super().__init__(device, rank, n_processes)
        if _out_of_step:
            raise ProcessError(f"The processes are out of step since an error; start them anew. {_out_of_step[0]}")
        self._store = dist.distributed_c10d._get_default_store()
        self._failure = f"sk_deepsets failure {next(_numbers)}"  # all processes fit the same models one after another

    def share(self, n_rows: int) -> slice:
        """See :class:`Processes`."""
        first, last = (-(-n_rows * rank // self.n_processes) for rank in (self.rank, self.rank + 1))
        return slice(first, last)

    @contextmanager
    def together(self) -> Iterator[None]:
        """See :class:`Processes`."""
        try:
            yield
        except BaseException as error:
            self.tell(error)
            raise

    def tell(self, error: BaseException) -> None:
        """See :class:`Processes`; waits until they have heard, since the message may be gone with this process."""
        if isinstance(error, ProcessError):
            return
        text = f"Process {self.rank} of {self.n_processes} failed: {type(error).__name__}: {error}"
        end, n_failed = time.monotonic() + HEARD, 0
        with suppress(RuntimeError):  # process 0, which may have held the messages, is gone
            self._store.compare_set(self._failure, "", text)
            self._store.add(f"{self._failure} failed", 1)
            n_heard = self._store.add(f"{self._failure} heard", 1)
            while n_heard < self.n_processes and time.monotonic() < end:
                time.sleep(0.05)
                n_heard = self._store.add(f"{self._failure} heard", 0)
            n_failed = self._store.add(f"{self._failure} failed", 0)
        if n_failed < self.n_processes or isinstance(error, KeyboardInterrupt):  # some were still at work
            _out_of_step.append(text)

    def same(self, value: Any) -> Any:
        """See :class:`Processes`."""
        content = bytearray(pickle.dumps(value) if self.rank == 0 else b"")
        table = torch.zeros(int(self._total(torch.tensor(len(content)))), dtype=torch.uint8)
        if self.rank == 0:
            table[:] = torch.frombuffer(content, dtype=torch.uint8)
        found = pickle.loads(self._total(table).numpy().tobytes())
        return value if self.rank == 0 else found

    def any(self, flag: bool) -> bool:
        """See :class:`Processes`."""
        return bool(self._total(torch.tensor(int(flag))))

    def added_up(self, module: nn.Module, loss: Tensor) -> Tensor:
        """See :class:`Processes`; in one exchange."""
        weights = [weight for weight in module.parameters() if weight.requires_grad]
        gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        total = self._total(torch.cat([*(gradient.flatten() for gradient in gradients), loss.detach().view(1)]))
        *parts, total_loss = total.split([*(weight.numel() for weight in weights), 1])
        for weight, part in zip(weights, parts, strict=True):
            weight.grad = part.view_as(weight).to(weight.dtype)
        return total_loss[0]

    def outputs(self, dataset: SetDataset, run: Callable[[SetDataset], Tensor]) -> Tensor:
        """See :class:`Processes`; each process runs it for its own sets."""
        if len(dataset) < self.n_processes:
            return run(dataset)
        own = self.share(len(dataset))
        numbers = torch.arange(len(dataset)) if dataset.numbers is None else dataset.numbers
        found = run(dataset.subset(numbers[own].numpy()))
        first, n_rows = own.start, len(dataset)
        if dataset.y_of == "element":
            first, n_rows = int(dataset.sizes[: own.start].sum()), int(dataset.sizes.sum())
        table = found.new_zeros(len(found), n_rows, found.shape[2])
        table[:, first : first + found.shape[1]] = found
        return self._total(table)

    def with_others(self, rows: Tensor, part: Part, dim: int) -> Tensor:
        """See :class:`Processes`."""
        shape = [*rows.shape]
        shape[dim] = part.total
        table = rows.new_zeros(shape)
        table.narrow(dim, part.first, part.n_rows).copy_(rows.detach())
        last = part.first + part.n_rows
        before, _, after = self._total(table).tensor_split([part.first, last], dim)
        return torch.cat([before, rows, after], dim)

    def _total(self, tensor: Tensor) -> Tensor:
        """The sum over the processes."""
        total = tensor.detach().to(self.device, copy=True)
        work = dist.all_reduce(total, async_op=True)
        if self.device.type != "cpu":  # nothing waits here; the launcher ends those that wait for what is gone
            work.wait()
            return total.to(tensor.device)
        n_failures = 0
        while True:
            is_over = work.is_completed()  # before it is waited for: then an error is that of the exchange
            try:
                work.wait(LISTEN)
                return total.to(tensor.device)
            except RuntimeError as error:
                n_failures += self._has_message()
                if is_over or n_failures == TIMES:
                    self._give_up(error)

    def _has_message(self) -> bool:
        """Whether a process has told that it has failed."""
        with suppress(RuntimeError):
            return self._store.check([self._failure])
        return False

    def _give_up(self, error: RuntimeError) -> NoReturn:
        """Raise what another process has told, or that one is gone."""
        text = f"One of the {self.n_processes} processes is gone without a message: see what the launcher printed."
        with suppress(RuntimeError):
            if self._store.check([self._failure]):
                text = self._store.get(self._failure).decode()
                self._store.add(f"{self._failure} heard", 1)
        _out_of_step.append(text)
        raise ProcessError(text) from error


def find_processes(accelerator: Any, device: str | torch.device) -> Processes:
    """What the parameters ``accelerator`` and ``device`` of an estimator stand for.

    Raises
    ------
    TypeError, ValueError
        If it is no accelerator, or one that does what is not possible here.
    """
    if accelerator is None:
        return Processes(find_device(device))
    from accelerate import Accelerator

    if not isinstance(accelerator, Accelerator):
        raise TypeError(f"accelerator is {accelerator!r:.80}; expected an accelerate.Accelerator, or None.")
    kind, precision = accelerator.distributed_type.value, accelerator.mixed_precision
    if kind in DIVIDED:
        raise ValueError(
            f"The accelerator divides the model by {kind}, but each process needs all of it, which is small: launch "
            "with --multi_gpu, or on CPUs with torchrun."
        )
    if precision != "no" or accelerator.gradient_accumulation_steps != 1:
        raise ValueError(
            f"The accelerator has mixed_precision={precision!r} and gradient_accumulation_steps="
            f"{accelerator.gradient_accumulation_steps}; expected 'no' and 1. batch_size is that of all processes."
        )
    own = accelerator.device
    own = torch.device("cpu") if own.type == "cpu" else own
    if device not in ("cpu", "auto") and torch.device(device) != own:
        raise ValueError(f"device={str(device)!r}, but the accelerator has {str(own)!r}: leave device out.")
    if accelerator.num_processes == 1:
        return Processes(own)
    return SeveralProcesses(own, accelerator.process_index, accelerator.num_processes)
