"""Checkpoint: the state of a training in a file, so that a fit that was killed resumes where it stopped."""

from __future__ import annotations

import hashlib
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

from sk_deepsets.nn import current_generator
from sk_deepsets.training._net import Split
from sk_deepsets.training._progress import EpochBar, EpochLines

DIGEST_SIZE = hashlib.sha256().digest_size
# The callbacks that are as good when they begin anew.
OF_ONE_PROCESS = (EpochBar, EpochLines, EpochTimer, PrintLog)


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
    return Path(folder) / f"{digest.hexdigest()[:32]}.checkpoint"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of another when it is complete, and else is taken away."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


class Checkpoint(Callback):
    """Writes all that an epoch changes, when all other callbacks have seen its end; begins with what was written.

    The file is a digest and a pickle, which has the user's own module and callbacks, too.

    Parameters
    ----------
    path : Path
        A file of this training alone. A folder that is missing is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Go on from the file, if there is one that is whole."""
        state = self._read()
        if state is None:
            return
        n_before = len(net.history)
        net.module_, net.optimizer_ = state["module"], state["optimizer"]
        net.history[:] = state["history"]
        callbacks = dict(net.callbacks_)
        for name, callback in state["callbacks"].items():
            callbacks[name].__dict__.update(vars(callback))
        generator = current_generator()
        if generator is not None:
            generator.set_state(state["generator"])
        net.max_epochs -= len(net.history) - n_before
        if callbacks["best_epoch"].stop_:  # the end was all that was missing
            net.max_epochs = 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write the file; the one before it is there until this one is complete."""
        generator = current_generator()
        lasting = {n: one for n, one in net.callbacks_ if one is not self and not isinstance(one, OF_ONE_PROCESS)}
        state = {
            # in one pickle, since the optimizer, and schedulers of its learning rate, refer to the weights
            "module": net.module_,
            "optimizer": net.optimizer_,
            "history": list(net.history),
            "callbacks": lasting,
            "generator": None if generator is None else generator.get_state(),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            content = pickle.dumps(state)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise TypeError(f"checkpoint cannot pickle the module, the optimizer or a callback: {error}") from error
        # the part is gone where an equal fit beside this one has come to its end
        with suppress(FileNotFoundError), written_whole(self.path) as part:
            part.write_bytes(hashlib.sha256(content).digest() + content)

    def _read(self) -> dict[str, Any] | None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(content[DIGEST_SIZE:]).digest() != content[:DIGEST_SIZE]:
            text = f"The checkpoint {self.path} is damaged: training starts from the beginning."
            warnings.warn(text, UserWarning, stacklevel=2)
            return None
        return pickle.loads(content[DIGEST_SIZE:])

    def delete(self) -> None:
        """Delete the file, and what killed processes left of it."""
        for one in (self.path, *self.path.parent.glob(f"{self.path.name}.*.part")):
            one.unlink(missing_ok=True)
