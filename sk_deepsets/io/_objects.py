"""Estimators, torch modules and other objects as JSON and arrays: of known classes, and of no others.

A class is looked up by its name in these tables, never imported by what a file says, and objects are filled with values
only: a file cannot make anything run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from torch import nn

from sk_deepsets.estimators import (
    CollectionsReader,
    DeepSetsBase,
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    DeepSetsSurvival,
    Fitted,
    Layout,
    SetReader,
    comparable,
    make_net,
)
from sk_deepsets.io._values import PLAIN_CODECS, Codec, Reader, Writer
from sk_deepsets.nn import MODULES, Layers, Variant
from sk_deepsets.preprocessing import (
    CollectionsEncoder,
    ColumnEncoder,
    ElementTransformer,
    SetAggregator,
    SetEncoder,
    SetPadder,
)
from sk_deepsets.targets import TARGETS
from sk_deepsets.training import ModuleEnsemble, ModuleStack, PaddedModule, RandomNumbers, find_device


def by_name(classes: Iterable[type]) -> dict[str, Any]:
    """Classes by their names."""
    return {cls.__name__: cls for cls in classes}


# What these learn is numbers, strings, arrays, and others of these.
SCIKIT_LEARN = (
    *(ColumnTransformer, FeatureUnion, Pipeline, TransformedTargetRegressor),
    *(MaxAbsScaler, MinMaxScaler, Normalizer, PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler),
    *(MissingIndicator, SimpleImputer, OneHotEncoder, OrdinalEncoder, TargetEncoder),
    *(Binarizer, KBinsDiscretizer, FunctionTransformer, PolynomialFeatures, PCA, TruncatedSVD, VarianceThreshold),
)
ESTIMATORS = by_name(
    [
        *(DeepSetsClassifier, DeepSetsRegressor, DeepSetsSurvival, DeepSetsElementClassifier, DeepSetsElementRegressor),
        *(ElementTransformer, SetAggregator, SetPadder, *SCIKIT_LEARN),
    ]
)
LAYERS = by_name(
    [
        *(nn.Linear, nn.Embedding, nn.LayerNorm, nn.Identity, nn.ReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh),
        *(nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList),
        *(*MODULES, ModuleEnsemble, ModuleStack),
    ]
)
RECORDS = by_name(
    [
        *(Fitted, SetReader, CollectionsReader, Layout, Variant, Layers, *TARGETS),
        *(ColumnEncoder, SetEncoder, CollectionsEncoder, RandomNumbers, make_column_selector),
    ]
)

# The net is made anew, and out-of-fold predictions are no part of the model.
LEFT_OUT = ("net_", "oof_prediction_")
# Parameters that belong to a machine: processes that run there, and folders of pickles, which ``fit`` would read.
OF_A_MACHINE = ("accelerator", "checkpoint", "memory")


def _write_record(record: Any, write: Writer, place: str) -> Any:
    fields = vars(record) if not isinstance(record, Layers | Layout | Variant) else record._asdict()
    return [type(record).__name__, write.named(fields, place)]


def _read_record(content: Any, read: Reader) -> Any:
    name, fields = content
    cls = RECORDS[name]
    if issubclass(cls, tuple):
        return cls(**read.named(fields))
    record = cls.__new__(cls)
    vars(record).update(read.named(fields))
    return record


def _write_layer(layer: nn.Module, write: Writer, place: str) -> Any:
    own = {name: value for name, value in vars(layer).items() if name not in vars(nn.Module())}
    return {
        "class": type(layer).__name__,
        "attributes": write.named(own, place),
        "parameters": write.named(layer._parameters, place),
        "buffers": write.named(layer._buffers, place),
        "not_in_state": sorted(layer._non_persistent_buffers_set),
        "layers": write.named(layer._modules, place),
    }


def _read_layer(content: Any, read: Reader) -> nn.Module:
    cls = LAYERS[content["class"]]
    layer = cls.__new__(cls)
    nn.Module.__init__(layer)
    vars(layer).update(read.named(content["attributes"]))
    for name, value in read.named(content["parameters"]).items():
        layer.register_parameter(name, None if value is None else nn.Parameter(value))
    for name, value in read.named(content["buffers"]).items():
        layer.register_buffer(name, value, persistent=name not in content["not_in_state"])
    for name, value in read.named(content["layers"]).items():
        layer.register_module(name, value)
    return layer


def _write_padded(layer: PaddedModule, write: Writer, place: str) -> Any:
    """Of a module of the user's own, what it was made with and its weights."""
    around = {
        "dims": layer.dims,
        "input_layer": layer.input_layer,
        "context_layer": layer.context_layer,
        "options": layer.options,
        "collections": layer.collections,
    }
    return [write.named(around, place), write.named(layer.module.state_dict(), f"{place}.module")]


