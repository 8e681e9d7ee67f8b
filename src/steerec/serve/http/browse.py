"""Routes that show what there is: models, items, columns; and histories of users, to edit and to erase."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Path, Query, Response
from fastapi.routing import APIRoute

from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.serve.http.live import View
from steerec.serve.http.problems import Problem
from steerec.serve.http.routes import attributes_of
from steerec.serve.http.schema import (
    CatalogueItem,
    ColumnAnswer,
    HistoryAnswer,
    HistoryBody,
    HistoryItem,
    ItemsAnswer,
    SchemaAnswer,
    UserId,
    UsersAnswer,
)
from steerec.serve.http.service import Service

_MOST_VALUES = 500

UserPath = Annotated[UserId, Path(description="Any text of up to 256 characters without control characters.")]
Limit = Annotated[int, Query(ge=1, le=500)]


def find_items(view: View, query: str, offset: int, limit: int, only: Sequence[str] = ()) -> ItemsAnswer:
    """Return a page of the items whose title holds a text, in the order of the catalogue.

    Args:
        view: the catalogue.
        query: compared folded; empty: every item.
        offset: items to skip.
        limit: most items to return.
        only: ids; where there are any, other items are left out. Ids that are not known name nothing.
    """
    wanted, catalog = fold(query), view.catalog
    ids = frozenset(only) or frozenset(catalog.item_ids)
    names = enumerate(zip(catalog.item_ids, catalog.displays, strict=True))
    found = [place for place, (item_id, title) in names if item_id in ids and wanted in fold(title)]
    page = found[offset : offset + limit]
    rows = attributes_of(catalog, [catalog.item_ids[place] for place in page])
    items = [
        CatalogueItem(
            item_id=catalog.item_ids[place],
            title=catalog.displays[place],
            available=not view.unavailable[place],
            attributes=row,
        )
        for place, row in zip(page, rows, strict=True)
    ]
    return ItemsAnswer(items=items, total=len(found), catalogue_version=view.version)


def describe_columns(catalog: Catalog) -> list[ColumnAnswer]:
    """Return each column with its type and what a page needs to offer it: values, or the range."""
    return [_column(catalog, name) for name in catalog.columns]


def _column(catalog: Catalog, name: str) -> ColumnAnswer:
    kind, values = catalog.columns[name], catalog.frame[name]
    if kind in ("category", "categories", "path"):
        flat = (values.explode() if isinstance(values.dtype, pl.List) else values).drop_nulls()
        counts = flat.alias("value").value_counts(sort=False, name="count")  # a column may be called "count"
        counts = counts.sort(["count", "value"], descending=[True, False])
        commonest = counts["value"].cast(pl.String).to_list()
        paths = _beginnings(values) if kind == "path" else None
        return ColumnAnswer(
            name=name, type=kind, values=commonest[:_MOST_VALUES], num_values=len(commonest), paths=paths
        )
    if kind == "text":
        return ColumnAnswer(name=name, type=kind)
    return ColumnAnswer(name=name, type=kind, least=_bound(values.min()), greatest=_bound(values.max()))


def _beginnings(paths: pl.Series) -> list[list[str]]:
    """Return the commonest beginnings of paths, whole paths too; a beginning stands before what goes on."""
    counts = Counter(tuple(path[:end]) for path in paths.drop_nulls() for end in range(1, len(path) + 1))
    return [
        list(path) for path, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_VALUES]
    ]


def _bound(value: Any) -> float | str | None:
    return value if value is None or isinstance(value, int | float) else str(value)


def router(service: Service, route_class: type[APIRoute]) -> APIRouter:
    """Return the routes.

    Args:
        service: answers.
        route_class: reads bodies.
    """
    api = APIRouter(route_class=route_class)
    _add_catalogue(api, service)
    _add_users(api, service)
    return api


def _add_catalogue(api: APIRouter, service: Service) -> None:
    served = {"id": service.model, "object": "model", "created": service.created, "owned_by": "steerec"}

    @api.get("/v1/models", tags=["catalogue"])
    async def models() -> dict[str, Any]:
        """List the model that is served, in the shape that OpenAI's clients read."""
        return {"object": "list", "data": [served]}

    @api.get("/v1/models/{model}", tags=["catalogue"])
    async def model(model: str) -> dict[str, Any]:
        """Return the model that is served."""
        check_model(service, model)
        return served

    @api.get("/v1/items", tags=["catalogue"])
    async def items(
        query: Annotated[str, Query(max_length=500)] = "",
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Limit = 50,
        item_id: Annotated[list[str], Query(max_length=500)] = [],  # noqa: B006  (FastAPI copies it)
    ) -> ItemsAnswer:
        """Find items by a part of their title, or by their ids."""
        return await asyncio.to_thread(find_items, service.live.view, query, offset, limit, item_id)

    @api.get("/v1/items/schema", tags=["catalogue"])
    async def schema() -> SchemaAnswer:
        """Say what a request may say about the items: columns, their types, values and ranges."""
        view = service.live.view
        return SchemaAnswer(
            noun=view.catalog.noun,
            num_items=len(view.catalog),
            columns=await asyncio.to_thread(describe_columns, view.catalog),
            catalogue_version=view.version,
        )


