"""Rows of tables in files, brought to their places: an external sort of which the places are known."""

from __future__ import annotations

import numpy as np

# Values that are put in order at once: 128 MiB in float32.
VALUES_OF_A_BUCKET = 33_554_432


class Regrouping:
    """Rows that come in any order, brought to their places without writing here and there in a file.

    The places are cut into *buckets*, each of which fits into memory. Rows are appended to the bucket of their place as
    they come; in the end each bucket is put in order. So every row is written twice, but with its neighbours.

    Parameters
    ----------
    arrays : list of ndarray, each of n rows
    places : ndarray of shape (n,)
        To be filled: the place of each row.
    n_done : int
        So many rows are in their places already, which are the first ones.
    """

    def __init__(self, arrays: list[np.ndarray], places: np.ndarray, n_done: int) -> None:
        self.arrays, self.places = arrays, places
        places[:n_done] = np.arange(n_done)
        at_once = max(1, VALUES_OF_A_BUCKET // sum(array[:1].size for array in arrays))
        self.starts = np.arange(0, len(places), at_once)
        self.ends = np.minimum(self.starts + at_once, len(places))
        self.free = np.clip(n_done, self.starts, self.ends)  # where the next row of each bucket goes

    def add(self, places: np.ndarray, parts: list[np.ndarray]) -> None:
        """Append rows, which are sorted by their places, to their buckets."""
        cuts = np.searchsorted(places, [*self.starts, len(self.places)])
        for bucket in np.flatnonzero(np.diff(cuts)):
            rows = slice(cuts[bucket], cuts[bucket + 1])
            target = slice(self.free[bucket], self.free[bucket] + rows.stop - rows.start)
            for array, part in zip([*self.arrays, self.places], [*parts, places], strict=True):
                array[target] = part[rows]
            self.free[bucket] = target.stop

    def finish(self) -> None:
        """Put the rows of each bucket in order."""
        for start, end in zip(self.starts, self.ends, strict=True):
            places = self.places[start:end] - start
            if np.array_equal(places, np.arange(len(places))):
                continue
            order = np.empty_like(places)
            order[places] = np.arange(len(places))
            for array in self.arrays:
                # of the file, only one row after the other is read and written
                rows = array[start:end].copy()
                np.take(rows, order, axis=0, out=array[start:end], mode="clip")  # another mode would copy once more
