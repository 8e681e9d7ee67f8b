"""`python -m steerec.bench.outside FOLDER`: do the job in a folder and leave the answer there."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from steerec.bench.outside.parcel import ANSWER, JOB, read_parcel, write_parcel

TASKS = {
    "judge": "steerec.bench.outside.judges:judge",
    "rectools": "steerec.bench.outside.rectools_models:train",
    "recbole": "steerec.bench.outside.recbole_models:train",
}
"""What can be asked, by name: `(Parcel) -> Parcel`; each module imports the libraries of its own task."""


def main(folder: Path) -> None:
    """Do the job in a folder."""
    job = read_parcel(folder, JOB)
    module, _, function = TASKS[job.facts["task"]].partition(":")
    write_parcel(folder, ANSWER, getattr(import_module(module), function)(job))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
