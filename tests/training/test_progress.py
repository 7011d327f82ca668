"""What a fit shows: in a terminal, in a notebook, in a file, and not at all."""

import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.training._progress import EpochBar, EpochLines, progress_of


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


def last_picture(text):
    """What stands in the line of the bar in the end."""
    return text.rstrip("\n").split("\r")[-1]


def test_one_bar_counts_epochs_and_shows_losses_and_the_best_epoch(sets, monkeypatch):
    stream = terminal(monkeypatch)
    reg = fit(sets, verbose=1, early_stopping=True, n_iter_no_change=99)
    shown = last_picture(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert shown.startswith("Deep Sets: 100%")
    assert "25/25" in shown
    last, best = reg.history_[-1], reg.history_[reg.best_iteration_ - 1]
    assert f"train_loss={last['train_loss']:.4g}" in shown
    assert f"valid_loss={last['valid_loss']:.4g}" in shown
    assert f"best={best['valid_loss']:.4g} (epoch {reg.best_iteration_})" in shown
    bar = dict(reg.net_.callbacks_)["progress"]
    assert vars(bar) == {}


@pytest.mark.parametrize("n_members", [1, 4])
def test_a_fit_that_stops_early_ends_in_a_full_bar_that_says_so(sets, monkeypatch, n_members):
    stream = terminal(monkeypatch)
    reg = fit(sets, verbose=1, early_stopping=True, n_iter_no_change=2, max_epochs=2000, lr=0.1, n_members=n_members)
    assert reg.n_iter_ < 2000
    shown = last_picture(stream.getvalue())
    assert shown.startswith("Deep Sets, stopped early: 100%")
    assert f"{reg.n_iter_}/{reg.n_iter_}" in shown


class Net:
    """What the bar looks at."""

    def __init__(self, max_epochs, losses, interrupted):
        self.max_epochs, self.interrupted_ = max_epochs, interrupted
        best = int(np.argmin(losses)) + 1
        self.selector = SimpleNamespace(best_epoch_=best)
        rows = [{"epoch": n, "train_loss": loss * 0.9, "valid_loss": loss} for n, loss in enumerate(losses, 1)]
        self.rows, self.history = rows, []


@pytest.mark.parametrize("n_columns", [8, 20, 40, 60, 72, 80, 100, 200])
@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("scale", [1e-9, -1234.5])
def test_no_word_or_number_is_cut_at_any_width(monkeypatch, n_columns, interrupted, scale):
    losses = scale * np.linspace(1.23456, 1.11111, 110)
    net = Net(200, losses, interrupted)
    stream = terminal(monkeypatch)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (n_columns, 24))
    bar = EpochBar()
    bar.on_train_begin(net)
    bar._bar.mininterval = bar._bar.miniters = 0
    for row in net.rows:
        net.history.append(row)
        bar.on_epoch_end(net)
    bar.on_train_end(net)
    losses_shown = set()
    for shown in re.split(r"[\r\n]+", stream.getvalue())[1:]:
        shown = shown.strip()
        assert len(shown) <= n_columns
        if not shown or n_columns < 40:
            continue
        assert shown[-1] == "]"
        assert re.search(r"\[\d\d:\d\d<(\d\d:\d\d|\?)[,\]]", shown)  # the time left
        found = re.findall(r", (\w+)=([^,\]]+)", shown)
        losses_shown |= {name for name, _ in found}
        values = {f"{loss * f:.4g}" for loss in losses for f in (1, 0.9)}
        assert all(re.sub(r" \(epoch \d+\)$", "", value) in values for _, value in found)
        assert all(re.search(r" \(epoch \d+\)$", value) for name, value in found if name == "best")
    wanted = {80: {"valid_loss", "best"}, 200: {"train_loss", "valid_loss", "best"}}
    assert losses_shown >= wanted.get(n_columns, set())
    if n_columns >= 60:
        assert ("interrupted" if interrupted else "stopped early") in shown or not shown


def test_in_a_file_there_are_plain_lines(sets, capsys):
    reg = fit(sets, verbose=1, max_epochs=20)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert re.match(r"Deep Sets: epoch 2 of 20, at most \d:\d\d:\d\d left: train_loss=", lines[0])
    assert lines[-1] == f"Deep Sets: epoch 20 of 20: train_loss={reg.history_[-1]['train_loss']:.4g}"
    fit(sets, verbose=1, early_stopping=True, n_iter_no_change=2, max_epochs=2000, lr=0.1)
    last = capsys.readouterr().err.splitlines()[-1]
    assert " of 2000, stopped early: train_loss=" in last
    assert "best=" in last
    assert "\x1b" not in last


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
    assert progress_of(0) == []


def test_an_interrupt_is_told_from_an_early_stop(sets, capsys):
    class Interrupt(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(sets, verbose=1, callbacks=[Interrupt()])
    assert "of 25, interrupted: train_loss=" in capsys.readouterr().err


def test_an_interrupt_of_the_last_epoch_is_told_too(sets, capsys):
    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 25:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(sets, verbose=1, callbacks=[Interrupt()])
    assert "epoch 25 of 25, interrupted: train_loss=" in capsys.readouterr().err


class KilledAt(Callback):
    """Ends the process, so to speak, at the begin of an epoch, once."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch and KilledAt.armed:
            KilledAt.armed = False
            raise RuntimeError("killed")


@pytest.mark.parametrize("drawn", [True, False])
def test_a_resumed_fit_counts_the_epochs_of_before(sets, monkeypatch, capsys, tmp_path, drawn):
    KilledAt.armed = True
    options = {"verbose": 1, "callbacks": [KilledAt(20)], "checkpoint": tmp_path}
    stream = terminal(monkeypatch) if drawn else None
    with pytest.raises(RuntimeError, match="killed"):
        fit(sets, **options)
    fit(sets, **options)
    shown = last_picture(stream.getvalue()) if drawn else capsys.readouterr().err.splitlines()[-1]
    assert ("25/25" if drawn else "Deep Sets: epoch 25 of 25: train_loss=") in shown


def test_notebooks_draw_bars(monkeypatch):
    import tqdm.auto
    import tqdm.notebook

    assert isinstance(dict(progress_of(1))["progress"], EpochLines)
    monkeypatch.setattr(tqdm.auto, "tqdm", tqdm.notebook.tqdm)
    assert isinstance(dict(progress_of(1))["progress"], EpochBar)
