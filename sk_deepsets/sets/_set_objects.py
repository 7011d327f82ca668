"""Sets as objects: how pandas prints them, and writes them to text files."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._ragged import RaggedSets


class PrintedFrame(pd.DataFrame):
    """One set as an object: pandas prints frames among its values by ``str``, in full."""

    def __str__(self) -> str:
        return label(self)


class FrameAsText(pd.DataFrame):
    """One set as an object whose ``str``, which pandas writes to text files, is its JSON text."""

    def __str__(self) -> str:
        return to_text(self.to_dict("records"))


class ArrayAsText(np.ndarray):
    """An array likewise; NumPy's own text leaves out what is long."""

    def __str__(self) -> str:
        return to_text(self.tolist())


def to_text(elements: list[Any]) -> str:
    """JSON text, of which ``json.loads`` makes the elements again; what JSON lacks, such as times, are strings."""
    return json.dumps(elements, default=lambda value: value.item() if isinstance(value, np.generic) else str(value))


def label(one_set: Any) -> str:
    """How a set looks in a printed column."""
    if one_set is pd.NA:
        return str(one_set)
    return {0: "empty", 1: "1 element"}.get(len(one_set), f"{len(one_set):,} elements")


def to_texts(sets: RaggedSets) -> list[str]:
    """The JSON text of each set."""
    names, table = sets.feature_names, sets.elements
    table = table if names is None else pd.DataFrame(table, columns=list(names))
    elements = table.tolist() if isinstance(table, np.ndarray) else table.to_dict("records")
    return [to_text(elements[a:b]) for a, b in pairwise(sets.offsets.tolist())]


def to_objects(sets: RaggedSets) -> np.ndarray:
    """Each set as an object whose ``str`` is its JSON text."""
    names, objects = sets.feature_names, np.empty(len(sets), dtype=object)
    for number, one_set in enumerate(sets):
        objects[number] = one_set.view(ArrayAsText) if names is None else FrameAsText(one_set, columns=list(names))
    return objects
