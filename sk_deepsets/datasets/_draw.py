"""What all generators begin with: a source of random numbers, and the sizes of the sets."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

SetSize = int | tuple[int, int]


def random_numbers(random_state: Any) -> np.random.Generator:
    """A generator for ``random_state``; None: another one in each call, which leaves NumPy's global one alone."""
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(check_random_state(random_state).randint(2**31))


def draw_offsets(n_sets: Any, set_size: Any, rng: np.random.Generator) -> np.ndarray:
    """Where sets of a size, or of sizes between two that are equally likely, begin and end: (n_sets + 1,)."""
    if not is_count(n_sets):
        raise ValueError(f"n_sets: expected a number of sets, 0 or more, got {n_sets!r}.")
    bounds = set_size if isinstance(set_size, tuple | list) else (set_size, set_size)
    if len(bounds) != 2 or not all(map(is_count, bounds)) or bounds[0] > bounds[1]:
        raise ValueError(
            f"set_size: expected a number of elements, or the smallest and the largest as (1, 10), got {set_size!r}."
        )
    sizes = rng.integers(bounds[0], bounds[1] + 1, n_sets)
    return np.concatenate([[0], sizes.cumsum()])


def is_count(value: Any) -> bool:
    """Whether this is an integer that is not negative."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def check_option(name: str, value: Any, options: Any) -> None:
    """Raise where a parameter is none of its options."""
    if value not in options:
        raise ValueError(f"{name}: expected one of {tuple(options)}, got {value!r}.")
