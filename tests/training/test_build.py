"""build_net: a torch module and parameters of an estimator to a skorch net."""

from functools import partial

import pytest
import skorch
import torch
from torch import nn

from sk_deepsets.nn import (
    DeepSetsEquivariant,
    DeepSetsInvariant,
    GammaNLLLoss,
    LambdaRank,
    ListNet,
    OnePerSet,
    PinballLoss,
    QuantilesLoss,
)
from sk_deepsets.training import OPTIMIZERS, ClassifierNet, RegressorNet, SetNet, build_net

DIMS = {"input_dim": 3, "output_dim": 2, "phi_hidden_dims": (4,), "rho_hidden_dims": ()}


def built(loss="log_loss", core=DeepSetsInvariant, dims=DIMS, **changes):
    how = {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.0, "device": torch.device("cpu")} | changes
    return build_net(core, dims, loss, **how).initialize()


def test_the_net_is_a_skorch_net_of_the_kind_of_its_loss():
    classifier, regressor = built(), built("squared_error")
    assert type(classifier) is ClassifierNet
    assert isinstance(classifier, skorch.NeuralNetClassifier)
    assert type(regressor) is RegressorNet
    assert isinstance(regressor, skorch.NeuralNetRegressor)
    assert list(classifier.classes_) == [0, 1]


@pytest.mark.parametrize(
    ("loss", "criterion"),
    [
        ("log_loss", nn.CrossEntropyLoss),
        ("squared_error", nn.MSELoss),
        ("absolute_error", nn.L1Loss),
        ("huber", nn.HuberLoss),
        ("poisson", nn.PoissonNLLLoss),
        ("gamma", GammaNLLLoss),
        ("quantile", PinballLoss),
        ("quantiles", QuantilesLoss),
        ("label_loss", nn.BCEWithLogitsLoss),
    ],
)
def test_each_loss_has_its_criterion_with_one_value_per_set(loss, criterion):
    net = built(loss, loss_options={"quantile": {"quantile": 0.5}, "quantiles": {"quantiles": [0.2, 0.8]}}.get(loss))
    assert type(net.criterion_) is criterion
    output = torch.rand(5, 2)
    target = torch.randint(2, (5,) if loss == "log_loss" else (5, 2))
    assert len(net.criterion_(output, target if loss == "log_loss" else target + 0.5)) == 5


@pytest.mark.parametrize(
    ("loss", "criterion"), [("one_per_set", OnePerSet), ("listnet", ListNet), ("lambdarank", LambdaRank)]
)
def test_losses_of_whole_sets(loss, criterion):
    dims = {"input_dim": 3, "output_dim": 1, "hidden_dims": (4,)}
    net = built(loss, DeepSetsEquivariant, dims)
    assert type(net) is SetNet
    assert type(net.criterion_) is criterion


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_an_optimizer_by_name_has_its_options_and_the_learning_rate(name):
    optimizer = built(optimizer=name, lr=0.25, weight_decay=0.125).optimizer_
    assert type(optimizer) is OPTIMIZERS[name][0]
    of_biases, group = optimizer.param_groups
    assert group["lr"] == of_biases["lr"] == 0.25
    assert (of_biases["weight_decay"], group["weight_decay"]) == (0.0, 0.125)
    assert all(weight.dim() == 1 for weight in of_biases["params"])
    assert all(weight.dim() == 2 for weight in group["params"])
    if name == "sgd":
        assert group["momentum"] == 0.9
        assert group["nesterov"] is True


def test_adamw_without_weight_decay_decays_nothing():
    # torch's own default for AdamW is 0.01; the estimators' weight_decay=0.0 has to mean 0
    assert built(optimizer="adamw", weight_decay=0.0).optimizer_.param_groups[1]["weight_decay"] == 0.0


def test_an_optimizer_may_be_a_class_or_a_partial_of_one():
    assert type(built(optimizer=torch.optim.RMSprop).optimizer_) is torch.optim.RMSprop
    optimizer = built(optimizer=partial(torch.optim.SGD, momentum=0.5), lr=0.5).optimizer_
    assert type(optimizer) is torch.optim.SGD
    assert (optimizer.param_groups[0]["momentum"], optimizer.param_groups[0]["lr"]) == (0.5, 0.5)
