"""Errors as people and programs get them: one JSON shape, one place that chooses the status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from steerec.errors import InfeasibleRequest, RequestError
from steerec.serve.http.batching import Busy, Closing
from steerec.serve.http.feedback import UnknownAnswer
from steerec.serve.http.postgres import StoreUnavailable

_LONGEST = 2_000
RETRY_AFTER_S = 1


class Problem(Exception):  # noqa: N818  (an answer over HTTP, named after what it is)
    """An answer that is no success: its status, and what the body says."""

    def __init__(self, status: int, kind: str, message: str, advice: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.advice, self.more = status, kind, message, advice, more

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON: `{"error": {type, message, advice, request_id, ...}}`."""
        error = {"type": self.kind, "message": self.message[:_LONGEST], "advice": self.advice}
        return {"error": {**error, "request_id": request_id, **self.more}}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the status."""
        if self.status in (429, 503):
            return {"Retry-After": str(RETRY_AFTER_S)}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


class ClientGone(Exception):  # noqa: N818
    """Nobody waits for the answer any more."""


class _Kind(NamedTuple):
    status: int
    kind: str
    advice: str


_KINDS: dict[type[Exception], _Kind] = {
    UnknownAnswer: _Kind(404, "unknown_answer", "Send feedback on an item of an answer of this service."),
    Busy: _Kind(429, "busy", "Wait as long as Retry-After says, then send the request again."),
    Closing: _Kind(503, "stopping", "Send the request again; another process will answer."),
    StoreUnavailable: _Kind(503, "store_unavailable", "Try again, or send the history instead of a user id."),
    RequestError: _Kind(422, "invalid_request", "Change what the message names and send it again."),
    TimeoutError: _Kind(
        504,
        "timeout",
        "Send budget_s: when it is over the teacher finishes the list. Or ask for fewer items.",
    ),
}


def problem_of(error: Exception) -> Problem | None:
    """Return the answer to an exception, or None where it is a fault of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InfeasibleRequest):
        return _refusal(error)
    for kind, (status, name, advice) in _KINDS.items():
        if isinstance(error, kind):
            message = str(error) or "The answer took too long."
            return Problem(status, name, message, advice)
    return None


def _refusal(error: InfeasibleRequest) -> Problem:
    """Impossible requests are 422, not 409: the usual clients repeat a 409, and repeating cannot help."""
    return Problem(
        422,
        "infeasible_request",
        str(error),
        "Change the request as `relaxation` says, or leave one of the controls of `conflict` out.",
        **error.as_data(),
    )


def validation_message(errors: Sequence[Any]) -> str:
    """Return the first problems that validation found, each with its place, in one line."""
    lines = []
    for error in errors[:5]:
        place = ".".join(str(step) for step in error["loc"] if step != "body")
        message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
        lines.append(f"{place}: {message}." if place else f"{message}.")
    more = f" And {len(errors) - 5} more." if len(errors) > 5 else ""
    return " ".join(lines) + more
