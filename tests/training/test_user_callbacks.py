"""The user's callbacks: whose state is whose, and what skorch's own do with an ensemble."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    TrainEndCheckpoint,
)

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    ElementTransformer,
)
from sk_deepsets.training import _ensemble_selector, clone_callbacks
from sk_deepsets.training._progress import ProgressBar
from sk_deepsets.training._selector import BestEpoch
from sk_deepsets.training._user_callbacks import make_callbacks

RNG = np.random.default_rng(0)
SETS = [RNG.normal(size=(size, 2)) for size in RNG.integers(1, 8, 90)]
VALUES = np.array([one.sum() for one in SETS])
LABELS = (VALUES > 0).astype(int)
MEMBERS = {"n_members": 4, "phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "max_epochs": 5, "random_state": 0}
SINGLE = MEMBERS | {"n_members": 1, "early_stopping": True}


class Record(Callback):
    """Appends losses to a list of the user's and to one of its own."""

    def __init__(self, losses):
        self.losses = losses
        self.own = []

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "valid_loss"])
        self.own.append(len(net.history))
        self.last_ = len(net.history)


@pytest.mark.parametrize("options", [MEMBERS, SINGLE])
def test_the_users_list_is_filled(options):
    losses, record = [], None
    record = Record(losses)
    model = DeepSetsRegressor(**options, callbacks=[record]).fit(SETS, VALUES)
    assert losses == [row["valid_loss"] for row in model.history_]
    assert record.own == [1, 2, 3, 4, 5]
    assert record.last_ == 5
    again = DeepSetsRegressor(**options, callbacks=[record]).fit(SETS, VALUES)
    assert losses == 2 * [row["valid_loss"] for row in model.history_]  # and two fits are equal
    np.testing.assert_array_equal(model.predict(SETS), again.predict(SETS))


def test_in_a_cross_validation_and_behind_other_steps_the_users_list_is_filled():
    losses = []
    model = DeepSetsRegressor(**SINGLE, callbacks=[("mine", Record(losses))])
    pipeline = make_pipeline(ElementTransformer(StandardScaler()), model)
    found = cross_validate(pipeline, SETS, VALUES, cv=3, return_estimator=True)
    assert losses == [row["valid_loss"] for one in found["estimator"] for row in one[-1].history_]


def test_a_clone_has_callbacks_of_its_own_with_the_same_parameters():
    losses, schedule = [], LRScheduler("StepLR", step_size=2, gamma=0.25)
    record = Record(losses)
    callbacks = [record, ("rate", schedule), ["list", PrintLog], EpochTimer]
    model = DeepSetsRegressor(**SINGLE, callbacks=callbacks).fit(SETS, VALUES)
    twin = clone(model)
    assert twin.callbacks is not callbacks
    (mine, (name, rate), (_, kind), timer), _ = twin.callbacks, None
    assert mine is not record
    assert mine.losses is losses
    assert not hasattr(mine, "last_")
    assert (name, kind, timer) == ("rate", PrintLog, EpochTimer)
    assert rate is not schedule
    assert rate.kwargs == {"step_size": 2, "gamma": 0.25}
    assert not hasattr(rate, "lr_scheduler_")
    assert model.callbacks is callbacks
    assert record.last_ == 5
    assert not hasattr(twin, "net_")
    assert clone(DeepSetsRegressor(callbacks=None)).callbacks is None


def test_what_is_no_callback_is_cloned_as_it_is_and_refused_by_fit():
    assert clone_callbacks([3, None]) == [3, None]
    with pytest.raises(TypeError, match="expected a skorch callback"):
        cross_val_score(DeepSetsRegressor(callbacks=[3]), SETS, VALUES, error_score="raise")


