"""Several tables of sets: as one, with the kinds of the columns kept, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._rows import concat_frames
from sk_deepsets.sets._sequence import offsets_of


def concat_sets(parts: Sequence[RaggedSets]) -> RaggedSets:
    """The sets of all parts in one table, with the labels of their rows."""
    offsets = offsets_of(np.concatenate([part.sizes for part in parts]))
    numbers = np.concatenate([part._numbers for part in parts])
    known = all(part._places is not None for part in parts)
    places = np.concatenate([part._places for part in parts]) if known else None
    # without elements and features, nothing tells what the features would be
    parts = [part for part in parts if part.n_features or len(part.elements)] or list(parts[:1])
    names = next((list(part.feature_names) for part in parts if part.feature_names is not None), None)
    tables = [_with_columns(part, names, parts[0]) for part in parts]
    elements: Any
    if any(isinstance(table, pd.DataFrame) for table in tables):
        elements = concat_frames([pd.DataFrame(table, columns=names) for table in tables])
        labelled = True
    else:
        elements = np.concatenate([table for table in tables if len(table)] or tables[:1])
        labelled = all(part._rows is not None for part in parts)
    rows = parts[0].rows.append([part.rows for part in parts[1:]]) if labelled else None
    sets = RaggedSets(elements, offsets, feature_names=names, rows=rows)
    sets._numbers = numbers
    # parts of one frame have places of their own; those of several frames have no order
    sets._places = places if places is None or len(np.unique(places)) == len(places) else None
    return sets


def equal_sets(ours: RaggedSets, theirs: RaggedSets) -> np.ndarray:
    """For each pair of sets, whether the elements are equal one by one."""
    equal = ours.sizes == theirs.sizes
    some = np.flatnonzero(equal & (ours.sizes > 0))
    ours, theirs = ours[some], theirs[some]
    try:
        both = concat_sets([ours, theirs]).elements
    except ValueError:  # other columns: only empty sets are equal
        equal[some] = False
        return equal
    table = both if isinstance(both, pd.DataFrame) else pd.DataFrame(both)
    left, right = table[: len(ours.elements)].reset_index(drop=True), table[len(ours.elements) :].reset_index(drop=True)
    same = (left == right).astype("boolean").fillna(False) | (left.isna() & right.isna())
    before = offsets_of(np.all(same.to_numpy(dtype=bool), axis=1))  # how many elements are equal before each
    equal[some] = np.diff(before[ours.offsets]) == ours.sizes
    return equal


def _with_columns(part: RaggedSets, names: list[str] | None, first: RaggedSets) -> Any:
    """The elements with their columns in the order of ``names``."""
    if names is not None and part.feature_names is not None:
        own = list(part.feature_names)
        if own == names:
            return part.elements
        if sorted(own) != sorted(names):
            raise ValueError(f"Sets with the columns {own} do not go with sets with the columns {names}.")
        order = [own.index(name) for name in names]
        return part.elements.iloc[:, order] if isinstance(part.elements, pd.DataFrame) else part.elements[:, order]
    width = first.n_features if names is None else len(names)
    if part.n_features != width:
        raise ValueError(f"Sets with {part.n_features} features do not go with sets with {width} features.")
    return part.elements
