"""Values as JSON and arrays, and back.

What JSON has itself stays what it is; anything else is a dict with one key, the name of its codec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import nn

# Strings may be shorter than their dtype, but no file takes more memory than this, in bytes, for what it does not hold.
MOST_ROOM = 2**20


class Codec(NamedTuple):
    """A way to write and to read some kind of value."""

    takes: Callable[[Any], bool]
    write: Callable[[Any, Writer, str], Any]
    """From the value, what writes the parts of it, and its place, to JSON"""
    read: Callable[[Any, Reader], Any]
    """And back"""


class Writer:
    """Makes JSON of values; their arrays go into ``arrays``, by the names of their places.

    Parameters
    ----------
    codecs : dict of str to Codec

    Attributes
    ----------
    module : str or None
        The name of what makes the torch module, if that is the user's own.
    loss : str or None
        The name of the loss, if that is.
    """

    def __init__(self, codecs: Mapping[str, Codec]) -> None:
        self.codecs = codecs
        self.arrays: dict[str, np.ndarray] = {}
        self.module: str | None = None
        self.loss: str | None = None

    def __call__(self, value: Any, place: str) -> Any:
        """A value as JSON; ``place`` says which it is, such as ``"net_.phi"``."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if type(value) is list:
            return self.each(value, place)
        for name, codec in self.codecs.items():
            if codec.takes(value):
                return {name: codec.write(value, self, place)}
        raise cannot_be_saved(value, place)

    def each(self, values: Any, place: str) -> list[Any]:
        """Several values, in a list."""
        return [self(value, f"{place}.{number}" if place else str(number)) for number, value in enumerate(values)]

    def named(self, values: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Values by their names."""
        return {name: self(value, f"{place}.{name}" if place else name) for name, value in values.items()}

    def keep(self, array: np.ndarray, place: str) -> str:
        """Keep an array of numbers, and return its name."""
        assert place not in self.arrays, f"there are two arrays at {place}"
        self.arrays[place] = array
        return place


class Reader:
    """Makes values of what a :class:`Writer` made of them.

    Parameters
    ----------
    codecs : dict of str to Codec
    arrays : dict of str to ndarray
    module : callable, optional
        What makes the torch module that is the user's own.
    loss : callable, optional
        The loss that is.
    """

    def __init__(
        self, codecs: Mapping[str, Codec], arrays: dict[str, np.ndarray], module: Any = None, loss: Any = None
    ) -> None:
        self.codecs = codecs
        self.arrays = arrays
        self.module, self.loss = module, loss

    def __call__(self, content: Any) -> Any:
        """A value from JSON."""
        if isinstance(content, list):
            return [self(one) for one in content]
        if not isinstance(content, dict):
            return content
        ((name, content),) = content.items()
        return self.codecs[name].read(content, self)

    def named(self, content: dict[str, Any]) -> dict[str, Any]:
        """Values by their names."""
        return {name: self(one) for name, one in content.items()}

    def take(self, name: str) -> np.ndarray:
        """An array that is kept, once: a file that names one many times does not fill the memory."""
        return self.arrays.pop(name).copy()


def cannot_be_saved(value: Any, place: str) -> TypeError:
    """The error for a value without a codec."""
    if isinstance(value, BaseEstimator):
        return TypeError(
            f"{place} is {value!r:.80}, and save does not know what {type(value).__name__} learns. Save a pipeline in "
            'two files: save(pipeline[-1], "model.safetensors") for the estimator, and skops.io.dump(pipeline[:-1], '
            '"steps.skops") for the steps before it.'
        )
    what = value.dtype if isinstance(value, np.ndarray | pd.Index | torch.Tensor) else type(value).__name__
    return TypeError(
        f"{place} is {value!r:.80} ({what}), which a file without code cannot hold. Set it to another value before the "
        "estimator is saved, or use pickle."
    )


def _write_array(array: np.ndarray, write: Writer, place: str) -> Any:
    if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
        return write.keep(array, place)
    if array.dtype.kind in "mM":
        return [write.keep(array.view(np.int64), place), array.dtype.str]
    if array.dtype.kind not in "OUT":
        raise cannot_be_saved(array, place)
    items = array.ravel().tolist()
    if array.dtype.kind == "U" and not _fill(items, array.dtype):
        return [write.keep(np.ascontiguousarray(array).view(np.uint32), place), array.dtype.str]
    name = "T" if array.dtype.kind == "T" else array.dtype.str
    return [write.each(items, place), name, list(array.shape)]


def _read_array(content: Any, read: Reader) -> np.ndarray:
    if isinstance(content, str):
        return read.take(content)
    values, dtype, *shape = content
    kind = np.dtype(dtype).kind
    if not shape:
        if kind not in "mMU":
            raise ValueError(f"{dtype} is not a dtype of dates or strings")
        return read.take(values).view(dtype)
    items = read(values)
    if kind not in "OUT" or (kind == "U" and not _fill(items, np.dtype(dtype))):
        raise ValueError(f"{dtype} is not a dtype of objects, or of strings as long as these")
    array = np.empty(len(items), dtype=dtype)
    for number, item in enumerate(items):  # all at once, NumPy would look into tuples
        array[number] = item
    return array.reshape(shape[0])


def _fill(items: list[str], dtype: np.dtype) -> bool:
    """Whether strings are as long as their dtype, more or less."""
    return dtype.itemsize * len(items) <= MOST_ROOM + 256 * sum(map(len, items))


def _write_tensor(tensor: torch.Tensor, write: Writer, place: str) -> str:
    try:
        return write.keep(tensor.detach().cpu().numpy(), place)
    except TypeError as error:  # a dtype that NumPy has not
        raise cannot_be_saved(tensor, place) from error


def _write_index(index: pd.Index, write: Writer, place: str) -> Any:
    if isinstance(index, pd.IntervalIndex):
        return [write(index.left, f"{place}.left"), write(index.right, f"{place}.right"), index.closed]
    plain = index.to_numpy() if isinstance(index.dtype, np.dtype) else index.to_numpy(dtype=object)
    content = [write(plain, place), str(index.dtype)]
    found = _read_index(content, Reader(write.codecs, dict(write.arrays)))
    # strings may come back in another storage
    if found.inferred_type != index.inferred_type or not found.equals(index):
        raise cannot_be_saved(index, place)
    return content


def _read_index(content: Any, read: Reader) -> pd.Index:
    if len(content) == 3:
        return pd.IntervalIndex.from_arrays(read(content[0]), read(content[1]), closed=content[2])
    return pd.Index(read(content[0]), dtype=content[1])


def _write_columns(table: pd.DataFrame, write: Writer, place: str) -> Any:
    name = write(table.columns.name, f"{place}.name")
    content = [write(table.columns, place), [str(dtype) for dtype in table.dtypes], name]
    try:
        is_same = _read_columns(content, Reader(write.codecs, dict(write.arrays))).equals(table)
    except (TypeError, NotImplementedError):  # a dtype that its name does not tell
        is_same = False
    if not is_same:  # categories, say
        raise cannot_be_saved(table, place)
    return content


def _read_columns(content: Any, read: Reader) -> pd.DataFrame:
    columns, dtypes, name = content
    table = pd.DataFrame({number: pd.Series(dtype=dtype) for number, dtype in enumerate(dtypes)})
    table.columns = read(columns).rename(read(name))
    return table


def _read_named(content: Any, read: Reader) -> Any:
    """A type of values or a function of NumPy, by its name."""
    if content not in NAMED:
        raise ValueError(f"{content} is no type of values and no function of them")
    return NAMED[content]


def _read_optimizer(name: str, read: Reader) -> Any:
    if name not in OPTIMIZERS:
        raise ValueError(f"{name} is no optimizer")
    return OPTIMIZERS[name]


def _is_type_in(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


# What has a name in a file: np.float64, np.number, np.log1p; float and the like, which shadow NumPy's of these names.
NAMED = {name: one for name, one in vars(np).items() if isinstance(one, np.ufunc) or _is_type_in(one, np.generic)}
NAMED |= {one.__name__: one for one in (bool, int, float, str, object)}
OPTIMIZERS = {name: one for name, one in vars(torch.optim).items() if _is_type_in(one, torch.optim.Optimizer)}

PLAIN_CODECS = {
    "tuple": Codec(
        lambda value: type(value) is tuple,
        lambda value, write, place: write.each(value, place),
        lambda content, read: tuple(read(content)),
    ),
    "dict": Codec(
        lambda value: type(value) is dict,
        lambda value, write, place: [
            [write(k, f"{place}.{number}.key"), write(v, f"{place}.{number}")]
            for number, (k, v) in enumerate(value.items())
        ],
        lambda content, read: {read(k): read(v) for k, v in content},
    ),
    "number": Codec(  # NumPy's own, and its strings
        lambda value: isinstance(value, np.generic),
        lambda value, write, place: write(np.asarray(value), place),
        lambda content, read: read(content)[()],
    ),
    "array": Codec(lambda value: type(value) is np.ndarray, _write_array, _read_array),
    "tensor": Codec(
        lambda value: type(value) in (torch.Tensor, nn.Parameter),
        _write_tensor,
        lambda name, read: torch.from_numpy(read.take(name)),
    ),
    "index": Codec(lambda value: isinstance(value, pd.Index), _write_index, _read_index),
    "columns": Codec(lambda value: type(value) is pd.DataFrame and not len(value), _write_columns, _read_columns),
    "device": Codec(
        lambda value: isinstance(value, torch.device),
        lambda value, write, place: str(value),
        lambda content, read: torch.device(content),
    ),
    "slice": Codec(
        lambda value: type(value) is slice,
        lambda value, write, place: write.each([value.start, value.stop, value.step], place),
        lambda content, read: slice(*read(content)),
    ),
    "dtype": Codec(
        lambda value: isinstance(value, np.dtype) and value.kind in "biufmMOUT",
        lambda value, write, place: "T" if value.kind == "T" else value.str,
        lambda content, read: np.dtype(content),
    ),
    "NA": Codec(lambda value: value is pd.NA, lambda value, write, place: None, lambda content, read: pd.NA),
    "named": Codec(
        lambda value: isinstance(value, type | np.ufunc) and NAMED.get(value.__name__) is value,
        lambda value, write, place: value.__name__,
        _read_named,
    ),
    "optimizer": Codec(
        lambda value: isinstance(value, type) and OPTIMIZERS.get(value.__name__) is value,
        lambda value, write, place: value.__name__,
        _read_optimizer,
    ),
}
