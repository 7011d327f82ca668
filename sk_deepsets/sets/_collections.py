"""SetCollections: several collections of sets in each row of a table, such as a customer's orders and visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._arrow import is_table
from sk_deepsets.sets._check import check_sets
from sk_deepsets.sets._labels import counts_rows
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._sequence import offsets_of
from sk_deepsets.sets._set_array import SetArray
from sk_deepsets.sets._set_column import columns_beside, find_collections, read_table


@dataclass(eq=False)
class SetCollections:
    """The collections of a table, in the order of their names, and what is beside them.

    Parameters
    ----------
    collections : dict of str to RaggedSets
        Without context, as many sets in each.
    context : DataFrame or None
    index : Index or None
        Labels of the rows.
    """

    collections: dict[str, RaggedSets]
    context: pd.DataFrame | None
    index: pd.Index | None

    def __len__(self) -> int:
        return len(next(iter(self.collections.values())))

    @property
    def n_features(self) -> int:
        """Number of features of an element, of all collections together."""
        return sum(sets.n_features for sets in self.collections.values())

    @property
    def feature_names(self) -> list[str]:
        """Their names, behind those of the collections: ``orders__amount``."""
        names = []
        for name, sets in self.collections.items():
            own = sets.feature_names
            own = [f"x{place}" for place in range(sets.n_features)] if own is None else own
            names += [f"{name}__{feature}" for feature in own]
        return names


def check_collections(X: Any, ensure_min_elements: int = 1, **options: Any) -> RaggedSets | SetCollections:
    """Read sets of any form, and of a table with several columns of sets all of them.

    Parameters
    ----------
    X : sets
        Any form that :func:`check_sets` takes; or a table in which several columns hold sets, each of them a
        collection. Its other columns become the context.
    ensure_min_elements : int, default=1
        Of each collection.
    **options
        As for :func:`check_sets`.

    Returns
    -------
    RaggedSets, or SetCollections where there are several
    """
    table = as_table(X)
    places = [] if table is None else find_collections(table)
    if not places:
        return check_sets(X, ensure_min_elements=ensure_min_elements, **options)
    assert table is not None
    collections = {}
    for place in sorted(places, key=lambda place: str(table.columns[place])):
        name = str(table.columns[place])
        try:
            sets = check_sets(table.iloc[:, [place]], ensure_min_elements=ensure_min_elements, **options)
        except (TypeError, ValueError) as error:
            raise type(error)(f"Collection {name!r}: {error}") from error
        collections[name] = sets._with(index=None)
    if len(collections) < len(places):
        raise ValueError(f"Several columns of sets have the same name: {list(table.columns[places])}.")
    has_labels = isinstance(X, pd.DataFrame) or not counts_rows(table.index)
    return SetCollections(collections, columns_beside(table, places), table.index if has_labels else None)


def collection_names(X: Any) -> list[str]:
    """The names of the collections of X, in their order; none if there is only one, which needs no name."""
    table = as_table(X)
    return [] if table is None else sorted(str(table.columns[place]) for place in find_collections(table))


def put_collection(X: Any, name: str, sets: RaggedSets, numbers: np.ndarray) -> Any:
    """The rows of X with these numbers, in which the sets of one collection are replaced."""
    table = as_table(X)
    assert table is not None
    table = pd.DataFrame(table).iloc[numbers].copy(deep=False)
    table.isetitem([str(other) for other in table.columns].index(name), SetArray(sets))
    return table.to_numpy(dtype=object) if isinstance(X, np.ndarray) else table


def as_table(X: Any) -> pd.DataFrame | None:
    """X as a DataFrame, if it is a table, or what a ``ColumnTransformer`` makes of one."""
    if is_table(type(X)):
        return read_table(X)
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype == object:  # as a ColumnTransformer makes it
        return pd.DataFrame(X).infer_objects()
    return None


def join_collections(
    collections: Sequence[RaggedSets], context: np.ndarray | None = None, index: pd.Index | None = None
) -> RaggedSets:
    """One set for each row: the elements of its first collection, then those of the second, and so on.

    In the table of the elements, each has its own columns first, then zeros, and in the last column the number of its
    collection.

    Parameters
    ----------
    collections : sequence of RaggedSets
        Of numbers, as many sets in each.
    context, index
        Of the rows.
    """
    sizes = np.array([sets.sizes for sets in collections])
    offsets = offsets_of(sizes.sum(axis=0))
    width = max(sets.n_features for sets in collections)
    dtype = np.result_type(np.float32, *(sets.elements.dtype for sets in collections))
    elements = np.zeros((offsets[-1], width + 1), dtype=dtype)
    begins = offsets[:-1] + np.cumsum(sizes, axis=0) - sizes  # (n_collections, n_rows)
    for number, sets in enumerate(collections):
        rows = np.arange(len(sets.elements)) + np.repeat(begins[number] - sets.offsets[:-1], sets.sizes)
        elements[rows, : sets.n_features] = sets.elements
        elements[rows, -1] = number
    return RaggedSets(elements, offsets, context=context, index=index)


def collection_rows(joined: RaggedSets, number: int) -> np.ndarray:
    """Where the elements of a collection are in what ``join_collections`` gave."""
    return np.flatnonzero(joined.elements[:, -1] == number)


def split_collections(joined: RaggedSets, widths: Sequence[int]) -> list[RaggedSets]:
    """The collections of so many columns each that ``join_collections`` was given."""
    found, segments = [], joined.segments
    for number, width in enumerate(widths):
        rows = collection_rows(joined, number)
        sizes = np.bincount(segments[rows], minlength=len(joined))
        found.append(RaggedSets(joined.elements[rows, :width], offsets_of(sizes)))
    return found
