"""Histories of users: the protocol of a store, and SQLite, the default."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from steerec.errors import RequestError

FirstHistories = Callable[[], Iterable[tuple[str, Sequence[str]]]]
"""Makes (user id, item ids, oldest first) for a store that has just been made."""


class HistoryStore(Protocol):
    """Keeps item ids, oldest first, for each user. Safe to call from several threads."""

    def history(self, user_id: str) -> list[str] | None:
        """Return the item ids of a user, oldest first; None for a user who is not known."""

    def replace(self, user_id: str, item_ids: Sequence[str]) -> None:
        """Set the whole history of a user, who becomes known."""

    def append(self, user_id: str, item_ids: Sequence[str], *, most: int) -> int:
        """Add the newest items of a user, who becomes known, and return the new length.

        Raises:
            RequestError: the history would be longer than `most`; nothing is added.
        """

    def erase(self, user_id: str) -> bool:
        """Forget a user; return whether the user was known."""

    def users(self, after: str = "", *, limit: int = 100) -> list[str]:
        """Return the next `limit` user ids that sort behind `after` by their bytes."""


class SqliteStore:
    """Histories in one SQLite file in WAL mode: readers never wait for the writer."""

    def __init__(self, path: Path, first: FirstHistories = tuple) -> None:
        """Open the file; a new one is filled with the first histories, all of them or none.

        Args:
            path: the file; made, readable by its owner alone, if absent.
            first: histories of a new file.
        """
        path.touch(mode=0o600, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA secure_delete = ON")  # erased is overwritten, not just unlinked
        with self._transaction() as cursor:
            if cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'history'").fetchone() is None:
                cursor.execute("CREATE TABLE history (user_id TEXT PRIMARY KEY, items TEXT NOT NULL)")
                rows = ((user, json.dumps(list(items))) for user, items in first())
                cursor.executemany("INSERT INTO history VALUES (?, ?)", rows)

    def history(self, user_id: str) -> list[str] | None:
        """See `HistoryStore`."""
        with self._lock:
            return _read(self._connection.cursor(), user_id)

    def replace(self, user_id: str, item_ids: Sequence[str]) -> None:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            _write(cursor, user_id, item_ids)

    def append(self, user_id: str, item_ids: Sequence[str], *, most: int) -> int:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            items = [*(_read(cursor, user_id) or []), *item_ids]
            check_length(len(items), most)
            _write(cursor, user_id, items)
        return len(items)

    def erase(self, user_id: str) -> bool:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            known = cursor.execute("DELETE FROM history WHERE user_id = ?", (user_id,)).rowcount > 0
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # old pages go too
        return known

    def users(self, after: str = "", *, limit: int = 100) -> list[str]:
        """See `HistoryStore`."""
        query = "SELECT user_id FROM history WHERE user_id > ? ORDER BY user_id LIMIT ?"
        with self._lock:
            return [row[0] for row in self._connection.execute(query, (after, limit))]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._lock:
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")


def check_length(length: int, most: int) -> None:
    """Refuse a stored history that is too long.

    Raises:
        RequestError: it is longer than `most`.
    """
    if length > most:
        raise RequestError(
            f"The history would hold {length:,} items, and at most {most:,} are kept. Set a shorter one with "
            "PUT, or raise limits.max_history."
        )


def _read(cursor: sqlite3.Cursor, user_id: str) -> list[str] | None:
    row = cursor.execute("SELECT items FROM history WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else list(json.loads(row[0]))


def _write(cursor: sqlite3.Cursor, user_id: str, item_ids: Sequence[str]) -> None:
    cursor.execute("INSERT OR REPLACE INTO history VALUES (?, ?)", (user_id, json.dumps(list(item_ids))))


@contextmanager
def open_store(address: str, folder: Path, first: FirstHistories) -> Iterator[HistoryStore]:
    """Open the store that a setting names, for the time of the block.

    Args:
        address: "sqlite", or a postgresql:// address.
        folder: where the SQLite file `serve.sqlite` lies.
        first: histories of a store that is new.

    Raises:
        ConfigError: the address is of neither kind, or the database cannot be reached.
    """
    if address == "sqlite":
        store = SqliteStore(folder / "serve.sqlite", first)
        try:
            yield store
        finally:
            store.close()
        return
    from steerec.serve.http.postgres import open_postgres

    with open_postgres(address, first) as remote:
        yield remote
