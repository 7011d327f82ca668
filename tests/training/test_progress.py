"""What a fit shows: in a terminal, in a notebook, in a file, and not at all."""

import io
import pickle
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.training._progress import ProgressBar, progress_callbacks


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 60)]


def fit(sets, **params):
    y = np.array([one_set.sum() for one_set in sets])
    params = {"max_epochs": 25, "n_members": 1, "random_state": 0} | params
    return DeepSetsRegressor(**params).fit(sets, y)


def terminal(monkeypatch, name="stderr"):
    # not as a fixture: pytest sets the streams anew between those and the test
    monkeypatch.setattr(sys, name, Terminal())
    return getattr(sys, name)


def last_line(text):
    """What stands in the line of the bar in the end."""
    return text.rstrip("\n").split("\r")[-1].strip()


def test_one_bar_counts_epochs_and_shows_the_last_and_the_best_loss(sets, monkeypatch):
    stream = terminal(monkeypatch)
    reg = fit(sets, verbose=1, early_stopping=True, n_iter_no_change=99)
    shown = last_line(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert re.match(r"Deep Sets: 100%\|\S+\| 25/25 \[\d\d:\d\d<00:00, ", shown)
    last, best = reg.history_[-1], reg.history_[reg.best_iteration_ - 1]
    assert f", loss={last['valid_loss']:.4g}, best={best['valid_loss']:.4g}]" in shown
    pickle.dumps(dict(reg.net_.callbacks_)["progress"])


def test_without_held_out_sets_the_loss_is_that_of_training(sets, monkeypatch):
    stream = terminal(monkeypatch)
    reg = fit(sets, verbose=1, early_stopping=False)
    assert last_line(stream.getvalue()).endswith(f", loss={reg.history_[-1]['train_loss']:.4g}]")


@pytest.mark.parametrize("n_members", [1, 4])
def test_a_fit_that_stops_early_leaves_a_full_bar(sets, monkeypatch, n_members):
    stream = terminal(monkeypatch)
    reg = fit(sets, verbose=1, early_stopping=True, n_iter_no_change=2, max_epochs=2000, lr=0.1, n_members=n_members)
    assert reg.n_iter_ < 2000
    shown = last_line(stream.getvalue())
    assert shown.startswith("Deep Sets: 100%")
    assert f"| {reg.n_iter_}/{reg.n_iter_} [" in shown


class Interrupt(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 4:
            raise KeyboardInterrupt


def test_an_interrupted_fit_leaves_a_full_bar_of_the_epochs_that_are_done(sets, monkeypatch):
    stream = terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit(sets, verbose=1, callbacks=[Interrupt()])
    assert "| 3/3 [" in last_line(stream.getvalue())


@pytest.mark.parametrize("scale", [1e-9, -1234.5])
def test_no_number_is_cut_at_80_columns(monkeypatch, scale):
    losses = scale * np.linspace(1.23456, 1.11111, 1000)
    stream = terminal(monkeypatch)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (80, 24))
    net = SimpleNamespace(max_epochs=1000, history=[], selector=SimpleNamespace(best_epoch_=1))
    bar = ProgressBar()
    bar.on_train_begin(net)
    for loss in losses:
        net.history.append({"valid_loss": loss, "train_loss": 0.0})
        bar.on_epoch_begin(net)
        bar._bar.mininterval = bar._bar.miniters = 0
        bar._bar.start_t -= 10  # which makes hours of it
        bar.on_epoch_end(net)
    bar.on_train_end(net)
    lines = [line.strip() for line in re.split(r"[\r\n]+", stream.getvalue()) if "loss=" in line]
    assert len(lines) > 900
    found = [re.search(r"\[[\d:]+<[\d:]+, loss=(\S+), best=(\S+)\]$", line) for line in lines]
    values = {f"{loss:.4g}" for loss in losses}
    assert all(match and match[1] in values and match[2] == f"{losses[0]:.4g}" for match in found)


def test_a_file_has_few_lines_without_codes(sets, capsys):
    fit(sets, verbose=1, max_epochs=20)
    shown = capsys.readouterr().err
    assert len(re.findall("Deep Sets", shown)) <= 3
    assert "20/20" in last_line(shown)
    assert "\x1b" not in shown


def test_lines_for_each_epoch_have_colours_in_a_terminal_only(sets, capsys, monkeypatch):
    fit(sets, verbose=2, max_epochs=2, early_stopping=True)
    assert "\x1b" not in (shown := capsys.readouterr().out)
    assert len(shown.splitlines()) == 4
    stream = terminal(monkeypatch, "stdout")
    fit(sets, verbose=2, max_epochs=2, early_stopping=True)
    assert "\x1b" in stream.getvalue()


def test_without_verbose_nothing_is_shown_not_even_in_a_grid_search(sets, capsys):
    quiet = DeepSetsRegressor(max_epochs=2, n_members=1, random_state=0)
    GridSearchCV(quiet, {"lr": [0.005, 0.001]}, cv=2).fit(sets, np.array([one_set.sum() for one_set in sets]))
    fit(sets)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert progress_callbacks(0) == []


class KilledAt(Callback):
    """Ends the process, so to speak, at the begin of an epoch, once."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch and KilledAt.armed:
            KilledAt.armed = False
            raise RuntimeError("killed")


def test_a_resumed_fit_counts_the_epochs_of_before(sets, monkeypatch, tmp_path):
    KilledAt.armed = True
    options = {"verbose": 1, "callbacks": [KilledAt(20)], "checkpoint": tmp_path}
    stream = terminal(monkeypatch)
    with pytest.raises(RuntimeError, match="killed"):
        fit(sets, **options)
    began = len(stream.getvalue())
    fit(sets, **options)
    counts = [int(count) for count in re.findall(r"(\d+)/25 ", stream.getvalue()[began:])]
    assert counts[0] in (18, 19)  # the bar of the first fit may close here
    assert counts[-1] == 25
