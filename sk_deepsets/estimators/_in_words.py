"""in_words: what a callback, a function or another object is and does, in words that are the same in all processes."""

import hashlib
from collections.abc import Mapping, Set
from functools import partial
from types import CodeType, MethodType

import numpy as np

PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...))
# Objects that hold objects that hold objects: what is this deep is told by its type.
MOST_LEVELS = 8


def in_words(value, level=0):
    """Words that are equal where values do the same; nothing of where they lie in memory, or of the order of a set."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, type):
        return _name(value)
    if level > MOST_LEVELS:
        return _name(type(value))
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        content = array.tobytes() if array.dtype != object else in_words(array.tolist(), level + 1).encode()
        return f"{_name(type(value))} {array.dtype} {array.shape} {hashlib.sha256(content).hexdigest()}"
    return f"{_name(type(value))} {[in_words(part, level + 1) for part in _parts(value)]}"


def _parts(value):
    """What makes a value do what it does."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, Set):
        return sorted(value, key=in_words)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_freevars]
    if hasattr(value, "__code__"):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [_name(value), value.__code__, value.__defaults__, value.__kwdefaults__, cells]
    if hasattr(value, "get_params"):
        return sorted(value.get_params(deep=False).items())
    return sorted(getattr(value, "__dict__", {}).items()) or [_name(value) if hasattr(value, "__name__") else ""]


def _name(value):
    return f"{value.__module__}.{value.__qualname__}"
