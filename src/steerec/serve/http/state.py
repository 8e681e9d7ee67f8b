"""The folder that a service keeps its files in: one service holds it, and it stays the same folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steerec.errors import ConfigError


@contextmanager
def only_service(folder: Path) -> Iterator[os.stat_result]:
    """Hold a folder for the time of the block, and yield what tells it from others: see `is_folder`.

    Two services would write the same files.

    Raises:
        ConfigError: another service holds it.
    """
    with (folder / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"Another service already runs in {folder}. Stop it, or give this one a folder of its own: "
                "--set state_folder=FOLDER."
            ) from None
        yield folder.stat()


def is_folder(path: Path, held: os.stat_result) -> bool:
    """Whether a path still leads to the folder that is held: links are repointed, folders replaced."""
    return path.is_dir() and os.path.samestat(path.stat(), held)
