"""The values of a column of sets: what counts as one of them, how they are compared and how they look when printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._concat import concat_sets
from sk_deepsets.sets._dtypes import is_missing
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._sequence import offsets_of


def is_one_set(value: Any) -> bool:
    """Whether a value is one set, or a missing one, rather than a sequence of sets."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 1 and value.dtype != object)
    return isinstance(value, pd.DataFrame) or is_missing(value)


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


class PrintedFrame(pd.DataFrame):
    """One set as an object: pandas prints frames among its values by ``str``, in full."""

    def __str__(self) -> str:
        return label(self)


def label(one_set: Any) -> str:
    """How a set looks in a printed column."""
    if one_set is pd.NA:
        return str(one_set)
    return {0: "empty", 1: "1 element"}.get(len(one_set), f"{len(one_set):,} elements")
