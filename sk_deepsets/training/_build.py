"""build_net: from a torch module and the parameters of an estimator to a skorch net."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from sk_deepsets.nn import (
    CustomLoss,
    GammaNLLLoss,
    LambdaRank,
    ListNet,
    OnePerSet,
    PartialLikelihood,
    PinballLoss,
    QuantilesLoss,
)
from sk_deepsets.training._net import ClassifierNet, RegressorNet, SetNet

OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]] = {
    # fused: one kernel for all weights, half the time of the default on small models
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"fused": True, "betas": (0.9, 0.99)}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}


class RegressionLoss(NamedTuple):
    """A loss of values, of sets or of elements."""

    criterion: Callable[..., nn.Module]
    link: str = "identity"
    """What the outputs stand for: values, or with "log" their logarithms"""
    robust: bool = False
    """Whether it is made for outliers among the targets, which must not set their scale then"""


REGRESSION_LOSSES: dict[str, RegressionLoss] = {
    "squared_error": RegressionLoss(nn.MSELoss),
    "absolute_error": RegressionLoss(nn.L1Loss, robust=True),
    "huber": RegressionLoss(nn.HuberLoss, robust=True),
    "poisson": RegressionLoss(partial(nn.PoissonNLLLoss, log_input=True), link="log"),
    "gamma": RegressionLoss(GammaNLLLoss, link="log"),
    "quantile": RegressionLoss(PinballLoss, robust=True),
}
RANKING_LOSSES: dict[str, type[nn.Module]] = {"listnet": ListNet, "lambdarank": LambdaRank}
LOSSES: dict[str, tuple[type[SetNet], Callable[..., nn.Module]]] = {
    "log_loss": (ClassifierNet, nn.CrossEntropyLoss),
    "label_loss": (RegressorNet, nn.BCEWithLogitsLoss),
    "quantiles": (RegressorNet, QuantilesLoss),
    "custom_of_classes": (ClassifierNet, CustomLoss),
    "custom": (RegressorNet, CustomLoss),
    "one_per_set": (SetNet, OnePerSet),
    "partial_likelihood": (SetNet, PartialLikelihood),
    **{name: (SetNet, criterion) for name, criterion in RANKING_LOSSES.items()},
}


def build_net(
    core: type[nn.Module] | nn.Module,
    dims: dict[str, Any],
    loss: str,
    loss_options: dict[str, Any] | None = None,
    *,
    optimizer: str | Callable[..., torch.optim.Optimizer],
    lr: float,
    weight_decay: float,
    device: torch.device,
) -> SetNet:
    """A skorch net, not yet initialised.

    Parameters
    ----------
    core : type or nn.Module
        The class of the module, which takes packed sets; or a module, with its ``output_dim`` in ``dims``.
    dims : dict
        Its arguments.
    loss : str
        Of ``LOSSES`` or ``REGRESSION_LOSSES``.
    loss_options : dict, optional
        Arguments of the loss.
    optimizer, lr, weight_decay, device
        The parameters of the estimators.
    """
    options = {f"criterion__{name}": value for name, value in (loss_options or {}).items()}
    net, criterion = LOSSES.get(loss) or (RegressorNet, REGRESSION_LOSSES[loss].criterion)
    if net is not SetNet:
        options["criterion__reduction"] = "none"
    if net is ClassifierNet:
        options["classes"] = list(range(dims["output_dim"]))
        options["predict_nonlinearity"] = partial(torch.softmax, dim=-1)  # skorch knows it of its own losses alone
    # weight decay is always passed, since torch's own default is not 0 everywhere; but not every optimizer has it
    decay = {"weight_decay": weight_decay}
    if isinstance(optimizer, str):
        optimizer, more = OPTIMIZERS[optimizer]
        decay |= more
        options["optimizer__param_groups"] = [("*bias", {"weight_decay": 0.0})]
    elif not weight_decay:
        decay = {}
    return net(
        core,
        criterion=criterion,
        optimizer=optimizer,
        lr=lr,
        device=str(device),
        train_split=None,
        **{f"module__{name}": value for name, value in dims.items() if isinstance(core, type)},
        **{f"optimizer__{name}": value for name, value in decay.items()},
        **options,
    )
