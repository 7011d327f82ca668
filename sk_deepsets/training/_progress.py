"""What a fit shows while it runs: one bar, or lines where no bar can be drawn."""

from __future__ import annotations

import re
import sys
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
    """Some lines for the whole fit, on standard error, with the latest losses and the best epoch so far."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin to count; the epochs of a checkpoint, which is read later, are among them."""
        self._n_before, self._total = len(net.history), net.max_epochs

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print a line now and then."""
        n_epochs = len(net.history) - self._n_before
        if n_epochs % max(1, self._total // LINES) == 0 and n_epochs < self._total:
            self._print(f"epoch {n_epochs} of {self._total}", net)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Print how it ended."""
        n_epochs = len(net.history) - self._n_before
        self._print(f"epoch {n_epochs} of {self._total}{_ending(net, n_epochs < self._total)}", net)

    def _print(self, text: str, net: Any) -> None:
        losses = ", ".join(f"{name}={value}" for name, value in _losses(net).items())
        print(f"Deep Sets: {text}: {losses}", file=sys.stderr, flush=True)


class EpochBar(Callback):
    """One bar for the whole fit, with the latest losses and the best epoch so far."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the bar."""
        from tqdm.auto import tqdm

        self._n_before = len(net.history)
        self._bar = tqdm(total=net.max_epochs, desc="Deep Sets", unit="epoch")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move on by one epoch."""
        self._bar.set_postfix(_losses(net), refresh=False)
        self._bar.update(len(net.history) - self._n_before - self._bar.n)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Close the bar, which is full also if training ended early."""
        bar, n_epochs = self._bar, self._bar.n
        del self._bar, self._n_before
        if n_epochs < bar.total:
            began = bar.start_t
            bar.set_description(f"Deep Sets{_ending(net, ended_early=True)}", refresh=False)
            bar.reset(total=n_epochs)
            bar.start_t = began
            bar.update(n_epochs)
        bar.refresh()
        bar.close()


def _losses(net: Any) -> dict[str, str]:
    """The losses of the last epoch, and the best epoch so far."""
    rows = [row for row in net.history if "train_loss" in row]  # an interrupted epoch may have none
    if not rows:
        return {}
    found = {name: f"{rows[-1][name]:.4g}" for name in ("train_loss", "valid_loss") if name in rows[-1]}
    best = dict(net.callbacks_)["best_epoch"].best_epoch_
    losses = [row["valid_loss"] for row in rows if row["epoch"] == best and "valid_loss" in row]
    return {**found, "best": f"{losses[-1]:.4g} (epoch {best})"} if losses else found


def _ending(net: Any, ended_early: bool) -> str:
    """How training ended."""
    if net.interrupted_:
        return ", interrupted"
    return ", stopped early" if ended_early else ""
