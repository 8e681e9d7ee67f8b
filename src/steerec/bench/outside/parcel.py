"""What goes into the parity environment and comes back: facts as JSON and arrays, in one folder."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

JOB, ANSWER = "job", "answer"
"""Names of the parcel that is sent and of the one that is sent back."""


class Parcel(NamedTuple):
    """Facts and arrays."""

    facts: Mapping[str, Any]
    """Anything JSON can say."""
    arrays: Mapping[str, NDArray[Any]]
    """By name; numbers only."""


def now() -> tuple[float, float]:
    """Return the wall clock and the processor time of this process, all its threads added, in seconds.

    On a busy machine the processor's time says more: it leaves out what other processes took.
    """
    return time.perf_counter(), time.process_time()


def write_parcel(folder: Path, name: str, parcel: Parcel) -> None:
    """Write a parcel into a folder; the facts come last, so that a parcel with facts is whole."""
    np.savez(folder / f"{name}.npz", **dict(parcel.arrays))  # type: ignore[arg-type]
    (folder / f"{name}.json").write_text(json.dumps(dict(parcel.facts)), encoding="utf-8")


def read_parcel(folder: Path, name: str) -> Parcel:
    """Read what `write_parcel` wrote."""
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        return Parcel(facts, {key: arrays[key] for key in arrays.files})
