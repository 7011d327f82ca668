"""Fits that are killed go on where they stood."""

import hashlib
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, DeepSetsRegressor
from sk_deepsets.training._checkpoint import MAGIC

BEGUN = []


class KillAt(Callback):
    """Notes the epochs that begin, and ends the process, or raises an error, at one that the environment names."""

    def on_epoch_begin(self, net, **kwargs):
        BEGUN.append(len(net.history))
        if os.environ.get("KILL_AT") == str(BEGUN[-1]):
            os.kill(os.getpid(), signal.SIGKILL)
        if os.environ.get("FAIL_AT") == str(BEGUN[-1]):
            raise RuntimeError("power cut")


RNG = np.random.default_rng(0)
SETS = [RNG.normal(size=(size, 2)) for size in RNG.integers(1, 8, 60)]
VALUES = np.array([one.sum() for one in SETS])
SINGLE = {"n_members": 1, "phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "dropout": 0.2, "early_stopping": True}
MODELS = {
    "single": (DeepSetsRegressor, {**SINGLE, "n_iter_no_change": 6, "lr": 0.1}, VALUES),
    "scheduled": (DeepSetsRegressor, SINGLE, VALUES),
    "pack": (DeepSetsClassifier, {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,)}, (VALUES > 0).astype(int)),
    "elements": (
        DeepSetsElementRegressor,
        {"n_members": 1, "hidden_dims": (8,), "dropout": 0.2},
        [one[:, 0] for one in SETS],
    ),
}


def fit(name, folder=None):
    cls, options, y = MODELS[name]
    callbacks = [KillAt()]
    if name == "scheduled":
        callbacks.append(LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5))
    BEGUN.clear()
    return cls(**options, max_epochs=14, random_state=0, checkpoint=folder, callbacks=callbacks).fit(SETS, y)


def said(model):
    return np.concatenate([np.ravel(one) for one in getattr(model, "predict_proba", model.predict)(SETS)])


def assert_goes_on(name, folder):
    (left,) = folder.iterdir()
    resumed = fit(name, folder)
    assert BEGUN[0] == 7
    whole = fit(name)
    assert [row["train_loss"] for row in resumed.history_] == [row["train_loss"] for row in whole.history_]
    assert resumed.best_iteration_ == whole.best_iteration_
    np.testing.assert_array_equal(said(resumed), said(whole))
    assert said(whole).std() > 0.01
    assert not left.exists()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_failed_goes_on_to_the_same_model(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "7")
    with pytest.raises(RuntimeError, match="power cut"):
        fit(name, tmp_path / "new folder")
    monkeypatch.delenv("FAIL_AT")
    assert_goes_on(name, tmp_path / "new folder")


def test_a_killed_fit_goes_on_to_the_same_model(tmp_path):
    code = f"import torch; torch.set_num_threads(1); from {__name__} import fit; fit('pack', {str(tmp_path)!r})"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "KILL_AT": "7", "PYTHONPATH": str(root)}
    run = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, timeout=300, check=False)
    assert run.returncode == -signal.SIGKILL
    assert_goes_on("pack", tmp_path)


def test_a_fit_that_stopped_early_only_ends(tmp_path):
    # the process died between the last epoch and the end
    whole = fit("single")
    assert whole.n_iter_ < 14
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        fit("single", tmp_path)
    resumed = fit("single", tmp_path)
    assert resumed.n_iter_ == whole.n_iter_
    np.testing.assert_array_equal(said(resumed), said(whole))


def test_other_data_and_parameters_have_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "2")

    def n_files(*data, **options):
        options = {**SINGLE, "random_state": 0, "checkpoint": tmp_path, "callbacks": [KillAt()], **options}
        with pytest.raises(RuntimeError, match="power cut"):
            DeepSetsRegressor(**options).fit(*(data or (SETS, VALUES)))
        monkeypatch.setenv("FAIL_AT", "2")
        return len(list(tmp_path.iterdir()))

    assert n_files() == 1
    monkeypatch.setenv("FAIL_AT", "3")  # it goes on with the second epoch
    assert n_files(verbose=0) == 1
    assert n_files(lr=0.5) == 2
    assert n_files(random_state=1) == 3
    assert n_files(dropout=0.5) == 4
    assert n_files(SETS, VALUES**2) == 5
    assert n_files([one * 2 for one in SETS], VALUES) == 6
    assert n_files(SETS, VALUES, np.linspace(1, 2, 60)) == 7
    assert n_files(SETS, VALUES, None, SETS[:9], VALUES[:9]) == 8
    assert n_files(callbacks=[("a", KillAt())]) == 9
    assert n_files(callbacks=[("b", KillAt())]) == 10
    for number, gamma in enumerate([0.1, 0.1, 0.5]):
        schedule = LRScheduler("StepLR", step_size=1, gamma=gamma)
        assert n_files(callbacks=[KillAt(), schedule]) == [11, 11, 12][number]
    assert n_files(optimizer=lambda *args, **kwargs: torch.optim.SGD(*args, **kwargs), weight_decay=0) == 13
    assert n_files(optimizer=lambda *args, **kwargs: torch.optim.Adam(*args, **kwargs), weight_decay=0) == 14


