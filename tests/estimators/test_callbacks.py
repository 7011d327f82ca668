"""skorch's callbacks in the estimators, those of the user and those that show progress."""

import re

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
)

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.nn import Ensemble
from sk_deepsets.training import EnsembleSelector, SetNet

EPOCH = {"epoch", "train_loss", "valid_loss", "dur"}


class Count(Callback):
    """Counts the events within an epoch; the count begins anew at the start of training."""

    def on_train_begin(self, net, **kwargs):
        self.seen = {"begin": 0, "end": 0, "grad": 0}

    def on_batch_begin(self, net, **kwargs):
        self.seen["begin"] += 1

    def on_batch_end(self, net, **kwargs):
        self.seen["end"] += 1

    def on_grad_computed(self, net, **kwargs):
        self.seen["grad"] += 1


class RaiseAt(Callback):
    """Raises an error at the first batch of an epoch, or at its first validation batch."""

    def __init__(self, epoch, error=KeyboardInterrupt, training=True):
        self.epoch, self.error, self.training = epoch, error, training

    def on_batch_end(self, net, training=None, **kwargs):
        if len(net.history) == self.epoch and training == self.training:
            raise self.error


def weights(model):
    return torch.cat([p.detach().ravel() for p in model.net_.module_.parameters()])


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("on_train", [True, False])
@pytest.mark.parametrize("scoring", ["first", "second"])
def test_epoch_scoring_agrees_with_score(case, bags, scoring, on_train, use_caching):
    classifies = case.make().__sklearn_tags__().estimator_type == "classifier"
    name = {"first": "accuracy", "second": "balanced_accuracy"}[scoring] if classifies else "r2"
    scorer = EpochScoring(name, name="score", use_caching=use_caching, on_train=on_train, lower_is_better=False)
    model = case.make(callbacks=[scorer], max_epochs=1, lr=1e-9)  # weights stand still within the epoch
    model.fit(bags[:60], case.y[:60], X_val=bags[60:], y_val=case.y[60:])
    part = slice(60) if on_train else slice(60, None)
    if scoring == "first" or not classifies:
        assert model.history_[-1]["score"] == pytest.approx(model.score(bags[part], case.y[part]), abs=1e-5)
    else:
        hits = (model.predict(bags[part]) == case.y[part]).astype(float)
        wanted = np.mean([hits[case.y[part] == one].mean() for one in (0, 1)])
        assert model.history_[-1]["score"] == pytest.approx(wanted)


def test_callbacks_see_every_epoch_the_last_included(case, bags):
    name = "accuracy" if hasattr(case.make(), "predict_proba") else "r2"
    model = case.make(max_epochs=300, lr=0.1, n_iter_no_change=2, callbacks=[EpochScoring(name, name="score")])
    model.fit(bags, case.y)
    assert model.n_iter_ < 300
    assert all("score" in row for row in model.history_)


def test_a_learning_rate_schedule_is_followed(case, bags):
    model = case.make(lr=0.1, callbacks=[LRScheduler(policy="ExponentialLR", gamma=0.5)]).fit(bags, case.y)
    np.testing.assert_allclose([row["event_lr"] for row in model.history_], [0.1, 0.05, 0.025])


def test_gradients_are_clipped_before_the_step(case, bags):
    still = case.make(optimizer="sgd", lr=0.1, callbacks=[GradientNormClipping(1e-9)], early_stopping=False)
    free = case.make(optimizer="sgd", lr=0.1, early_stopping=False)
    start = case.make(optimizer="sgd", lr=1e-9, early_stopping=False, max_epochs=1).fit(bags, case.y)
    np.testing.assert_allclose(weights(still.fit(bags, case.y)), weights(start), atol=1e-6)
    assert not np.allclose(weights(free.fit(bags, case.y)), weights(start), atol=1e-3)


def test_batch_events_and_batch_losses_reach_the_users_own_callback(case, bags):
    mine, named = Count(), ("named", Count())
    model = case.make(batch_size=20, max_epochs=2, callbacks=[mine, named])
    model.fit(bags[:70], case.y[:70], X_val=bags[70:], y_val=case.y[70:])
    assert mine.seen == named[1].seen == {"begin": 2 * (4 + 1), "end": 2 * (4 + 1), "grad": 2 * 4}
    assert dict(model.net_.callbacks_)["Count"] is mine
    batches = model.net_.history[-1]["batches"]
    assert [batch["train_batch_size"] for batch in batches if "train_batch_size" in batch] == [20, 20, 20, 10]
    quiet = case.make(batch_size=20, max_epochs=2)
    quiet.fit(bags[:70], case.y[:70], X_val=bags[70:], y_val=case.y[70:])
    np.testing.assert_array_equal(weights(quiet), weights(model))


