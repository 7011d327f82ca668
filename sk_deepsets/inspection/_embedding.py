"""EmbeddingDisplay: the embeddings of sets in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.inspection._axes import COLORS, clean, new_axes
from sk_deepsets.inspection._predictions import read_known_targets, read_sets


@dataclass(eq=False, repr=False)
class EmbeddingDisplay:
    """Sets as points: the first two principal components of what the pool gives, coloured by the target.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    points : ndarray of shape (n_sets, 2)
    target : ndarray of shape (n_sets,), default=None
    explained : ndarray of shape (2,), default=None
        Share of the variance of the embeddings that each component explains.
    target_name : str, default="target"
        What the colours stand for.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    scatters_ : list of matplotlib PathCollection

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsClassifier
    >>> from sk_deepsets.inspection import EmbeddingDisplay
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(i % 2, size=(10, 2)) for i in range(100)]
    >>> y = [i % 2 for i in range(100)]
    >>> clf = DeepSetsClassifier(max_epochs=5, random_state=0).fit(sets, y)
    >>> EmbeddingDisplay.from_estimator(clf, sets, y).points.shape
    (100, 2)
    """

    points: np.ndarray
    target: np.ndarray | None = None
    explained: np.ndarray | None = None
    target_name: str = "target"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, ax: Any = None, **scatter_kwargs: Any
    ) -> EmbeddingDisplay:
        """Embed sets and plot them.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a ``transform``.
        X : sets
            Any form that :func:`check_sets` takes.
        y : array-like of shape (n_sets,), default=None
            Target to colour by; None: the predictions.
        ax : matplotlib Axes, default=None
            Where to draw; None: new ones.
        **scatter_kwargs : dict
            For matplotlib's ``scatter``.

        Returns
        -------
        EmbeddingDisplay
        """
        check_is_fitted(estimator)
        target = np.asarray(estimator.predict(X)) if y is None else read_known_targets(y, read_sets(X))
        if target.ndim != 1 or target.dtype.names is not None:
            what = "The prediction" if y is None else "y"
            has = f"shape {target.shape}" if target.dtype.names is None else f"the fields {[*target.dtype.names]}"
            raise ValueError(f"{what} has {has}, but expected one colour per set: pass one column of it as y.")
        table = StandardScaler().fit_transform(np.asarray(estimator.transform(X), dtype=np.float64))
        pca = PCA(min(2, *table.shape), random_state=0)
        points = pca.fit_transform(table)
        missing = 2 - points.shape[1]
        explained = np.pad(np.nan_to_num(pca.explained_variance_ratio_), (0, missing))
        target_name = "prediction" if y is None else "target"
        return cls(np.pad(points, ((0, 0), (0, missing))), target, explained, target_name).plot(ax, **scatter_kwargs)

    def plot(self, ax: Any = None, **scatter_kwargs: Any) -> EmbeddingDisplay:
        """Draw.

        Parameters
        ----------
        ax, **scatter_kwargs
            As in ``from_estimator``.

        Returns
        -------
        EmbeddingDisplay
        """
        ax = clean(new_axes("EmbeddingDisplay", ax))
        style = {"s": max(6, min(36, 8000 / len(self.points))), "alpha": 0.8, "linewidths": 0} | scatter_kwargs
        if self.target is None:
            self.scatters_ = [ax.scatter(*self.points.T, **{"color": COLORS[0]} | style)]
        elif self.target.dtype.kind == "f" and type_of_target(self.target).startswith("continuous"):
            self.scatters_ = [ax.scatter(*self.points.T, c=self.target, **style)]
            ax.figure.colorbar(self.scatters_[0], ax=ax, label=self.target_name)
        else:
            self.scatters_ = self._draw_classes(ax, self.target, style)
        shares = ["", ""] if self.explained is None else [f" ({share:.0%} of the variance)" for share in self.explained]
        ax.set(xlabel=f"first component{shares[0]}", ylabel=f"second component{shares[1]}")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_classes(self, ax: Any, target: np.ndarray, style: dict[str, Any]) -> list[Any]:
        from matplotlib import colormaps

        classes = np.unique(target)
        many = colormaps["viridis"](np.linspace(0, 0.95, len(classes)))
        colors = COLORS if len(classes) <= len(COLORS) else many
        found = [
            ax.scatter(*self.points[target == label].T, **{"color": color, "label": str(label)} | style)
            for label, color in zip(classes, colors, strict=False)
        ]
        if len(classes) <= 12:
            ax.legend(frameon=False, loc="best", title=self.target_name)
        return found
