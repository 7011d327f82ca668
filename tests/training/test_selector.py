"""BestEpoch in a net whose losses are written down beforehand, epoch by epoch."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sk_deepsets import check_sets
from sk_deepsets.nn import DeepSetsInvariant
from sk_deepsets.training import BestEpoch, RandomNumbers, SetDataset, Split, build_net, train


def scripted_net(valid_losses, train_losses=None):
    """A net with these losses, whose only weight that is looked at is the number of the epoch."""
    losses = {"valid": valid_losses, "train": train_losses or [1.0] * len(valid_losses)}
    dims = {"input_dim": 1, "output_dim": 1, "phi_hidden_dims": (), "rho_hidden_dims": ()}
    how = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "device": torch.device("cpu")}
    net = build_net(DeepSetsInvariant, dims, "squared_error", **how).initialize()

    def run_single_epoch(iterator, training, prefix, step_fn, **fit_params):
        epoch = len(net.history)
        if training:
            nn.init.constant_(net.module_.rho[0].weight, epoch)
        if losses[prefix][epoch - 1] is not None:
            net.history.record(f"{prefix}_loss", losses[prefix][epoch - 1])

    net.run_single_epoch = run_single_epoch
    return net


def run_net(net, epochs, patience=None, verbose=0):
    """The number of epochs that were begun, and the epoch whose weights the net has in the end."""
    data = SetDataset(check_sets([[1.0]]), np.zeros((1, 1)))
    how = {"lr": 0.1, "batch_size": 1, "epochs": epochs, "callbacks": None, "verbose": verbose}
    train(net, Split(data, data), RandomNumbers(0), BestEpoch(patience), **how)
    return len(net.history), net.module_.rho[0].weight.item()


def best_epoch(net):
    return net.selector


def run(valid_losses, train_losses=None, **options):
    return run_net(scripted_net(valid_losses, train_losses), len(valid_losses), **options)


def test_the_lowest_epoch_comes_back_when_nothing_stops_early():
    net = scripted_net([3.0, 1.0, 2.0, 1.5])
    assert run_net(net, 4) == (4, 2)
    assert best_epoch(net).best_epoch_ == 2


def test_of_equal_epochs_the_first_is_the_best():
    assert run([2.0, 1.0, 1.0]) == (3, 2)


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_training_ends_after_so_many_epochs_without_a_new_minimum(patience):
    assert run([3.0, 1.0, *[2.0] * 10], patience=patience) == (2 + patience, 2)


def test_a_new_minimum_starts_the_count_again():
    assert run([3.0, 4.0, 2.0, 4.0, 1.0, 4.0, 4.0, 4.0], patience=2) == (7, 5)


def test_without_validation_every_epoch_runs_and_the_last_stays():
    net = scripted_net([None] * 4)
    assert run_net(net, 4, patience=1) == (4, 4)
    assert best_epoch(net).best_epoch_ is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_training_at_the_best_epoch(bad):
    assert run([2.0, 1.0, bad, 0.5]) == (3, 2)
    assert run([2.0, 1.0, 0.5, 0.4], [1.0, 1.0, bad, 1.0]) == (3, 2)
    with pytest.raises(ValueError, match="the loss of epoch 2 is not finite"):
        run([None] * 4, [1.0, bad, 1.0, 1.0])


def test_no_copy_of_the_weights_is_kept_after_training():
    net = scripted_net([2.0, 1.0])
    run_net(net, 2)
    assert b"rho.0.weight" not in pickle.dumps(best_epoch(net))


def test_going_on_looks_for_a_new_best_epoch():
    net = scripted_net([0.1, 0.2, 3.0, 2.0])
    assert run_net(net, 2) == (2, 1)
    assert run_net(net, 2) == (4, 4)
    assert best_epoch(net).best_epoch_ == 4


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], True),
        ([1.0, 0.5, 0.498, 0.496, 0.494, 0.492], False),  # a minimum in each epoch, for a gain of 1 %
        ([1.0, 0.9, 0.8, 0.7, 0.7, 0.7], False),  # none of late
        ([-1.0, -1.1, -1.2, -1.3, -1.4, -1.5], True),  # of counts, say
        ([0.5], False),
        ([1.0, 0.5], True),
    ],
)
def test_a_loss_falls_when_more_epochs_would_clearly_pay(losses, wanted):
    from types import SimpleNamespace

    from skorch.history import History
    from torch import nn

    callback, history = BestEpoch(4), History()
    net = SimpleNamespace(history=history, module_=nn.Linear(1, 1), optimizer_=SimpleNamespace(param_groups=[]))
    callback.on_train_begin(net)
    for epoch, loss in enumerate(losses, 1):
        history.new_epoch()
        for name, value in (("epoch", epoch), ("train_loss", loss), ("valid_loss", loss)):
            history.record(name, value)
        callback.on_epoch_end(net)
    assert callback.is_falling_ == wanted
