"""Tables that may be larger than memory: piece by piece, converted in a temporary file, and read here and there."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

# 32 MiB in float64
VALUES_AT_ONCE = 4_194_304
# A file of more than this share of the machine's memory is not expected to stay there while it is in use.
LARGE_SHARE = 0.5


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
    return _map_of(table) is not None


def _map_of(array: Any) -> mmap.mmap | None:
    """The map of the file in which the memory of an array lies."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


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


class ScatteredReads:
    """Rows here and there of a table in a file, read ahead of their use.

    With a page that is needed, the system reads up to some megabytes around it. Where these are pushed out of memory
    before they are needed, an epoch of shuffled sets would read the file many times over.

    Parameters
    ----------
    table : ndarray of shape (n, d)
        Mapped, row by row.
    """

    def __init__(self, table: np.ndarray) -> None:
        found = _map_of(table)
        assert found is not None
        self.map: Any = found
        self.row_bytes = table.strides[0]
        self.begin = table.ctypes.data - np.frombuffer(found, dtype=np.uint8).ctypes.data

    @classmethod
    def of(cls, table: np.ndarray) -> ScatteredReads | None:
        """None where the system's own way is as good: of a table in memory, or in a file that may stay there."""
        if not is_mapped(table) or sys.platform == "win32":  # which has no madvise
            return None
        memory = os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE
        return cls(table) if table.nbytes > LARGE_SHARE * memory else None

    def __enter__(self) -> ScatteredReads:
        self.map.madvise(mmap.MADV_RANDOM)
        return self

    def __exit__(self, *error: object) -> None:
        self.map.madvise(mmap.MADV_NORMAL)

    def fetch(self, begins: np.ndarray, ends: np.ndarray) -> None:
        """Let the system begin to read the rows from each of ``begins`` to each of ``ends``."""
        starts = (self.begin + begins * self.row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
        lengths = self.begin + ends * self.row_bytes - starts
        for start, length in zip(starts[ends > begins].tolist(), lengths[ends > begins].tolist(), strict=True):
            self.map.madvise(mmap.MADV_WILLNEED, start, length)
