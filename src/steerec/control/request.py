"""A request: how many items, under which controls, with which wishes; and its compilation to a problem.

Legend: N items of the catalogue.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, SerializerFunctionWrapHandler, model_serializer, model_validator

from steerec.control.attribute import attribute_index
from steerec.control.control import Cap, Control, Wish, read_control, read_references
from steerec.control.part import RequestPart, only_whole, read_json_exactly
from steerec.control.problem import Cap as CompiledCap
from steerec.control.problem import IntArray, Problem, Quota
from steerec.control.where import mask
from steerec.control.wish import wishes
from steerec.data.catalog import Catalog
from steerec.errors import RequestError

__all__ = ["Request", "compile_request", "read_history", "wishes"]

MAX_COUNT = 1000
_LARGEST_BOUND = 10_000
"""Asking for more is as impossible, and the search for a relaxation counts down from it."""


def _read_count(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
        raise RequestError(f"a whole number from 1 to {MAX_COUNT} is needed, and got {value!r:.40}")
    return value


def _read_truth(value: object) -> object:
    if not isinstance(value, bool):
        raise RequestError(f"true or false is needed, and got {value!r:.40}")
    return value


def _read_list(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise RequestError(f"a list is needed, and got {value!r:.80}")
    return tuple(value)


def _read_exclude(value: object) -> object:
    return () if isinstance(value, list | tuple) and not value else read_references(value)


class Request(RequestPart):
    """What a list must be: the one definition behind words, labels, reward, decoding and metrics."""

    count: Annotated[int, BeforeValidator(_read_count)] = 10
    """Length of the list, 1..1000."""
    controls: Annotated[
        tuple[Annotated[Control | Cap, BeforeValidator(read_control)], ...], BeforeValidator(_read_list)
    ] = ()
    """Hard: every one of them holds in every list that is returned."""
    prefer: Annotated[tuple[Wish, ...], BeforeValidator(_read_list)] = ()
    """Soft: weights added to item scores."""
    candidates: Annotated[tuple[str, ...] | None, BeforeValidator(read_references)] = None
    """The only items that may be recommended, by id or title; None: the whole catalogue."""
    exclude: Annotated[tuple[str, ...], BeforeValidator(_read_exclude)] = ()
    """Items whose works may not be recommended, by id or title."""
    allow_seen: Annotated[bool, BeforeValidator(_read_truth)] = False
    """Whether works of the history may be recommended again."""
    seed: Annotated[int | None, BeforeValidator(only_whole(0))] = None
    """Makes sampling repeatable, >= 0; None: the service chooses."""

    @model_validator(mode="after")
    def _stretches_lie_in_the_list(self) -> Self:
        for place, control in enumerate(self.controls):
            if isinstance(control, Control) and control.within and control.within[1] > self.count:
                raise RequestError(
                    f"controls[{place}]: within {list(control.within)} ends after position {self.count}, the "
                    "last of the list; raise count or shorten the stretch"
                )
        return self

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write every field, nulls too: a stored request shows the defaults it was answered under."""
        return dict(handler(self))

    def to_json(self) -> str:
        """Return the request as JSON; shares are fraction strings, so `from_json` gives an equal request."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a request; numbers in shares count by their decimal text (0.3 is 3/10).

        Raises:
            RequestError: the text is no JSON or no request.

        Example:
            >>> text = '{"controls": [{"where": {"categories": "Comedy"}, "share_at_least": 0.3}]}'
            >>> Request.from_json(text).controls[0].share_at_least
            Fraction(3, 10)
        """
        record = read_json_exactly(text)
        if not isinstance(record, dict):
            raise RequestError(f"A request is a JSON object, and got {record!r:.80}.")
        return cls(**record)


def read_history(references: Sequence[str], catalog: Catalog) -> list[int]:
    """Return the catalogue indices of a history, oldest first; what the catalogue does not know is left out.

    Args:
        references: ids or titles.
        catalog: N items.

    Returns:
        Indices of the known items. One warning names the others: histories outlive catalogues, so an item
        that is gone is no reason to refuse.
    """
    known: list[int] = []
    reasons: list[str] = []
    for reference in references:
        try:
            known.append(catalog.resolve(reference))
        except RequestError as error:
            reasons.append(str(error))
    if reasons:
        warnings.warn(
            f"{len(reasons)} of {len(references)} history items are left out. {reasons[0]}", stacklevel=2
        )
    return known


def compile_request(request: Request, catalog: Catalog, history: Sequence[int] = ()) -> Problem:
    """Return the problem that a request poses over a catalogue for a user.

    Args:
        request: what the list must be.
        catalog: N items.
        history: indices of everything the user has seen, in any order; may be empty.

    Returns:
        The problem; whether any list solves it is for `feasibility` to say.

    Raises:
        RequestError: a column, value, candidate or excluded item is unknown, or an operator does not fit.
    """
    seen = np.asarray(list(history), dtype=np.int64)
    if seen.size and not (seen.min() >= 0 and seen.max() < len(catalog)):
        raise RequestError(
            f"A history holds indices of the {len(catalog)} {catalog.noun}, and got {seen.tolist()!r:.80}. "
            "Read ids and titles with read_history."
        )
    blocked_seen = np.zeros(len(catalog), np.bool_)
    if seen.size and not request.allow_seen:
        blocked_seen = np.isin(catalog.work, catalog.work[seen])
    blocked_exclude = np.zeros(len(catalog), np.bool_)
    if request.exclude:
        excluded = _items(request.exclude, catalog, "exclude")
        blocked_exclude = np.isin(catalog.work, catalog.work[excluded])
    blocked_candidates = np.zeros(len(catalog), np.bool_)
    if request.candidates is not None:
        blocked_candidates[:] = True
        blocked_candidates[_items(request.candidates, catalog, "candidates")] = False
    numbered = list(enumerate(request.controls))
    return Problem(
        count=request.count,
        quotas=tuple(
            _quota(place, control, request.count, catalog)
            for place, control in numbered
            if isinstance(control, Control)
        ),
        caps=tuple(
            _cap(place, control, request.count, catalog)
            for place, control in numbered
            if isinstance(control, Cap)
        ),
        allowed=~(blocked_seen | blocked_exclude | blocked_candidates),
        work=catalog.work,
        blocked_seen=blocked_seen,
        blocked_exclude=blocked_exclude,
        blocked_candidates=blocked_candidates,
    )


def _items(references: Sequence[str], catalog: Catalog, field: str) -> IntArray:
    try:
        return np.array([catalog.resolve(reference) for reference in references], dtype=np.int64)
    except RequestError as error:
        raise RequestError(f"{field}: {error}") from None


def _quota(place: int, control: Control, count: int, catalog: Catalog) -> Quota:
    lower, upper = control.bounds(count)
    first, last = control.stretch(count)
    try:
        members = mask(control.where, catalog)
    except RequestError as error:
        raise RequestError(f"controls[{place}]: {error}") from None
    lower = min(lower, _LARGEST_BOUND)
    return Quota(mask=members, lower=lower, upper=upper, first=first, last=last, control=place)


def _cap(place: int, cap: Cap, count: int, catalog: Catalog) -> CompiledCap:
    try:
        attribute = attribute_index(catalog).attribute(cap.each)
    except RequestError as error:
        raise RequestError(f"controls[{place}]: {error}") from None
    return CompiledCap(
        indptr=attribute.indptr,
        value_ids=attribute.value_ids,
        limit=cap.limit(count),
        control=place,
        labels=attribute.labels,
    )
