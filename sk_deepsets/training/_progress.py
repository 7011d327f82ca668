"""What a fit shows while it runs: one bar, or a line for each epoch."""

from __future__ import annotations

import re
import sys
from typing import Any

from skorch.callbacks import Callback, PrintLog

# Without the rate, which leaves room for the losses in a line of 80 columns.
BAR_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
SECONDS_BETWEEN_LINES = 10.0
"""How rarely the bar is drawn where each drawing is a new line, as in a file"""


def progress_callbacks(verbose: int) -> list[tuple[str, Callback]]:
    """The callbacks that show the progress: none, a bar for the fit, or a line for each epoch."""
    if verbose <= 0:
        return []
    if verbose == 1:
        return [("progress", ProgressBar())]
    return [("print_log", PrintLog() if sys.stdout.isatty() else PrintLog(sink=print_plain))]


def print_plain(text: str) -> None:
    """Print without codes for colours."""
    print(re.sub(r"\x1b\[[0-9;]*m", "", text))


class ProgressBar(Callback):
    """One tqdm bar for the whole fit, with the time left, the loss of the last epoch and the best one.

    The losses are validation losses where sets are held out, and the last one known.
    """

    _bar: Any = None

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Remember what the fit is to do, before a checkpoint takes from it what is done."""
        self._n_before, self._total = len(net.history), net.max_epochs

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the bar at the first epoch, after those of a checkpoint."""
        if self._bar is None:
            from tqdm.auto import tqdm
            from tqdm.notebook import tqdm as notebook_tqdm

            is_redrawn = sys.stderr.isatty() or issubclass(tqdm, notebook_tqdm)
            self._bar = tqdm(
                desc="Deep Sets",
                total=self._total,
                initial=len(net.history) - self._n_before - 1,
                bar_format=BAR_FORMAT,
                dynamic_ncols=True,
                mininterval=0.1 if is_redrawn else SECONDS_BETWEEN_LINES,
            )

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move on by one epoch."""
        row, best = net.history[-1], net.selector.best_epoch_
        known = (earlier["valid_loss"] for earlier in reversed(net.history) if "valid_loss" in earlier)
        text = f"loss={row['train_loss'] if best is None else next(known):.4g}"
        if best is not None:
            text += f", best={net.history[best - 1]['valid_loss']:.4g}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Close the bar, which is full also if training ended early."""
        bar, self._bar = self._bar, None
        if bar is None:
            return
        if bar.n < bar.total:
            # reset changes the total of a notebook's bar, too; the time goes on
            n_epochs, started = bar.n, bar.start_t
            bar.reset(total=n_epochs)
            bar.n, bar.start_t = n_epochs, started
        bar.close()
