"""One progress bar per stage on a terminal; elsewhere a log line now and then, with ETA."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

logger = logging.getLogger("steerec")

_HEARTBEAT_S = 20.0


class Bar(Protocol):
    """What a stage sees of its progress bar."""

    def advance(self, amount: int = 1, info: str = "") -> None:
        """Move on by `amount` units and show `info` (a short text such as the loss)."""


class _TerminalBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: int = 1, info: str = "") -> None:
        if info:
            self._progress.update(self._task, advance=amount, info=info)
        else:
            self._progress.advance(self._task, amount)


class _LogBar:
    def __init__(self, description: str, total: int, unit: str, done: int) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._before, self._done, self._start = done, done, time.monotonic()
        self._last = self._start

    def advance(self, amount: int = 1, info: str = "") -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last < _HEARTBEAT_S:
            return
        self._last = now
        elapsed = now - self._start
        eta = elapsed / max(self._done - self._before, 1) * max(self._total - self._done, 0)
        logger.info(
            "%s: %d of %d %s, %s elapsed, about %s left%s",
            self._description,
            self._done,
            self._total,
            self._unit,
            clock(elapsed),
            clock(eta),
            f", {info}" if info else "",
        )


@contextmanager
def progress(description: str, *, total: int, unit: str = "steps", done: int = 0) -> Iterator[Bar]:
    """Show progress of one stage on stderr.

    Args:
        description: what is being done, in a few words.
        total: number of units.
        unit: what is counted, for the log lines.
        done: units that an earlier, interrupted run has done; they say nothing of the time left.

    Yields:
        A bar with `advance(amount, info)`.
    """
    if not sys.stderr.isatty():
        yield _LogBar(description, total, unit, done)
        return
    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[info]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as live:
        yield _TerminalBar(live, live.add_task(description, total=total, completed=done, info=""))


def clock(seconds: float) -> str:
    """Return a duration as people write it.

    Example:
        >>> clock(5), clock(75), clock(3700)
        ('5 s', '1 min 15 s', '1 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
