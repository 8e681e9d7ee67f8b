"""What the service writes down: append-only JSON lines, the list log, and logs without personal data."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from steerec.artifacts import atomic_path

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being answered."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def now() -> str:
    """Return the time, UTC, ISO 8601 to the millisecond."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class JsonLines:
    """A file of JSON objects, one a line, that only grows; readable by its owner alone."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        """Open the file; a last line that was cut off by a crash is removed, it was never confirmed.

        Args:
            path: made if absent.
            durable: whether `append` returns only when the line is on the disk.
        """
        self.path, self._durable = path, durable
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        whole = _whole_length(self._file)
        if whole < os.fstat(self._file).st_size:
            os.ftruncate(self._file, whole)

    def append(self, *records: dict[str, Any]) -> None:
        """Add lines, all in one write."""
        if not records:
            return
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
        with self._lock:
            before = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, text)
                if written < len(text):
                    raise OSError(f"only {written} of {len(text)} bytes could be written to {self.path.name}")
            except OSError:
                os.ftruncate(self._file, before)  # no half line stays
                raise
            if self._durable:
                os.fsync(self._file)

    def records(self) -> list[dict[str, Any]]:
        """Return all lines, read."""
        with self._lock:
            return self._read()

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> int:
        """Rewrite the file with the wanted lines only, whole or not at all; return how many went."""
        with self._lock:
            records = self._read()
            kept = [record for record in records if wanted(record)]
            if len(kept) < len(records):
                self._rewrite(kept)
        return len(records) - len(kept)

    def _read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").split("\n") if line]

    def _rewrite(self, records: Sequence[dict[str, Any]]) -> None:
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            file.flush()
            os.fsync(file.fileno())
        os.close(self._file)
        self._open()

    def close(self) -> None:
        """Put everything on the disk and close the file."""
        with self._lock:
            os.fsync(self._file)
            os.close(self._file)


def _whole_length(file: int) -> int:
    """Return the length in bytes up to the last line end."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - 65_536)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


class JsonFormatter(logging.Formatter):
    """Writes a log record as one JSON object: time, level, event, request id and what `extra` names."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; of an exception only its type and the places it passed, never its message."""
        line: dict[str, Any] = {
            "time": now(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["places"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False, default=str)


def _places(traceback: Any) -> list[str]:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-12:]
