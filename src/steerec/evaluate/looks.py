"""Looks at a test split are counted, in a file of the run's folder, keyed by the split's hash."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from steerec.artifacts import read_json, write_json

FILE = "test_looks.json"


def count_look(folder: Path, split_hash: str, what: str) -> int:
    """Record one evaluation on a test split and return how many there have been.

    Args:
        folder: of the run, and of no stage: what a stage writes is removed when the stage is done again.
        split_hash: hash of the split; every split has its own counter.
        what: name of the run, for the record.

    Returns:
        Number of looks at this split so far, this one included.
    """
    path = folder / FILE
    looks: dict[str, list[dict[str, Any]]] = read_json(path) if path.is_file() else {}
    entry = {"what": what, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    looks.setdefault(split_hash, []).append(entry)
    write_json(path, looks)
    return len(looks[split_hash])


def carry_looks(source: Path, folder: Path) -> None:
    """Let a run go on counting from another folder's looks; one that counts already is left alone."""
    if (source / FILE).is_file() and not (folder / FILE).exists():
        write_json(folder / FILE, read_json(source / FILE))
