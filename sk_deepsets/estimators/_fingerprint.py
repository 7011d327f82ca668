"""fingerprint: what a callback, a function or another object is and does, told the same in all processes."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from copyreg import dispatch_table
from inspect import isroutine
from types import CellType, CodeType, FunctionType, ModuleType

import numpy as np
import torch

from sk_deepsets.training import CallbackLike

PLAIN = {str, bytes, int, float, complex, bool, type(None), type(...)}


def fingerprint(value):
    """A string, equal where values do the same; nothing of where they lie in memory, or of the order of a set."""
    return _of(value, {})


def _of(value, known):
    """The fingerprint, which ``known`` keeps by the value's place in memory, with the value, so that it stays there."""
    if type(value) in PLAIN:
        return repr(value)
    if isinstance(value, type):
        return _name(value)
    if id(value) not in known:
        known[id(value)] = value, "..."  # for what refers to itself
        try:
            parts = _parts(value, known)
        except (RecursionError, MemoryError):
            raise
        except Exception:  # no pickle could hold it: a module, a lock, an open file
            parts = [value.__name__ if isinstance(value, ModuleType) else None]
        digest = hashlib.sha256(repr([_of(part, known) for part in parts]).encode()).hexdigest()
        known[id(value)] = value, f"{_name(type(value))} {digest}"
    return known[id(value)][1]


def _parts(value, known):
    """What makes a value do what it does."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().to_dense().resolve_conj().resolve_neg().reshape(-1)
        return [str(value.dtype), value.requires_grad, tuple(value.shape), plain.view(torch.uint8).numpy()]
    if type(value) is np.ndarray:
        content = value.tolist() if value.dtype.hasobject else hashlib.sha256(value.tobytes()).hexdigest()
        return [str(value.dtype), value.shape, content]
    if type(value) in (dict, set, frozenset):
        return sorted(_of(one, known) for one in (value.items() if type(value) is dict else value))
    if type(value) in (list, tuple):
        return list(value)
    if isinstance(value, FunctionType):
        return [_name(value), value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__]
    if isinstance(value, CodeType):
        arguments = [value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags]
        names = [value.co_names, value.co_varnames, value.co_freevars]
        return [value.co_code, value.co_exceptiontable, value.co_consts, names, arguments]
    if isinstance(value, CellType):
        return [] if value == CellType() else [value.cell_contents]
    if issubclass(type(value), CallbackLike):  # of which training changes what is no parameter
        with suppress(AttributeError):
            return sorted(value.get_params(deep=False).items())
    reduced = dispatch_table.get(type(value), lambda one: one.__reduce_ex__(4))(value)
    if isinstance(reduced, str):
        return [value.__module__ if isroutine(value) else None, reduced]
    return [list(part) if isinstance(part, Iterator) else part for part in reduced]


def _name(value):
    return f"{value.__module__}.{value.__qualname__}"