def _read_padded(content: Any, read: Reader) -> PaddedModule:
    around, state = map(read.named, content)
    dims = around.pop("dims")
    try:
        with torch.random.fork_rng(devices=[]):  # of the weights that it is made with, before these take their place
            layer = PaddedModule(read.module, **dims, **around)
        layer.module.load_state_dict(state)
    except (RuntimeError, TypeError) as error:  # of its weights, or of how it is made and called
        raise ModuleMismatchError(f"{comparable(read.module)} is not the module that was saved: {error}") from error
    return layer


class ModuleMismatchError(ValueError):
    """The weights are of another module than the user gives."""


def _write_estimator(estimator: Any, write: Writer, place: str) -> Any:
    parameters = {name: value for name, value in estimator.get_params(deep=False).items() if name not in OF_A_MACHINE}
    others = (*parameters, *OF_A_MACHINE, *LEFT_OUT)
    # the state of a pickle, with the version of scikit-learn where the class is of it
    state = {name: value for name, value in estimator.__getstate__().items() if name not in others}
    if parameters.get("module") is not None:
        write.module, parameters["module"] = comparable(parameters["module"]), None
    own_loss = callable(parameters.get("loss"))
    if own_loss:
        write.loss, parameters["loss"] = comparable(parameters["loss"]), None
    content = {"class": type(estimator).__name__, "parameters": write.named(parameters, place), "net": None}
    if isinstance(estimator, DeepSetsBase) and estimator._fitted is not None:
        content["net"] = write(estimator._fitted.net.module_, f"{place}net_")
        target = estimator._fitted.target
        state["_fitted"] = replace(
            estimator._fitted, net=None, target=replace(target, custom_loss=None) if own_loss else target
        )
    return content | {"fitted": write.named(state, place)}


def _read_estimator(content: Any, read: Reader) -> Any:
    parameters = {name: value for name, value in content["parameters"].items() if name not in OF_A_MACHINE}
    estimator = ESTIMATORS[content["class"]](**read.named(parameters))
    fitted = {name: value for name, value in content["fitted"].items() if name not in OF_A_MACHINE}
    estimator.__setstate__(read.named(fitted))  # which warns of another version of scikit-learn
    module = read(content["net"])
    if module is not None:
        if any(isinstance(layer, PaddedModule) for layer in module.modules()):
            estimator.module = read.module
        if estimator.get_params(deep=False).get("loss", "") is None:
            estimator.loss = estimator._fitted.target.custom_loss = read.loss
        net = _net(estimator, module)
        estimator._fitted, estimator.net_ = replace(estimator._fitted, net=net), net
    return estimator


def _net(estimator: Any, module: nn.Module) -> Any:
    """The trained net around its module; on the CPU where there is no such device as it was trained on."""
    try:
        device = find_device(estimator.device)
    except ValueError:
        device = torch.device("cpu")
    net = make_net(estimator, estimator._fitted.target, module.eval(), {}, device)
    net.module = type(module)  # a pickle would hold the weights once more
    net.history.extend({**row, "batches": []} for row in estimator.history_)
    return net


CODECS = {
    **PLAIN_CODECS,
    "record": Codec(lambda value: type(value) in RECORDS.values(), _write_record, _read_record),
    "padded": Codec(lambda value: type(value) is PaddedModule, _write_padded, _read_padded),
    "layer": Codec(lambda value: type(value) in LAYERS.values(), _write_layer, _read_layer),
    "estimator": Codec(lambda value: type(value) in ESTIMATORS.values(), _write_estimator, _read_estimator),
}
