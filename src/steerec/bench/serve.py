"""The service under load: many clients at once over loopback, micro-batching on against off in one run.

Every certificate is checked as it comes: that it says what was asked, that it is satisfied, and that the list
shown is the list certified. Clients repeat what was turned away with 429, as often as the settings say.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from rich import box
from rich.table import Table

from steerec.artifacts import provenance
from steerec.config import Config
from steerec.control.certificate import Certificate, verify
from steerec.control.request import Request
from steerec.data.split import Split
from steerec.errors import ConfigError, DataError
from steerec.seeding import numpy_rng

_ADDRESS = re.compile(r"http://([\d.]+):(\d+)")


class ServeBenchConfig(Config):
    """How the service is loaded."""

    clients: int = Field(default=200, ge=1)
    """Clients that ask at once, each one request after the other."""
    seconds: float = Field(default=60.0, gt=0)
    """Seconds of load, for each way."""
    retries: int = Field(default=3, ge=0)
    """Times that a client repeats what was turned away with 429."""
    max_batch: int = Field(default=16, ge=2)
    """Largest batch of the way with micro-batching."""
    max_waiting: int = Field(default=512, ge=1)
    """Requests that may wait before others are turned away."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds that one answer may take, for the server (then 504) and, a little longer, for the client."""
    count: int = Field(default=10, ge=1)
    """Items of a list."""
    seed: int = Field(default=0, ge=0)
    """Of the requests."""


@dataclass
class Tally:
    """What one load came to."""

    seconds: list[float] = field(default_factory=list)
    """Of each answer with status 200, retries and waits for them included."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Final statuses; 0: no answer."""
    turned_away: int = 0
    """Answers 429, repeated or not."""
    violations: int = 0
    """Lists that disobey, or whose certificate is not true."""


def bench_serve(run: Path, config: ServeBenchConfig) -> dict[str, Any]:
    """Load the service of a run, with and without micro-batching, and return the report.

    Args:
        run: folder of a finished run; nothing is written there.
        config: the load.

    Raises:
        SteerecError: the folder is no finished run.
        ConfigError: the server does not start.
    """
    if not (run / "data").is_dir():
        raise DataError(f"{run} is not a finished run: it has no data. Give the folder of one.")
    split = Split.load(run / "data")
    asks = make_asks(split, config)
    rows = []
    for name, batch in (("off", 1), ("on", config.max_batch)):
        with tempfile.TemporaryDirectory(prefix="steerec-bench-") as state:
            options = {
                "batching.max_batch": batch,
                "batching.max_waiting": config.max_waiting,
                "request_timeout_s": config.timeout_s,
            }
            with serving(run, Path(state), options) as (host, port):
                started = time.perf_counter()
                tally = asyncio.run(load(host, port, asks, split, config))
                rows.append(summary(name, tally, time.perf_counter() - started))
    return {
        "schema": 1,
        "run": str(run),
        "config": config.model_dump(mode="json"),
        "rows": rows,
        **provenance(),
    }


