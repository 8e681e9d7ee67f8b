"""What goes in and out over HTTP, beside `Request` and `Certificate`, which are the same everywhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from steerec.control.certificate import Certificate
from steerec.control.request import Request
from steerec.understand.conversation import Conversation

UserId = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,256}$")]
"""Up to 256 characters, none of them a control character."""
Reference = Annotated[str, Field(min_length=1, max_length=500)]
"""An item's id or title."""


def _plain_value(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str | list | None):
        raise ValueError("a number, a text, a list of texts or null is needed")
    return value


AttributeValue = Annotated[
    Any,
    BeforeValidator(_plain_value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}},
                {"type": "null"},
            ]
        }
    ),
]


class Body(BaseModel):
    """Base of what comes in: no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """Base of what goes out."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Who(Body):
    """Who asks."""

    user_id: UserId | None = None
    """A user whose history is stored. Give this or `history`; neither is an empty history."""
    history: list[Reference] | None = None
    """Ids or titles of what the user has seen, oldest first; the catalogue's unknowns are left out."""


class Ask(Who):
    """Who asks and what for; all of it may be left out."""

    request: Request | None = None
    """The list that is wanted. Give this or `text`; neither is ten recommendations."""
    text: str | None = None
    """The list that is wanted, in words."""


class RecommendBody(Ask):
    """A request for one list."""

    budget_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    """Seconds after which the teacher finishes the list; the certificate then has `fallback_from`."""
    explain: bool = False
    """Whether to say why each item is in the list."""


class UnderstandBody(Who):
    """A text to be understood."""

    text: str
    """One sentence or a short conversation."""


class UnderstandAnswer(Answer):
    """What was understood."""

    request: Request | None
    """Null where no request says the text; `conflict` then says why."""
    unplaced: list[str]
    """Words that no control says."""
    conflict: dict[str, Any] | None
    """Why no list can be made: a message and, where controls contradict each other, what would work."""


class ConversationBody(Who):
    """One turn of a conversation; its state travels with it and is kept by the client."""

    text: str
    """What the user says now."""
    conversation: Conversation = Conversation()
    """The state that the answer to the turn before had; it may be edited. Empty: a new conversation."""
    repeat: bool = False
    """Whether what was shown may come again, unless the turn asks for more: a list that is being steered."""


class ListedItem(Answer):
    """An item of a list."""

    item_id: str
    title: str
    score: float
    """Comparable within a list."""
    attributes: dict[str, Any]
    """By column."""


class Understood(Answer):
    """What was understood."""

    request: Request
    """As it was answered, defaults too."""
    unplaced: list[str]
    """Words that no control says."""


class Recommended(Answer):
    """A list with its proof, in the shape that every route gives."""

    items: list[ListedItem]
    certificate: Certificate
    """Counts that prove that the list obeys."""
    understood: Understood
    history_left_out: int
    """Items of the history that the catalogue does not know."""
    unavailable_excluded: int
    """Items that could not be recommended because they are not available."""
    catalogue_version: str
    """State of attributes and availability that the list was made under."""


class Carrier(Answer):
    """A history item that carries a recommendation."""

    item_id: str
    title: str
    fall: float
    """Nats that the recommendation's log-probability falls without it."""


class Reason(Answer):
    """Why an item is in a list; every claim is computed, see `serve.explain`."""

    item_id: str
    place: int
    rank: int | None
    """Rank that the teacher gives it without any control; null where it was seen."""
    controls: list[int]
    """Controls with a lower bound that count it."""
    carriers: list[Carrier]
    rank_without: int | None
    """Rank without the carriers; null without any."""
    sentence: str


class ReasonsAnswer(Answer):
    """Why the items of a list are in it."""

    reasons: list[Reason]
    """One per item, in the list's order."""


class RecommendAnswer(Recommended):
    """The answer of /v1/recommend."""

    request_id: str
    """Names this answer in feedback and in the list log."""
    model: str
    reasons: list[Reason] | None = None
    """One per item, in the list's order, where `explain` asked for them."""


