"""Tables that may be larger than memory: piece by piece, and converted in a temporary file."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

# 32 MiB in float64
VALUES_AT_ONCE = 4_194_304


def pieces(table: Any) -> Iterator[slice]:
    """The rows of a table, so many at once that a copy of them in memory is small."""
    at_once = max(1, VALUES_AT_ONCE // max([1, *np.shape(table)[1:]]))
    return (slice(first, min(first + at_once, len(table))) for first in range(0, len(table), at_once))


def is_mapped(table: Any) -> bool:
    """Whether the memory of an array, or of a column of a DataFrame, is that of a file."""
    if isinstance(table, pd.DataFrame):
        columns = [table.iloc[:, place] for place in range(table.shape[1])]
        plain = [column.to_numpy() for column in columns if isinstance(column.dtype, np.dtype)]
        codes = [column.array.codes for column in columns if isinstance(column.dtype, pd.CategoricalDtype)]
        return any(map(is_mapped, plain + codes))
    while isinstance(table, np.ndarray):
        table = table.base
    return isinstance(table, mmap.mmap)


def converted(table: Any, function: Callable[[Any], np.ndarray]) -> np.ndarray:
    """What a function makes of the rows of a table, one row of each, in a file if the table is in one.

    Parameters
    ----------
    table : ndarray or DataFrame of shape (n, d)
    function : callable
        From some rows to an array of so many rows, of a width and a dtype that do not depend on them. It may give the
        memory of the table itself.

    Returns
    -------
    ndarray of shape (n, k)
        The file is one of the folder for temporary files, and is gone with the array.
    """
    parts = list(pieces(table))
    rows: Any = table.iloc if isinstance(table, pd.DataFrame) else table
    if len(parts) < 2 or not is_mapped(table):
        return function(table)
    first = function(rows[parts[0]])
    if is_mapped(first):
        return function(table)
    with tempfile.TemporaryFile(prefix="sk_deepsets-") as file:
        found = np.memmap(file, first.dtype, "w+", shape=(len(table), *first.shape[1:]))
    for part in parts:
        found[part] = function(rows[part])
    return np.asarray(found)
