"""How an estimator makes its net, trains it, and keeps what came of it."""

from __future__ import annotations

import copy
import math
import warnings
from numbers import Integral

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from sk_deepsets.estimators._statistics import mean_and_scale
from sk_deepsets.nn import MixedColumns, Standardize
from sk_deepsets.training import SetDataset, Split, Training, find_device, random_numbers, threads_for


def new_net(estimator, sets, weight, device, seed):
    """An initialised net for these training sets, and the state of the random numbers after it."""
    with random_numbers(device, seed):
        net = estimator._build_net(sets, weight, training(estimator, device))
        net.initialize()
        return net, torch.get_rng_state()


# What a net is built with; the other training parameters may change from one fit to the next.
FIXED = [
    "hidden_dims",
    "residual",
    "layer_norm",
    "target",
    "phi_hidden_dims",
    "rho_hidden_dims",
    "pool_type",
    "fusion_type",
    "context_in_rho",
    "activation",
    "dropout",
    "encoder",
    "mixed_precision",
    "module",
    "categorical_features",
    "standardize",
    "optimizer",
    "weight_decay",
    "loss",
    "device",
]


def fixed_parameters(estimator):
    """The parameters that a net keeps, in a form that compares: [8] is (8,), and a pickled callable is not itself."""
    params = {name: value for name, value in estimator.get_params(deep=False).items() if name in FIXED}
    params["device"] = str(find_device(params["device"]))
    return {
        name: tuple(value) if isinstance(value, list | np.ndarray) else "a callable" if callable(value) else value
        for name, value in params.items()
    }


def check_same_model(estimator):
    """Raise if training is to go on with parameters that the net was not built with."""
    for name, value in fixed_parameters(estimator).items():
        if value != estimator._built_with[name]:
            raise ValueError(
                f"{name}={value!r}, but the net to go on with was built with {estimator._built_with[name]!r}: "
                "set warm_start=False (or clone the estimator) to train a new one."
            )


def input_dimensions(estimator, sets, weight, centred):
    """The arguments of a torch module that depend on the data: its input layers and their widths."""
    element_weight = None if weight is None else np.repeat(weight, sets.sizes)
    layer, dim = input_layer(estimator, estimator._element_encoder, sets.elements, element_weight, centred)
    dims = {"input_layer": layer, "input_dim": dim}
    if sets.context is not None:
        layer, dim = input_layer(estimator, estimator._context_encoder, sets.context, weight)
        dims |= {"context_layer": layer, "context_dim": dim}
    return dims


def dimensions(estimator, sets, weight):
    """Arguments of the torch module of an estimator with one answer a set."""
    # a sum of centred elements no longer tells the set's size: without a layer to see it in, only scale them
    centred = estimator.module is not None or len(estimator.phi_hidden_dims) or "sum" not in estimator.pool_type
    dims = input_dimensions(estimator, sets, weight, centred) | {"output_dim": estimator._output_dim}
    if estimator.module is not None:
        return dims
    if sets.context is not None:
        dims["fusion_type"] = estimator.fusion_type
        dims["context_in_rho"] = estimator.context_in_rho
    # sums over sets of a thousand elements would start training far out: scale a typical size to 1
    typical_size = math.sqrt(np.average(np.square(sets.sizes), weights=weight))
    return dims | {
        "phi_hidden_dims": widths(estimator, "phi_hidden_dims"),
        "rho_hidden_dims": widths(estimator, "rho_hidden_dims"),
        "pool_type": estimator.pool_type,
        "dropout": estimator.dropout,
        "activation": estimator.activation,
        "encoder": estimator.encoder,
        "mixed_precision": estimator.mixed_precision,
        "sum_scale": 1 / max(typical_size, 1),
    }


def widths(estimator, name):
    """The widths of hidden layers that a parameter holds, as a tuple."""
    dims = tuple(getattr(estimator, name))
    if not all(isinstance(dim, Integral) and not isinstance(dim, bool) and dim > 0 for dim in dims):
        raise ValueError(f"{name} must hold whole numbers of at least 1, one for each hidden layer, but is {dims}.")
    return dims


