"""A service over loopback, in this process or in one of its own, and requests to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from steerec.serve.engine import Recommender
from steerec.serve.http.app import create_app
from steerec.serve.http.server import bind
from steerec.serve.http.service import Service
from steerec.serve.http.settings import ServeConfig

BASE = "http://127.0.0.1"


def make_service(engine: Recommender, run: Path, state: Path, **settings: Any) -> Service:
    """Return a service that keeps its files in `state`."""
    return Service(engine, ServeConfig(state_folder=state, **settings), folder=run)


@contextlib.asynccontextmanager
async def client_of(service: Service, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run a service without a socket and yield a client of it."""
    app = create_app(service)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, **options) as client:
            yield client


@contextlib.contextmanager
def served_over_loopback(service: Service) -> Iterator[str]:
    """Run a service in a thread, under the real server, and yield its address."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    bound = bind("127.0.0.1", 0)
    server = Server(uvicorn.Config(create_app(service), log_config=None, timeout_graceful_shutdown=20))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        assert started.wait(60), "the server did not start"
        yield f"{BASE}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        bound.close()


@contextlib.contextmanager
def serve_process(run: Path, state: Path, *settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `steerec serve` in a process of its own; yield it and its address."""
    options = [part for one in (f"state_folder={state}", *settings) for part in ("--set", one)]
    command = [sys.executable, "-m", "steerec", "serve", str(run), "--port", "0", *options]
    log = (state / "log").open("w")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, (state / "log").read_text())
        yield process, found[0]
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        log.close()


def run(coroutine: Any) -> Any:
    """Run a coroutine to its end, for at most a minute."""
    return asyncio.run(asyncio.wait_for(coroutine, 60))
