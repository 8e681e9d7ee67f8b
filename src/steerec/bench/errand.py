"""Jobs for the parity environment: other libraries, in a Python of their own, asked in one run with ours.

RecTools, ranx and RecBole want older numpy and pandas than steerec, so they live in `.venv-parity` (see
`make parity`) and are started as a process, with the same threads as ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import steerec
from steerec.bench.outside.parcel import ANSWER, JOB, Parcel, read_parcel, write_parcel
from steerec.errors import ConfigError

VARIABLE = "STEEREC_PARITY_PYTHON"
"""Environment variable that names the Python of the parity environment."""
FOLDER = ".venv-parity"
_PACKAGE = Path(steerec.__file__).parent
_LAST_LINES = 15


class NoParityError(ConfigError):
    """There is no parity environment, or it cannot do a job."""


def parity_python() -> Path:
    """Return the Python of the parity environment.

    It is the one that STEEREC_PARITY_PYTHON names, else that of `.venv-parity` in the working folder or in
    the checkout.

    Raises:
        NoParityError: there is none.
    """
    named = os.environ.get(VARIABLE)
    program = Path("Scripts/python.exe") if sys.platform == "win32" else Path("bin/python")
    places = [Path(named)] if named else [root / FOLDER / program for root in (Path(), _PACKAGE.parents[1])]
    for place in places:
        if place.is_file():
            return place.absolute()
    raise NoParityError(
        f"There is no parity environment: {' and '.join(map(str, places))} is missing. RecTools, ranx and "
        f"RecBole live there, since steerec cannot be installed beside them. Make it with "
        f"`make parity-environment`, or name its Python in {VARIABLE}."
    )


def send(task: str, job: Parcel, *, threads: int) -> Parcel:
    """Have a job done in the parity environment.

    Args:
        task: a name in `steerec.bench.outside.__main__.TASKS`.
        job: what it is given.
        threads: of the other process.

    Raises:
        NoParityError: there is no such environment, or the job failed there; the message ends with what the
            other process said last.
    """
    python = parity_python()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Only steerec itself may be seen there, not the libraries that may lie beside it.
        (folder / "path").mkdir()
        (folder / "path" / "steerec").symlink_to(_PACKAGE, target_is_directory=True)
        facts = {**job.facts, "task": task, "threads": threads}
        write_parcel(folder, JOB, Parcel(facts, job.arrays))
        environment = os.environ | {
            "PYTHONPATH": str(folder / "path"),
            "OMP_NUM_THREADS": str(threads),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [str(python), "-m", "steerec.bench.outside", str(folder)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not (folder / f"{ANSWER}.json").is_file():
            said = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
            raise NoParityError(
                f'The parity environment could not do "{task}" (exit status {done.returncode}). Make it anew '
                f"with `make parity-environment` if a library is missing. It said:\n{said}"
            )
        return read_parcel(folder, ANSWER)
