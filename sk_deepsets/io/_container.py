"""The file that models are saved in: settings and named arrays in the layout of safetensors, under a checksum.

First the length of the header in eight bytes; then the header, in JSON, which says of each array its dtype, shape and
place; then the arrays. So any reader of safetensors can read the weights. The settings are a string in the header's
metadata, and so is the SHA-256 of the whole file, in which the digits of the checksum itself count as zeros.
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sk_deepsets.training import written_whole

DTYPES = {
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    "BOOL": np.dtype(bool),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
BEGINNING = b'{"__metadata__":{"sha256":"'
DIGEST = slice(8 + len(BEGINNING), 8 + len(BEGINNING) + 64)


def write_file(path: str | Path, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write settings, of JSON's types, and arrays of numbers.

    Another file at ``path`` is replaced when all is written, so that there is always one of the two.
    """
    metadata = {"sha256": "0" * 64, "sk_deepsets": json.dumps(settings, separators=(",", ":"))}
    header: dict[str, Any] = {"__metadata__": metadata}
    end, parts = 0, []
    for name, array in arrays.items():
        array = np.ascontiguousarray(array).reshape(array.shape)  # the first makes (1,) of ()
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
        parts.append(array.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    content = bytearray(b"".join([len(text).to_bytes(8, "little"), text, *parts]))
    content[DIGEST] = _digest(content)
    with written_whole(Path(path)) as part:
        part.write_bytes(content)


def read_file(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The settings and the arrays of a file.

    Raises
    ------
    ValueError
        If ``write_file`` did not write it, or not like this.
    """
    content = bytearray(Path(path).read_bytes())
    if content[8 : DIGEST.start] != BEGINNING:
        raise ValueError(f"{path} was not written by sk_deepsets.io.save, or its beginning is lost.")
    if content[DIGEST] != _digest(content):
        raise ValueError(
            f"{path} is damaged: its checksum is wrong, so a part of it is missing or was changed after it was saved."
        )
    try:
        begin = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:begin])
        settings = json.loads(header.pop("__metadata__")["sk_deepsets"])
        arrays = {name: _array(content, begin, **entry) for name, entry in header.items()}
        if not isinstance(settings, dict):
            raise TypeError("the settings are no dict")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"{path} was not written by sk_deepsets.io.save: {error!r:.200}.") from error
    return settings, arrays


def _array(content: bytearray, start: int, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(content) - start or prod(shape) * DTYPES[dtype].itemsize != end - begin:
        raise ValueError(f"an array of shape {shape} cannot be at {data_offsets}")
    return np.frombuffer(content[start + begin : start + end], DTYPES[dtype]).reshape(shape)


def _digest(content: bytearray) -> bytes:
    """The checksum of a file, in hexadecimal digits."""
    found = hashlib.sha256(content[: DIGEST.start])
    found.update(b"0" * 64)
    found.update(memoryview(content)[DIGEST.stop :])
    return found.hexdigest().encode()