def make_asks(split: Split, config: ServeBenchConfig) -> list[dict[str, Any]]:
    """Return bodies of requests that some list satisfies for nearly every user: a lower bound on a value.

    Args:
        split: users and items; every request is for one of the users.
        config: how many items, and the seed.
    """
    rng = numpy_rng(config.seed, "bench", "serve")
    catalog = split.catalog
    column = next(
        (name for name, kind in catalog.columns.items() if kind in ("categories", "category")), None
    )
    values = commonest(split, column) if column is not None else []
    asks = []
    for user in rng.permutation(len(split.users))[:2000].tolist():
        controls = []
        if values and rng.random() < 0.75:
            where = {column: values[int(rng.integers(len(values)))]}
            controls.append({"where": where, "at_least": int(rng.integers(1, config.count // 2 + 2))})
        request = {"count": config.count, "controls": controls}
        asks.append({"user_id": split.users[user], "request": request})
    return asks


def commonest(split: Split, column: str, most: int = 5) -> list[str]:
    """Return the commonest values of a category column."""
    series = split.catalog.frame[column]
    flat = series.explode() if split.catalog.columns[column] == "categories" else series
    counts = flat.drop_nulls().value_counts().sort(["count", column], descending=[True, False])
    return [str(value) for value in counts[column].to_list()[:most]]


@contextmanager
def serving(run: Path, state: Path, options: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Run the service in a process of its own for the time of the block; yield its host and port.

    Raises:
        ConfigError: it does not start.
    """
    settings = [f"state_folder={state}", *(f"{name}={value}" for name, value in options.items())]
    flags = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "steerec", "serve", str(run), "--port", "0", *flags]
    with (state / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ)
        assert process.stdout is not None
        try:
            found = _ADDRESS.search(process.stdout.readline())
            if found is None:
                process.wait()
                raise ConfigError(f"The service did not start: {(state / 'log').read_text()[-500:]}")
            yield found[1], int(found[2])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
            process.stdout.close()


async def load(
    host: str, port: int, asks: Sequence[dict[str, Any]], split: Split, config: ServeBenchConfig
) -> Tally:
    """Ask from many clients at once until the time is over; answers under way are awaited."""
    tally, place = Tally(), {user: index for index, user in enumerate(split.users)}
    end = time.perf_counter() + config.seconds

    async def client(number: int) -> None:
        connection = _Connection(host, port, config.timeout_s + 10)
        for step in range(10**9):
            if time.perf_counter() >= end:
                break
            ask = asks[(number + step * config.clients) % len(asks)]
            status, body, seconds = await patiently(connection, ask, config.retries, tally)
            tally.statuses[status] = tally.statuses.get(status, 0) + 1
            if status == 200:
                tally.seconds.append(seconds)
                past = split.sequences[place[ask["user_id"]]].tolist()
                tally.violations += not obeys(ask, json.loads(body), split, past)
        connection.close()

    await asyncio.gather(*(client(number) for number in range(config.clients)))
    return tally


async def patiently(
    connection: _Connection, ask: dict[str, Any], retries: int, tally: Tally
) -> tuple[int, bytes, float]:
    """Return the final status, body and seconds of one request, repeated while it is turned away."""
    start = time.perf_counter()
    status, body = 0, b""
    for attempt in range(retries + 1):
        try:
            status, body, wait_s = await connection.post("/v1/recommend", ask)
        except (OSError, TimeoutError, EOFError):
            connection.close()
            return 0, b"", time.perf_counter() - start
        if status != 429:
            break
        tally.turned_away += 1
        if attempt < retries:
            await asyncio.sleep(wait_s)
    return status, body, time.perf_counter() - start


def obeys(ask: dict[str, Any], answer: dict[str, Any], split: Split, past: Sequence[int]) -> bool:
    """Return whether a list does what was asked, by a certificate that is true of the catalogue."""
    certificate = Certificate.from_json(json.dumps(answer["certificate"]))
    wanted = Request.from_json(json.dumps(ask["request"]))
    shown = tuple(item["item_id"] for item in answer["items"])
    return (
        certificate.satisfied
        and certificate.request == wanted
        and certificate.items == shown
        and verify(certificate, split.catalog, past)
    )


class _Connection:
    """One kept-alive connection; asyncio's streams, since a client library costs more than the service."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, record: dict[str, Any]) -> tuple[int, bytes, float]:
        """Return status, body and the seconds of Retry-After.

        Raises:
            OSError, EOFError: the connection broke.
            TimeoutError: there was no answer in time.
        """
        async with asyncio.timeout(self._timeout_s):
            return await self._exchange(path, record)

    async def _exchange(self, path: str, record: dict[str, Any]) -> tuple[int, bytes, float]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        body = json.dumps(record).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await self._writer.drain()
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        content = await self._reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(lines[0].split()[1]), content, float(headers.get("retry-after", 1))

    def close(self) -> None:
        """Drop the connection; the next request makes another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def summary(name: str, tally: Tally, seconds: float) -> dict[str, Any]:
    """Return the row of one way.

    Args:
        name: of the way.
        tally: what the load came to.
        seconds: how long it took, answers under way at the end included.

    Example:
        >>> row = summary("on", Tally([0.1, 0.3], {200: 2, 429: 2}, 5, 0), 2.0)
        >>> row["share_200"], row["lists_per_s"], row["server_errors"]
        (0.5, 1.0, 0)
    """
    total = sum(tally.statuses.values())
    times = np.array(tally.seconds or [float("nan")])
    p50, p95, p99 = (float(value) for value in np.percentile(times, [50, 95, 99]))
    return {
        "batching": name,
        "requests": total,
        "lists_per_s": len(tally.seconds) / seconds,
        "p50_s": p50,
        "p95_s": p95,
        "p99_s": p99,
        "share_200": tally.statuses.get(200, 0) / total if total else 0.0,
        "turned_away": tally.turned_away,
        "server_errors": sum(n for status, n in tally.statuses.items() if status >= 500),
        "no_answer": tally.statuses.get(0, 0),
        "violations": tally.violations,
        "statuses": {str(status): n for status, n in sorted(tally.statuses.items())},
    }


def render(report: dict[str, Any]) -> Table:
    """Return a report as a table for people: micro-batching off and on, final statuses, broken lists."""
    load_, written = report["config"], report["written"][:10]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        header_style="bold",
        pad_edge=False,
        caption=f"{report['run']}, {load_['clients']} clients for {load_['seconds']:g} s each; "
        f"{report['machine']}; {written}, commit {report['commit']}",
        caption_justify="left",
    )
    table.add_column("batching", no_wrap=True)
    for heading in ("lists/s", "p50 s", "p95 s", "p99 s", "200 %", "429", "5xx", "lost", "broken"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["rows"]:
        times = (f"{row[name]:.2f}" for name in ("p50_s", "p95_s", "p99_s"))
        counts = (str(row[name]) for name in ("turned_away", "server_errors", "no_answer", "violations"))
        table.add_row(
            row["batching"], f"{row['lists_per_s']:.1f}", *times, f"{100 * row['share_200']:.2f}", *counts
        )
    return table
