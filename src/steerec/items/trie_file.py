"""Arrays in a safetensors file that is mapped into memory, not read: opening ten million titles is instant.

The file is an ordinary safetensors file; only the reading is our own, because the library copies.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from steerec.artifacts import atomic_path
from steerec.errors import DataError
from steerec.items.trie_build import Indices

_HEADER = 8
"""Bytes of the length of the JSON header, little-endian, with which every safetensors file begins."""
_DTYPES: dict[str, np.dtype[Any]] = {"I16": np.dtype("<i2"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8")}


def write_arrays(path: Path, arrays: Mapping[str, Indices], metadata: Mapping[str, str]) -> None:
    """Write integer arrays as one safetensors file, whole or not at all."""
    with atomic_path(path) as temporary:
        whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        save_file(whole, temporary, metadata=dict(metadata))


def map_arrays(path: Path) -> tuple[dict[str, Indices], dict[str, str]]:
    """Map the arrays of a safetensors file, read-only.

    Args:
        path: a file of int16, int32 or int64 arrays.

    Returns:
        The arrays by name, and the file's metadata.

    Raises:
        DataError: the file is missing, no safetensors file, or holds other types.
    """
    try:
        with safe_open(path, framework="np") as file:  # the library's own checks of header and offsets
            names: list[str] = list(file.keys())
            metadata: dict[str, str] = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file: {error}") from None
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    begin = _HEADER + int.from_bytes(mapped[:_HEADER], "little")
    header = json.loads(mapped[_HEADER:begin])
    arrays = {}
    for name in names:
        entry = header[name]
        if entry["dtype"] not in _DTYPES:
            raise DataError(
                f'"{name}" in {path} is of type {entry["dtype"]}; allowed are {", ".join(_DTYPES)}.'
            )
        size = int(np.prod(entry["shape"], dtype=np.int64))
        offset = begin + entry["data_offsets"][0]
        dtype = _DTYPES[entry["dtype"]]
        flat = np.ndarray((size,), dtype, buffer=mapped, offset=offset)
        arrays[name] = flat.reshape(entry["shape"])
    return arrays, metadata
