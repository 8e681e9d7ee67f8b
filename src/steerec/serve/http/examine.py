"""Routes that look into a run: one request by everybody side by side, the report, the failures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute

from steerec.serve.http.compare import Rival
from steerec.serve.http.insight import FailuresAnswer, RunAnswer, describe_run, find_failures, read_means
from steerec.serve.http.live import View
from steerec.serve.http.middleware import unless_gone
from steerec.serve.http.routes import attributes_of
from steerec.serve.http.schema import Ask, CompareAnswer, Compared, ListedItem
from steerec.serve.http.service import Service


def shown(view: View, rivals: list[Rival], folder: Path) -> CompareAnswer:
    """Return the lists of a comparison, each with what the run's report says of its row.

    Args:
        view: the catalogue that the lists were made under.
        rivals: the lists.
        folder: of the run.
    """
    means = read_means(folder)
    columns = [
        Compared(
            kind=rival.kind,
            row=rival.row,
            items=_items(view, rival),
            certificate=rival.certificate,
            metrics=means.get(rival.row, {}),
        )
        for rival in rivals
    ]
    return CompareAnswer(columns=columns, catalogue_version=view.version)


def _items(view: View, rival: Rival) -> list[ListedItem]:
    catalog = view.catalog
    ids = [catalog.item_ids[item] for item in rival.items]
    titles = [catalog.displays[item] for item in rival.items]
    rows = zip(ids, titles, rival.scores, attributes_of(catalog, ids), strict=True)
    return [ListedItem(item_id=one, title=title, score=s, attributes=row) for one, title, s, row in rows]


def router(service: Service, route_class: type[APIRoute]) -> APIRouter:
    """Return the routes.

    Args:
        service: answers.
        route_class: reads bodies.
    """
    api = APIRouter(route_class=route_class)

    @api.post("/v1/compare", tags=["lists"])
    async def compare(body: Ask, http: Request) -> CompareAnswer:
        """Answer one request by popularity, the teacher, and the model before and after its alignment."""
        view, rivals = await unless_gone(http.receive, service.compare(body))
        return await asyncio.to_thread(shown, view, rivals, service.run_folder)

    @api.get("/v1/run", tags=["run"])
    async def run() -> RunAnswer:
        """Return the report of the run and its training curves."""
        return await asyncio.to_thread(describe_run, service.run_folder)

    @api.get("/v1/run/failures", tags=["run"])
    async def failures(
        row: Annotated[str, Query(max_length=200)], limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> FailuresAnswer:
        """Return requests of the last evaluation that a row of the report did not obey."""
        return await asyncio.to_thread(find_failures, service.run_folder, row, limit)

    return api
