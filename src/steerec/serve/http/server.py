"""A service as a process: binds the address, says where it is, stops without losing anything."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from steerec.errors import ConfigError
from steerec.serve.engine import Recommender
from steerec.serve.http.app import create_app
from steerec.serve.http.journal import JsonFormatter
from steerec.serve.http.keys import check_exposure
from steerec.serve.http.service import Service
from steerec.serve.http.settings import ServeConfig


def serve(run: Path, config: ServeConfig, *, announce: Callable[[str], None]) -> None:
    """Serve a run until the process is told to stop (SIGTERM, Ctrl-C).

    Running requests are finished first, for at most `shutdown_timeout_s`.

    Args:
        run: folder of a finished run.
        config: settings.
        announce: told the address when requests are answered.

    Raises:
        SteerecError: the folder is no finished run, the address cannot be bound or may not be without keys.
    """
    check_exposure(config.host, config.keys_file)
    bound = bind(config.host, config.port)
    service = Service(Recommender.from_pretrained(run), config, folder=run)
    log_as_json()
    server = _Server(
        uvicorn.Config(
            create_app(service),
            log_config=None,
            access_log=False,  # it writes paths, which hold user ids
            timeout_graceful_shutdown=config.shutdown_timeout_s,
            server_header=False,
            h11_max_incomplete_event_size=65_536,
        ),
        service,
        lambda: announce(address_of(bound)),
    )
    try:
        with bound:
            server.run(sockets=[bound])
    except SystemExit:  # how uvicorn says that the service did not start
        if service.failure is None:
            raise
    if service.failure is not None:
        raise service.failure


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._on_started = service, on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.hurry()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop well on SIGTERM and Ctrl-C, with status 0; a second Ctrl-C stops at once. SIGHUP: reload."""
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._reload)
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _reload(self, number: int, frame: object) -> None:
        del number, frame
        threading.Thread(target=self._service.reload, name="reload", daemon=True).start()


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address.

    Raises:
        ConfigError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"{host}:{port} cannot be bound: {error.strerror}. Choose another --port; 0 takes a free one."
        ) from None
    bound.set_inheritable(True)
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the address of a bound socket as people open it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def log_as_json() -> None:
    """Write all logs to stderr as JSON lines, and nothing of what a request holds."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what failed is logged by us, or raised
