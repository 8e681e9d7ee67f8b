"""A control: a set of items and how many of the list come from it. A cap: so many per value. A wish: softly.

Legend: k length of the stretch that a control rules (the whole list, or its `within`), p a share.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from steerec.control.part import RequestPart, only_whole
from steerec.control.where import Where
from steerec.errors import RequestError

LOWER = ("at_least", "exactly", "share_at_least", "share_more_than", "share_about")
"""Fields that set a lower bound."""
UPPER = ("at_most", "exactly", "share_at_most", "share_less_than", "share_about")
"""Fields that set an upper bound."""

_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?")
_RATIO = re.compile(r"(\d{1,1100})\s*/\s*(\d{1,1100})")  # wide enough for what a decimal is written back as


def read_share(value: object) -> Fraction | None:
    """Return the exact fraction of a written share: 0.3 is 3/10, "1/3" is one third.

    A float counts as the shortest decimal text that Python prints for it, never as its binary value.

    Raises:
        RequestError: the value is no number or fraction, or lies outside 0..1.
    """
    if value is None:
        return None
    share = value if isinstance(value, Fraction) else None
    if isinstance(value, Decimal | int | float | str) and not isinstance(value, bool):
        share = _fraction(str(value).strip())
    if share is None:
        raise RequestError(f'a share is a number like 0.3 or a string like "1/3", and got {value!r:.40}')
    if not 0 <= share <= 1:
        raise RequestError(f"a share lies between 0 and 1 (three tenths is 0.3), and got {value!s:.40}")
    return share


def _fraction(text: str) -> Fraction | None:
    """Read a decimal or a ratio; lengths are bounded so that no text can ask for a giant number."""
    if ratio := _RATIO.fullmatch(text):
        return Fraction(int(ratio[1]), int(ratio[2])) if int(ratio[2]) else None
    return Fraction(text) if _DECIMAL.fullmatch(text) else None


def _read_amount(value: object) -> object:
    return value if value == "all" else only_whole(0)(value)


def _read_most(value: object) -> object:
    if value == "all":
        raise RequestError('"all" is no upper bound: it allows everything; leave it out, or write a number')
    return only_whole(0)(value)


def _read_stretch(value: object) -> object:
    if value is None:
        return None
    ends = list(value) if isinstance(value, list | tuple) else []
    if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int) for end in ends):
        raise RequestError(f"two positions such as [1, 3] are needed, and got {value!r:.40}")
    first, last = ends
    if not 1 <= first <= last:
        raise RequestError(
            f"positions count from 1 and the first is not after the last, and got [{first}, {last}]"
        )
    return first, last


Amount = Annotated[int | Literal["all"] | None, BeforeValidator(_read_amount)]
Most = Annotated[int | None, BeforeValidator(_read_most)]
Share = Annotated[
    Fraction | None,
    BeforeValidator(read_share),
    PlainSerializer(lambda share: None if share is None else str(share)),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}),
]
Stretch = Annotated[tuple[int, int] | None, BeforeValidator(_read_stretch)]


class Control(RequestPart):
    """Between so many and so many items of the list, or of a stretch of it, come from a set of items."""

    where: Where
    """The set of items."""
    at_least: Amount = None
    """Items, or "all": the length of the stretch."""
    at_most: Most = None
    """Items."""
    exactly: Amount = None
    """Items, or "all"."""
    share_at_least: Share = None
    """Share of the stretch, 0..1, exact."""
    share_at_most: Share = None
    """Share of the stretch, 0..1, exact."""
    share_more_than: Share = None
    """Share of the stretch, 0 <= p < 1, exact."""
    share_less_than: Share = None
    """Share of the stretch, 0 < p <= 1, exact."""
    share_about: Share = None
    """Share of the stretch, 0..1, met within a tenth of the stretch."""
    within: Stretch = None
    """(first, last) position that the bounds rule, 1-based, inclusive; None: the whole list."""

    @model_validator(mode="after")
    def _one_bound_a_side(self) -> Self:
        for side, names in (("lower", LOWER), ("upper", UPPER)):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise RequestError(
                    f"a control takes one {side} bound, and got {' and '.join(given)}; keep one"
                )
        if not any(getattr(self, name) is not None for name in (*LOWER, *UPPER)):
            choices = ", ".join(dict.fromkeys((*LOWER, *UPPER)))
            raise RequestError(f"a control needs a bound; add one of {choices}")
        if self.share_more_than == 1:
            raise RequestError("no list can hold a share of more than 1; write at_least: all")
        if self.share_less_than == 0:
            raise RequestError("no list can hold a share of less than 0; write at_most: 0")
        return self

    def stretch(self, count: int) -> tuple[int, int]:
        """Return the first and last position, 1-based, that the bounds rule in a list of `count` items."""
        return self.within or (1, count)

    def bounds(self, count: int) -> tuple[int, int]:
        """Return how many items of the stretch must and may come from the set.

        Args:
            count: length of the list, at least the last position of `within`.

        Returns:
            (lower, upper) with k the length of the stretch: shares become ceil(pk), floor(pk), floor(pk) + 1,
            ceil(pk) - 1; about p is floor(pk + 1/2) give or take ceil(k / 10), inside 0..k, and for k >= 2 at
            least 1 when p > 0 and at most k - 1 when p < 1. `upper` is at most k; `lower` may exceed it,
            which no list satisfies.

        Example:
            >>> control = Control(where={"categories": "Comedy"}, share_about="3/10")
            >>> control.bounds(10), control.bounds(50)
            ((2, 4), (10, 20))
        """
        first, last = self.stretch(count)
        k = last - first + 1
        lower, upper = 0, k
        if self.exactly is not None:
            lower = upper = k if self.exactly == "all" else self.exactly
        if self.share_about is not None:
            lower, upper = _about(self.share_about, k)
        if self.at_least is not None:
            lower = k if self.at_least == "all" else self.at_least
        if self.share_at_least is not None:
            lower = math.ceil(self.share_at_least * k)
        if self.share_more_than is not None:
            lower = math.floor(self.share_more_than * k) + 1
        if self.at_most is not None:
            upper = self.at_most
        if self.share_at_most is not None:
            upper = math.floor(self.share_at_most * k)
        if self.share_less_than is not None:
            upper = math.ceil(self.share_less_than * k) - 1
        return lower, min(upper, k)


def _about(share: Fraction, k: int) -> tuple[int, int]:
    nearest = math.floor(share * k + Fraction(1, 2))
    tolerance = -(-k // 10)
    lower, upper = max(0, nearest - tolerance), min(k, nearest + tolerance)
    if k >= 2:
        lower = max(lower, 1) if share > 0 else lower
        upper = min(upper, k - 1) if share < 1 else upper
    return lower, upper


class Cap(RequestPart):
    """At most so many items of the list carry any one value of a column (brand, director, series)."""

    each: Annotated[str, BeforeValidator(lambda value: _read_column(value))]
    """Column whose values are capped; items without a value are free."""
    at_most: Most = None
    """Items for each value."""
    share_at_most: Share = None
    """Share of the list for each value, 0..1, exact."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        given = [name for name in ("at_most", "share_at_most") if getattr(self, name) is not None]
        if len(given) != 1:
            raise RequestError(
                f"a cap takes either at_most or share_at_most, and got {' and '.join(given) or 'neither'}"
            )
        return self

    def limit(self, count: int) -> int:
        """Return how many items of a list of `count` may carry one value."""
        if self.at_most is not None:
            return min(self.at_most, count)
        assert self.share_at_most is not None
        return math.floor(self.share_at_most * count)