@pytest.mark.filterwarnings("ignore:The reported value is ignored")  # the folds of a trial report the same steps
@pytest.mark.parametrize(
    ("way", "options"),
    [("fit", MEMBERS), ("cross_val_score", SINGLE | {"max_epochs": 12}), ("fit", {"max_epochs": 6, "random_state": 0})],
)
def test_optuna_prunes(way, options):
    optuna = pytest.importorskip("optuna")
    integration = pytest.importorskip("optuna_integration")
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        # all but the first two trials do not learn at all
        lr = 0.02 if trial.number < 2 else 1e-9
        model = DeepSetsRegressor(**options, lr=lr, callbacks=[integration.SkorchPruningCallback(trial, "valid_loss")])
        if way == "fit":
            return model.fit(SETS, VALUES).score(SETS, VALUES)
        return cross_val_score(model, SETS, VALUES, cv=2, error_score="raise").mean()

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2))
    study.optimize(objective, n_trials=5)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 2 + ["PRUNED"] * 3
    assert len(study.trials[0].intermediate_values) == options["max_epochs"]


@pytest.mark.parametrize("name", ["balanced_accuracy", "r2"])
def test_epoch_scoring_of_members_is_out_of_fold(name):
    cls, y, metric = (
        (DeepSetsRegressor, VALUES, r2_score) if name == "r2" else (DeepSetsClassifier, LABELS, balanced_accuracy_score)
    )
    scoring = EpochScoring(name, name="score", lower_is_better=False)
    options = MEMBERS | {"max_epochs": 1, "callbacks": [scoring], "lr": 0.05, "batch_size": 4}  # 23 steps
    model = cls(**options).fit(SETS, y)
    assert model.net_.module_.weights[-1] == 0  # the members, of one variant, are better than the prior
    prediction = model.oof_prediction_
    wanted = metric(y, prediction if name == "r2" else prediction.argmax(axis=1))
    assert model.history_[0]["score"] == pytest.approx(wanted, abs=1e-6)
    in_sample = metric(y, model.predict(SETS))
    assert model.history_[0]["score"] != pytest.approx(in_sample, abs=1e-3)


def test_scoring_callbacks_of_members_see_every_held_out_set_once():
    seen = []

    class See(Callback):
        def on_batch_end(self, net, batch=None, training=None, y_pred=None, loss=None, **kwargs):
            if not training:
                X, y = batch
                seen.append((len(X), y.tolist(), len(y_pred)))
                net.history.record_batch("twice", 2 * float(loss))

    callbacks = [See(), EpochScoring("r2", name="r2", lower_is_better=False)]
    callbacks += [PassthroughScoring("twice"), BatchScoring("r2", name="r2_of_batch", lower_is_better=False)]
    weight = np.r_[np.zeros(9), np.ones(81)]
    model = DeepSetsRegressor(**MEMBERS, callbacks=callbacks).fit(SETS, VALUES, sample_weight=weight)
    assert len(seen) == 5
    assert seen[0][0] == seen[0][2] == 81  # a set of weight 0 is left out
    scaled = np.ravel(seen[0][1])
    assert len(set(scaled)) == 81
    for row in model.history_:
        assert row["twice"] == pytest.approx(2 * row["valid_loss"], rel=1e-5)
        assert row["r2_of_batch"] == pytest.approx(row["r2"])
        assert row["r2"] == pytest.approx(1 - row["valid_loss"] / scaled.var(), rel=1e-4)
    plain = DeepSetsRegressor(**MEMBERS).fit(SETS, VALUES, sample_weight=weight)
    np.testing.assert_array_equal(model.predict(SETS), plain.predict(SETS))


def test_epoch_scoring_of_members_with_a_validation_set():
    scoring = EpochScoring("r2", name="score", lower_is_better=False)
    model = DeepSetsRegressor(**MEMBERS, callbacks=[scoring])
    model.fit(SETS[:60], VALUES[:60], X_val=SETS[60:], y_val=VALUES[60:])
    scale = np.std(VALUES[:60]) / np.std(VALUES[60:])
    for row in model.history_:
        assert row["score"] == pytest.approx(1 - row["valid_loss"] * scale**2, rel=1e-4)


