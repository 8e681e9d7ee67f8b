"""Histories in PostgreSQL, for services of more than one machine; needs psycopg 3."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from steerec.errors import ConfigError, RequestError, SteerecError
from steerec.serve.http.store import FirstHistories, check_length


class StoreUnavailable(SteerecError):  # noqa: N818  (a state, not a fault of the caller)
    """The database does not answer."""


class PostgresStore:
    """Histories in one table, `steerec_history`; one connection, made anew when it was lost."""

    def __init__(self, address: str, first: FirstHistories = tuple) -> None:
        """Connect; a new table is filled with the first histories, all of them or none.

        Args:
            address: such as postgresql://user@host/database; a password is better left to PGPASSFILE.
            first: histories of a new table.

        Raises:
            ConfigError: psycopg is missing, or the database cannot be reached.
        """
        try:
            import psycopg
        except ImportError:
            raise ConfigError('PostgreSQL needs psycopg: pip install "steerec[postgres]".') from None
        self._psycopg, self._address = psycopg, address
        self._lock = threading.Lock()
        try:
            self._connection = psycopg.connect(address, connect_timeout=10)
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(f"The history database cannot be reached: {reason}") from None
        with self._transaction() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('steerec_history'))")
            if _one(cursor, "SELECT to_regclass('steerec_history')") == (None,):
                cursor.execute(
                    'CREATE TABLE steerec_history (user_id TEXT COLLATE "C" PRIMARY KEY, '
                    "items TEXT[] NOT NULL)"
                )
                rows = [(user, list(items)) for user, items in first()]
                cursor.executemany("INSERT INTO steerec_history VALUES (%s, %s)", rows)

    def history(self, user_id: str) -> list[str] | None:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            row = _one(cursor, "SELECT items FROM steerec_history WHERE user_id = %s", user_id)
        return None if row is None else list(row[0])

    def replace(self, user_id: str, item_ids: Sequence[str]) -> None:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO steerec_history VALUES (%s, %s) "
                "ON CONFLICT (user_id) DO UPDATE SET items = EXCLUDED.items",
                (user_id, list(item_ids)),
            )

    def append(self, user_id: str, item_ids: Sequence[str], *, most: int) -> int:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            row = _one(
                cursor,
                "INSERT INTO steerec_history VALUES (%s, %s) ON CONFLICT (user_id) DO UPDATE "
                "SET items = steerec_history.items || EXCLUDED.items RETURNING cardinality(items)",
                user_id,
                list(item_ids),
            )
            assert row is not None, "an upsert returns its row"
            check_length(row[0], most)  # raising undoes it
        return int(row[0])

    def erase(self, user_id: str) -> bool:
        """See `HistoryStore`."""
        with self._transaction() as cursor:
            cursor.execute("DELETE FROM steerec_history WHERE user_id = %s", (user_id,))
            return bool(cursor.rowcount > 0)

    def users(self, after: str = "", *, limit: int = 100) -> list[str]:
        """See `HistoryStore`."""
        query = "SELECT user_id FROM steerec_history WHERE user_id > %s ORDER BY user_id LIMIT %s"
        with self._transaction() as cursor:
            return [row[0] for row in cursor.execute(query, (after, limit)).fetchall()]

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._lock:
            try:
                if self._connection.closed:
                    self._connection = self._psycopg.connect(self._address, connect_timeout=10)
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    yield cursor
            except RequestError:
                raise
            except self._psycopg.Error as error:
                raise StoreUnavailable(
                    f"The history database does not answer ({type(error).__name__}). Try again shortly."
                ) from error


def _one(cursor: Any, query: str, *values: Any) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = cursor.execute(query, values or None).fetchone()
    return row


@contextmanager
def open_postgres(address: str, first: FirstHistories) -> Iterator[PostgresStore]:
    """Connect for the time of the block.

    Raises:
        ConfigError: the address is no PostgreSQL address, or the database cannot be reached.
    """
    if not address.startswith(("postgresql://", "postgres://")):
        raise ConfigError(f'store is "sqlite" or a postgresql:// address, and got "{address:.20}".')
    store = PostgresStore(address, first)
    try:
        yield store
    finally:
        store.close()
