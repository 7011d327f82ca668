"""FeatureImportanceDisplay: which columns matter."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import isroutine
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from sk_deepsets.estimators import DeepSetsSurvival
from sk_deepsets.inspection._axes import COLORS, clean, new_axes
from sk_deepsets.inspection._feature_importance import feature_importance
from sk_deepsets.inspection._predictions import last_step

COLOR_OF_KIND = dict(zip(("element", "context", "size"), COLORS, strict=False))


@dataclass(eq=False, repr=False)
class FeatureImportanceDisplay:
    """Permutation importance of columns as bars, the most important first.

    Make one with :meth:`from_estimator`, or of what :func:`feature_importance` gives.

    Parameters
    ----------
    importances : ndarray of shape (n_columns, n_repeats)
    feature_names : ndarray of shape (n_columns,)
    kinds : ndarray of shape (n_columns,)
        "element", "context" or "size".
    score_name : str, default="score"

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    bars_ : matplotlib BarContainer

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.inspection import FeatureImportanceDisplay
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 9, 200)]
    >>> y = [one_set[:, 1].mean() for one_set in sets]
    >>> reg = DeepSetsRegressor(max_epochs=20, random_state=0).fit(sets, y)
    >>> display = FeatureImportanceDisplay.from_estimator(reg, sets, y, random_state=0)
    >>> display.ax_.get_yticklabels()[0].get_text()
    'x1'
    """

    importances: np.ndarray
    feature_names: Any
    kinds: Any
    score_name: str = "score"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        n_repeats: int = 5,
        scoring: Any = None,
        random_state: Any = None,
        max_features: int = 20,
        ax: Any = None,
        **bar_kwargs: Any,
    ) -> FeatureImportanceDisplay:
        """Permute the columns, and draw how much the score falls.

        Parameters
        ----------
        estimator, X, y, n_repeats, scoring, random_state
            As in :func:`feature_importance`.
        max_features : int, default=20
            How many columns to show: the most important ones, which the title says.
        ax : matplotlib Axes, default=None
            Where to draw; None: new ones.
        **bar_kwargs : dict
            For matplotlib's ``barh``.

        Returns
        -------
        FeatureImportanceDisplay
        """
        found = feature_importance(estimator, X, y, n_repeats=n_repeats, scoring=scoring, random_state=random_state)
        display = cls(found.importances, found.feature_names, found.kinds, _name_of_score(estimator, scoring))
        return display.plot(ax, max_features=max_features, **bar_kwargs)

    def plot(self, ax: Any = None, *, max_features: int = 20, **bar_kwargs: Any) -> FeatureImportanceDisplay:
        """Draw.

        Parameters
        ----------
        ax, max_features, **bar_kwargs
            As in ``from_estimator``.

        Returns
        -------
        FeatureImportanceDisplay
        """
        means = self.importances.mean(axis=1)
        order = np.argsort(-means, kind="stable")[:max_features]
        ax = clean(new_axes("FeatureImportanceDisplay", ax, figsize=(6.4, 1.2 + 0.3 * len(order))))
        style = {
            "color": [COLOR_OF_KIND[kind] for kind in self.kinds[order]],
            "xerr": self.importances.std(axis=1)[order],
            "error_kw": {"ecolor": "0.3", "elinewidth": 1},
        }
        self.bars_ = ax.barh(np.arange(len(order)), means[order], **style | bar_kwargs)
        ax.set_yticks(np.arange(len(order)), self.feature_names[order])
        ax.invert_yaxis()
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlabel(f"fall of the {self.score_name} when permuted (mean, ± standard deviation)")
        if len(order) < len(means):
            ax.set_title(f"the {len(order)} most important of {len(means)} columns", fontsize="medium")
        shown = [kind for kind in COLOR_OF_KIND if kind in self.kinds[order]]
        if len(shown) > 1:
            from matplotlib.patches import Patch

            handles = [Patch(color=COLOR_OF_KIND[kind], label=kind) for kind in shown]
            ax.legend(handles=handles, frameon=False, loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _name_of_score(estimator: Any, scoring: Any) -> str:
    """What the score is called."""
    if isinstance(scoring, str):
        return scoring
    if scoring is not None:
        return scoring.__name__ if isroutine(scoring) else repr(scoring)
    if is_classifier(estimator):
        return "accuracy"
    if isinstance(last_step(estimator), DeepSetsSurvival):
        return "concordance index"
    params = last_step(estimator).get_params(deep=False)
    if params.get("loss") == "quantile" and np.ndim(params.get("quantile")):
        return "D²"
    return "R²" if is_regressor(estimator) else "score"