@pytest.mark.parametrize("callback", [EpochScoring("r2"), PassthroughScoring("own"), EpochScoring])
def test_a_score_of_sets_that_nobody_holds_out_is_refused(callback):
    for model, y in [
        (DeepSetsRegressor(**SINGLE | {"early_stopping": False}, callbacks=[callback]), VALUES),
        (DeepSetsElementRegressor(n_members=1, max_epochs=2, callbacks=[callback]), [one[:, 0] for one in SETS]),
    ]:
        with pytest.raises(
            ValueError, match=r"callbacks.0. \(\w+Scoring\) scores held-out sets, but no sets are held out"
        ):
            model.fit(SETS, y)
        if not isinstance(callback, type):  # a class would want arguments
            assert "r2" not in model.partial_fit(SETS, y).history_[0]


def test_a_score_of_the_training_sets_needs_nothing_held_out():
    scoring = EpochScoring("r2", name="score", on_train=True, lower_is_better=False)
    model = DeepSetsRegressor(**SINGLE | {"early_stopping": False}, callbacks=[scoring]).fit(SETS, VALUES)
    assert all("score" in row for row in model.history_)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EpochScoring("r2", use_caching=False), "use_caching=False: all members would predict sets"),
        (Checkpoint(load_best=True), "leave load_best out, or set n_members=1"),
        (EarlyStopping(load_best=True), "leave load_best out, or set n_members=1"),
        (Checkpoint(), "would save weights before members are chosen"),
        (Checkpoint, "would save weights before members are chosen"),
    ],
)
def test_what_members_cannot_do_is_refused(callback, message):
    with pytest.raises(ValueError, match=message):
        DeepSetsRegressor(**MEMBERS, callbacks=[callback]).fit(SETS, VALUES)


def test_the_checkpoint_at_the_end_has_the_chosen_members(tmp_path):
    model = DeepSetsRegressor(**MEMBERS, callbacks=[TrainEndCheckpoint(dirname=str(tmp_path))]).fit(SETS, VALUES)
    saved = torch.load(tmp_path / "train_end_params.pt")
    for name, weight in model.net_.module_.state_dict().items():
        assert torch.equal(saved[name], weight)


def test_a_schedule_goes_on_when_some_kinds_are_no_longer_trained(monkeypatch):
    monkeypatch.setattr(_ensemble_selector, "ENOUGH_SETS", 90 * 4)

    class Rates(Callback):
        def on_train_begin(self, net, **kwargs):
            self.rates_, self.kinds_ = [], []

        def on_epoch_begin(self, net, **kwargs):
            self.rates_.append({group["lr"] for group in net.optimizer_.param_groups})
            self.kinds_.append(len(net.module_.stacks))

    rates = Rates()
    schedule = LRScheduler("ExponentialLR", gamma=0.5)
    options = {"n_members": 20, "max_epochs": 10, "lr": 0.02, "random_state": 0}
    DeepSetsRegressor(**options, callbacks=[rates, schedule]).fit(SETS, VALUES)
    assert rates.kinds_[-1] < rates.kinds_[0]
    for number, rate in enumerate(rates.rates_):
        assert list(rate) == [pytest.approx(0.02 * 0.5**number)]


def test_callbacks_are_those_of_the_package_and_the_users_own():
    user = LRScheduler(policy="ExponentialLR", gamma=0.5)
    best = BestEpoch(7)
    own, given = make_callbacks([user], best, 0)
    assert own == ("best_epoch", best)
    assert not best.sets_lr
    assert given is user
    make_callbacks([("rate", LRScheduler)], best := BestEpoch(7), 0)
    assert not best.sets_lr
    assert make_callbacks(None, BestEpoch(7), 0)[0][1].sets_lr


@pytest.mark.parametrize(("verbose", "kind"), [(0, None), (1, ProgressBar), (2, PrintLog), (3, PrintLog)])
def test_verbose_chooses_what_is_shown(verbose, kind):
    shown = [type(callback) for _, callback in make_callbacks(None, BestEpoch(3), verbose)][1:]
    assert shown == ([] if kind is None else [kind])
