"""Two processes on this machine train what one process trains: each on its share, and one of them writes."""

import io
import os
import pickle
import socket
import subprocess
import sys
import warnings
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, EpochScoring
from skorch.callbacks import Checkpoint as SkorchCheckpoint
from torch import nn

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    DeepSetsSurvival,
    RaggedSets,
    check_sets,
)
from sk_deepsets.io import load, save
from sk_deepsets.training import Processes, Split, find_processes
from sk_deepsets.training._selector import BestEpoch
from sk_deepsets.training._train import _begin_together
from sk_deepsets.training._user_callbacks import make_callbacks

accelerate = pytest.importorskip("accelerate", reason='needs pip install ".[distributed]"')

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)
N = 33  # so that the last batch of 8 has one set, which is the share of process 0
SETS = [np.c_[RNG.normal(size=size), np.full(size, number)] for number, size in enumerate(RNG.integers(1, 7, N))]
VALUES = np.array([one[:, 0].sum() for one in SETS])
WEIGHT = RNG.uniform(0.1, 3, N)
TIMES = np.array(list(zip(VALUES < 1, np.exp(VALUES), strict=True)), dtype=[("event", bool), ("time", float)])
SMALL = {"max_epochs": 5, "batch_size": 8, "random_state": 0, "rho_hidden_dims": (8,), "phi_hidden_dims": (8,)}
ONE = {**SMALL, "n_members": 1, "dropout": 0.3}


class Own(nn.Module):
    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.linear = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        assert len(x)
        return self.linear((x * mask.unsqueeze(2)).sum(1))


def cases(folder):
    binary = VALUES > 0
    return {
        "net": (DeepSetsRegressor(**ONE, early_stopping=True, validation_fraction=0.2), SETS, VALUES, WEIGHT),
        "ensemble": (DeepSetsClassifier(**SMALL, n_members=4), RaggedSets.open(folder), binary, WEIGHT),
        "parts": (DeepSetsRegressor(**ONE, max_set_size=3, resample=True), SETS, VALUES, None),
        "elements": (
            DeepSetsElementRegressor(max_epochs=3, batch_size=8, random_state=0, n_members=2, hidden_dims=(8,)),
            SETS,
            [one[:, 0] for one in SETS],
            None,
        ),
        "survival": (DeepSetsSurvival(**ONE), SETS, TIMES, WEIGHT),
        "own": (DeepSetsClassifier(**SMALL, module=Own), SETS, binary, None),
    }


def fit(case, accelerator=None):
    model, X, y, weight = case
    return model.set_params(accelerator=accelerator).fit(X, y, sample_weight=weight)


def said(model, X=SETS):
    return np.concatenate([np.ravel(one) for one in getattr(model, "predict_proba", model.predict)(X)])


def curves(model):
    return np.array([[row["train_loss"], row.get("valid_loss", 0)] for row in model.history_])


BEGUN = []


class Watch(Callback):
    """Notes the epochs that begin, with the sets that this process trains on; fails where the environment says."""

    def on_epoch_begin(self, net, **kwargs):
        epoch = len(net.history)
        BEGUN.append((epoch, []))
        if os.environ.get("FAIL_AT") == str(epoch):
            raise RuntimeError("power cut")
        if os.environ.get("DIE_AT") == str(epoch):
            os._exit(9)

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            BEGUN[-1][1].extend(batch[0].packed.elements[:, 1].unique().long().tolist())


