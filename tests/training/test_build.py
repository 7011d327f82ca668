"""build_net: parameters of an estimator to a skorch net."""

from functools import partial

import pytest
import skorch
import torch
from skorch.callbacks import EpochTimer, LRScheduler, PrintLog
from torch import nn

from sk_deepsets.nn import DeepSetsConditional, DeepSetsInvariant
from sk_deepsets.training import OPTIMIZERS, REGRESSION_LOSSES, ClassifierNet, RegressorNet, Training, build_net
from sk_deepsets.training._callbacks import BestEpoch, EpochBar
from sk_deepsets.training._user_module import PaddedModule

DIMS = {"input_dim": 3, "output_dim": 2, "phi_hidden_dims": (4,), "rho_hidden_dims": ()}


def how(**changes):
    default = {
        "optimizer": "adamw",
        "lr": 0.01,
        "weight_decay": 0.0,
        "batch_size": 16,
        "max_epochs": 5,
        "patience": 3,
        "callbacks": [],
        "device": torch.device("cpu"),
        "verbose": 0,
    }
    return Training(**(default | changes))


def built(loss="log_loss", module=None, dims=DIMS, **changes):
    return build_net(loss, module, dims, how(**changes)).initialize()


class UserModule(nn.Linear):
    def __init__(self, input_dim, output_dim):
        super().__init__(input_dim, output_dim)


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
    ],
)
def test_each_loss_has_its_criterion_one_value_a_set(loss, criterion):
    assert set(REGRESSION_LOSSES) == {"squared_error", "absolute_error", "huber"}
    net = built(loss)
    assert type(net.criterion_) is criterion
    assert net.criterion_.reduction == "none"


def test_the_core_is_the_one_that_fits():
    assert type(built().module_) is DeepSetsInvariant
    assert type(built(dims=DIMS | {"context_dim": 2}).module_) is DeepSetsConditional
    assert type(built(module=UserModule, dims={"input_dim": 3, "output_dim": 2}).module_) is PaddedModule


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_an_optimizer_by_name_has_its_options_and_the_learning_rate(name):
    optimizer = built(optimizer=name, lr=0.25, weight_decay=0.125).optimizer_
    assert type(optimizer) is OPTIMIZERS[name][0]
    group = optimizer.param_groups[0]
    assert group["lr"] == 0.25
    assert group["weight_decay"] == 0.125
    if name == "sgd":
        assert group["momentum"] == 0.9
        assert group["nesterov"] is True


def test_adamw_without_weight_decay_decays_nothing():
    # torch's own default for AdamW is 0.01; the estimators' weight_decay=0.0 has to mean 0
    assert built(optimizer="adamw", weight_decay=0.0).optimizer_.param_groups[0]["weight_decay"] == 0.0


def test_an_optimizer_may_be_a_class_or_a_partial_of_one():
    assert type(built(optimizer=torch.optim.RMSprop).optimizer_) is torch.optim.RMSprop
    optimizer = built(optimizer=partial(torch.optim.SGD, momentum=0.5), lr=0.5).optimizer_
    assert type(optimizer) is torch.optim.SGD
    assert (optimizer.param_groups[0]["momentum"], optimizer.param_groups[0]["lr"]) == (0.5, 0.5)


def test_callbacks_are_those_of_the_package_and_those_of_the_user():
    user = LRScheduler(policy="ExponentialLR", gamma=0.5)
    kinds = [type(callback) for _, callback in built(callbacks=[user]).callbacks_]
    assert set(kinds) == {EpochTimer, BestEpoch, LRScheduler}
    assert dict(built(patience=7).callbacks_)["best_epoch"].patience == 7


@pytest.mark.parametrize(("verbose", "kind"), [(0, None), (1, EpochBar), (2, PrintLog), (3, PrintLog)])
def test_verbose_chooses_what_is_shown(verbose, kind):
    net = built(verbose=verbose)
    shown = [type(callback) for _, callback in net.callbacks_ if isinstance(callback, EpochBar | PrintLog)]
    assert shown == ([] if kind is None else [kind])
    assert net.verbose == (verbose >= 2)


def test_the_rest_of_the_training_parameters_arrive():
    net = built(lr=0.5, batch_size=7, max_epochs=11)
    assert (net.lr, net.batch_size, net.max_epochs, net.device) == (0.5, 7, 11, "cpu")
