"""What objects of other libraries offer, by which they are told apart without an import of these libraries."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class HasArray(Protocol):
    """What NumPy reads as an array."""

    def __array__(self) -> Any: ...


@runtime_checkable
class ArrowArray(Protocol):
    """What Arrow reads as one array."""

    def __arrow_c_array__(self) -> Any: ...


@runtime_checkable
class ArrowStream(Protocol):
    """What Arrow reads as a table, or an array in chunks."""

    def __arrow_c_stream__(self) -> Any: ...


@runtime_checkable
class ToPandas(Protocol):
    """A table that becomes a DataFrame by a method of its own."""

    def to_pandas(self) -> Any: ...


@runtime_checkable
class TorchTensor(Protocol):
    """A tensor, which may carry a gradient, be a lazy view, or be nested."""

    def resolve_neg(self) -> Any: ...


@runtime_checkable
class Dataset(Protocol):
    """A data set of torch, or another sequence that is registered as none."""

    def __getitem__(self, key: Any) -> Any: ...

    def __len__(self) -> int: ...


def offers(value: Any, protocol: type) -> bool:
    """Whether a value has the methods of a protocol: those of its type, of which Python remembers the answer."""
    return issubclass(type(value), protocol)


def n_dimensions(value: Any) -> int:
    """Of an array of any library, as it says; 1 of another sequence, such as a list."""
    return int(getattr(value, "ndim", 1))


def numpy_dtype(dtype: Any) -> np.dtype | None:
    """The dtype itself, if it is NumPy's; of pandas' own numbers and those of Arrow, that of their values; or None."""
    found = getattr(dtype, "numpy_dtype", dtype)
    return found if isinstance(found, np.dtype) else None