class ConversationAnswer(Answer):
    """The answer of /v1/conversation: a list as in /v1/recommend, and the state for the next turn."""

    request_id: str
    model: str
    conversation: Conversation
    reply: str | None = None
    """What is answered in words to a turn that asks for nothing; then there is no list."""
    items: list[ListedItem] = []
    certificate: Certificate | None = None
    understood: Understood | None = None
    history_left_out: int = 0
    unavailable_excluded: int = 0
    catalogue_version: str


class FeedbackBody(Body):
    """Thumbs on items of one answer."""

    request_id: Annotated[str, Field(min_length=1, max_length=128)]
    """Of the answer."""
    thumbs: Annotated[dict[Reference, Literal["up", "down"]], Field(min_length=1, max_length=1000)]
    """By item id."""


class FeedbackAnswer(Answer):
    """Feedback that is on the disk."""

    feedback_id: str
    pairs: int
    """Preference pairs that it added."""


class AvailabilityChange(Body):
    """News of one item."""

    item_id: Reference
    available: bool | None = None
    """Whether it may be recommended; null: as before."""
    attributes: dict[str, AttributeValue] = {}
    """New values by column, such as a price."""


class AvailabilityBody(Body):
    """A feed of stock and prices; applied whole or not at all."""

    items: Annotated[list[AvailabilityChange], Field(min_length=1, max_length=10_000)]


class AvailabilityAnswer(Answer):
    """The catalogue after a feed."""

    catalogue_version: str
    unavailable: int
    """Items that are not recommended now."""


class HistoryBody(Body):
    """Items of a history, oldest first."""

    history: list[Reference]
    """Ids or titles; every one must be in the catalogue."""


class HistoryItem(Answer):
    """An item of a stored history."""

    item_id: str
    title: str | None
    """None where the catalogue no longer has the item."""


class HistoryAnswer(Answer):
    """A stored history, oldest first."""

    user_id: str
    history: list[HistoryItem]


class UsersAnswer(Answer):
    """A page of users."""

    users: list[str]
    next: str | None
    """Give it as `after` for the next page; None: this is the last."""


class CatalogueItem(Answer):
    """An item of the catalogue."""

    item_id: str
    title: str
    available: bool
    attributes: dict[str, Any]


class ItemsAnswer(Answer):
    """A page of the catalogue."""

    items: list[CatalogueItem]
    total: int
    """Items that match."""
    catalogue_version: str


class ColumnAnswer(Answer):
    """A column that controls may name."""

    name: str
    type: str
    """category, categories, path, number, date or text."""
    values: list[str] | None = None
    """Distinct values, the commonest first; None where they are no categories."""
    num_values: int | None = None
    """Distinct values in all: `values` may be cut short."""
    paths: list[list[str]] | None = None
    """Beginnings of the paths of a path column, the commonest first and none before its own beginning; there
    may be more. None for other columns."""
    least: float | str | None = None
    """Smallest number or date."""
    greatest: float | str | None = None
    """Largest number or date."""


class SchemaAnswer(Answer):
    """What a request may say about this catalogue."""

    noun: str
    """What items are called, in the plural."""
    num_items: int
    columns: list[ColumnAnswer]
    catalogue_version: str


class Compared(Answer):
    """The list of one of those that are compared."""

    kind: Literal["popularity", "teacher", "before", "served"]
    """The most popular unseen items, which know no control; the teacher under exact control; the language
    model before its alignment, where the run has one; the language model that is served, where it has one."""
    row: str
    """Its name in the report."""
    items: list[ListedItem]
    certificate: Certificate
    metrics: dict[str, float]
    """What the report says of it: means of accuracy and obedience; empty where it says nothing."""


class CompareAnswer(Answer):
    """One request for one user, answered by all that the run has."""

    columns: list[Compared]
    catalogue_version: str


class ErrorDetail(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)
    type: str
    message: str
    advice: str
    """What to do."""
    request_id: str


class ErrorAnswer(Answer):
    """Every answer that is no success."""

    error: ErrorDetail
