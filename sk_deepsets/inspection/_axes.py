"""What all displays share: axes to draw on, and how colours stand for values."""

from __future__ import annotations

from typing import Any

import numpy as np

COLORS = ("#1f77b4", "#e6761f", "#2a9d5c", "#8c6bb1", "#b23a48", "#6b7280")


def new_axes(what: str, ax: Any = None, figsize: tuple[float, float] | None = None, **subplot_kw: Any) -> Any:
    """The axes to draw on, new ones for None."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{what} needs matplotlib: pip install "sk-deepsets[plot]".') from error
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained", subplot_kw=subplot_kw)
    return ax


def clean(ax: Any) -> Any:
    """Take away what frames no data."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def colors_of(values: np.ndarray) -> tuple[Any, Any]:
    """A norm and a colour map: from blue over white to red around 0, or from white to red where nothing is below 0."""
    from matplotlib.colors import Normalize

    most = max(abs(values.min(initial=0)), values.max(initial=0)) or 1.0
    return (Normalize(-most, most), "RdBu_r") if values.min(initial=0) < 0 else (Normalize(0, most), "Reds")