def test_warm_starts_have_files_of_their_own(tmp_path):
    model = DeepSetsRegressor(**SINGLE, max_epochs=3, random_state=0, warm_start=True, checkpoint=tmp_path)
    plain = DeepSetsRegressor(**SINGLE, max_epochs=3, random_state=0, warm_start=True)
    for one in (model, plain):
        one.fit(SETS, VALUES).fit(SETS, VALUES)
    assert model.n_iter_ == 6
    np.testing.assert_array_equal(model.predict(SETS), plain.predict(SETS))
    assert not list(tmp_path.iterdir())


def test_a_random_state_is_wanted(tmp_path):
    with pytest.raises(ValueError, match="checkpoint requires an int as random_state"):
        DeepSetsRegressor(**SINGLE, checkpoint=tmp_path).fit(SETS, VALUES)


def test_a_bar_is_no_part_of_the_file(tmp_path):
    cls, options, y = MODELS["single"]
    model = cls(**options, max_epochs=3, random_state=0, verbose=1, checkpoint=tmp_path).fit(SETS, y)
    assert "progress" in dict(model.net_.callbacks_)
    assert model.n_iter_ == 3


def foreign(content):
    """A pickle of something else, with a checksum as the first files had it."""
    other = pickle.dumps({"epoch": 3})
    return hashlib.sha256(other).digest() + other


def relabelled(content):
    """Says that it belongs to another training; the checksum is of what it said before."""
    begin = len(MAGIC) + 32
    return content[:begin] + bytes(32) + content[begin + 32 :]


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:-9],
        lambda content: b"",
        lambda content: content[::-1],
        lambda content: content[:100] + b"x" + content[101:],
        lambda content: MAGIC,
        foreign,
        relabelled,
    ],
)
def test_a_damaged_file_is_told_and_not_used(tmp_path, monkeypatch, harm):
    monkeypatch.setenv("FAIL_AT", "7")
    with pytest.raises(RuntimeError, match="power cut"):
        fit("single", tmp_path)
    monkeypatch.delenv("FAIL_AT")
    (file,) = tmp_path.iterdir()
    file.write_bytes(harm(file.read_bytes()))
    with pytest.warns(
        UserWarning, match=f"The checkpoint {file} is damaged, or .*: training starts from the beginning"
    ):
        again = fit("single", tmp_path)
    assert BEGUN[0] == 1
    np.testing.assert_array_equal(said(again), said(fit("single")))


def test_the_file_of_another_training_under_this_name_is_told_and_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "7")
    for name in ("single", "elements"):
        with pytest.raises(RuntimeError, match="power cut"):
            fit(name, tmp_path / name)
    monkeypatch.delenv("FAIL_AT")
    (file,), (other,) = (list((tmp_path / name).iterdir()) for name in ("single", "elements"))
    file.write_bytes(other.read_bytes())
    with pytest.warns(
        UserWarning, match=f"The checkpoint {file} belongs to another training: training starts from the"
    ):
        again = fit("single", tmp_path / "single")
    assert BEGUN[0] == 1
    np.testing.assert_array_equal(said(again), said(fit("single")))
    assert not file.exists()
    fit("elements", tmp_path / "elements")  # the file where it belongs is read
    assert BEGUN[0] == 7


class Record(Callback):
    """Appends to a list of the user's, counts, and holds something that no pickle could."""

    def __init__(self, losses):
        self.losses, self.count, self.report = losses, 0, lambda: None

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])
        self.count += 1


def test_the_state_of_a_callback_goes_on_and_its_list_stays_the_users(tmp_path):
    cls, options, y = MODELS["single"]

    class Fails(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if armed and len(net.history) == 5:
                raise RuntimeError("power cut")

    def fit_recorded():
        losses = []
        record = Record(losses)
        model = cls(**options, max_epochs=8, random_state=0, checkpoint=tmp_path, callbacks=[record, Fails()])
        return losses, record, model.fit(SETS, y)

    armed = True
    with pytest.raises(RuntimeError, match="power cut"):
        fit_recorded()
    armed = False
    (file,) = tmp_path.iterdir()
    losses, record, model = fit_recorded()
    assert losses == [row["train_loss"] for row in model.history_]
    assert record.count == len(losses) == 8
    assert record.losses is losses
    assert not file.exists()


def test_what_a_killed_process_was_writing_goes_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "3")
    with pytest.raises(RuntimeError, match="power cut"):
        fit("single", tmp_path)
    monkeypatch.delenv("FAIL_AT")
    (file,) = tmp_path.iterdir()
    file.with_name(f"{file.name}.99-1.part").write_bytes(b"half")
    fit("single", tmp_path)
    assert not list(tmp_path.iterdir())


def test_equal_fits_in_threads_share_a_folder(tmp_path):
    cls, options, y = MODELS["single"]
    with ThreadPoolExecutor(4) as pool:
        make = partial(cls, **options, max_epochs=8, random_state=0, checkpoint=tmp_path)
        models = list(pool.map(lambda _: make().fit(SETS, y), range(4)))
    for one in models[1:]:
        np.testing.assert_array_equal(said(one), said(models[0]))
    assert not list(tmp_path.iterdir())
