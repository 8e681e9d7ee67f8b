"""Around every request: its id, the limits of its body, its key, what is logged and counted of it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from steerec.serve.http.journal import REQUEST_ID
from steerec.serve.http.keys import is_local_name, key_fits
from steerec.serve.http.problems import ClientGone, Problem
from steerec.serve.http.static import is_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from steerec.serve.http.service import Service

logger = logging.getLogger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_OPEN = ("/healthz", "/readyz")
"""Answered without a key: orchestrators have none."""
_CLIENT_GONE = 499


class Surroundings:
    """ASGI middleware; the outermost, so that no answer escapes it."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is no HTTP."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = sane_id(headers.get("x-request-id"))
        token = REQUEST_ID.set(request_id)
        sender, start = _Sender(send, request_id), time.perf_counter()
        try:
            await self._answer(scope, receive, sender, headers)
        finally:
            self._note(scope, sender.status, time.perf_counter() - start)
            REQUEST_ID.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, sender: _Sender, headers: Headers) -> None:
        limits = self._service.config.limits
        try:
            self._admit(scope["path"], headers)
            check_declared(headers.get("content-length"), limits.max_body_bytes)
            body = BoundedBody(receive, limits.max_body_bytes, self._service.config.body_timeout_s)
            await self._app(scope, body, sender)
        except ClientGone:
            sender.status = _CLIENT_GONE
        except Problem as problem:
            await sender.answer(problem)
        except Exception:
            logger.exception("request failed")
            if sender.started:
                raise
            advice = "Send it again; if it fails again, tell the operator the request_id."
            await sender.answer(Problem(500, "internal", "The service failed to answer.", advice))

    def _admit(self, path: str, headers: Headers) -> None:
        keys = self._service.keys
        if keys:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            is_open = path in _OPEN or is_page(path)
            if not is_open and not (scheme.lower() == "bearer" and key_fits(key.strip(), keys)):
                raise Problem(
                    401,
                    "unauthorized",
                    "A valid API key is needed.",
                    "Send the header Authorization: Bearer KEY.",
                )
        elif not is_local_name(headers.get("host", "")):
            raise Problem(
                403,
                "forbidden_host",
                "Without API keys only requests to this machine by a loopback name are answered.",
                "Use http://127.0.0.1, or start the service with keys_file.",
            )

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # the template of the route: the path itself may hold a user id
        route = getattr(scope.get("route"), "path_format", "unmatched")
        meters = self._service.meters
        meters.requests.labels(route, scope["method"] if route != "unmatched" else "", str(status)).inc()
        meters.seconds.labels(route).observe(seconds)
        logger.info(
            "request",
            extra={
                "method": scope["method"][:16],
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 1),
            },
        )


class _Sender:
    """Passes an answer on with the request id in its headers, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id = send, request_id
        self.status, self.started = _CLIENT_GONE, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            MutableHeaders(scope=message)["X-Request-ID"] = self._request_id
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        """Send a problem as the whole answer."""
        body = json.dumps(problem.body(self._request_id), ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self({"type": "http.response.body", "body": body})


class BoundedBody:
    """A receive channel that gives up on a body that is too large or too slow."""

    def __init__(self, receive: Receive, most: int, timeout_s: float) -> None:
        self._receive, self._most, self._timeout_s = receive, most, timeout_s
        self._size, self._complete = 0, False
        self._deadline: float | None = None

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            HTTPException: 413, the body is too large; 408, it takes too long.
        """
        if self._complete:
            return await self._receive()  # waits for the client to go
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + self._timeout_s
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not arrive in time.") from None
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > self._most:
            raise HTTPException(413, f"The body is larger than {self._most:,} bytes.")
        return message


def check_declared(length: str | None, most: int) -> None:
    """Refuse a body by the length it declares, before any of it is read.

    Raises:
        Problem: 413, it is too large.
    """
    if length is not None and length.isdecimal() and int(length[:20]) > most:
        raise Problem(413, "too_large", f"The body is larger than {most:,} bytes.", "Send less.")


def sane_id(given: str | None) -> str:
    """Return the id that a client gave its request, if it is a harmless one, else a new one.

    Example:
        >>> sane_id("order-17")
        'order-17'
        >>> len(sane_id("a b"))
        32
    """
    return given if given is not None and _SANE_ID.fullmatch(given) else uuid4().hex


async def unless_gone(receive: Receive, work: Any) -> Any:
    """Return the result of a coroutine, or cancel it when the client disconnects first.

    Args:
        receive: the channel of the request, its body read.
        work: the coroutine.

    Raises:
        ClientGone: the client disconnected.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