def _read_column(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise RequestError(f'a column name such as "director" is needed, and got {value!r:.40}')
    return value


def _read_weight(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        raise RequestError(f"a weight is a number, and got {value!r:.40}")
    try:
        weight = float(value)
    except OverflowError:
        weight = math.inf
    if not math.isfinite(weight):
        raise RequestError(f"a weight is a finite number, and got {value!r:.40}")
    return weight


class Wish(RequestPart):
    """Something preferred, never guaranteed: a weight added to item scores."""

    where: Where | None = None
    """Items whose score rises by `weight`."""
    like: Annotated[tuple[str, ...] | None, BeforeValidator(lambda value: read_references(value))] = None
    """Items whose neighbours rise, by `weight` times the mean cosine similarity."""
    weight: Annotated[float, BeforeValidator(_read_weight)] = 1.0
    """Nats added to scores; negative to push down."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.where is None) == (self.like is None):
            raise RequestError("a wish takes either where or like; write two wishes for both")
        return self


def read_references(value: object) -> object:
    """Return item references as strings; a list is never made by splitting a string.

    Raises:
        RequestError: the value is no list of names, or an empty one.
    """
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise RequestError(f'items are given as a list such as ["Toy Story (1995)"], and got {value!r:.80}')
    if not all(isinstance(name, str | int) and not isinstance(name, bool) and name != "" for name in value):
        raise RequestError(f"items are named by id or title, and got {value!r:.80}")
    if not value:
        raise RequestError("the list of items is empty; leave the field out")
    return tuple(str(name) for name in value)


def read_control(value: Any) -> Control | Cap:
    """Return a control or, when it has `each`, a cap.

    Raises:
        RequestError: it is neither.
    """
    if isinstance(value, Control | Cap):
        return value
    if not isinstance(value, dict):
        raise RequestError(f"a control is an object with where or each, and got {value!r:.80}")
    return Cap(**value) if "each" in value else Control(**value)
