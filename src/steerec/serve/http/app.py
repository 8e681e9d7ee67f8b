"""The HTTP application of one service: routes, error shape, life cycle."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import fastapi
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from steerec.control.part import read_json_exactly
from steerec.errors import RequestError, SteerecError
from steerec.serve.http import browse, chat, examine, routes, static
from steerec.serve.http.journal import REQUEST_ID
from steerec.serve.http.middleware import Surroundings
from steerec.serve.http.problems import Problem, problem_of, validation_message
from steerec.serve.http.schema import ErrorAnswer
from steerec.serve.http.service import Service

_ERRORS = (400, 401, 403, 404, 408, 413, 422, 429, 503, 504)
_ADVICE = {
    400: "Send a JSON object with the header Content-Type: application/json.",
    404: "The routes are listed at /openapi.json.",
    405: "The routes and their methods are listed at /openapi.json.",
    408: "Send the body without pauses.",
    413: "Send less.",
}


class ExactRequest(fastapi.Request):
    """A request whose JSON is read like requests everywhere: 0.3 is three tenths, no key stands twice."""

    async def json(self) -> Any:
        """Return the body, read.

        Raises:
            HTTPException: 400, it is no JSON, or holds half a character.
        """
        try:
            record = read_json_exactly(await self.body())
            json.dumps(record, ensure_ascii=False, default=str).encode()
        except RequestError as error:
            raise HTTPException(400, str(error)) from None
        except UnicodeEncodeError:
            raise HTTPException(400, "The JSON holds half of a surrogate pair, which is no text.") from None
        return record


class ExactRoute(APIRoute):
    """A route that reads its body with `ExactRequest`."""

    def get_route_handler(self) -> Callable[[fastapi.Request], Coroutine[Any, Any, fastapi.Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def exact(request: fastapi.Request) -> fastapi.Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return exact


def create_app(service: Service) -> FastAPI:
    """Return the application; the service runs from its start-up to its shutdown.

    Args:
        service: answers for one run.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        try:
            async with service.running():
                yield
        except Exception as error:
            service.failure = error
            raise

    app = FastAPI(
        title="steerec",
        version=version("steerec"),
        description="Recommendation lists that obey, each with its certificate.",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        responses={status: {"model": ErrorAnswer} for status in _ERRORS},
    )
    app.router.route_class = ExactRoute
    for part in (routes, browse, chat, examine, static):
        app.include_router(part.router(service, ExactRoute))
    app.add_middleware(Surroundings, service=service)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Problem, _known)
    app.add_exception_handler(SteerecError, _known)
    app.add_exception_handler(TimeoutError, _known)
    return app


async def _invalid(request: fastapi.Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, RequestValidationError)
    message = validation_message(error.errors())
    return _shown(
        Problem(422, "invalid_request", message, "Change what the message names; see /openapi.json.")
    )


async def _http(request: fastapi.Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, HTTPException)
    kinds = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 408: "too_slow", 413: "too_large"}
    kind = kinds.get(error.status_code, "refused")
    answer = _shown(Problem(error.status_code, kind, str(error.detail), _ADVICE.get(error.status_code, "")))
    answer.headers.update(error.headers or {})
    return answer


async def _known(request: fastapi.Request, error: Exception) -> JSONResponse:
    del request
    problem = problem_of(error)
    if problem is None:
        raise error
    return _shown(problem)


def _shown(problem: Problem) -> JSONResponse:
    body = problem.body(REQUEST_ID.get())
    return JSONResponse(body, status_code=problem.status, headers=problem.headers)