@pytest.mark.parametrize("training", [True, False])
def test_an_interrupted_fit_keeps_its_finished_epochs_and_the_interrupt_reaches_the_caller(case, bags, training):
    model = case.make(max_epochs=9, callbacks=[RaiseAt(4, training=training)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(bags, case.y)
    assert model.n_iter_ == len(model.history_) == 3
    assert all(row.keys() >= EPOCH for row in model.history_)
    assert np.isfinite(model.predict(bags)).all()
    model.set_params(warm_start=True, callbacks=None, max_epochs=2).fit(bags, case.y)
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4, 5]


def test_an_interrupt_ends_a_search(case, bags):
    seen = []

    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(len(net.history))
            if len(seen) == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(case.make(callbacks=[Interrupt()]), {"lr": [0.1, 0.01]}, cv=2).fit(bags, case.y)
    assert seen == [1, 2, 3, 1]


class EndOfEpoch(Callback):
    """Ctrl-C when all else of an epoch is done."""

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_an_interrupt_at_the_very_end_reaches_the_caller_too(case, bags):
    model = case.make(max_epochs=1, callbacks=[EndOfEpoch()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(bags, case.y)
    assert model.n_iter_ == 1
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(bags, case.y)
    assert [row["epoch"] for row in model.history_] == [1, 2]


@pytest.mark.parametrize("n_members", [1, 4])
def test_an_early_stopping_of_skorch_ends_a_fit_and_not_a_search(case, bags, n_members, capsys):
    make = {"max_epochs": 30, "callbacks": [EarlyStopping(patience=2, threshold=10)]}
    if hasattr(case.make(), "n_members"):
        make["n_members"] = n_members
    model = case.make(**make, verbose=1).fit(bags, case.y)
    assert "| 3/3 [" in capsys.readouterr().err
    assert model.n_iter_ == 3
    assert all(row.keys() >= EPOCH for row in model.history_)
    search = GridSearchCV(case.make(**make), {"lr": [0.1, 0.01]}, cv=2).fit(bags, case.y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class InTheTimer(EpochTimer):
    """Ctrl-C in the code of a callback of skorch's that stops nothing."""

    def on_epoch_end(self, net, **kwargs):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("skorch.callbacks.logging.time.time", interrupt)
            super().on_epoch_end(net, **kwargs)


def interrupt():
    raise KeyboardInterrupt


def test_an_interrupt_in_the_code_of_skorch_is_one(case, bags):
    with pytest.raises(KeyboardInterrupt):
        case.make(max_epochs=3, callbacks=[("timer", InTheTimer())]).fit(bags, case.y)


def test_a_pair_may_be_a_list(case, bags):
    model = case.make(max_epochs=1, callbacks=[["mine", Count()]]).fit(bags, case.y)
    assert "mine" in dict(model.net_.callbacks_)


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("again", [False, True])
def test_an_interrupt_at_the_end_of_training_keeps_all_epochs(bags, values, n_members, again):
    class AtTheEnd(Callback):
        def on_train_end(self, net, **kwargs):
            raise KeyboardInterrupt

    options = {"n_members": n_members, "max_epochs": 4, "random_state": 0, "early_stopping": True}
    ends = [("one", AtTheEnd()), ("two", AtTheEnd())][: 1 + again]
    model = DeepSetsRegressor(**options, callbacks=ends)
    with pytest.raises(KeyboardInterrupt):
        model.fit(bags, values)
    whole = DeepSetsRegressor(**options).fit(bags, values)
    assert model.n_iter_ == len(model.history_) == 4
    assert model.best_iteration_ == whole.best_iteration_
    np.testing.assert_array_equal(model.predict(bags), whole.predict(bags))


@pytest.mark.parametrize(
    ("n_members", "place"), [(1, "load_state_dict"), (4, "initialize_optimizer"), (4, "with_stacks")]
)
def test_an_interrupt_while_the_best_is_restored_keeps_it(bags, values, monkeypatch, n_members, place):
    options = {"n_members": n_members, "max_epochs": 4, "random_state": 0, "early_stopping": True}
    whole = DeepSetsRegressor(**options).fit(bags, values)
    owner = {"load_state_dict": torch.nn.Module, "initialize_optimizer": SetNet, "with_stacks": Ensemble}[place]
    right, ending, raised = getattr(owner, place), [], []

    def interrupted(self, *args, **kwargs):
        if ending and not raised:
            raised.append(place)
            raise KeyboardInterrupt
        return right(self, *args, **kwargs)

    class Ending(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 4:
                ending.append(True)

    monkeypatch.setattr(owner, place, interrupted)
    model = DeepSetsRegressor(**options, callbacks=[Ending()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(bags, values)
    assert raised
    np.testing.assert_array_equal(model.predict(bags), whole.predict(bags))


def test_the_best_epoch_of_skorchs_checkpoint_comes_back(case, bags, tmp_path):
    back = Checkpoint(dirname=str(tmp_path), load_best=True)
    model = case.make(max_epochs=6, lr=0.1, n_iter_no_change=100, callbacks=[back]).fit(bags, case.y)
    plain = case.make(max_epochs=6, lr=0.1, n_iter_no_change=100).fit(bags, case.y)
    assert model.best_iteration_ == plain.best_iteration_
    np.testing.assert_array_equal(weights(model), weights(plain))


@pytest.mark.parametrize("callback", [Checkpoint(load_best=True), EarlyStopping(load_best=True)])
def test_members_that_were_chosen_are_not_overwritten(bags, values, callback):
    model = DeepSetsRegressor(n_members=4, max_epochs=1, callbacks=[callback])
    with pytest.raises(ValueError, match="leave load_best out, or set n_members=1"):
        model.fit(bags, values)


@pytest.mark.parametrize("part", ["_evaluate", "_choose"])
@pytest.mark.parametrize("time", [1, 2])
def test_an_interrupt_while_members_are_evaluated_ends_the_fit_with_the_epochs_before(
    bags, values, monkeypatch, part, time
):
    whole, calls = getattr(EnsembleSelector, part), []

    def interrupted(self, net, *args):
        calls.append(part)
        if len(calls) == time:
            raise KeyboardInterrupt
        return whole(self, net, *args)

    monkeypatch.setattr(EnsembleSelector, part, interrupted)
    model = DeepSetsRegressor(n_members=4, max_epochs=5, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(bags, values)
    assert hasattr(model, "net_") == (time == 2)
    if time == 2:
        assert model.n_iter_ == model.best_iteration_ == len(model.history_) == 1
        assert model.history_[0].keys() >= EPOCH
        assert np.isfinite(model.predict(bags)).all()
        assert np.isfinite(model.oof_score_)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (3, "callbacks.0. is 3; expected a skorch callback, a class or a pair"),
        (None, "callbacks.0. is None; expected"),
        (print, "callbacks.0. is <built-in function print>; expected"),
        (("a",), "callbacks.0. is .'a',.; expected"),
        ((3, Count()), "callbacks.0. is .3, .*; expected"),
        (("a", Count(), 1), "callbacks.0. is .'a', .*; expected"),
        (("best_epoch", Count()), "callbacks.0. has the name 'best_epoch', which a callback of this package has"),
        (("epoch_timer", Count()), "callbacks.0. has the name 'epoch_timer', which a callback of this package has"),
    ],
)
def test_what_is_no_callback_is_shown(case, bags, callback, message):
    with pytest.raises((TypeError, ValueError), match=message):
        case.make(callbacks=[callback]).fit(bags, case.y)


def test_a_fit_interrupted_before_its_first_epoch_is_done_is_no_fit(case, bags):
    model = case.make(callbacks=[RaiseAt(1)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(bags, case.y)
    assert not hasattr(model, "net_")


def test_each_call_runs_with_the_callbacks_and_the_verbosity_of_that_call(case, bags, capsys):
    model = case.make(warm_start=True, callbacks=[Count()]).fit(bags, case.y)
    first = dict(model.net_.callbacks_)["Count"].seen
    assert first["grad"] == 3
    model.set_params(callbacks=[("mine", Count())], verbose=2, max_epochs=2).fit(bags, case.y)
    assert len(capsys.readouterr().out.splitlines()) >= 2
    trained = dict(model.net_.callbacks_)
    assert "Count" not in trained
    assert trained["mine"].seen["grad"] == first["grad"] * 2 // 3
    model.set_params(callbacks=None, verbose=0).partial_fit(bags, case.y)
    assert capsys.readouterr() == ("", "")
    assert "mine" not in dict(model.net_.callbacks_)


def test_a_callback_that_needs_sets_held_out_says_so(case, bags):
    with pytest.raises(ValueError, match="A callback reads valid_loss, but no sets are held out: set early_stopping"):
        case.make(early_stopping=False, callbacks=[EarlyStopping()]).fit(bags, case.y)


def test_skorchs_checkpoint_works_with_its_defaults(case, bags, tmp_path):
    case.make(callbacks=[Checkpoint(dirname=str(tmp_path))]).fit(bags, case.y)
    assert (tmp_path / "params.pt").exists()


def test_verbose_0_shows_nothing(case, bags, capfd):
    case.make().fit(bags, case.y)
    assert capfd.readouterr() == ("", "")


def test_verbose_1_shows_how_the_fit_goes(case, bags, capsys):
    case.make(verbose=1, max_epochs=4).fit(bags, case.y)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "| 4/4 [" in err


@pytest.mark.parametrize("max_epochs", [4, 300])
def test_verbose_2_shows_a_line_for_each_epoch(case, bags, capsys, max_epochs):
    model = case.make(verbose=2, max_epochs=max_epochs, lr=0.1, n_iter_no_change=2).fit(bags, case.y)
    out, err = capsys.readouterr()
    assert re.findall(r"^ +(\d+) ", out, flags=re.M) == [str(1 + i) for i in range(model.n_iter_)]
    assert err == ""
