"""One contract for every history store: SQLite, and PostgreSQL where Debian's server is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from steerec.errors import ConfigError, RequestError
from steerec.serve.http.store import FirstHistories, HistoryStore, open_store

Open = Callable[[FirstHistories], AbstractContextManager[HistoryStore]]


def nobody() -> list[tuple[str, list[str]]]:
    return []


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a server of our own: on loopback, in a temporary folder, run by an ordinary user."""
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "steerec[postgres]"')
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL server: install Debian's package postgresql")
    programs = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="steerec-postgres-"))
    user: dict[str, object] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        account = pwd.getpwnam("nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data, socket = folder / "data", f"-k {folder} -c listen_addresses='' -c fsync=off"

    def call(*command: str) -> None:
        done = subprocess.run(
            [str(programs / command[0]), *command[1:]],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            **user,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stderr

    try:
        call("initdb", "-D", str(data), "-U", "steerec", "--auth=trust", "--no-sync", "-E", "UTF8")
        call("pg_ctl", "-D", str(data), "-o", socket, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://steerec@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite"
        return
    import psycopg

    server = request.getfixturevalue("postgres")
    yield server
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS steerec_history")


@pytest.fixture
def opened(address: str, tmp_path: Path) -> Open:
    return lambda first: open_store(address, tmp_path, first)


def test_reading_setting_appending_erasing(opened: Open) -> None:
    with opened(nobody) as store:
        assert store.history("ann") is None
        assert store.append("ann", ["b", "a"], most=9) == 2
        assert store.append("ann", ["b"], most=9) == 3
        assert store.history("ann") == ["b", "a", "b"]  # repeats and order are kept
        store.replace("ann", ["c"])
        assert store.history("ann") == ["c"]
        store.replace("ann", [])
        assert store.history("ann") == []  # known, and has seen nothing
        assert store.erase("ann")
        assert store.history("ann") is None
        assert not store.erase("ann")


def test_too_long_a_history_is_refused_and_unchanged(opened: Open) -> None:
    with opened(nobody) as store:
        store.replace("ann", ["a", "b"])
        with pytest.raises(RequestError, match="would hold 4 items, and at most 3 are kept"):
            store.append("ann", ["c", "d"], most=3)
        assert store.history("ann") == ["a", "b"]
        with pytest.raises(RequestError, match="at most 0 are kept"):
            store.append("new", ["c"], most=0)
        assert store.history("new") is None


def test_users_are_paged_by_their_bytes(opened: Open) -> None:
    names = ["Zoe", "ann", "ann 2", "bob", "Ærø", "日本"]
    with opened(lambda: [(name, []) for name in names]) as store:
        assert store.users() == sorted(names, key=str.encode)
        assert store.users(limit=2) == ["Zoe", "ann"]
        assert store.users("ann", limit=2) == ["ann 2", "bob"]
        assert store.users("日本") == []


def test_first_histories_fill_a_new_store_once(opened: Open) -> None:
    with opened(lambda: [("ann", ["a"]), ("bob", [])]) as store:
        assert store.history("ann") == ["a"]
        store.erase("ann")
        store.append("bob", ["x"], most=5)
    with opened(lambda: [("ann", ["a"]), ("bob", [])]) as again:
        assert again.history("ann") is None  # the erased do not come back
        assert again.history("bob") == ["x"]


def test_a_store_that_could_not_be_filled_is_filled_at_the_next_start(opened: Open) -> None:
    def broken() -> Iterator[tuple[str, list[str]]]:
        yield "ann", ["a"]
        raise RuntimeError("the log cannot be read")

    with pytest.raises(RuntimeError), opened(broken):
        pass
    with opened(lambda: [("bob", ["b"])]) as store:
        assert store.users() == ["bob"]


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE history; --", "{{7*7}}", "%s %(x)s", "a\\b\"c'd", "😀\u200b", " "]
)
def test_strange_names_are_only_names(opened: Open, text: str) -> None:
    with opened(nobody) as store:
        store.replace(text, [text, "b"])
        store.append(text, [text], most=9)
        assert store.history(text) == [text, "b", text]
        assert store.users() == [text]
        assert store.erase(text)


def test_appends_from_many_threads_all_count(opened: Open) -> None:
    with opened(nobody) as store:

        def add(thread: int) -> None:
            for number in range(10):
                store.append("ann", [f"{thread}-{number}"], most=1000)

        threads = [threading.Thread(target=add, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = store.history("ann")
    assert kept is not None
    assert sorted(kept) == sorted(f"{thread}-{number}" for thread in range(4) for number in range(10))
    for thread in range(4):
        assert [one for one in kept if one.startswith(f"{thread}-")] == [f"{thread}-{n}" for n in range(10)]


def test_the_file_is_its_owners_and_keeps_nothing_erased(tmp_path: Path) -> None:
    with open_store("sqlite", tmp_path, nobody) as store:
        assert (tmp_path / "serve.sqlite").stat().st_mode & 0o077 == 0
        store.replace("ann-the-erased", ["a"])
        store.erase("ann-the-erased")
        on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ann-the-erased" not in on_disk


def test_a_lost_connection_is_an_error_once_and_made_anew(postgres: str) -> None:
    import psycopg

    from steerec.serve.http.postgres import StoreUnavailable

    with open_store(postgres, Path(), nobody) as store, psycopg.connect(postgres, autocommit=True) as other:
        store.replace("ann", ["a"])
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.history("ann")
        assert store.history("ann") == ["a"]
        other.execute("DROP TABLE steerec_history")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis://x", 'store is "sqlite" or a postgresql:// address'),
        ("postgresql://127.0.0.1:1/x", "reached"),
    ],
)
def test_wrong_addresses_are_named(address: str, words: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "steerec[postgres]"')
    with pytest.raises(ConfigError, match=words), open_store(address, tmp_path, nobody):
        pass
