"""Sets as text and as HTML: how many there are, a histogram of their sizes, the dtypes of columns, the first sets."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

FIRST_SETS, FIRST_ROWS, FIRST_COLUMNS, MOST_NAMES = 3, 4, 8, 30
BARS, WIDTH, HEIGHT = 24, 240, 48

# "currentColor" is that of the page's text, on a light and on a dark page
STYLE = (
    "<style>.sk-sets{font-family:sans-serif;font-size:90%;line-height:1.35}"
    ".sk-sets table{border-collapse:collapse;font-size:92%;margin:2px 0}"
    ".sk-sets td,.sk-sets th{text-align:right;padding:1px 8px;font-variant-numeric:tabular-nums}"
    ".sk-sets th{font-weight:600;border-bottom:1px solid currentColor}"
    ".sk-sets .row{display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start;margin-top:6px}"
    ".sk-sets .quiet{opacity:.65}</style>"
)


def describe_sets(sets: Any) -> str:
    """One line about a :class:`RaggedSets`."""
    sizes = sets.sizes
    span = f" of {sizes.min()} to {sizes.max()} elements" if len(sets) else ""
    context = "" if sets.context is None else f", {np.shape(sets.context)[1]} context columns"
    kind = f", {sets.elements.dtype}" if isinstance(sets.elements, np.ndarray) else ": " + ", ".join(sets.elements)
    return (
        f"RaggedSets({len(sets):,} sets{span}, {len(sets.elements):,} elements, "
        f"{sets.n_features} features{kind:.100}{context})"
    )


def sets_html(sets: Any) -> str:
    """HTML of a :class:`RaggedSets`."""
    title = f"<b>{type(sets).__name__}</b>: {len(sets):,} sets, {len(sets.elements):,} elements"
    first = "".join(_first_rows(sets, number) for number in range(min(FIRST_SETS, len(sets))))
    more = f"<div class='quiet'>… and {len(sets) - FIRST_SETS:,} more sets</div>" if len(sets) > FIRST_SETS else ""
    return (
        f"{STYLE}<div class='sk-sets'><div>{title}</div>"
        f"<div class='row'><div>{_histogram(sets.sizes)}</div><div>{_columns(sets)}</div></div>"
        f"<div class='row'>{first}</div>{more}</div>"
    )


def _histogram(sizes: np.ndarray) -> str:
    """The sizes as bars, with the smallest, the middle and the largest in words."""
    if not len(sizes):
        return ""
    n_bars = int(min(BARS, sizes.max() - sizes.min() + 1))
    counts, _ = np.histogram(sizes, bins=n_bars, range=(sizes.min() - 0.5, sizes.max() + 0.5))
    heights, step = np.ceil(HEIGHT * counts / counts.max()), WIDTH / n_bars
    bars = "".join(
        f"<rect x='{place * step + 0.5:.1f}' y='{HEIGHT - height:.0f}' width='{step - 1:.1f}' height='{height:.0f}'/>"
        for place, height in enumerate(heights)
    )
    empty = f", {(sizes == 0).sum():,} empty" if not sizes.all() else ""
    words = f"sizes {sizes.min():,} to {sizes.max():,}, median {np.median(sizes):,.0f}{empty}"
    return (
        f"<svg width='{WIDTH}' height='{HEIGHT + 1}' role='img' aria-label='{words}' fill='currentColor' "
        f"fill-opacity='0.45'>{bars}</svg><div class='quiet'>{words}</div>"
    )


def _columns(sets: Any) -> str:
    """The columns of the elements and of the context, by kind."""
    rows = [("element", name, kind) for name, kind in _kinds(sets.elements, sets.feature_names, "x")]
    if sets.context is not None:
        rows += [("context", name, kind) for name, kind in _kinds(sets.context, None, "context")]
    shown = "".join(
        f"<tr><td class='quiet'>{what}</td><td style='text-align:left'>{escape(str(name))}</td>"
        f"<td class='quiet' style='text-align:left'>{escape(kind)}</td></tr>"
        for what, name, kind in rows[:MOST_NAMES]
    )
    more = f"<div class='quiet'>… and {len(rows) - MOST_NAMES:,} more columns</div>" if len(rows) > MOST_NAMES else ""
    return f"<table>{shown}</table>{more}"


def _kinds(table: Any, names: Any, prefix: str) -> list[tuple[str, str]]:
    """The name and the kind of each column; one line for many columns of one kind that have no names."""
    if isinstance(table, pd.DataFrame):
        return [(str(name), _kind(column)) for name, column in table.items()]
    width = table.shape[1]
    if names is None:
        names = [f"{prefix}0 to {prefix}{width - 1}"] if width > 1 else [f"{prefix}0"] * width
    return [(name, str(table.dtype)) for name in names]


def _kind(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        n_categories = len(column.cat.categories)
        return f"{n_categories:,} categories" if n_categories != 1 else "1 category"
    return str(column.dtype)


def _first_rows(sets: Any, number: int) -> str:
    """The first rows of one set."""
    elements = sets[number]
    names = list(elements.columns) if isinstance(elements, pd.DataFrame) else sets.feature_names
    names = [f"x{place}" for place in range(sets.n_features)] if names is None else names
    table = pd.DataFrame(elements).iloc[:FIRST_ROWS, :FIRST_COLUMNS]
    cut = sets.n_features > FIRST_COLUMNS
    head = "".join(f"<th>{escape(str(name))}</th>" for name in names[:FIRST_COLUMNS]) + "<th>…</th>" * cut
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_shown(value))}</td>' for value in row)}{'<td>…</td>' * cut}</tr>"
        for row in table.itertuples(index=False, name=None)
    )
    left = len(elements) - FIRST_ROWS
    more = f"<div class='quiet'>… and {left:,} more</div>" if left > 0 else ""
    label = "" if sets.index is None else f" ({escape(str(sets.index[[number]].tolist()[0]))})"
    size = "1 element" if len(elements) == 1 else f"{len(elements):,} elements"
    return f"<div>set {number}{label}: {size}<table><tr>{head}</tr>{body}</table>{more}</div>"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else f"{value!s:.30}"
