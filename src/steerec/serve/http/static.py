"""The web page at `/`: built files that ship with the package, under a strict content security policy.

The sources are in `page/` of the repository; `make page` builds them into the folder `page` beside this
module. The page holds no data: it asks the routes for all of it, with the key that a person types in.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from steerec.serve.http.problems import Problem
from steerec.serve.http.service import Service

FOLDER = Path(__file__).parent / "page"
ASSETS = "/assets/"
_INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"
"""For names that hold a hash of their contents."""
_ASK_AGAIN = "no-cache"


class PageFile(NamedTuple):
    """A file of the page, ready to be sent."""

    content: bytes
    media_type: str
    tag: str
    """Names the contents, for If-None-Match."""


@cache
def page_files() -> dict[str, PageFile]:
    """Return the files of the page by their path below `/`; only these are ever sent."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.relative_to(FOLDER).as_posix()] = PageFile(content, _TYPES[path.suffix], tag)
    return found


def is_page(path: str) -> bool:
    """Return whether a path is of the page, which holds no data and needs no key.

    Example:
        >>> is_page("/"), is_page("/assets/index.js"), is_page("/v1/users")
        (True, True, False)
    """
    return path == "/" or path.startswith(ASSETS)


def router(service: Service, route_class: type[APIRoute]) -> APIRouter:
    """Return the routes of the page; they are no part of the described interface.

    Args:
        service: not asked; every part of the application is made from the same arguments.
        route_class: reads bodies.
    """
    del service
    api = APIRouter(route_class=route_class)

    @api.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        """Return the page."""
        return _sent(request, _INDEX, _ASK_AGAIN)

    @api.get(ASSETS + "{name}", include_in_schema=False)
    async def asset(request: Request, name: str) -> Response:
        """Return a script, a style or an image of the page."""
        return _sent(request, ASSETS.strip("/") + "/" + name, _FOREVER)

    return api


def _sent(request: Request, name: str, caching: str) -> Response:
    file = page_files().get(name)
    if file is None:
        message = "The page has no such file." if page_files() else "The page is not built."
        raise Problem(404, "not_found", message, "Open /; in a clone of the repository run `make page`.")
    headers = {**_HEADERS, "Cache-Control": caching, "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