def input_layer(estimator, encoder, table, weight, centred=True):
    """A layer that standardises numbers and embeds categories, and how many features come out of it."""
    n_categories = [] if encoder is None else encoder.n_categories
    numbers = table[:, : table.shape[1] - len(n_categories)]
    if estimator.standardize:
        mean, scale = mean_and_scale(numbers, weight)
        if not centred:
            mean, scale = np.zeros_like(mean), np.hypot(mean, scale)  # the root mean square
    else:
        mean, scale = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
    layer = Standardize(torch.from_numpy(mean), torch.from_numpy(scale))
    if not n_categories:
        return layer, numbers.shape[1]
    layer = MixedColumns(layer, numbers.shape[1], n_categories)
    return layer, layer.output_dim


def training(estimator, device):
    """The training parameters of an estimator."""
    return Training(
        optimizer=estimator.optimizer,
        lr=estimator.lr,
        weight_decay=estimator.weight_decay,
        batch_size=estimator.batch_size,
        max_epochs=estimator.max_epochs,
        patience=estimator.n_iter_no_change if estimator.early_stopping else None,
        callbacks=copy.deepcopy(list(estimator.callbacks or [])),
        device=device,
        verbose=int(estimator.verbose),
    )


def train(estimator, train_set, valid_set, epochs):
    """Train the estimator's net for some epochs, and set its fitted attributes."""
    net = copy.deepcopy(estimator.net_) if estimator.net_.history else estimator.net_
    estimator._built_with = fixed_parameters(estimator)
    dict(net.callbacks_)["best_epoch"].patience = estimator.n_iter_no_change if estimator.early_stopping else None
    net.set_params(lr=estimator.lr, batch_size=estimator.batch_size, max_epochs=epochs)
    n_weights = sum(weight.numel() for weight in net.module_.parameters())
    elements_in_batch = len(train_set.elements) / len(train_set) * min(net.batch_size, len(train_set))
    with (
        random_numbers(torch.device(net.device), 0, estimator._rng_state),
        threads_for(elements_in_batch * n_weights),
    ):
        net.partial_fit(Split(train_set, valid_set))
        estimator._rng_state = torch.get_rng_state()
    history = [{name: value for name, value in row.items() if name != "batches"} for row in net.history]
    finished = [row for row in history if "dur" in row]
    if not finished:
        raise KeyboardInterrupt
    if len(finished) < len(history):
        warnings.warn("Training interrupted by user.", stacklevel=5)
    best_epoch = dict(net.callbacks_)["best_epoch"].best_epoch_
    check_convergence(finished, best_epoch)
    # the loss is taken before the last step: a few sets tell whether that one went wrong, too
    if best_epoch is None and not torch.isfinite(net.forward(SetDataset(train_set.X[:100]))).all():
        raise ValueError("Training diverged: predictions are not finite. Lower lr, or set standardize=True.")
    estimator.net_ = net
    estimator._n_features_out = embedding_width(net, train_set)
    estimator.history_ = finished
    estimator.n_iter_ = len(finished)
    estimator.best_iteration_ = len(finished) if best_epoch is None else best_epoch


def check_convergence(history, best_epoch):
    """Raise or warn where the loss is no longer a number."""
    last = history[-1]
    if math.isfinite(last["train_loss"]) and math.isfinite(last.get("valid_loss", 0.0)):
        return
    what = f"Training diverged: the loss of epoch {last['epoch']} is not finite. Lower lr, or set standardize=True."
    if best_epoch is None:
        raise ValueError(what)
    warnings.warn(f"{what} The weights of epoch {best_epoch} are kept.", ConvergenceWarning, stacklevel=6)


def embedding_width(net, dataset):
    """How many features ``transform`` gives; None for a module without an embedding."""
    module = getattr(net.module_, "module", net.module_)  # a user's own module stands inside of PaddedModule
    return net.embed(dataset.X[:1]).shape[1] if hasattr(module, "embed") else None
