"""The file that models are saved in: named arrays by safetensors, and settings in its metadata, under one checksum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from sk_deepsets.training import atomic_write


def write_file(path: str | Path, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write settings, of JSON's types, and arrays of numbers.

    Another file at ``path`` is replaced when all is written, so that there is always one of the two.
    """
    safetensors = import_safetensors()
    arrays = {name: _plain(array) for name, array in arrays.items()}
    text = json.dumps(settings, separators=(",", ":"))
    content = safetensors.numpy.save(arrays, {"sk_deepsets": text, "sha256": _checksum(text, arrays)})
    with atomic_write(Path(path)) as part:
        part.write_bytes(content)


def read_file(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The settings and the arrays of a file.

    Raises
    ------
    ValueError
        If ``write_file`` did not write it, or not like this.
    """
    safetensors = import_safetensors()
    with Path(path).open("rb"):  # what cannot be opened is an OSError, as everywhere
        pass
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata()
            text, checksum = metadata["sk_deepsets"], metadata["sha256"]
            settings = json.loads(text)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if not isinstance(settings, dict):
            raise TypeError("the settings are no dict")
    except (safetensors.SafetensorError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} was not written by sk_deepsets.io.save, or is damaged: {error!r:.200}.") from error
    if settings.get("format") == 1:  # which had another checksum
        raise ValueError(
            f"{path} has format 1, from before the first release ({settings.get('versions')}), which this version "
            "does not read. Load it with the version that wrote it, and export it there with to_onnx; or fit again."
        )
    if checksum != _checksum(text, arrays):
        raise ValueError(f"{path} is damaged: its checksum is wrong, so a part of it was changed after it was saved.")
    return settings, arrays


def import_safetensors() -> Any:
    """The package, or an error that says how to get it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError('save and load need safetensors: pip install "sk-deepsets[io]".') from error
    return safetensors


def _plain(array: np.ndarray) -> np.ndarray:
    """Contiguous and little-endian; the shape stays, of which ``ascontiguousarray`` makes (1,) of ()."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def _checksum(text: str, arrays: dict[str, np.ndarray]) -> str:
    """The SHA-256 of settings and arrays, in hexadecimal digits."""
    found = hashlib.sha256()
    names = sorted(arrays)
    kinds = [[name, arrays[name].dtype.str, list(arrays[name].shape)] for name in names]
    found.update(json.dumps([text, kinds]).encode())
    for name in names:
        found.update(_plain(arrays[name]).tobytes())
    return found.hexdigest()