def check_model(service: Service, name: str) -> None:
    """Refuse a model that is not served.

    Raises:
        Problem: 404.
    """
    if name != service.model:
        raise Problem(
            404,
            "unknown_model",
            f'There is no model "{name:.80}"; "{service.model}" is served.',
            "Use an id that GET /v1/models lists.",
        )


def _add_users(api: APIRouter, service: Service) -> None:
    def shown(user_id: str, history: list[str]) -> HistoryAnswer:
        catalog = service.live.view.catalog
        titles = dict(zip(catalog.item_ids, catalog.displays, strict=True)) if history else {}
        items = [HistoryItem(item_id=item, title=titles.get(item)) for item in history]
        return HistoryAnswer(user_id=user_id, history=items)

    def resolved(body: HistoryBody) -> list[str]:
        service.check_history(body.history)
        view = service.live.view
        past, left_out = view.read_history(body.history)
        if left_out:
            view.catalog.resolve(next(one for one in body.history if not view.read_history([one])[0]))
        return [view.catalog.item_ids[i] for i in past]

    @api.get("/v1/users", tags=["users"])
    async def users(
        after: Annotated[str, Query(pattern=r"^[^\x00-\x1f\x7f]{0,256}$")] = "", limit: Limit = 100
    ) -> UsersAnswer:
        """List users whose history is stored."""
        found = await asyncio.to_thread(service.store.users, after, limit=limit)
        return UsersAnswer(users=found, next=found[-1] if len(found) == limit else None)

    @api.get("/v1/users/{user_id:path}/history", tags=["users"])
    async def read(user_id: UserPath) -> HistoryAnswer:
        """Return a stored history."""
        return shown(user_id, await service.history_of(user_id))

    @api.put("/v1/users/{user_id:path}/history", tags=["users"])
    async def replace(user_id: UserPath, body: HistoryBody) -> HistoryAnswer:
        """Set the whole history of a user, new or known."""
        history = await asyncio.to_thread(resolved, body)
        await asyncio.to_thread(service.store.replace, user_id, history)
        return shown(user_id, history)

    @api.post("/v1/users/{user_id:path}/history", tags=["users"])
    async def append(user_id: UserPath, body: HistoryBody) -> HistoryAnswer:
        """Add the newest items of a user, new or known."""
        history = await asyncio.to_thread(resolved, body)
        most = service.config.limits.max_history
        await asyncio.to_thread(service.store.append, user_id, history, most=most)
        return shown(user_id, await service.history_of(user_id))

    @api.delete("/v1/users/{user_id:path}/history", tags=["users"], status_code=204, response_class=Response)
    async def erase(user_id: UserPath) -> Response:
        """Erase a user: the history, and the feedback and preference pairs that came from it."""
        if not await service.erase(user_id):
            await service.history_of(user_id)  # raises: unknown
        return Response(status_code=204)
