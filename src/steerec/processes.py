"""Several processes of one command, as `torchrun` starts them: who this is, and how they wait for each other.

Stages that train are run by all of them together, everything else by the first one while the others wait.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

Value = TypeVar("Value")
_PATIENCE = timedelta(hours=24)


def join_processes() -> None:
    """Join the others that `torchrun` started; alone, nothing happens. All but the first one fall silent."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return
    import torch

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    if place()[0]:
        logging.getLogger("steerec").setLevel(logging.WARNING)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (open until the process ends)


def leave_processes() -> None:
    """Leave the others, at the end of a command."""
    distributed = _distributed()
    if distributed is not None:
        distributed.destroy_process_group()


def place() -> tuple[int, int]:
    """Return the number of this process, and how many there are."""
    distributed = _distributed()
    return (0, 1) if distributed is None else (distributed.get_rank(), distributed.get_world_size())


def is_first() -> bool:
    """Whether this process is the one that writes files."""
    return place()[0] == 0


def wait() -> None:
    """Wait until all processes are here: files are written by one and read by all."""
    distributed = _distributed()
    if distributed is not None:
        distributed.barrier()


def agreed(value: Value) -> Value:
    """Return what the first process found."""
    distributed = _distributed()
    if distributed is None:
        return value
    found = [value]
    distributed.broadcast_object_list(found)
    return found[0]


def gathered(value: Value) -> list[Value]:
    """Return what every process found, in the order of their numbers."""
    distributed = _distributed()
    if distributed is None:
        return [value]
    found = [value] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found


@contextmanager
def alone() -> Iterator[None]:
    """Do something as if there were no other process: the others wait until it is done."""
    before, _ALONE[0] = _ALONE[0], True
    try:
        yield
    finally:
        _ALONE[0] = before


_ALONE = [False]


def _distributed() -> Any:
    """Return torch.distributed where a process group stands; never the reason that torch is loaded."""
    if _ALONE[0]:
        return None
    distributed = sys.modules.get("torch.distributed")
    stands = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if stands else None
