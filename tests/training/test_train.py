"""train: some epochs of a net, all of them or, after an error, none."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sk_deepsets import check_sets
from sk_deepsets.nn import DeepSetsInvariant
from sk_deepsets.training import BestEpoch, RandomNumbers, SetDataset, Split, build_net, train
from sk_deepsets.training._train import _multiplications

RNG = np.random.default_rng(0)
SETS = check_sets([RNG.normal(size=(size, 2)).astype(np.float32) for size in (3, 0, 2, 5, 1, 4)])
DATA = SetDataset(SETS, np.arange(6) % 2)


class Raise(Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, error, epoch):
        self.error, self.epoch = error, epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1]["batches"]) == 2:
            raise self.error


class Spoil(Callback):
    """Makes a weight NaN after the last step of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            nn.init.constant_(net.module_.phi[0].weight, torch.nan)


def make_net(optimizer="adamw"):
    dims = {"input_dim": 2, "output_dim": 2, "phi_hidden_dims": (4,), "rho_hidden_dims": (), "dropout": 0.2}
    torch.manual_seed(0)
    how = {"optimizer": optimizer, "lr": 0.01, "weight_decay": 0.0, "device": torch.device("cpu")}
    return build_net(DeepSetsInvariant, dims, "log_loss", **how).initialize()


def run(net, random_numbers, *callbacks, epochs=3, valid=None, patience=None, batch_size=2, lr=0.05):
    how = {"lr": lr, "batch_size": batch_size, "verbose": 0}
    split, best_epoch = Split(DATA, valid), BestEpoch(patience)
    return train(net, split, random_numbers, best_epoch, epochs=epochs, callbacks=callbacks, **how)


def weights(net):
    return torch.cat([p.detach().ravel() for p in net.module_.parameters()])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("begun", [False, True])
def test_after_an_error_the_net_and_its_random_numbers_are_as_they_were(optimizer, begun):
    net, random_numbers = make_net(optimizer), RandomNumbers(0)
    if begun:
        run(net, random_numbers)
    before, module = pickle.dumps(net), net.module_
    with pytest.raises(RuntimeError, match="on purpose"):
        run(net, random_numbers, Raise(RuntimeError("on purpose"), 5 if begun else 2), lr=0.5, batch_size=3)
    if begun:
        assert pickle.dumps(net) == before
    assert net.module_ is module
    same, its_numbers = make_net(optimizer), RandomNumbers(0)
    for _ in range(1 + begun):
        run(same, its_numbers)
    run(net, random_numbers)
    assert torch.equal(weights(net), weights(same))


def test_an_interrupted_epoch_does_not_count_and_training_goes_on_from_the_finished_ones():
    net, random_numbers = make_net(), RandomNumbers(0)
    outcome = run(net, random_numbers, Raise(KeyboardInterrupt, 3), epochs=9)
    assert outcome.interrupted
    assert [row["epoch"] for row in outcome.history] == [1, 2]
    outcome = run(net, random_numbers, epochs=2)
    assert not outcome.interrupted
    assert [row["epoch"] for row in outcome.history] == [3, 4]


def test_an_interrupt_before_an_epoch_is_finished_leaves_the_net_as_it_was():
    net = make_net()
    before = weights(net)
    with pytest.raises(KeyboardInterrupt):
        run(net, RandomNumbers(0), Raise(KeyboardInterrupt, 1))
    assert torch.equal(weights(net), before)
    assert len(net.history) == 0


def test_the_outcome_holds_the_rows_of_this_call_and_the_best_epoch():
    net, random_numbers = make_net(), RandomNumbers(0)
    run(net, random_numbers, epochs=2)
    outcome = run(net, random_numbers, epochs=4, valid=DATA)
    assert [row["epoch"] for row in outcome.history] == [3, 4, 5, 6]
    assert outcome.best_epoch == 3 + np.argmin([row["valid_loss"] for row in outcome.history])
    assert not outcome.diverged
    assert not outcome.interrupted
    assert run(net, random_numbers).best_epoch is None


def test_stopping_early_is_no_interrupt():
    outcome = run(make_net(), RandomNumbers(0), epochs=500, valid=DATA, patience=1, lr=0.5)
    assert len(outcome.history) < 500
    assert not outcome.interrupted


@pytest.mark.parametrize("epoch", [2, 3])
def test_divergence_is_an_error_without_a_good_epoch_also_in_the_last_step(epoch):
    what = "the loss of epoch 3 is" if epoch == 2 else "the weights are"
    net = make_net()
    with pytest.raises(ValueError, match=f"Training diverged: {what} not finite"):
        run(net, RandomNumbers(0), Spoil(epoch))
    assert torch.isfinite(weights(net)).all()


def test_divergence_after_a_good_epoch_keeps_that_epoch():
    net = make_net()
    outcome = run(net, RandomNumbers(0), Spoil(2), epochs=9, valid=DATA)
    assert outcome.diverged
    assert outcome.best_epoch <= 2
    assert torch.isfinite(weights(net)).all()


def test_the_work_of_a_batch_is_its_elements_times_the_weights_of_phi_and_its_sets_times_those_of_rho():
    net = make_net()
    of_phi, of_rho = 2 * 4 + 4, 4 * 2 + 2
    net.set_params(batch_size=2)
    assert _multiplications(net, DATA) == 15 / 6 * 2 * of_phi + 2 * of_rho
    net.set_params(batch_size=100)
    assert _multiplications(net, DATA.subset(np.array([0, 3]))) == 8 * of_phi + 2 * of_rho
