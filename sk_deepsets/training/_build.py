"""build_net: from the parameters of an estimator to a skorch net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from skorch.callbacks import LRScheduler, PrintLog
from torch import nn

from sk_deepsets.nn import DeepSetsConditional, DeepSetsEquivariant, DeepSetsInvariant, EachElement, ListNet, OnePerSet
from sk_deepsets.training._callbacks import BestEpoch, EpochBar
from sk_deepsets.training._net import ClassifierNet, ElementNet, RegressorNet, SetNet
from sk_deepsets.training._user_module import PaddedModule

OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]] = {
    # fused: one kernel for all weights, half the time of the default on small models
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}

REGRESSION_LOSSES: dict[str, type[nn.Module]] = {
    "squared_error": nn.MSELoss,
    "absolute_error": nn.L1Loss,
    "huber": nn.HuberLoss,
}


@dataclass
class Training:
    """How to train: the parameters of the estimator of the same names."""

    optimizer: str | Callable[..., torch.optim.Optimizer]
    lr: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int | None
    callbacks: Sequence[Any]
    device: torch.device
    verbose: int


def build_net(loss: str, module: Callable[..., nn.Module] | None, dims: dict[str, Any], how: Training) -> SetNet:
    """A skorch net with one output a set, not yet initialised.

    Parameters
    ----------
    loss : {"log_loss", "squared_error", "absolute_error", "huber"}
    module : callable or None
        The user's own module, else the core that fits ``dims``: with or without context.
    dims : dict
        Arguments of the module.
    how : Training
    """
    if module is not None:
        core: type[nn.Module] = PaddedModule
        dims = {"module": module, **dims}
    else:
        core = DeepSetsConditional if "context_dim" in dims else DeepSetsInvariant
    options: dict[str, Any] = {"criterion__reduction": "none"}
    if loss != "log_loss":
        return make_net(RegressorNet, core, REGRESSION_LOSSES[loss], dims, how, options)
    options["classes"] = list(range(dims["output_dim"]))
    return make_net(ClassifierNet, core, nn.CrossEntropyLoss, dims, how, options)


def build_element_net(loss: str, dims: dict[str, Any], how: Training) -> SetNet:
    """A skorch net with one output an element, not yet initialised.

    Parameters
    ----------
    loss : {"log_loss", "one_per_set", "listnet", "squared_error", "absolute_error", "huber"}
    dims : dict
        Arguments of :class:`DeepSetsEquivariant`.
    how : Training
    """
    if loss in ("one_per_set", "listnet"):
        return make_net(ElementNet, DeepSetsEquivariant, OnePerSet if loss == "one_per_set" else ListNet, dims, how, {})
    of_element = nn.CrossEntropyLoss if loss == "log_loss" else REGRESSION_LOSSES[loss]
    return make_net(ElementNet, DeepSetsEquivariant, EachElement, dims, how, {"criterion__loss": of_element})


def make_net(
    net: type[SetNet],
    core: type[nn.Module],
    criterion: type[nn.Module],
    dims: dict[str, Any],
    how: Training,
    more: dict[str, Any],
) -> SetNet:
    """A skorch net of this class, with the package's callbacks before the user's."""
    # always said, since torch's own default is not 0 everywhere; but not every optimizer of the user's has it
    decay = {"weight_decay": how.weight_decay}
    if isinstance(how.optimizer, str):
        optimizer, options = OPTIMIZERS[how.optimizer]
        options = options | decay
    else:
        optimizer, options = how.optimizer, decay if how.weight_decay else {}
    own: list[Any] = [("best_epoch", BestEpoch(how.patience, lower_lr=not has_scheduler(how.callbacks)))]
    if how.verbose == 1:
        own.append(("progress_bar", EpochBar()))
    elif how.verbose >= 2:
        own.append(("print_log", PrintLog()))
    return net(
        core,
        criterion=criterion,
        optimizer=optimizer,
        lr=how.lr,
        batch_size=how.batch_size,
        max_epochs=how.max_epochs,
        callbacks=[*own, *how.callbacks],
        device=str(how.device),
        train_split=None,
        verbose=int(how.verbose >= 2),  # skorch: whether its callbacks print
        **{f"module__{name}": value for name, value in dims.items()},
        **{f"optimizer__{name}": value for name, value in options.items()},
        **more,
    )


def has_scheduler(callbacks: Sequence[Any]) -> bool:
    """Whether the user's own callbacks, or (name, callback) pairs, see to the learning rate."""
    return any(isinstance(c[1] if isinstance(c, tuple) else c, LRScheduler) for c in callbacks)
