"""What a fit shows while it runs: one bar, or lines where no bar can be drawn."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from skorch.callbacks import Callback, PrintLog

# How many lines stand for a bar where none can be drawn.
LINES = 10


def progress_of(verbose: int) -> list[tuple[str, Callback]]:
    """The callbacks that show the progress: none, a bar for the fit, or a line for each epoch."""
    if verbose <= 0:
        return []
    if verbose >= 2:
        return [("print_log", PrintLog() if sys.stdout.isatty() else PrintLog(sink=print_plain))]
    return [("progress", EpochBar() if _draws_bars() else EpochLines())]


def print_plain(text: str) -> None:
    """Print without codes for colours."""
    print(re.sub(r"\x1b\[[0-9;]*m", "", text))


def _draws_bars() -> bool:
    """Whether standard error is a terminal, or a notebook."""
    from tqdm.auto import tqdm
    from tqdm.notebook import tqdm as in_notebooks

    return sys.stderr.isatty() or issubclass(tqdm, in_notebooks)


class EpochLines(Callback):
    """Some lines for the whole fit, on standard error, with the time left, the latest losses and the best epoch."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin to count; the epochs of a checkpoint, which is read later, are among them."""
        self._n_before, self._total = len(net.history), net.max_epochs
        self._began: tuple[float, int] | None = None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Look at the clock, when this process begins with its first epoch."""
        self._began = self._began or (time.monotonic(), len(net.history) - self._n_before - 1)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print a line now and then."""
        n_epochs = len(net.history) - self._n_before
        if n_epochs % max(1, self._total // LINES) == 0 and n_epochs < self._total:
            assert self._began is not None
            began, n_then = self._began
            seconds = (time.monotonic() - began) / (n_epochs - n_then) * (self._total - n_epochs)
            left = timedelta(seconds=round(seconds))
            self._print(f"epoch {n_epochs} of {self._total}, at most {left} left", net)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Print how it ended."""
        n_epochs = len(net.history) - self._n_before
        ending = _ending(net, n_epochs < self._total)
        self._print(f"epoch {n_epochs} of {self._total}{ending and ', ' + ending}", net)

    def _print(self, text: str, net: Any) -> None:
        losses = ", ".join(_losses(net).values())
        print(f"Deep Sets: {text}: {losses}", file=sys.stderr, flush=True)


class EpochBar(Callback):
    """One bar for the whole fit, with the time left, the latest losses and the best epoch so far."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the bar."""
        from tqdm.auto import tqdm

        self._n_before = len(net.history)
        self._bar = tqdm(total=net.max_epochs, dynamic_ncols=True, delay=1e-9)  # drawn first when it is known how
        self._show(net)
        self._bar.refresh()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move on by one epoch."""
        self._show(net)
        self._bar.update(len(net.history) - self._n_before - self._bar.n)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Close the bar, which is full also if training ended early."""
        bar, n_epochs = self._bar, self._bar.n
        if n_epochs < bar.total:
            began = bar.start_t
            bar.reset(total=n_epochs)
            bar.start_t, bar.n = began, n_epochs
            self._show(net, _ending(net, ended_early=True))
        bar.refresh()
        bar.close()
        del self._bar, self._n_before

    def _show(self, net: Any, ending: str = "") -> None:
        """Say as much as the line has room for: tqdm would cut it within a word."""
        losses = _losses(net)
        best = [losses[name] for name in ("valid_loss", "best") if name in losses] or [*losses.values()]
        title = "Deep Sets, " + ending if ending else "Deep Sets"
        formats = [_format(title, [*losses.values()]), _format(title, best), _format(ending, best)]
        formats += [_format(ending, best[-1:]), _format(ending, []), _format("", []), "{n_fmt}/{total_fmt}"]
        state = self._bar.format_dict
        n_columns = state["ncols"] or sys.maxsize
        widths = (len(self._bar.format_meter(**{**state, "ncols": None, "bar_format": one})) for one in formats)
        # without a number of columns, the bar itself is drawn 10 wide; time left and elapsed may grow by some digits
        fits = (one for one, width in zip(formats, widths, strict=True) if width - 10 + 5 <= n_columns)
        self._bar.bar_format = next(fits, formats[-1])


def _format(title: str, losses: Sequence[str]) -> str:
    """A line of the bar, as tqdm fills it in."""
    shown = "".join(f", {one}" for one in losses)
    start = f"{title}: " if title else ""
    return start + "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}" + shown + "]"


def _losses(net: Any) -> dict[str, str]:
    """The losses of the last epoch, and the best epoch so far, by their names."""
    rows = [row for row in net.history if "train_loss" in row]  # an interrupted epoch may have none
    if not rows:
        return {}
    found = {name: f"{name}={rows[-1][name]:.4g}" for name in ("train_loss", "valid_loss") if name in rows[-1]}
    best = net.selector.best_epoch_
    losses = [row["valid_loss"] for row in rows if row["epoch"] == best and "valid_loss" in row]
    return {**found, "best": f"best={losses[-1]:.4g} (epoch {best})"} if losses else found


def _ending(net: Any, ended_early: bool) -> str:
    """How training ended."""
    if net.interrupted_:
        return "interrupted"
    return "stopped early" if ended_early else ""
