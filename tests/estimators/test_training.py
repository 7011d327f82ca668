"""How the estimators train: early stopping, optimizers, divergence, devices."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from sk_deepsets import DeepSetsElementRegressor, DeepSetsRegressor

EPOCH = {"epoch", "train_loss", "valid_loss", "dur"}


class SpoilWeights(Callback):
    """Makes the weights NaN at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            nn.init.constant_(next(net.module_.parameters()), torch.nan)


def weights(model):
    return torch.cat([p.detach().ravel() for p in model.net_.module_.parameters()])


def test_history_has_one_row_an_epoch(case, bags):
    model = case.make(max_epochs=5).fit(bags, case.y)
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4, 5]
    assert model.n_iter_ == 5
    assert all(row.keys() >= EPOCH and "batches" not in row for row in model.history_)
    assert 1 <= model.best_iteration_ <= 5


def test_without_early_stopping_nothing_is_held_out_and_the_last_epoch_stays(case, bags, see_data):
    model = case.make(early_stopping=False, callbacks=[see_data]).fit(bags, case.y)
    assert len(dict(model.net_.callbacks_)["SeeData"].targets) == 1
    assert "valid_loss" not in model.history_[-1]
    assert model.best_iteration_ == model.n_iter_ == 3


@pytest.mark.parametrize("patience", [1, 4])
def test_training_stops_so_many_epochs_after_the_best(case, bags, patience):
    model = case.make(max_epochs=300, lr=0.1, n_iter_no_change=patience)
    model.fit(bags, np.random.default_rng(0).permutation(case.y))  # nothing to learn: the loss soon rises
    assert model.n_iter_ == model.best_iteration_ + patience
    valid = [row["valid_loss"] for row in model.history_]
    assert np.argmin(valid) == model.best_iteration_ - 1


def test_given_validation_sets_take_the_place_of_a_held_out_part(case, bags, see_data):
    model = case.make(callbacks=[see_data]).fit(bags[:60], case.y[:60], X_val=bags[60:], y_val=case.y[60:])
    assert [len(part) for part in dict(model.net_.callbacks_)["SeeData"].targets] == [60, 30]
    with pytest.raises(ValueError, match="X_val and y_val are needed together"):
        case.make().fit(bags, case.y, X_val=bags)
    with pytest.raises(ValueError, match="X_val and y_val are needed together"):
        case.make().fit(bags, case.y, y_val=case.y)
    with pytest.raises(ValueError, match="X_val has 30 sets, but y_val has 29 targets"):
        case.make().fit(bags, case.y, X_val=bags[:30], y_val=case.y[:29])


def test_given_validation_sets_choose_the_best_epoch_without_early_stopping_too(case, bags):
    model = case.make(max_epochs=60, lr=0.1, early_stopping=False)
    model.fit(bags[:60], case.y[:60], X_val=bags[60:], y_val=case.y[60:])
    assert model.n_iter_ == 60
    assert model.best_iteration_ == 1 + np.argmin([row["valid_loss"] for row in model.history_])


