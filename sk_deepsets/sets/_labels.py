"""How sets look in a printed DataFrame: by their sizes."""

from __future__ import annotations

from typing import Any


def is_printing(caller: Any) -> bool:
    """Whether pandas' formatter asks for objects.

    It prints a value that is a DataFrame in full, without a word to ``_formatter``; so it gets the sizes instead.
    """
    code, names = caller.f_code, caller.f_globals
    printing = code.co_name == "_format_strings" and names.get("__name__") == "pandas.io.formats.format"
    return printing and caller.f_locals.get("formatter") is None  # formatters of the user's get the sets


def label(one_set: Any) -> str:
    """How a set looks in a printed frame."""
    size = one_set if isinstance(one_set, int) else len(one_set)
    return {0: "empty", 1: "1 element"}.get(size, f"{size:,} elements")
