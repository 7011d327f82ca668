"""ElementImportanceDisplay: the elements of one set, by how much they matter."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.estimators import DeepSetsSurvival
from sk_deepsets.inspection._axes import clean, colors_of, new_axes
from sk_deepsets.inspection._element_importance import explain
from sk_deepsets.inspection._predictions import (
    has_probabilities,
    ignore_far_sets,
    last_step,
    predict_table,
    read_outputs,
    read_sets,
    rebuild_like,
)
from sk_deepsets.sets import collection_names

KINDS = ("auto", "ranked", "points", "images")


@dataclass(eq=False, repr=False)
class ElementImportanceDisplay:
    """The elements of one set, coloured by their importance: ranked, in place as points, or as small images.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    elements : ndarray or DataFrame of shape (n_elements, n_features)
        Of one set.
    importance : ndarray of shape (n_elements,)
    feature_names : sequence of str, default=None
    label : str, default="importance"
        What the importance is.
    title : str, default=None
        Which set it is, and what is predicted for it.

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

    elements: Any
    importance: np.ndarray
    feature_names: Any = None
    label: str = "importance"
    title: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        number: int = 0,
        *,
        collection: str | None = None,
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
        collection : str, default=None
            Which of several collections, if X has several.
        kind : {"auto", "ranked", "points", "images"}, default="auto"
            ``"ranked"``: bars. ``"points"``: elements of two or three numbers where they are. ``"images"``: elements
            that are the pixels of small square images. ``"auto"``: by the number of features.
        max_elements : int, default=20
            How many elements to show: those with the largest absolute importance. For ``"points"`` all are shown.
        ax : matplotlib Axes, default=None
            Where to draw; None: new ones.
        **kwargs : dict
            For matplotlib's ``barh``, ``scatter`` or ``imshow``.

        Returns
        -------
        ElementImportanceDisplay
        """
        names = collection_names(X)
        if (collection is None) is not (not names) or (names and collection not in names):
            raise ValueError(
                f"collection is {collection!r}, but X has {f'the collections {names}' if names else 'one'}."
            )
        sets = read_sets(X, collection)
        if not -len(sets) <= number < len(sets):
            raise IndexError(f"number={number}, but X has {len(sets)} sets.")
        number = range(len(sets))[number]
        chosen = np.array([number])
        one_set = rebuild_like(X, sets[chosen], chosen, collection)
        found, unit = explain(estimator, one_set, method, target)
        (importance,) = found if collection is None else found[collection]
        name = f"set {number}" if collection is None else f"{collection} of set {number}"
        label, title = _describe(estimator, one_set, unit, target, name)
        display = cls(sets[number], importance, sets.feature_names, label, title)
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
        order = np.argsort(-np.abs(self.importance), kind="stable")
        order = order if kind == "points" else order[:max_elements]
        order = order[np.argsort(-self.importance[order], kind="stable")]
        draw = {"ranked": self._draw_ranked, "points": self._draw_points, "images": self._draw_images}[kind]
        ax = draw(ax, order, kwargs)
        few = f"the {len(order)} most important of {len(self.importance)} elements"
        lines = [self.title, few if len(order) < len(self.importance) else None]
        ax.set_title("\n".join(filter(None, lines)), fontsize="medium")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_ranked(self, ax: Any, order: np.ndarray, kwargs: dict[str, Any]) -> Any:
        ax = clean(new_axes("ElementImportanceDisplay", ax, figsize=(6.4, 1.2 + 0.28 * len(order))))
        values = self.importance[order]
        colors = np.where(values < 0, "#4a7fb5", "#c8553d")
        ax.barh(np.arange(len(order)), values, **{"color": colors} | kwargs)
        ax.set_yticks(np.arange(len(order)), self._labels(order))
        ax.invert_yaxis()
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlabel(self.label)
        return ax

    def _labels(self, order: np.ndarray) -> list[str]:
        """What each of these elements is, by the columns that tell them apart best, and its place in the set."""
        table = pd.DataFrame(self.elements)
        if not isinstance(self.elements, pd.DataFrame):
            unnamed = [f"x{place}" for place in range(table.shape[1])]
            table.columns = unnamed if self.feature_names is None else list(self.feature_names)
        table = table.iloc[:, np.sort(_most_different_columns(table, order)[:3])]
        more = ", …" if np.shape(self.elements)[1] > 3 else ""
        rows = zip(order, table.iloc[order].itertuples(index=False, name=None), strict=True)
        return [
            f"{', '.join(f'{name}={_short(value)}' for name, value in zip(table, row, strict=True))}{more}  [{place}]"
            for place, row in rows
        ]

    def _draw_points(self, ax: Any, order: np.ndarray, kwargs: dict[str, Any]) -> Any:
        points = np.asarray(self.elements, dtype=np.float64)
        depth = points.shape[1]
        if depth not in (2, 3):
            raise ValueError(f'kind="points" draws elements of 2 or 3 numbers, but these have {depth}.')
        ax = new_axes("ElementImportanceDisplay", ax, projection="3d" if depth == 3 else None)
        if (ax.name == "3d") != (depth == 3):
            way_out = 'plt.subplot(projection="3d")' if depth == 3 else "plt.subplot()"
            raise ValueError(f"The points have {depth} dimensions, but the axes given do not: pass ax={way_out}.")
        norm, cmap = colors_of(self.importance)
        # the most important ones on top
        last = np.argsort(np.abs(self.importance), kind="stable")
        size = np.clip(6000 / len(points), 8, 80)
        style = {"s": size, "edgecolors": "0.4", "linewidths": 0.4, "norm": norm, "cmap": cmap}
        drawn = ax.scatter(*points[last].T, c=self.importance[last], **style | kwargs)
        ax.figure.colorbar(drawn, ax=ax, label=self.label, shrink=0.8, pad=0.1 if depth == 3 else 0.02)
        ax.set_aspect("equal", adjustable="box" if depth == 3 else "datalim")
        names = ["x0", "x1", "x2"] if self.feature_names is None else self.feature_names
        for axis, name in zip("xyz", names[:depth], strict=False):
            ax.set(**{f"{axis}label": name})
        return ax if depth == 3 else clean(ax)

    def _draw_images(self, ax: Any, order: np.ndarray, kwargs: dict[str, Any]) -> Any:
        pixels = np.asarray(self.elements, dtype=np.float64)
        side = isqrt(pixels.shape[1])
        if side**2 != pixels.shape[1]:
            raise ValueError(f'kind="images" draws square images, but elements have {pixels.shape[1]} features.')
        n_columns = min(len(order), max(4, isqrt(2 * len(order))))
        n_rows = -(-len(order) // n_columns)
        ax = new_axes("ElementImportanceDisplay", ax, figsize=(1.6 + 0.9 * n_columns, 0.9 + 1.15 * n_rows))
        from matplotlib.cm import ScalarMappable
        from matplotlib.patches import Rectangle

        norm, cmap = colors_of(self.importance)
        colors = ScalarMappable(norm, cmap)
        dark, light = pixels.max(), pixels.min()
        for position, place in enumerate(order):
            row, column = divmod(position, n_columns)
            left, top = 1.3 * column, 1.65 * row
            style = {"cmap": "gray_r", "vmin": light, "vmax": dark} | kwargs
            image = pixels[place].reshape(side, side)
            frame = Rectangle((left - 0.1, top - 0.1), 1.2, 1.2, color=colors.to_rgba(self.importance[place]))
            ax.add_patch(frame)
            ax.imshow(image, extent=(left, left + 1, top + 1, top), zorder=2, **style)
            text = f"[{place}]  {self.importance[place]:.2g}"
            ax.text(left + 0.5, top + 1.15, text, ha="center", va="top", fontsize="x-small")
        ax.set(xlim=(-0.2, 1.3 * n_columns), ylim=(1.65 * n_rows - 0.1, -0.2), aspect="equal")
        ax.set_axis_off()
        ax.figure.colorbar(colors, ax=ax, label=self.label, shrink=0.9)
        return ax


def _most_different_columns(table: pd.DataFrame, order: np.ndarray) -> np.ndarray:
    """The columns, those first in which the elements of this order differ most, in units of the spread in the set."""
    found = []
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            middle, spread = np.nanmedian(values), np.nanstd(values)
            # how far the most important elements are from the middle of the set
            distances = np.abs(values[order] - middle)
            found.append(np.nanmean(distances) / spread if spread > 0 else 0.0)
        else:
            shares = column.astype(str).value_counts(normalize=True)
            found.append(0.0 if len(shares) == 1 else float(np.sqrt(1 - shares.max())) * 2)
    return np.argsort(-np.nan_to_num(found), kind="stable")


def _describe(estimator: Any, one_set: Any, unit: str, target: Any, name: str) -> tuple[str, str]:
    """What the importance is, and what is predicted for the set: the label and the title of a picture."""
    with ignore_far_sets():
        outputs, (prediction,) = read_outputs(estimator, one_set), predict_table(estimator, one_set)
    if unit == "weight" and outputs.n_columns > 1 and outputs.classes is None:
        return "attention weight", name
    column = outputs.find(target)
    column = int(prediction.argmax()) if column is None else column
    is_probability = has_probabilities(estimator)
    one = "the log risk" if isinstance(last_step(estimator), DeepSetsSurvival) else "the prediction"
    what = one if outputs.n_columns == 1 else f"output {column}"
    if is_probability:
        what = f"label {column}" if outputs.classes is None else f"class {outputs.classes.tolist()[column]!r}"
    label = {
        "weight": "attention weight",
        "log-odds": f"change of the log-odds of {what}",
        "probability": f"share of the probability of {what}",
        "prediction": f"change of {what}",
    }[unit]
    if is_probability:
        return label, f"{name}: the probability of {what} is {_probability(prediction[column])}"
    return label, f"{name}: {what} is {prediction[column]:.4g}"


def _probability(value: float) -> str:
    """A probability with enough digits to tell it from 0 and 1."""
    return f"{value:.3g}" if value < 0.99 else f"1 - {1 - value:.1g}" if value < 1 else "1"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)[:16]
