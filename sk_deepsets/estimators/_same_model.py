"""Which parameters define the model: training can continue, from memory or from a file, only if they are the same."""

from functools import partial
from numbers import Integral

import numpy as np
import torch

from sk_deepsets.estimators._fingerprint import fingerprint
from sk_deepsets.estimators._module_parameters import PREFIX
from sk_deepsets.training import checkpoint_path, find_processes

# What a net is built with; the other parameters may change from one fit to the next.
OF_THE_TRAINING = {
    "lr",
    "batch_size",
    "max_epochs",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "warm_start",
    "accelerator",
    "callbacks",
    "checkpoint",
    "class_weight",
    "max_set_size",
    "resample",
    "empty_sets",
    "missing_sets",
    "random_state",
    "verbose",
}

MISSING = object()


def model_parameters(estimator):
    """What a net is built with, in a form that compares and survives a pickle: [8] is (8,)."""
    params = {k: v for k, v in estimator.get_params(deep=False).items() if k not in OF_THE_TRAINING}
    device = find_processes(estimator.accelerator, estimator.device).device
    # each of several processes has a device of its own
    params["device"] = str(device) if estimator.accelerator is None else device.type
    return {name: comparable(value) for name, value in params.items()}


def check_same_model(estimator, parameters):
    """Raise if training is to continue with parameters that the net was not built with."""
    for name, value in model_parameters(estimator).items():
        present = parameters.get(name, MISSING)
        if value != present:
            built = "without it" if present is MISSING else f"with {present!r}"
            raise ValueError(
                f"{name}={value!r}, but the net to continue with was built {built}: "
                "set warm_start=False (or clone the estimator) to train a new one."
            )


def checkpoint_of(estimator, data, parameters, before):
    """The file to which this training is written; None for none.

    Parameters
    ----------
    estimator : estimator
    data : Split
    parameters : dict
        What the net was built with.
    before : Fitted or None
        What training continues.
    """
    if estimator.checkpoint is None:
        return None
    if not isinstance(estimator.random_state, Integral):
        raise ValueError(
            f"checkpoint requires an int as random_state, so that fits start alike, but got {estimator.random_state}."
        )
    names = sorted(
        (OF_THE_TRAINING - {"accelerator", "callbacks", "checkpoint", "verbose"})
        & estimator.get_params(deep=False).keys()
    )
    params = estimator.get_params(deep=False)
    settings = {name: comparable(params[name]) for name in names}
    callbacks = [fingerprint(callback) for callback in estimator.callbacks or ()]
    names_of_code = [name for name in params if name in {"optimizer", "module", "loss"} or name.startswith(PREFIX)]
    code = {name: fingerprint(params[name]) for name in names_of_code}
    history = [] if before is None else estimator.history_
    description = f"{type(estimator).__qualname__} {parameters | code} {settings} {callbacks} {history}"
    return checkpoint_path(estimator.checkpoint, description, data)


def comparable(value):
    """A parameter as something that equals what was built with an equal one: callables by their qualified names."""
    if isinstance(value, np.ndarray | torch.Tensor):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(map(comparable, value))
    if isinstance(value, partial):
        arguments = {name: comparable(one) for name, one in value.keywords.items()}
        return ("partial", comparable(value.func), comparable(value.args), arguments)
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value
