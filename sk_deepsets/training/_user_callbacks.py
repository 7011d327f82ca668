"""The user's skorch callbacks: copied for a clone, checked, and put among those of the package."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
    TrainEndCheckpoint,
)

from sk_deepsets.training._checkpoint import Checkpoint as ResumableCheckpoint
from sk_deepsets.training._progress import progress_callbacks
from sk_deepsets.training._selector import EpochSelector


@runtime_checkable
class CallbackLike(Protocol):
    """What skorch calls as a callback, of whatever class."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None: ...

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None: ...


SCORING = (BatchScoring, EpochScoring, PassthroughScoring)


def clone_callbacks(callbacks: Any) -> Any:
    """Callbacks as given to an estimator, for a clone of it: without their state, with the same parameters.

    The parameters are shared, not copied: a list that a callback fills, or the Optuna trial that it reports to, is the
    user's own, in every fit of a cross-validation, too. skorch takes for parameters what has no underscore at the end.
    """
    if type(callbacks) in (list, tuple):
        return type(callbacks)(map(clone_callbacks, callbacks))
    if not isinstance(callbacks, Callback):
        return callbacks
    try:
        parameters = callbacks.get_params(deep=False)
    except AttributeError:  # of a subclass that has not yet what it names
        return copy.copy(callbacks)
    twin = object.__new__(type(callbacks))
    vars(twin).update(parameters)
    return twin


def make_callbacks(
    callbacks: Sequence[Any] | None,
    selector: EpochSelector,
    verbose: int,
    checkpoint: ResumableCheckpoint | None = None,
    *,
    scores_held_out: bool = True,
    has_whole_batches: bool = True,
) -> list[Any]:
    """The callbacks of one call of ``fit``: the package's, and the user's own objects, as in skorch.

    Parameters
    ----------
    callbacks : sequence
        The parameter of the estimators.
    selector : EpochSelector
    verbose : int
    checkpoint : Checkpoint of this package, optional
    scores_held_out : bool
        Whether callbacks that score held-out sets are accepted.
    has_whole_batches : bool
        Whether no other process has a share of the mini-batches.
    """
    resumable = [] if checkpoint is None else [("checkpoint", checkpoint)]
    ours = [("best_epoch", selector), *progress_callbacks(verbose)]
    taken = {"epoch_timer", *(name for name, _ in [*ours, *resumable])}
    users = list(callbacks or [])
    for number, user in enumerate(users):
        name, callback = user if isinstance(user, tuple | list) and len(user) == 2 else ("", user)
        if not isinstance(name, str) or not issubclass(_class_of(callback), CallbackLike):
            raise TypeError(
                f"callbacks[{number}] is {user!r:.80}; expected a skorch callback, a class or a pair (name, callback)."
            )
        if name in taken:
            raise ValueError(
                f"callbacks[{number}] has the name {name!r}, which a callback of this package has: choose another name."
            )
        reason = _why_useless(callback, selector.selects_members, scores_held_out)
        if reason is None and not has_whole_batches:
            reason = _why_useless_in_several_processes(callback)
        if reason is not None:
            raise ValueError(f"callbacks[{number}] ({_class_of(callback).__name__}) {reason}")
        if issubclass(_class_of(callback), LRScheduler):
            selector.sets_lr = False
    return [*ours, *users, *resumable]


def _why_useless(callback: Any, has_members: bool, scores_held_out: bool) -> str | None:
    """Why a callback of skorch's would not work here, and what does; None if it works."""
    cls = _class_of(callback)
    parameters = callback.get_params(deep=False) if isinstance(callback, Callback) else {}
    if issubclass(cls, SCORING) and not parameters.get("on_train"):
        if not scores_held_out:
            return (
                "scores held-out sets, but no sets are held out: set early_stopping=True or pass X_val, y_val; "
                "on_train=True scores the training sets."
            )
        if has_members and not parameters.get("use_caching", True):
            return (
                "has use_caching=False: all members would predict sets that most of them are trained on. Leave it at "
                "True, which scores out-of-fold predictions, or set n_members=1."
            )
    if has_members and parameters.get("load_best"):
        return (
            "would load the weights of one epoch in place of the members that were chosen: leave load_best out, or "
            "set n_members=1."
        )
    if has_members and issubclass(cls, Checkpoint) and not issubclass(cls, TrainEndCheckpoint):
        return (
            "would save weights before members are chosen, which do not fit the model after it: take the parameter "
            "checkpoint to resume a fit, sk_deepsets.io.save to keep it, or set n_members=1."
        )
    return None


def _why_useless_in_several_processes(callback: Any) -> str | None:
    """Why a callback of skorch's would not work in one of several processes; None if it works."""
    if issubclass(_class_of(callback), Checkpoint):
        return (
            "would write the same files in every process: take the parameter checkpoint to resume a fit, and "
            "sk_deepsets.io.save in process 0 to keep it."
        )
    if issubclass(_class_of(callback), SCORING) and getattr(callback, "on_train", False):
        return (
            "has on_train=True, but of the training sets each process sees its share: score held-out sets, or read "
            "train_loss, which is that of all."
        )
    return None


def _class_of(callback: Any) -> type:
    """A callback may be given as its class."""
    return callback if isinstance(callback, type) else type(callback)