def fit_resumable(folder, accelerator=None, fail_at=""):
    """A fit that leaves a checkpoint if it fails, and goes on with one."""
    BEGUN.clear()
    model = DeepSetsRegressor(**ONE, early_stopping=True, checkpoint=folder, callbacks=[Watch()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIL_AT", str(fail_at))
        if not fail_at:
            return model.set_params(accelerator=accelerator).fit(SETS, VALUES)
        with pytest.raises(RuntimeError, match="power cut"):
            model.set_params(accelerator=accelerator).fit(SETS, VALUES)


def in_one_of_two(folder):
    """What each of the processes does; it leaves what it found in a file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = {"died": in_a_fork(one_dies, folder)}
    accelerator = accelerate.Accelerator()
    rank = accelerator.process_index
    for name, case in cases(folder / "sets").items():
        model = fit(case, accelerator)
        found[name] = curves(model), model.best_iteration_, said(model), getattr(model, "oof_prediction_", None)
    model = DeepSetsRegressor(**{**ONE, "random_state": None}, verbose=1, accelerator=accelerator)
    with redirect_stderr(io.StringIO()) as printed:
        found["unseeded"] = said(model.fit(SETS, VALUES).partial_fit(SETS, VALUES))
    found["printed"] = printed.getvalue()

    fit_resumable(folder / "from 2", accelerator, fail_at=4)  # in both processes, which then go on
    found["resumed"], found["seen"] = curves(fit_resumable(folder / "from 1", accelerator)), [*BEGUN]
    if rank:
        os.environ["FAIL_AT"] = "3"
    for name in ("error", "afterwards"):
        try:
            DeepSetsRegressor(**ONE, callbacks=[Watch()], accelerator=accelerator).fit(SETS, VALUES)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    (folder / f"found {rank}").write_bytes(pickle.dumps(found))


def one_dies():
    """Process 1 dies in an epoch, without a word."""
    os.environ["MASTER_PORT"] = os.environ["SECOND_PORT"]
    accelerator = accelerate.Accelerator()
    os.environ["DIE_AT"] = "2" if accelerator.process_index else ""
    DeepSetsRegressor(**ONE, callbacks=[Watch()], accelerator=accelerator).fit(SETS, VALUES)


def in_a_fork(function, folder):
    """The status, and the error, of a function in a process that begins with all that is imported here."""
    file = folder / f"error {os.environ['RANK']}"
    file.touch()
    child = os.fork()
    if not child:
        try:
            function()
        except Exception as error:
            file.write_text(f"{type(error).__name__}: {error}")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file.read_text()


def launch(folder):
    """Run ``in_one_of_two`` in two processes, as accelerate launch does; their statuses and what they print."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        ports = [str(free.getsockname()[1]) for free in (first, second)]
    code = f"from pathlib import Path; from {__name__} import in_one_of_two; in_one_of_two(Path({str(folder)!r}))"
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": ports[0],
        "SECOND_PORT": ports[1],
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    try:
        texts = [run.communicate(timeout=300)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    return [run.returncode for run in runs], texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    check_sets(SETS).save(folder / "sets")
    fit_resumable(folder / "from 1", fail_at=4)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    """What each of the two processes found."""
    codes, texts = launch(folder)
    assert codes == [0, 0], "\n".join(texts)
    return [pickle.loads((folder / f"found {rank}").read_bytes()) for rank in (0, 1)]


@pytest.mark.parametrize("name", ["net", "ensemble", "parts", "elements", "survival", "own"])
def test_two_processes_train_what_one_trains(folder, found, name):
    model = fit(cases(folder / "sets")[name])
    for wanted_curves, best, prediction, out_of_fold in (one[name] for one in found):
        np.testing.assert_allclose(curves(model), wanted_curves, rtol=1e-4, atol=1e-4)
        assert model.best_iteration_ == best
        np.testing.assert_allclose(said(model), prediction, rtol=1e-3, atol=1e-3)
        if name == "ensemble":
            np.testing.assert_allclose(model.oof_prediction_, out_of_fold, atol=1e-3)
    np.testing.assert_array_equal(found[0][name][2], found[1][name][2])  # to the last bit
    assert curves(model)[:, 0].std() > 0.01


def test_processes_without_a_seed_agree_on_one(found):
    np.testing.assert_array_equal(found[0]["unseeded"], found[1]["unseeded"])


def test_each_set_is_trained_on_once_in_an_epoch(found):
    (_, first), (_, second) = (one["seen"][-1] for one in found)
    assert min(len(first), len(second)) > N // 3
    assert not set(first) & set(second)
    assert len(first) + len(second) == len({*first, *second}) == N - 3  # three are held out


def test_one_process_writes(found):
    assert "Deep Sets" in found[0]["printed"]
    assert found[1]["printed"] == ""


def test_a_checkpoint_goes_on_with_another_number_of_processes(folder, found):
    whole = curves(fit_resumable(None))
    resumed = fit_resumable(folder / "from 2")
    assert BEGUN[0][0] == 4
    np.testing.assert_allclose(curves(resumed), whole, rtol=1e-4, atol=1e-4)
    for one in found:
        assert one["seen"][0][0] == 4
        np.testing.assert_allclose(one["resumed"], whole, rtol=1e-4, atol=1e-4)
    assert not [*(folder / "from 1").iterdir(), *(folder / "from 2").iterdir()]


def test_a_process_that_fails_ends_the_others_with_its_message(found):
    assert found[0]["error"] == "ProcessError: Process 1 of 2 failed: RuntimeError: power cut"
    assert found[1]["error"] == "RuntimeError: power cut"
    assert all("out of step since an error; start them anew" in one["afterwards"] for one in found)


def test_a_process_that_is_gone_ends_the_others(found):
    status, text = found[0]["died"]
    assert status == 0
    assert text.startswith("ProcessError: One of the 2 processes is gone without a message")
    assert found[1]["died"][0] == 9


def test_an_accelerator_of_one_process_changes_nothing(tmp_path):
    accelerator = accelerate.Accelerator(cpu=True)
    plain = DeepSetsRegressor(**ONE).fit(SETS, VALUES)
    model = clone(DeepSetsRegressor(**ONE, accelerator=accelerator))
    assert model.accelerator is accelerator
    model.fit(SETS, VALUES)
    np.testing.assert_array_equal(said(model), said(plain))
    again = pickle.loads(pickle.dumps(model))
    assert again.accelerator is None
    np.testing.assert_array_equal(said(again), said(plain))
    again.set_params(warm_start=True).fit(SETS, VALUES)
    pytest.importorskip("safetensors")
    save(model, tmp_path / "model")
    assert load(tmp_path / "model").accelerator is None


def test_what_an_accelerator_cannot_do_is_told(monkeypatch):
    accelerator = accelerate.Accelerator(cpu=True)
    with pytest.raises(TypeError, match=r"accelerator is 2; expected an accelerate\.Accelerator"):
        DeepSetsRegressor(accelerator=2).fit(SETS, VALUES)
    with pytest.raises(ValueError, match="device='meta', but the accelerator has 'cpu': leave device out"):
        find_processes(accelerator, "meta")
    accelerator.gradient_accumulation_steps = 4
    with pytest.raises(ValueError, match=r"gradient_accumulation_steps=4; expected 'no' and 1"):
        find_processes(accelerator, "cpu")


class Second(Processes):
    """Process 1, in which the first has sent something."""

    def __init__(self, value):
        super().__init__(torch.device("cpu"), rank=1, n_processes=2)
        self.value = value

    def same(self, value):
        return value | self.value


def test_processes_with_other_data_are_told():
    model = DeepSetsRegressor(**ONE).fit(SETS, VALUES)
    data = model._fitted.target.dataset(model._fitted.target.encode(VALUES, model._read_sets(SETS), ""))
    with pytest.raises(ValueError, match=r"different models; batch_size: 8 in process 1, but 16 in process 0\. Call"):
        _begin_together(model.net_, Split(data, None), {"batch_size": 8}, Second({"batch_size": 16}))


@pytest.mark.parametrize("callback", [EpochScoring("r2", on_train=True), SkorchCheckpoint()])
def test_callbacks_that_need_whole_batches_are_refused(callback):
    with pytest.raises(ValueError, match=r"in every process|each process sees its share"):
        make_callbacks([callback], BestEpoch(), 0, has_whole_batches=False)
