"""EpochSelector: what ends a training and chooses what is kept of it; BestEpoch: the one of a single net."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, NamedTuple

from skorch.callbacks import Callback
from torch import Tensor

from sk_deepsets.training._dataset import SetDataset

CLEAR_GAIN = 0.03
"""A gain of this share of the loss, or more, justifies more epochs than the user allows"""


class Best(NamedTuple):
    """The epoch of the lowest loss so far; replaced as a whole, since Ctrl-C may come at any time."""

    loss: float = math.inf
    epoch: int | None = None
    weights: dict[str, Tensor] | None = None
    lowest: tuple[float, ...] = ()
    """The lowest loss so far at the end of each epoch"""
    last_epoch: int = 0


class EpochSelector(Callback):
    """The callback that ends a training, and chooses the weights that are kept: of an epoch, or of an ensemble.

    Attributes
    ----------
    sets_lr : bool
        Whether it changes the learning rate; set before training.
    stop_ : bool
        Whether training is to end with this epoch.
    selects_members : bool
        Whether what is kept is an ensemble, rather than the weights of an epoch.
    """

    stop_ = False
    selects_members = False
    _state: Any = None
    """What training changes beside ``stop_``, and what a checkpoint therefore keeps"""

    def __init__(self) -> None:
        self.sets_lr = True

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"stop": self.stop_, "state": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.stop_, self._state = state["stop"], state["state"]

    @property
    @abstractmethod
    def best_epoch_(self) -> int | None:
        """The epoch of the lowest validation loss; None without validation."""

    @property
    @abstractmethod
    def last_epoch_(self) -> int:
        """The last epoch that was finished; 0 before the first one is."""

    @property
    @abstractmethod
    def is_falling_(self) -> bool:
        """Whether the validation loss was still falling in the end, where training might have ended early."""

    @property
    def out_of_fold_(self) -> Tensor | None:
        """The out-of-fold outputs for the training sets, (n_sets, n_outputs): NaN for a set in no fold."""
        return None

    @property
    def evaluation_set(self) -> SetDataset | None:
        """The sets that ``evaluate`` is of; None: the net evaluates held-out sets by itself."""
        return None

    def evaluates_epoch(self) -> bool:
        """Whether ``evaluate`` is to be called at the end of the present epoch."""
        return True

    def evaluate(self, net: Any) -> Tensor:
        """Record the loss of the sets of ``evaluation_set``; the outputs for them, (n, n_outputs)."""
        raise NotImplementedError

    def before_step(self, net: Any) -> None:
        """Called before each step of the optimizer."""

    def after_step(self, net: Any) -> None:
        """Called after each step of the optimizer."""


class BestEpoch(EpochSelector):
    """Stop when the validation loss no longer falls, and go back to the weights of its lowest epoch.

    Unlike skorch's ``EarlyStopping`` it also ends a fit whose loss is no longer finite, keeps no copy of the
    weights after training, and restores the best epoch when nothing stops early, too.

    Parameters
    ----------
    patience : int, optional
        Epochs without a new minimum after which training ends. None: never.

    Attributes
    ----------
    sets_lr : bool
        Whether to multiply the learning rate by 0.3 after each half of ``patience`` without improvement.
    """

    def __init__(self, patience: int | None = None) -> None:
        super().__init__()
        self.patience = patience

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Forget an earlier fit."""
        self.stop_, self._state = False, Best()

    @property
    def best_epoch_(self) -> int | None:
        """See :class:`EpochSelector`."""
        return self._state.epoch

    @property
    def last_epoch_(self) -> int:
        """See :class:`EpochSelector`."""
        return self._state.last_epoch

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Keep the weights of a new minimum; ask for the end, which the net brings when all callbacks have run."""
        record, best = net.history[-1], self._state
        loss = record.get("valid_loss", record["train_loss"])
        if not (math.isfinite(loss) and math.isfinite(record["train_loss"])):
            self.stop_ = True
        elif "valid_loss" in record:
            net.history.record("valid_loss_best", loss < best.loss)  # which skorch's Checkpoint reads
            if loss < best.loss:
                weights = {name: value.detach().clone() for name, value in net.module_.state_dict().items()}
                best = best._replace(loss=loss, epoch=record["epoch"], weights=weights)
            elif self.patience is not None:
                self._wait(net, record["epoch"] - (best.epoch or 0), self.patience)
        self._state = best._replace(lowest=(*best.lowest, best.loss), last_epoch=record["epoch"])

    @property
    def is_falling_(self) -> bool:
        """Whether the validation loss was still falling clearly in the end, where training might have ended early.

        That is a new minimum not long ago, and over ``patience`` epochs a gain by a clear share of the loss.
        """
        if self.patience is None or self.best_epoch_ is None or self.stop_:
            return False
        before, lowest = self._state.lowest[-1 - self.patience :][0], self._state.loss
        is_recent = 2 * (self.last_epoch_ - self.best_epoch_) < self.patience
        return is_recent and before - lowest > CLEAR_GAIN * abs(lowest)

    def _wait(self, net: Any, waited: int, patience: int) -> None:
        if waited >= patience:
            self.stop_ = True
        elif self.sets_lr and waited % max(1, patience // 2) == 0:
            for group in net.optimizer_.param_groups:
                group["lr"] *= 0.3

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Restore the best epoch."""
        if self._state.weights is not None:
            net.module_.load_state_dict(self._state.weights)
        self._state = self._state._replace(weights=None)
