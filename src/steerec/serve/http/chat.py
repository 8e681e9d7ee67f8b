"""The route that OpenAI's clients call: a conversation in, a list as words and data out, streamed or whole.

Both directions carry one object of our own, `recommend`: `{user_id or history, request or text}` in,
`{items, certificate, understood, ...}` out. Without request and text, the last user message is the text; one
that asks for nothing may be answered in words, and `recommend` is null then.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from steerec.errors import RequestError
from steerec.serve.engine import Recommender
from steerec.serve.http.browse import check_model
from steerec.serve.http.journal import REQUEST_ID
from steerec.serve.http.middleware import unless_gone
from steerec.serve.http.routes import recommended
from steerec.serve.http.schema import Ask, Recommended
from steerec.serve.http.service import Heard, Service

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(extra="allow")
    type: str
    text: str | None = None


class Message(BaseModel):
    """A turn of the conversation."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The text of the message, its parts joined."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text is not None)
        return self.content or ""


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(extra="allow")
    include_usage: bool = False


class ChatBody(BaseModel):
    """OpenAI's request; parameters of sampling are accepted and have no effect."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)
    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    """One list is made for one request."""
    recommend: Ask | None = None
    """Our own object: whose list, and the request where it is not the last user message."""


def ask_of(body: ChatBody) -> Ask:
    """Return who asks for what.

    Raises:
        RequestError: no message of a user says what is wanted, and `recommend` does not either.
    """
    ask = body.recommend or Ask()
    if ask.request is not None or ask.text is not None:
        return ask
    said = [message.text for message in body.messages if message.role == "user"]
    if not said:
        raise RequestError("No message has the role user, and recommend has no request and no text.")
    return ask.model_copy(update={"text": said[-1]})


def answer_lines(shown: Recommended) -> list[str]:
    """Return the list as people read it, a line an item; titles cannot break out of their line."""
    lines = [f"{place}. {_CONTROL.sub(' ', item.title)}" for place, item in enumerate(shown.items, start=1)]
    if shown.understood.unplaced:
        lines.append("Not understood: " + _CONTROL.sub(" ", "; ".join(shown.understood.unplaced)))
    return lines


def count_tokens(engine: Recommender, text: str) -> int:
    """Return the tokens of a text by the model's own tokenizer; words, where there is no language model."""
    return len(text.split()) if engine.lm is None else len(engine.lm.encode_words(text))


def router(service: Service, route_class: type[APIRoute]) -> APIRouter:
    """Return the routes.

    Args:
        service: answers.
        route_class: reads bodies.
    """
    api = APIRouter(route_class=route_class)

    @api.post("/v1/chat/completions", tags=["lists"], response_class=JSONResponse)
    async def completions(body: ChatBody, http: Request) -> Response:
        """Answer the last user message, or the vendor object, with a list."""
        check_model(service, body.model)
        request_id = REQUEST_ID.get()
        ask = ask_of(body)
        heard = Heard()
        if ask.text is not None and (body.recommend is None or body.recommend.text is None):
            heard = await unless_gone(http.receive, service.in_words(ask))
        if heard.reply is not None:
            reply = _Reply(service, body, heard.reply.splitlines(), None, request_id)
        else:
            work = service.recommend(ask, request_id=request_id, read=heard.read)
            shown = recommended(await unless_gone(http.receive, work))
            reply = _Reply(service, body, answer_lines(shown), shown, request_id)
        if body.stream:
            headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
            return EventSourceResponse(reply.events(), headers=headers)
        return JSONResponse(reply.whole())

    return api


class _Reply:
    """One answer in OpenAI's two shapes."""

    def __init__(
        self,
        service: Service,
        body: ChatBody,
        lines: list[str],
        shown: Recommended | None,
        request_id: str,
    ) -> None:
        options = body.stream_options
        self._include_usage = options is not None and options.include_usage
        self._lines = lines
        self._recommend = None
        if shown is not None:
            self._recommend = {**shown.model_dump(mode="json"), "request_id": request_id}
        self._common = {"id": f"chatcmpl-{request_id}", "created": int(time.time()), "model": service.model}
        engine = service.live.view.engine
        prompt = sum(count_tokens(engine, message.text) for message in body.messages)
        completion = count_tokens(engine, "\n".join(self._lines))
        self._usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def whole(self) -> dict[str, Any]:
        """Return the answer in one piece."""
        message = {"role": "assistant", "content": "\n".join(self._lines), "refusal": None}
        return {
            **self._common,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": self._usage,
            "recommend": self._recommend,
        }

    def events(self) -> Iterator[bytes]:
        """Yield the answer as server-sent events: a line an event; the data comes with the last."""
        yield self._event({"role": "assistant", "content": ""})
        for place, line in enumerate(self._lines):
            yield self._event({"content": line if place == 0 else "\n" + line})
        yield self._event({}, finish="stop", recommend=self._recommend)
        if self._include_usage:
            yield self._chunk(choices=[], usage=self._usage)
        yield format_sse_event(data_str="[DONE]")

    def _event(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._chunk(choices=[choice], **more)

    def _chunk(self, **content: Any) -> bytes:
        record = {**self._common, "object": "chat.completion.chunk", **content}
        return format_sse_event(data_str=json.dumps(record, ensure_ascii=False))
