"""SetSizeDisplay: the error against the size of the set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators import DeepSetsSurvival, SetEstimator
from sk_deepsets.inspection._axes import COLORS, clean, new_axes
from sk_deepsets.inspection._predictions import is_element_wise, last_step, read_known_targets, read_sets
from sk_deepsets.sets import collection_names


@dataclass(eq=False, repr=False)
class SetSizeDisplay:
    """The mean error of sets of like size, and how many sets there are of each size.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    sizes : ndarray of int, shape (n_sets,)
    errors : ndarray of shape (n_sets,)
    error_name : str
    size_range : tuple of int, default=None
        Sizes of the smallest and the largest training set.
    size_name : str, default="size of the set"
        Of several collections, it says that the size is that of all.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    errorbar_ : matplotlib ErrorbarContainer

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.inspection import SetSizeDisplay
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 30, 200)]
    >>> y = [one_set.mean() for one_set in sets]
    >>> reg = DeepSetsRegressor(max_epochs=20, random_state=0).fit(sets, y)
    >>> display = SetSizeDisplay.from_estimator(reg, sets, y)
    >>> display.ax_.get_ylabel()
    'mean absolute error'
    """

    sizes: np.ndarray
    errors: np.ndarray
    error_name: str = "error"
    size_range: tuple[int, int] | None = None
    size_name: str = "size of the set"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, n_bins: int = 8, ax: Any = None, **errorbar_kwargs: Any
    ) -> SetSizeDisplay:
        """Predict, and draw the error by size.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with one prediction per set.
        X, y : sets and their targets
            That were not trained on.
        n_bins : int, default=8
            In how many groups of like size to put the sets, with about as many sets in each.
        ax : matplotlib Axes, default=None
            Where to draw; None: new ones.
        **errorbar_kwargs : dict
            For matplotlib's ``errorbar``.

        Returns
        -------
        SetSizeDisplay
        """
        check_is_fitted(estimator)
        if is_element_wise(estimator):
            raise TypeError("SetSizeDisplay is for one prediction per set, but the estimator gives one per element.")
        model = last_step(estimator)
        if isinstance(model, DeepSetsSurvival):
            raise TypeError("SetSizeDisplay is for classes and values, but a censored time has no error.")
        sets = read_sets(X)
        sizes, predicted = sets.sizes, np.asarray(estimator.predict(X))
        expected = read_known_targets(y, sets, predicted.shape)
        if is_classifier(estimator):
            errors, name = predicted != expected, "share of wrong predictions"
        else:
            errors, name = np.abs(predicted - expected.astype(np.float64)), "mean absolute error"
        errors = errors.reshape(len(sizes), -1).mean(axis=1)
        size_range = model.size_range_ if isinstance(model, SetEstimator) else None
        names = collection_names(X)
        size_name = f"elements of {', '.join(names[:-1])} and {names[-1]} together" if names else cls.size_name
        display = cls(sizes, errors, name, size_range, size_name)
        return display.plot(ax, n_bins=n_bins, **errorbar_kwargs)

    def plot(self, ax: Any = None, *, n_bins: int = 8, **errorbar_kwargs: Any) -> SetSizeDisplay:
        """Draw.

        Parameters
        ----------
        ax, n_bins, **errorbar_kwargs
            As in ``from_estimator``.

        Returns
        -------
        SetSizeDisplay
        """
        ax = clean(new_axes("SetSizeDisplay", ax))
        edges = np.unique(np.quantile(self.sizes, np.linspace(0, 1, n_bins + 1), method="inverted_cdf"))
        bins = np.maximum(np.searchsorted(edges, self.sizes) - 1, 0)
        counts = np.bincount(bins)
        groups, counts = np.flatnonzero(counts), counts[counts > 0]
        group_errors = [self.errors[bins == group] for group in groups]
        style = {"marker": "o", "markersize": 5, "color": COLORS[0], "capsize": 3, "label": "mean, ± 2 standard errors"}
        self.errorbar_ = ax.errorbar(
            [self.sizes[bins == group].mean() for group in groups],
            [errors.mean() for errors in group_errors],
            [2 * errors.std() / np.sqrt(len(errors)) for errors in group_errors],
            **style | errorbar_kwargs,
        )
        largest, smallest = self.sizes.max(), max(self.sizes.min(), 1)
        is_wide = largest > 20 * smallest
        if is_wide:
            self._use_logarithm(ax)
        self._draw_counts(ax, is_wide, smallest, largest)
        self._draw_range(ax)
        ax.set_ylim(bottom=0)
        ax.set(xlabel=self.size_name, ylabel=self.error_name)
        ax.legend(frameon=False, fontsize="small", loc="best")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _use_logarithm(self, ax: Any) -> None:
        """A logarithmic axis, with a place for empty sets, whose ticks are whole numbers."""
        from matplotlib.ticker import FixedLocator, NullLocator

        ax.set_xscale("symlog" if self.sizes.min() == 0 else "log")
        ticks = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
        ax.xaxis.set_major_locator(FixedLocator([0, *ticks]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:,.0f}")

    def _draw_counts(self, ax: Any, is_wide: bool, smallest: float, largest: float) -> None:
        """A histogram of the sizes, behind the errors."""
        n_bars = int(min(40, largest - self.sizes.min() + 1))
        edges = np.linspace(self.sizes.min() - 0.5, largest + 0.5, n_bars + 1)
        if is_wide:
            edges = np.geomspace(smallest - 0.5, largest + 0.5, 30)
        behind = ax.twinx()
        behind.hist(self.sizes, bins=edges, color="0.88", zorder=0)
        behind.set_ylabel("sets", color="0.5")
        behind.tick_params(axis="y", colors="0.5")
        behind.spines[["top", "left"]].set_visible(False)
        behind.spines["right"].set_color("0.8")
        ax.set_zorder(behind.get_zorder() + 1)
        ax.patch.set_visible(False)

    def _draw_range(self, ax: Any) -> None:
        """Shade the sizes that were not trained on, as far as there are sets of them."""
        if self.size_range is None:
            return
        smallest, largest = self.size_range
        filled = self.sizes[self.sizes > 0]
        style = {"color": COLORS[1], "alpha": 0.12, "linewidth": 0, "label": "sizes not trained on"}
        if len(filled) and filled.max() > largest:
            ax.axvspan(largest, filled.max(), **style)
            style.pop("label")
        if len(filled) and filled.min() < smallest:
            ax.axvspan(filled.min(), smallest, **style)
