"""train: some epochs of a net, all of them or, after an error, none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sk_deepsets.nn import Ensemble
from sk_deepsets.training._checkpoint import Checkpoint
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._net import SetNet, Split
from sk_deepsets.training._processes import Processes
from sk_deepsets.training._runtime import RandomNumbers, free_memory, threads_for
from sk_deepsets.training._selector import EpochSelector
from sk_deepsets.training._user_callbacks import make_callbacks

# Of the free memory of a device, what the data may take.
DATA_SHARE = 0.5
# So many times the loss of outputs of 0 is no loss of a model that may yet learn.
FAR_OUT = 1_000.0


class DivergedError(ValueError):
    """Training diverged before any epoch could be kept."""


class Training(NamedTuple):
    """What came of a training."""

    history: list[dict[str, Any]]
    """One row for each epoch"""
    best_epoch: int | None
    """The epoch whose weights the net has; None without validation, where it is the last"""
    exploded_loss: float | None
    """The loss of what is kept, where it is far beyond that of answers of 0"""
    diverged: bool
    """Whether the loss was no number in the end"""
    interrupted: bool
    """Whether the user ended it, with Ctrl-C"""
    unfinished: bool
    """Whether the validation loss was still falling when the last epoch was over"""


def train(
    net: SetNet,
    data: Split,
    random_numbers: RandomNumbers,
    selector: EpochSelector,
    *,
    lr: float,
    batch_size: int,
    epochs: int,
    callbacks: Sequence[Any] | None,
    verbose: int,
    advice: str = "Lower lr.",
    checkpoint: Path | None = None,
    partly: bool = False,
    processes: Processes | None = None,
) -> Training:
    """Train an initialised net for some epochs, continuing from its present state or from a checkpoint.

    Several ``processes``, each of which calls this function with equal arguments, train it together.

    With ``partly``, which is ``partial_fit``, nothing is ever held out, and callbacks that would score it do nothing.

    Raises
    ------
    DivergedError
        If training diverges before any epoch can be kept. After any error the net is as it was.
    """
    before = _Snapshot(net)
    processes = Processes(torch.device(net.device)) if processes is None else processes
    try:
        if processes.n_processes > 1:
            settings = {"lr": lr, "batch_size": batch_size, "max_epochs": epochs, "verbose": verbose}
            _begin_together(net, data, settings | {"number of callbacks": len(callbacks or [])}, processes)
        verbose = verbose if processes.rank == 0 else 0
        # whether skorch's own callbacks print is its verbose
        net.set_params(lr=lr, batch_size=batch_size, max_epochs=epochs, verbose=int(verbose >= 2))
        resumable = None if checkpoint is None else Checkpoint(checkpoint, processes)
        scores_held_out = partly or selector.selects_members or data.valid is not None
        net.callbacks = make_callbacks(
            callbacks,
            selector,
            verbose,
            resumable,
            scores_held_out=scores_held_out,
            has_whole_batches=processes.n_processes == 1,
        )
        net.selector, net.processes = selector, processes
        net.initialize_callbacks()
        with random_numbers.drawn(torch.device(net.device)), threads_for(_multiplications(net, data.train)):
            net.partial_fit(_prepared(net, data))
        net.module_.eval()  # as users of net_.module_ expect it
        evaluated = data.train if data.valid is None else data.valid
        outcome = _outcome(net, evaluated, len(before.history), epochs, advice)
        if resumable is not None and not outcome.interrupted:
            resumable.delete()
        if outcome.interrupted:
            processes.tell(KeyboardInterrupt())
        return outcome
    except BaseException as error:
        before.restore()
        if data.valid is None and isinstance(error, KeyError) and "'valid_loss'" in str(error):
            raise ValueError(
                "A callback reads valid_loss, but no sets are held out: set early_stopping=True or pass X_val, y_val."
            ) from error
        raise
    finally:
        net.processes = SetNet.processes  # predictions are made alone


def _begin_together(net: SetNet, data: Split, settings: dict[str, Any], processes: Processes) -> None:
    """Check that all processes are to train the same, and let them begin with the weights of the first one."""
    parts = {"training": data.train, "validation": data.valid}
    found: dict[str, Any] = {
        f"{name} sets": f"{len(part)} with {int(part.sizes.sum())} elements and the digest {part.digest():x}"
        for name, part in parts.items()
        if part is not None
    }
    tensors = [*net.module_.parameters(), *net.module_.buffers()]
    found |= settings | {"shapes of the weights": [tuple(tensor.shape) for tensor in tensors]}
    wanted = processes.same(found)
    for name in wanted.keys() | found.keys():
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"The processes are to train different models; {name}: {found.get(name)} in process {processes.rank}, "
                f"but {wanted.get(name)} in process 0. Call fit with the same data and parameters in all of them: of "
                "each mini-batch, every process takes its own share."
            )
    processes.align(tensors)


def _prepared(net: SetNet, data: Split) -> Split:
    """The data as training takes them: on the net's device if they fit there, scaled once for an ensemble."""
    device = torch.device(net.device)
    n_bytes = data.train.n_bytes + (0 if data.valid is None else data.valid.n_bytes)
    if device.type != "cpu" and n_bytes <= DATA_SHARE * free_memory(device):
        data = data.to(device)
    return data.scaled(net.module_) if isinstance(net.module_, Ensemble) else data


