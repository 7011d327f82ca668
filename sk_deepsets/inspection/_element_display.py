"""ElementImportanceDisplay: the elements of one set, by how much they matter."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.inspection._answers import read_sets
from sk_deepsets.inspection._axes import clean, colors_of, new_axes
from sk_deepsets.inspection._element_importance import element_importance

KINDS = ("auto", "ranked", "points", "images")


class ElementImportanceDisplay:
    """The elements of one set, coloured by their importance: ranked, in place as points, or as small images.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    elements : ndarray or DataFrame of shape (n_elements, n_features)
        Of one set.
    importance : ndarray of shape (n_elements,)
    feature_names : sequence of str, default=None

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.inspection import ElementImportanceDisplay
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 2)) for size in rng.integers(2, 9, 100)]
    >>> reg = DeepSetsRegressor(max_epochs=20, random_state=0).fit(sets, [one_set.max() for one_set in sets])
    >>> display = ElementImportanceDisplay.from_estimator(reg, sets, number=3)
    >>> len(display.importance) == len(sets[3])
    True
    """

    def __init__(self, elements: Any, importance: np.ndarray, feature_names: Any = None) -> None:
        self.elements = elements
        self.importance = importance
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        number: int = 0,
        *,
        method: str = "auto",
        target: Any = None,
        kind: str = "auto",
        max_elements: int = 20,
        ax: Any = None,
        **kwargs: Any,
    ) -> ElementImportanceDisplay:
        """Find the importance of the elements of one set, and draw it.

        Parameters
        ----------
        estimator, X, method, target
            As in :func:`element_importance`.
        number : int, default=0
            Which of the sets.
        kind : {"auto", "ranked", "points", "images"}, default="auto"
            ``"ranked"``: bars. ``"points"``: elements of two or three numbers where they are. ``"images"``: elements
            that are the pixels of small square images. ``"auto"``: by the number of features.
        max_elements : int, default=20
            How many elements to show; the most important ones. For ``"points"`` all are shown.
        ax : matplotlib Axes, default=None
            Where to draw; None: new ones.
        **kwargs : dict
            For matplotlib's ``barh``, ``scatter`` or ``imshow``.

        Returns
        -------
        ElementImportanceDisplay
        """
        sets = read_sets(X)
        number = range(len(sets))[number]
        one = slice(number, number + 1)
        (importance,) = element_importance(estimator, X.iloc[one] if hasattr(X, "iloc") else X[one], method, target)
        display = cls(sets[number], importance, sets.feature_names)
        return display.plot(ax, kind=kind, max_elements=max_elements, **kwargs)

    def plot(
        self, ax: Any = None, *, kind: str = "auto", max_elements: int = 20, **kwargs: Any
    ) -> ElementImportanceDisplay:
        """Draw.

        Parameters
        ----------
        ax, kind, max_elements, **kwargs
            As in ``from_estimator``.

        Returns
        -------
        ElementImportanceDisplay
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, but got {kind!r}.")
        width = np.shape(self.elements)[1]
        if kind == "auto":
            numbers = not isinstance(self.elements, pd.DataFrame)
            is_image = numbers and width >= 16 and isqrt(width) ** 2 == width
            kind = "points" if numbers and width in (2, 3) else "images" if is_image else "ranked"
        if not len(self.elements):
            raise ValueError("The set is empty: there is no element to draw.")
        order = np.argsort(-np.abs(self.importance), kind="stable")[:max_elements]
        ax = getattr(self, f"_draw_{kind}")(ax, order, kwargs)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_ranked(self, ax: Any, order: np.ndarray, kwargs: dict[str, Any]) -> None:
        ax = clean(new_axes("ElementImportanceDisplay", ax, figsize=(6.4, 1.2 + 0.28 * len(order))))
        order = order[np.argsort(-self.importance[order], kind="stable")]
        values = self.importance[order]
        colors = np.where(values < 0, "#4a7fb5", "#c8553d")
        ax.barh(np.arange(len(order)), values, **{"color": colors} | kwargs)
        ax.set_yticks(np.arange(len(order)), [self._label(place) for place in order])
        ax.invert_yaxis()
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlabel("importance")
        if len(order) < len(self.importance):
            ax.set_title(f"the {len(order)} most important of {len(self.importance)} elements", fontsize="medium")
        return ax

    def _label(self, place: int) -> str:
        """The place of an element in its set, and what it is."""
        table = self.elements
        if not isinstance(table, pd.DataFrame):
            width = np.shape(table)[1]
            names = [f"x{i}" for i in range(width)] if self.feature_names is None else self.feature_names
            values = list(zip(names, table[place], strict=True))
        else:
            values = list(zip(table.columns, table.iloc[place], strict=True))
        shown = ", ".join(f"{name}={_short(value)}" for name, value in values[:3])
        return f"{shown}{', …' if len(values) > 3 else ''}  [{place}]"

    def _draw_points(self, ax: Any, order: np.ndarray, kwargs: dict[str, Any]) -> None:
        points = np.asarray(self.elements, dtype=np.float64)
        depth = points.shape[1]
        if depth not in (2, 3):
            raise ValueError(f'kind="points" draws elements of 2 or 3 numbers, but these have {depth}.')
        ax = new_axes("ElementImportanceDisplay", ax, projection="3d" if depth == 3 else None)
        if (ax.name == "3d") != (depth == 3):
            raise ValueError(f"The points have {depth} dimensions, but the axes given do not.")
        norm, cmap = colors_of(self.importance)
        # the most important ones on top
        last = np.argsort(np.abs(self.importance), kind="stable")
        size = np.clip(6000 / len(points), 8, 80)
        style = {"s": size, "edgecolors": "0.4", "linewidths": 0.4, "norm": norm, "cmap": cmap}
        drawn = ax.scatter(*points[last].T, c=self.importance[last], **style | kwargs)
        ax.figure.colorbar(drawn, ax=ax, label="importance", shrink=0.8, pad=0.1 if depth == 3 else 0.02)
        ax.set_aspect("equal" if depth == 3 else "auto")
        names = ["x0", "x1", "x2"] if self.feature_names is None else self.feature_names
        for axis, name in zip("xyz", names[:depth], strict=False):
            ax.set(**{f"{axis}label": name})
        return ax if depth == 3 else clean(ax)

    def _draw_images(self, ax: Any, order: np.ndarray, kwargs: dict[str, Any]) -> None:
        pixels = np.asarray(self.elements, dtype=np.float64)
        side = isqrt(pixels.shape[1])
        if side**2 != pixels.shape[1]:
            raise ValueError(f'kind="images" draws square images, but elements have {pixels.shape[1]} features.')
        order = np.sort(order)
        n_columns = min(len(order), max(4, isqrt(2 * len(order))))
        n_rows = -(-len(order) // n_columns)
        ax = new_axes("ElementImportanceDisplay", ax, figsize=(1.0 + 0.9 * n_columns, 0.5 + 0.9 * n_rows))
        from matplotlib.cm import ScalarMappable
        from matplotlib.patches import Rectangle

        norm, cmap = colors_of(self.importance)
        colors = ScalarMappable(norm, cmap)
        dark, light = pixels.max(), pixels.min()
        for position, place in enumerate(order):
            row, column = divmod(position, n_columns)
            left, top = 1.3 * column, 1.3 * row
            style = {"cmap": "gray_r", "vmin": light, "vmax": dark} | kwargs
            image = pixels[place].reshape(side, side)
            frame = Rectangle((left - 0.1, top - 0.1), 1.2, 1.2, color=colors.to_rgba(self.importance[place]))
            ax.add_patch(frame)
            ax.imshow(image, extent=(left, left + 1, top + 1, top), zorder=2, **style)
        ax.set(xlim=(-0.2, 1.3 * n_columns), ylim=(1.3 * n_rows, -0.2), aspect="equal")
        ax.set_axis_off()
        ax.figure.colorbar(colors, ax=ax, label="importance", shrink=0.9)
        return ax


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)[:16]
