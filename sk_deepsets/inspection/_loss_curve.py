"""LossCurveDisplay: the losses of a training by epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.inspection._axes import COLORS, clean, new_axes
from sk_deepsets.inspection._predictions import last_step


@dataclass(eq=False, repr=False)
class LossCurveDisplay:
    """Losses by epoch, with the epoch that is kept.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    epochs : ndarray of int, shape (n_epochs,)
    train_loss : ndarray of shape (n_epochs,)
    valid_loss : ndarray of shape (n_epochs,) or None
        Loss of the held-out sets; for an ensemble, the out-of-fold loss, NaN in epochs without one.
    best_iteration : int or None
        The epoch with the lowest validation loss.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.inspection import LossCurveDisplay
    >>> sets = [np.arange(size) for size in range(1, 51)]
    >>> reg = DeepSetsRegressor(max_epochs=20, random_state=0).fit(sets, [one_set.mean() for one_set in sets])
    >>> display = LossCurveDisplay.from_estimator(reg)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    epochs: np.ndarray
    train_loss: np.ndarray
    valid_loss: np.ndarray | None = None
    best_iteration: int | None = None

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **line_kwargs: Any) -> LossCurveDisplay:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Alone or at the end of a pipeline.
        ax : matplotlib Axes, default=None
            Where to draw; None: new ones.
        **line_kwargs : dict
            For matplotlib's ``plot``.

        Returns
        -------
        LossCurveDisplay
        """
        model = last_step(estimator)
        check_is_fitted(model)
        rows = model.history_
        valid = np.array([row.get("valid_loss", np.nan) for row in rows])
        there = bool(np.isfinite(valid).any())
        display = cls(
            np.arange(1, len(rows) + 1),
            np.array([row["train_loss"] for row in rows]),
            valid if there else None,
            model.best_iteration_ if there else None,
        )
        return display.plot(ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> LossCurveDisplay:
        """Draw.

        Parameters
        ----------
        ax, **line_kwargs
            As in ``from_estimator``.

        Returns
        -------
        LossCurveDisplay
        """
        ax = clean(new_axes("LossCurveDisplay", ax))
        few = {"marker": "o", "markersize": 3} if len(self.epochs) <= 20 else {}
        curves = [("training", self.epochs, self.train_loss, COLORS[0])]
        if self.valid_loss is not None:  # a line from each known loss to the next
            known = ~np.isnan(self.valid_loss)
            curves.append(("held-out sets", self.epochs[known], self.valid_loss[known], COLORS[1]))
        self.lines_ = [
            ax.plot(epochs, losses, **{"label": name, "color": color, **few, **line_kwargs})[0]
            for name, epochs, losses, color in curves
        ]
        if self.valid_loss is not None and self.best_iteration is not None:
            best = self.valid_loss[self.best_iteration - 1]
            ax.axvline(self.best_iteration, color="0.75", linewidth=1, linestyle="--", zorder=0)
            label = f"lowest: {best:.3g}, epoch {self.best_iteration}"
            ax.plot(self.best_iteration, best, "o", color=COLORS[1], markersize=7, label=label)
        shown = np.concatenate([losses for _, _, losses, _ in curves])
        shown = shown[np.isfinite(shown)]
        if len(shown) and shown.min() > 0 and shown.max() > 20 * shown.min():
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
