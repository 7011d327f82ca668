"""Checkpoint: the state of a training in a file, so that a fit that was killed resumes where it stopped."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EpochTimer, PrintLog
from torch.serialization import default_restore_location

from sk_deepsets.nn import current_generator
from sk_deepsets.training._net import Split
from sk_deepsets.training._processes import Processes
from sk_deepsets.training._progress import ProgressBar
from sk_deepsets.training._selector import EpochSelector

# What a file begins with; then, as digests, the training that it belongs to, and a checksum of all the rest.
MAGIC = b"sk_deepsets checkpoint 5\n"
DIGEST_SIZE = hashlib.sha256().digest_size
# The callbacks without a state that lasts.
STATELESS = (ProgressBar, EpochTimer, PrintLog)
# Types of parameters of a callback that it may count or collect in.
COUNTS = (bool, int, float, str, list)


def checkpoint_path(folder: str | Path, description: str, data: Split) -> Path:
    """A file that belongs to one training: its name is a digest of all that it depends on.

    Parameters
    ----------
    folder : str or Path
    description : str
        Of the model and its parameters.
    data : Split
    """
    digest = hashlib.sha256(f"{torch.__version__} {description}".encode())
    for part in data:
        if part is not None:
            for array in part.arrays():
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
    return Path(folder) / f"{digest.hexdigest()}.checkpoint"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file to write, which replaces ``path`` when it is complete, and is deleted after an error."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


class Checkpoint(Callback):
    """Writes all that an epoch changes, when all other callbacks have seen its end; begins with what was written.

    The file contains a digest of the training that it belongs to, a checksum, and a pickle of the module, the
    optimizer, the history and the state of callbacks. What a callback was made with stays that of this process: a list
    that it fills, say, or a trial that it reports to.

    Parameters
    ----------
    path : Path
        A file of this training alone, from :func:`checkpoint_path`. A folder that is missing is made.
    processes : Processes
        Of which the first reads and writes, also for the others.
    """

    def __init__(self, path: Path, processes: Processes) -> None:
        self.path, self.processes = path, processes

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Go on from the file, if there is one that is whole."""
        content = self.processes.same(self._read() if self.processes.rank == 0 else None)
        if content is None:
            return
        state = torch.load(io.BytesIO(content), map_location=self._place, weights_only=False)
        n_before = len(net.history)
        net.module_, net.optimizer_ = state["module"], state["optimizer"]
        net.history[:] = state["history"]
        callbacks = dict(net.callbacks_)
        for name, found in state["callbacks"].items():
            _set_state(callbacks[name], found)
        generator = current_generator()
        if generator is not None:
            generator.set_state(state["generator"])
        net.max_epochs -= len(net.history) - n_before
        if net.selector.stop_:  # the end was all that was missing
            net.max_epochs = 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write the file; the one before it is there until this one is complete."""
        if self.processes.rank:
            return
        generator = current_generator()
        stateless = (Checkpoint, *STATELESS)
        state = {
            # in one pickle, since the optimizer, and schedulers of its learning rate, refer to the weights
            "module": net.module_,
            "optimizer": net.optimizer_,
            "history": list(net.history),
            "callbacks": {name: _state_of(cb) for name, cb in net.callbacks_ if not isinstance(cb, stateless)},
            "generator": None if generator is None else generator.get_state(),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        try:
            torch.save(state, buffer)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise TypeError(f"checkpoint cannot pickle the module, the optimizer or a callback: {error}") from error
        # the part is gone where an equal fit beside this one has come to its end
        with suppress(FileNotFoundError), atomic_write(self.path) as part:
            content = self._training + buffer.getvalue()
            part.write_bytes(MAGIC + hashlib.sha256(content).digest() + content)

    @property
    def _training(self) -> bytes:
        """What the file belongs to."""
        return bytes.fromhex(self.path.stem)

    def _place(self, storage: Any, device: str) -> Any:
        """A tensor of the device of the process that wrote is one of this process's."""
        return default_restore_location(storage, device if device == "cpu" else str(self.processes.device))

    def _read(self) -> bytes | None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        begin = len(MAGIC) + DIGEST_SIZE
        checksum, training, state = content[len(MAGIC) : begin], content[begin : begin + DIGEST_SIZE], content[begin:]
        if not content.startswith(MAGIC) or hashlib.sha256(state).digest() != checksum:
            reason = "is damaged, or is no checkpoint of this version"
        elif training != self._training:
            reason = "belongs to another training"
        else:
            return state[DIGEST_SIZE:]
        text = f"The checkpoint {self.path} {reason}: training starts from the beginning, and replaces it."
        warnings.warn(text, UserWarning, stacklevel=2)
        return None

    def delete(self) -> None:
        """Delete the file, and what killed processes left of it."""
        if self.processes.rank:
            return
        for path in (self.path, *self.path.parent.glob(f"{self.path.name}.*.part")):
            path.unlink(missing_ok=True)


def _state_of(callback: Any) -> dict[str, Any]:
    """What training changes in a callback: its parameters only as far as they are numbers, texts or lists."""
    if isinstance(callback, EpochSelector):
        return callback.state_dict()
    parameters = callback.get_params(deep=False) if isinstance(callback, Callback) else {}
    return {name: value for name, value in vars(callback).items() if name not in parameters or type(value) in COUNTS}


def _set_state(callback: Any, state: dict[str, Any]) -> None:
    """Put it back; a list stays the same object, which the user may hold."""
    if isinstance(callback, EpochSelector):
        callback.load_state_dict(state)
        return
    present = vars(callback)
    for name, value in state.items():
        if isinstance(value, list) and isinstance(present.get(name), list):
            present[name][:] = value
        else:
            present[name] = value