def _multiplications(net: SetNet, dataset: SetDataset) -> float:
    """How much work a mini-batch is, forward: most weights meet every element, those behind the pool every set."""
    n_sets = len(dataset)
    sets_in_batch = min(net.batch_size, n_sets)
    elements_in_batch = int(dataset.trained_sizes.sum()) / n_sets * sets_in_batch
    counts = net.module_.weight_counts()
    return (counts.phi + counts.pool) * elements_in_batch + counts.rho * sets_in_batch


def _outcome(net: SetNet, evaluated: SetDataset, n_before: int, epochs: int, advice: str) -> Training:
    """What came of a training; ``evaluated`` is what the losses of its epochs are of."""
    best = net.selector
    while len(net.history) > n_before and net.history[-1].get("epoch", math.inf) > best.last_epoch_:
        net.history.pop()  # the epoch that was interrupted
    rows = [{name: value for name, value in row.items() if name != "batches"} for row in net.history[n_before:]]
    if not rows:
        raise KeyboardInterrupt
    last = rows[-1]
    diverged = not math.isfinite(last["train_loss"] + last.get("valid_loss", 0.0))
    # the loss of an epoch is computed before its last step; that one shows in the weights alone
    if best.best_epoch_ is None and (diverged or not all(w.isfinite().all() for w in net.module_.parameters())):
        what = f"the loss of epoch {last['epoch']} is" if diverged else "the weights are"
        raise DivergedError(f"Training diverged: {what} not finite. {advice}")
    number = n_before + len(rows) if best.best_epoch_ is None else best.best_epoch_
    kept = next((row for row in rows if row["epoch"] == number), last)
    loss = kept.get("valid_loss", kept["train_loss"])
    exploded_loss = loss if _is_far_out(net, evaluated, loss) else None
    unfinished = len(rows) == epochs and best.is_falling_
    return Training(rows, best.best_epoch_, exploded_loss, diverged, net.interrupted_, unfinished)


def _is_far_out(net: SetNet, dataset: SetDataset, loss: float) -> bool:
    """Whether a loss is far beyond that of outputs of 0: of the mean of the targets, or of all classes alike."""
    if not loss > FAR_OUT:  # the losses of standardised values, and of classes, are about 1 at 0
        return False
    batch, y = dataset.between(0, len(dataset))
    n_outputs = net.forward(dataset.subset(np.arange(1))).shape[1]
    n_rows = len(batch) if dataset.y_of == "set" else len(batch.packed.elements)
    assert isinstance(y, Tensor)
    loss_of_zeros = net.get_loss(torch.zeros(n_rows, n_outputs), y, batch)
    return loss > FAR_OUT * float(loss_of_zeros)


class _Snapshot:
    """What training changes in a net, for the price of its weights."""

    def __init__(self, net: SetNet) -> None:
        self.net = net
        self.history = net.history[:]
        self.parts = net.module_, net.optimizer_, net.selector
        self.callbacks = net.callbacks, net.callbacks_
        self.flags = net.has_batch_callbacks_, net.interrupted_
        self.parameters = net.lr, net.batch_size, net.max_epochs, net.verbose
        self.modules = [(module, module.training) for module in (net.module_, net.criterion_)]
        optimizer = net.optimizer_
        self.state = {weight: dict(state) for weight, state in optimizer.state.items()}
        self.groups = [{**group, "params": list(group["params"])} for group in optimizer.param_groups]
        moments = [v for state in self.state.values() for v in state.values() if isinstance(v, Tensor)]
        self.tensors = [(tensor, tensor.clone()) for tensor in (*net.module_.state_dict().values(), *moments)]

    def restore(self) -> None:
        """Put it back, into the tensors that are there."""
        net = self.net
        net.history[:] = self.history
        net.module_, net.optimizer_, net.selector = self.parts
        net.callbacks, net.callbacks_ = self.callbacks
        net.has_batch_callbacks_, net.interrupted_ = self.flags
        net.lr, net.batch_size, net.max_epochs, net.verbose = self.parameters
        for module, training in self.modules:
            module.train(training)
        with torch.no_grad():
            for tensor, value in self.tensors:
                tensor.copy_(value)
        net.optimizer_.state.clear()
        net.optimizer_.state.update(self.state)
        for group, values in zip(net.optimizer_.param_groups, self.groups, strict=True):
            group.update(values)
