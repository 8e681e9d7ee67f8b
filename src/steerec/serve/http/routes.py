"""Routes of lists, feedback, availability, sentences and operations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from steerec.data.catalog import Catalog
from steerec.errors import InfeasibleRequest
from steerec.serve.engine import Understood as Asked
from steerec.serve.http.feedback import Thumb, UnknownAnswer
from steerec.serve.http.journal import REQUEST_ID
from steerec.serve.http.metering import CONTENT_TYPE
from steerec.serve.http.middleware import unless_gone
from steerec.serve.http.problems import Problem, problem_of
from steerec.serve.http.schema import (
    Ask,
    AvailabilityAnswer,
    AvailabilityBody,
    ConversationAnswer,
    ConversationBody,
    FeedbackAnswer,
    FeedbackBody,
    ListedItem,
    ReasonsAnswer,
    RecommendAnswer,
    RecommendBody,
    Recommended,
    UnderstandAnswer,
    UnderstandBody,
    Understood,
)
from steerec.serve.http.service import Answered, Service


def attributes_of(catalog: Catalog, item_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the attributes of items, by column."""
    places = [catalog.index(item_id) for item_id in item_ids]
    columns = list(catalog.columns)
    return catalog.frame.select(columns)[places].to_dicts() if columns else [{} for _ in places]


def recommended(answered: Answered) -> Recommended:
    """Return a list with its proof, as every route gives it."""
    recommendation, view, left_out = answered
    certificate = recommendation.certificate
    rows = attributes_of(view.catalog, [item.item_id for item in recommendation.items])
    return Recommended(
        items=[
            ListedItem(**item._asdict(), attributes=row)
            for item, row in zip(recommendation.items, rows, strict=True)
        ],
        certificate=certificate,
        understood=Understood(request=certificate.request, unplaced=list(certificate.unplaced)),
        history_left_out=left_out,
        unavailable_excluded=int(view.unavailable.sum()),
        catalogue_version=view.version,
    )


def router(service: Service, route_class: type[APIRoute]) -> APIRouter:
    """Return the routes.

    Args:
        service: answers.
        route_class: reads bodies.
    """
    api = APIRouter(route_class=route_class)
    _add_lists(api, service)
    _add_words(api, service)
    _add_operations(api, service)
    return api


def _add_lists(api: APIRouter, service: Service) -> None:
    @api.post("/v1/recommend", tags=["lists"])
    async def recommend(body: RecommendBody, http: Request) -> RecommendAnswer:
        """Return a list that obeys the request, with its certificate."""
        request_id = REQUEST_ID.get()
        work = service.recommend(body, request_id=request_id, budget_s=body.budget_s)
        answered = await unless_gone(http.receive, work)
        reasons = await unless_gone(http.receive, service.explain(answered)) if body.explain else None
        shown = dict(recommended(answered))
        return RecommendAnswer(**shown, request_id=request_id, model=service.model, reasons=reasons)

    @api.get("/v1/answers/{request_id}/reasons", tags=["lists"])
    async def reasons(request_id: str, http: Request) -> ReasonsAnswer:
        """Say why each item of a list that was just served is in it."""
        served, view = service.feedback.answer(request_id), service.live.view
        if served.catalogue_version != view.version:
            raise UnknownAnswer("The catalogue has changed since this list was made. Ask for it again.")
        found = await unless_gone(http.receive, service.explain(Answered(served.answer, view, 0)))
        return ReasonsAnswer(reasons=found)

    @api.post("/v1/feedback", tags=["lists"])
    async def feedback(body: FeedbackBody) -> FeedbackAnswer:
        """Take thumbs on items of an answer; when this answers 200 they are on the disk."""
        thumbs: dict[str, Thumb] = dict(body.thumbs)
        feedback_id, pairs = await asyncio.to_thread(service.feedback.add, body.request_id, thumbs)
        service.meters.feedback.inc()
        return FeedbackAnswer(feedback_id=feedback_id, pairs=pairs)

    @api.put("/v1/availability", tags=["catalogue"])
    async def availability(body: AvailabilityBody) -> AvailabilityAnswer:
        """Change what is available, and attributes such as prices; requests under way keep what they had."""
        changes = {item.item_id: (item.available, item.attributes) for item in body.items}
        if len(changes) < len(body.items):
            raise Problem(422, "invalid_request", "An item stands twice in the feed.", "Name each item once.")
        view = await asyncio.to_thread(service.live.change, changes)
        return AvailabilityAnswer(catalogue_version=view.version, unavailable=int(view.unavailable.sum()))


def _add_words(api: APIRouter, service: Service) -> None:
    @api.post("/v1/understand", tags=["words"])
    async def understand(body: UnderstandBody) -> UnderstandAnswer:
        """Say what a text is understood as, without making a list."""
        return UnderstandAnswer(**await service.understand(Ask(**dict(body))))

    @api.post("/v1/conversation", tags=["words"])
    async def conversation(body: ConversationBody, http: Request) -> ConversationAnswer:
        """Take one turn: it changes the standing request, and nothing that was shown comes again.

        A turn that asks for nothing ("Hello!", "What is 3 plus 4?") may be answered in words, without a list.
        Where no list satisfies the request that the turn leads to, the error holds that `conversation` too.
        """
        request_id = REQUEST_ID.get()
        who = Ask(user_id=body.user_id, history=body.history, text=body.text)
        talk = await unless_gone(http.receive, service.take_turn(body.conversation, who))
        if reply := talk.turns[-1].reply:
            version = service.live.view.version
            return ConversationAnswer(
                request_id=request_id,
                model=service.model,
                conversation=talk,
                reply=reply,
                catalogue_version=version,
            )
        repeats = body.repeat and talk.turns[-1].did != "went on"
        wanted = talk.standing if repeats else talk.request
        ask = Ask(user_id=body.user_id, history=body.history)
        asked = Asked(wanted, quotes=talk.quotes)
        try:
            answered = await unless_gone(
                http.receive, service.recommend(ask, request_id=request_id, read=asked)
            )
        except InfeasibleRequest as error:
            problem = problem_of(error)
            assert problem is not None
            problem.more["conversation"] = talk.model_dump(mode="json")
            raise problem from None
        talk = talk.show([item.item_id for item in answered.recommendation.items])
        shown = dict(recommended(answered))
        return ConversationAnswer(**shown, request_id=request_id, model=service.model, conversation=talk)


def _add_operations(api: APIRouter, service: Service) -> None:
    @api.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @api.get("/readyz", tags=["operations"])
    async def readyz() -> dict[str, str]:
        """Say whether lists can be asked for: models are loaded and histories can be read."""
        if not service.ready:
            raise Problem(503, "not_ready", "The service is starting or stopping.", "Ask again shortly.")
        await asyncio.to_thread(service.store.users, limit=1)
        return {"status": "ready", "model": service.model, "catalogue_version": service.live.view.version}

    @api.get("/metrics", tags=["operations"], response_class=Response)
    async def metrics() -> Response:
        """Return counters and timings in the format of Prometheus."""
        return Response(service.meters.text(), media_type=CONTENT_TYPE)