OPTIMIZERS = ["adam", "adamw", "sgd", torch.optim.RMSprop, partial(torch.optim.SGD, momentum=0.9)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_optimizer_by_name_by_class_and_in_part(case, bags, optimizer):
    model = case.make(optimizer=optimizer, lr=0.02, max_epochs=60, early_stopping=False).fit(bags, case.y)
    assert model.history_[-1]["train_loss"] < 0.8 * model.history_[0]["train_loss"]
    assert model.net_.optimizer_.param_groups[0]["lr"] == 0.02


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_weight_decay_zero_is_none_and_more_makes_weights_smaller(case, bags, optimizer):
    model = case.make(optimizer=optimizer).fit(bags, case.y)
    assert model.net_.optimizer_.param_groups[0]["weight_decay"] == 0
    norms = [weights(case.make(optimizer=optimizer, lr=0.01, weight_decay=w).fit(bags, case.y)).norm() for w in (0, 9)]
    assert norms[1] < norms[0]


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("max_epochs", [1, 2, 5])
@pytest.mark.parametrize("lr", [1e10, 1e20])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_diverged_fit_never_predicts_nan(case, bags, lr, max_epochs, early_stopping):
    model = case.make(optimizer="sgd", lr=lr, max_epochs=max_epochs, early_stopping=early_stopping)
    model.set_params(phi_hidden_dims=(8, 8))
    try:
        outputs = case.outputs(model.fit(bags, case.y), bags)
    except ValueError as error:
        assert "diverged" in str(error)  # noqa: PT017 - an error is one of two right answers
        return
    assert np.isfinite(outputs).all()


def test_divergence_after_a_good_epoch_warns_and_keeps_that_epoch(case, bags):
    model = case.make(max_epochs=9, callbacks=[SpoilWeights(3)])
    with pytest.warns(ConvergenceWarning, match=r"loss of epoch 4 is not finite.*weights of epoch \d are kept"):
        model.fit(bags, case.y)
    assert model.best_iteration_ <= 3
    assert np.isfinite(case.outputs(model, bags)).all()


def test_the_warning_of_divergence_points_at_the_line_that_called_fit(case, bags):
    with pytest.warns(ConvergenceWarning) as caught:
        case.make(max_epochs=9, callbacks=[SpoilWeights(3)]).fit(bags, case.y)
    assert caught[0].filename == __file__


def test_divergence_without_a_good_epoch_is_an_error(case, bags):
    model = case.make(max_epochs=9, early_stopping=False, callbacks=[SpoilWeights(2)])
    with pytest.raises(ValueError, match=r"Training diverged: the loss of epoch 3 is not finite. Lower lr"):
        model.fit(bags, case.y)


@pytest.mark.parametrize(("device", "message"), [("cuda:97", "is not on this machine"), ("gpu", "device must be")])
def test_a_device_that_is_not_there_is_an_error_before_any_work(case, device, message):
    with pytest.raises(ValueError, match=message):
        case.make(device=device).fit(object(), object())  # the data are not even looked at


@pytest.mark.parametrize("device", ["auto", "cpu", torch.device("cpu")])
def test_a_device_that_is_there_trains(case, bags, device):
    assert np.isfinite(case.outputs(case.make(device=device).fit(bags, case.y), bags)).all()


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="this machine has no accelerator")
def test_an_accelerator_learns_what_the_cpu_does(case, bags):
    on_cpu, on_gpu = (case.make(device=device, max_epochs=1).fit(bags, case.y) for device in ("cpu", "auto"))
    assert next(on_gpu.net_.module_.parameters()).device.type != "cpu"
    assert np.isfinite(case.outputs(on_gpu, bags)).all()
    assert case.outputs(on_gpu, bags).shape == case.outputs(on_cpu, bags).shape


@pytest.mark.parametrize("n_members", [1, 8])
def test_too_few_epochs_are_a_warning_that_says_so(case, bags, n_members):
    with pytest.warns(ConvergenceWarning, match="still falling after 3 epochs: raise max_epochs"):
        case.make(n_members=n_members, batch_size=16, lr=0.01).fit(bags, case.y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_members", [1, 8])
def test_a_fit_that_stops_or_is_not_to_stop_warns_of_nothing(case, bags, n_members):
    noise = np.random.default_rng(0).permutation(case.y)
    stopped = case.make(n_members=n_members, max_epochs=300, batch_size=16).fit(bags, noise)
    assert stopped.n_iter_ < 300
    case.make(n_members=n_members, early_stopping=False).fit(bags, case.y)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_loss_that_is_finite_but_far_out_is_a_warning(standardize):
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(5, 2)) for _ in range(60)]
    y = np.array([one.mean() for one in sets])
    options = {"phi_hidden_dims": (), "rho_hidden_dims": (), "pool_type": "mean", "max_epochs": 2, "random_state": 0}
    reg = DeepSetsRegressor(**options, lr=1e6, standardize=standardize)
    advice = r"Lower lr\.$" if standardize else r"Lower lr, or set standardize=True\.$"
    with pytest.warns(ConvergenceWarning, match=r"Training failed: its loss is \d.*e\+\d\d, far above .* " + advice):
        reg.fit(sets, y)
    assert np.isfinite(reg.predict(sets)).all()
    with warnings.catch_warnings(action="error"):
        large = DeepSetsRegressor(**options, lr=0.01, standardize=False).fit(sets, 1e4 * y)
    assert large.history_[-1]["train_loss"] > 1e3  # which is no failure


@pytest.mark.parametrize("value", [1e151, -1e200])
def test_targets_whose_squares_overflow_are_told(value):
    sets, y = [np.ones((2, 1))] * 8, np.arange(8.0)
    y[5] = value
    with pytest.raises(ValueError, match=r"y holds -?1e\+\d+ \(set 5\), the square of which overflows. Divide"):
        DeepSetsRegressor(max_epochs=1).fit(sets, y)
    with pytest.raises(ValueError, match=r"y holds -?1e\+\d+ \(set 5, element 1\), the square of which overflows"):
        DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(sets, [np.array([0.0, one]) for one in y])
