"""Sets in a folder of plain .npy files beside a JSON: how they are written, and read as memory maps."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from sk_deepsets.sets._mapped import pieces
from sk_deepsets.sets._stored_values import get_values, is_plain, put_values

# The version goes up whenever folders are written that earlier ones would not read, or read as something else.
FORMAT, VERSION = "sk_deepsets sets", 1
DESCRIPTION = "sets.json"


class SetFolder:
    """The files of a folder, which are called after what they hold: ``elements.npy``, ``offsets.npy``, …

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def new(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array in a file, to be filled."""
        return open_memmap(self.path / f"{name}.npy", "w+", dtype, shape)

    def temporary(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array in a file that is gone with it, on the same disk."""
        with tempfile.TemporaryFile(dir=self.path) as file:
            return np.memmap(file, dtype, "w+", shape=shape)

    def put(self, name: str, values: Any) -> None:
        """Write an array, or a DataFrame of columns of one dtype of NumPy, piece by piece and row by row."""
        is_frame = isinstance(values, pd.DataFrame)
        file = self.new(name, values.shape, values.dtypes.iloc[0] if is_frame else values.dtype)
        for part in pieces(values):
            file[part] = values.iloc[part].to_numpy() if is_frame else values[part]

    def get(self, name: str) -> np.ndarray:
        """The array of a file, mapped, whose values are not read yet."""
        path = self.path / f"{name}.npy"
        if not path.is_file():
            raise ValueError(f"{path.name} is missing")
        array = open_memmap(path, "r")  # which reads no objects, and so runs no code
        if not is_plain(array.dtype) or not array.dtype.isnative or not array.flags.c_contiguous:
            raise ValueError(f"{path.name} holds {array.dtype}; expected numbers of this machine's kind, row by row")
        # NumPy counts on it where it indexes by booleans
        if array.dtype == bool and array.size and array.view(np.uint8).max() > 1:
            raise ValueError(f"{path.name} holds bytes that are no booleans")
        return np.asarray(array)

    def put_table(self, name: str, table: Any) -> dict[str, Any]:
        """Write an array, or the columns of a DataFrame: as one array if all have one dtype of numbers."""
        if isinstance(table, np.ndarray):
            if not is_plain(table.dtype):
                raise TypeError(f"{name}: {table.dtype} cannot be stored; expected numbers, or a DataFrame")
            self.put(name, table)
            return {"names": None}
        names = plain_labels(table.columns, f"the columns of {name}")
        if is_one_array(table):
            self.put(name, table)
            return {"names": names}
        kinds = []
        for place, label in enumerate(names):
            try:
                kinds.append(put_values(table.iloc[:, place], f"{name}.{place}", self.put))
            except TypeError as error:
                raise TypeError(f"Column {label!r} of {name}: {error}.") from None
        return {"names": names, "kinds": kinds}

    def get_table(self, name: str, description: dict[str, Any], index: pd.Index) -> Any:
        """The table, of so many rows as the index has."""
        names, kinds = description["names"], description.get("kinds")
        if kinds is None:
            table = self.get(name)
            if table.ndim != 2 or len(table) != len(index):
                raise ValueError(f"{name}.npy has shape {table.shape}; expected {len(index):,} rows")
            return table if names is None else pd.DataFrame(table, index=index, columns=names, copy=False)
        found = {place: get_values(kind, f"{name}.{place}", self.get) for place, kind in enumerate(kinds)}
        wrong = [place for place, values in found.items() if np.shape(values) != (len(index),)]
        if wrong or len(names) != len(kinds):
            raise ValueError(f"the columns of {name} have unequal lengths; expected {len(index):,}")
        frame = pd.DataFrame(found, index=index, copy=False)
        frame.columns = pd.Index(names)  # set_axis would copy the columns in pandas 2
        return frame

    def put_index(self, name: str, index: pd.Index) -> dict[str, Any]:
        """Write labels."""
        names = plain_labels(index.names, f"the levels of {name}")
        if isinstance(index, pd.RangeIndex):
            return {"names": names, "range": [index.start, index.stop, index.step]}
        levels = [index.get_level_values(level) for level in range(index.nlevels)]
        try:
            kinds = [put_values(level, f"{name}.{place}", self.put) for place, level in enumerate(levels)]
        except TypeError as error:
            raise TypeError(f"The labels in {name}: {error}.") from None
        return {"names": names, "kinds": kinds}

    def get_index(self, name: str, description: dict[str, Any]) -> pd.Index:
        """The labels; those that are numbers stay mapped."""
        names = description["names"]
        if "range" in description:
            start, stop, step = description["range"]
            return pd.RangeIndex(start, stop, step, name=names[0])
        kinds = description["kinds"]
        levels = [pd.Index(get_values(k, f"{name}.{i}", self.get), copy=False) for i, k in enumerate(kinds)]
        return levels[0].rename(names[0]) if len(levels) == 1 else pd.MultiIndex.from_arrays(levels, names=names)

    def describe(self, description: dict[str, Any]) -> None:
        """Write what else is to be known, as JSON."""
        text = json.dumps({"format": FORMAT, "version": VERSION, **description}, indent=1)
        (self.path / DESCRIPTION).write_text(text, encoding="utf-8")

    def description(self) -> dict[str, Any]:
        """Read it."""
        found = json.loads((self.path / DESCRIPTION).read_text(encoding="utf-8"))
        if found.get("format") != FORMAT:
            raise ValueError(f"{DESCRIPTION} is not a description of sets")
        if found["version"] != VERSION:
            raise ValueError(f"it has version {found['version']}, but this version of sk_deepsets reads {VERSION}")
        return found


class SetArrays(SetFolder):
    """The same in memory."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.about: dict[str, Any] = {}

    def new(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array, to be filled."""
        self.arrays[name] = np.empty(shape, dtype)
        return self.arrays[name]

    def temporary(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array that is not kept."""
        return np.empty(shape, dtype)

    def get(self, name: str) -> np.ndarray:
        """An array that is there."""
        return self.arrays[name]

    def describe(self, description: dict[str, Any]) -> None:
        """Keep what else is to be known."""
        self.about = description

    def description(self) -> dict[str, Any]:
        """What was kept."""
        return self.about


def is_one_array(table: pd.DataFrame) -> bool:
    """Whether all columns are numbers of one dtype of NumPy, so that one array holds them."""
    dtypes = set(table.dtypes)
    return len(dtypes) == 1 and is_plain(dtype := dtypes.pop()) and dtype.kind in "biuf"


def plain_labels(labels: Any, what: str) -> list[Any]:
    """Names that JSON has, too."""
    names = [label.item() if isinstance(label, np.generic) else label for label in labels]
    wrong = next((name for name in names if not isinstance(name, str | int | float | None)), None)
    if wrong is not None:
        raise TypeError(f"{what[0].upper()}{what[1:]} must be named by strings or numbers, but one is {wrong!r}.")
    return names


def write_sets(sets: Any, files: SetFolder) -> None:
    """Write all that sets consist of."""
    rows, context = sets._rows, sets.context
    files.put("offsets", sets.offsets)
    description: dict[str, Any] = {
        "n_sets": len(sets),
        "n_elements": len(sets.elements),
        "elements": files.put_table("elements", sets.elements),
        "feature_names": None if sets.feature_names is None else plain_labels(sets.feature_names, "the features"),
        "rows": None if rows is None else files.put_index("rows", rows),
        "index": None if sets.index is None else files.put_index("index", sets.index),
        "context": None if context is None else files.put_table("context", context),
    }
    if isinstance(context, pd.DataFrame) and (sets.index is None or not context.index.identical(sets.index)):
        description["context"]["index"] = files.put_index("context.index", context.index)
    # numbers that count need no file
    in_order = rows is None or (isinstance(rows, pd.RangeIndex) and rows.step > 0)
    for name, array, is_clear in (("numbers", sets._numbers, True), ("places", sets._places, in_order)):
        description[name] = array is not None and not (is_clear and _counts(array))
        if description[name]:
            files.put(name, array)
    files.describe(description)


def read_sets(files: SetFolder) -> tuple[dict[str, Any], np.ndarray | None, np.ndarray | None]:
    """The arguments of ``RaggedSets``, and its numbers and places where there are some of its own."""
    description = files.description()
    rows = None if description["rows"] is None else files.get_index("rows", description["rows"])
    index = None if description["index"] is None else files.get_index("index", description["index"])
    offsets, context = _integers(files, "offsets", description["n_sets"] + 1), None
    if offsets[-1] != description["n_elements"]:
        raise ValueError(f"offsets.npy ends with {offsets[-1]}; expected n_elements, {description['n_elements']}")
    if (about := description["context"]) is not None:
        labels = files.get_index("context.index", about["index"]) if "index" in about else index
        context = files.get_table("context", about, pd.RangeIndex(len(offsets) - 1) if labels is None else labels)
    parts = {
        "elements": files.get_table(
            "elements", description["elements"], pd.RangeIndex(description["n_elements"]) if rows is None else rows
        ),
        "offsets": offsets,
        "context": context,
        "index": index,
        "feature_names": description["feature_names"],
        "rows": rows,
    }
    numbers = _integers(files, "numbers", description["n_sets"]) if description["numbers"] else None
    places = _integers(files, "places", description["n_elements"]) if description["places"] else None
    return parts, numbers, places


def _integers(files: SetFolder, name: str, length: int) -> np.ndarray:
    array = files.get(name)
    if array.dtype != np.int64 or array.shape != (length,):
        raise ValueError(f"{name}.npy holds {array.dtype} of shape {array.shape}; expected int64 of shape ({length},)")
    if array.min(initial=0) < 0:
        raise ValueError(f"{name}.npy holds a negative number")
    return array


def _counts(array: np.ndarray) -> bool:
    """Whether the numbers are 0, 1, 2, …"""
    return all(np.array_equal(array[part], np.arange(part.start, part.stop)) for part in pieces(array))


@contextmanager
def replaced_folder(folder: str | os.PathLike[str]) -> Iterator[SetFolder]:
    """A new folder to fill, which takes the place of ``folder`` when it is complete, and is deleted after an error."""
    path = Path(folder).resolve()
    if path.exists() and not _is_replaceable(path):
        raise FileExistsError(
            f"{path} exists, and is not a folder of sets alone: choose another one, or delete it first."
        )
    mark = f"{os.getpid()}-{threading.get_ident()}"
    part, old = (path.with_name(f"{path.name}.{mark}.{end}") for end in ("part", "old"))
    part.mkdir(parents=True)
    try:
        yield SetFolder(part)
        if path.exists():
            os.rename(path, old)
        os.rename(part, path)
    finally:
        if old.exists() and not path.exists():
            os.rename(old, path)
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)


def _is_replaceable(path: Path) -> bool:
    """Whether a folder is empty, or holds sets and nothing else."""
    if not path.is_dir():
        return False
    names = [entry.name for entry in path.iterdir()]
    try:
        return not names or (
            bool(SetFolder(path).description()) and all(name == DESCRIPTION or name.endswith(".npy") for name in names)
        )
    except (ValueError, LookupError, AttributeError, OSError, RecursionError):
        return False
