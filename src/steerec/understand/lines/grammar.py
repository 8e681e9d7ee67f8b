"""What may follow in a line form, so that every form that ends is a valid request about the catalogue.

A state is what was written so far, folded up: it follows from the tokens alone. For every state `may_STATE`
says whether a token may come next and `to_STATE` where it leads. Numbers, dates and shares fit where they
stand, stretches lie in the list, a title is listed once, and forms have a greatest length, so walks end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.control.request import MAX_COUNT
from steerec.understand.lines.line_form import (
    BOUND_WORDS,
    COMPARISONS,
    COUNTED,
    END,
    LINE_WORDS,
    LIST_WORDS,
    PLACE_WORDS,
    SHARED,
    WISH_WORDS,
    Token,
)
from steerec.understand.lines.schema import CLOSED, ORDERED, Schema

MOST_LINES = 12
MOST_LITERALS = 8
"""Of one set."""
_SECOND = {
    "at_least": ("at_most", "fewer_than"),
    "more_than": ("at_most", "fewer_than"),
    "share_at_least": ("share_at_most", "share_less_than"),
    "share_more_than": ("share_at_most", "share_less_than"),
}
"""Lower bound -> upper bounds that may stand in its line."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a form is."""

    needs: str = "start"
    """What comes next; "nothing" at the end."""
    lines: int = 0
    head: str = ""
    """The word that began the line, or the bound or place whose numbers are due."""
    count: int | None = None
    """Length of the list; None while it adds up."""
    total: int = 0
    """Items that controls take by number: what `count sum` adds up and `rest` leaves."""
    low: Any = None
    """What a second number must not fall below."""
    bounds: int = 0
    column: str = ""
    bracket: int = -1
    """Literals in the open bracket; -1: none is open."""
    literals: int = 0
    used: frozenset[Token] = frozenset()
    """Titles of this line."""
    spot: int = -1
    """Last word that is left unplaced."""
    seen: bool = False


class Grammar:
    """The grammar of one sentence: which of its choices may come next."""

    def __init__(
        self, schema: Schema, choices: Sequence[Token], *, count: int = 10, any_count: bool = False
    ) -> None:
        """Compile.

        Args:
            schema: columns and their types.
            choices: C tokens, everything that may be written, in the order of the masks.
            count: length of the list where no line says it.
            any_count: let a count lie outside 1..1000, so that it is refused and not misread.
        """
        self._schema, self._choices, self._most = schema, choices, 10**9 if any_count else MAX_COUNT
        self._least = 0 if any_count else 1
        self._kinds = {token.kind for token in choices}
        self._dated = any(token.kind == "span" or _is_year(token) for token in choices)
        self._last_spot = sum(token.kind == "spot" for token in choices) - 1
        self.first = State(count=count)
        self._names_sets = any(self.may_atom(self.first, token) for token in choices)

    def may_follow(self, state: State) -> NDArray[np.bool_]:
        """Return (C,) which choices may come next: at least one until the form has ended."""
        may = getattr(self, f"may_{state.needs}")
        return np.fromiter((may(state, token) for token in self._choices), np.bool_, len(self._choices))

    def step(self, state: State, token: Token) -> State:
        """Return the state after a token that may follow."""
        after: State = getattr(self, f"to_{state.needs}")(state, token)
        return after

    # -- lines

    def may_start(self, state: State, token: Token) -> bool:
        """A count, or any other line."""
        return token == Token("word", "count") or self.may_line(state, token)

    def to_start(self, state: State, token: Token) -> State:
        """Read the first word."""
        return replace(state, needs="count") if token.value == "count" else self.to_line(state, token)

    def may_line(self, state: State, token: Token) -> bool:
        """The first word of a line, or the end."""
        if token.kind != "word":
            return False
        unfinished = state.count is None and state.total == 0
        if token == END:
            return not unfinished
        if state.lines >= MOST_LINES or token.value not in LINE_WORDS:
            return False
        if unfinished and state.lines >= MOST_LINES - 1:
            return bool(token.value == "exactly")
        return self._may_begin(state, str(token.value), unfinished)

    def _may_begin(self, state: State, head: str, unfinished: bool) -> bool:
        if head == "unplaced":
            return state.spot < self._last_spot and not unfinished
        if state.spot >= 0 or head == "count":
            return False
        if state.count is None and state.total > MAX_COUNT - 2 and head in COUNTED:
            return False
        if head in BOUND_WORDS or head in WISH_WORDS:
            return self._names_sets and (head != "rest" or state.total > 0)
        if head in LIST_WORDS:
            return "title" in self._kinds
        if head == "each":
            return any(self._may_cap(column) for column in self._schema.columns)
        return not state.seen

    def to_line(self, state: State, token: Token) -> State:
        """Begin a line."""
        if token == END:
            return replace(state, needs="nothing")
        head = str(token.value)
        state = replace(
            state, head=head, lines=state.lines + 1, low=None, bounds=1, used=frozenset(), literals=0
        )
        if head in COUNTED or head in SHARED:
            return replace(state, needs="amount")
        if head in BOUND_WORDS:
            return replace(state, needs="place")
        if head in LIST_WORDS:
            return replace(state, needs="title")
        needs = {"each": "cap", "allow_seen": "line", "unplaced": "spot"}.get(head, "literal")
        return replace(state, needs=needs, seen=state.seen or head == "allow_seen")

    def may_nothing(self, state: State, token: Token) -> bool:
        """The form has ended."""
        return False

    def may_count(self, state: State, token: Token) -> bool:
        """A length, or `sum` of what the controls take."""
        if token == Token("word", "sum"):
            return self._names_sets
        return _whole(token) and self._least <= token.value <= self._most

    def to_count(self, state: State, token: Token) -> State:
        """Read the length."""
        count = None if token.value == "sum" else int(token.value)
        return replace(state, needs="line", count=count)

    # -- bounds

    def may_amount(self, state: State, token: Token) -> bool:
        """A number for `at_least`, a share for `share_at_least`."""
        if state.head in SHARED:
            if token.kind != "share" or not 0 <= token.value <= 1:
                return False
            if token.value == {"share_more_than": 1, "share_less_than": 0}.get(state.head):
                return False
            return bool(state.low is None or token.value >= state.low)
        if not _whole(token) or not 0 <= token.value <= MAX_COUNT:
            return False
        if state.low is not None:
            return bool(token.value >= state.low)
        if state.count is None and state.head == "exactly":
            return bool(token.value >= 1 and state.total + token.value <= MAX_COUNT)
        return bool(state.count is not None or state.total + token.value <= MAX_COUNT)

    def to_amount(self, state: State, token: Token) -> State:
        """Read the amount."""
        takes = state.head in ("exactly", "at_least") and state.bounds == 1
        total = state.total + (int(token.value) if takes else 0)
        return replace(state, needs="place", low=token.value, total=total)

    def may_place(self, state: State, token: Token) -> bool:
        """After a bound: a second one, a stretch of the list, or the set."""
        if token.kind == "word" and token.value in BOUND_WORDS:
            if state.bounds != 1 or token.value not in _SECOND.get(state.head, ()):
                return False
            # some number that is not below the first must be there: the first itself is
            return not (token.value == "share_less_than" and state.low == 0)
        if token.kind == "word" and token.value in PLACE_WORDS:
            return state.count is not None and self._has_position(state.count)
        return self.may_literal(state, token)

    def _has_position(self, count: int) -> bool:
        return any(_whole(token) and 1 <= token.value <= count for token in self._choices)

    def to_place(self, state: State, token: Token) -> State:
        """Read a second bound, a place or the beginning of the set."""
        if token.value in BOUND_WORDS:
            return replace(state, needs="amount", head=str(token.value), bounds=2)
        if token.value in PLACE_WORDS:
            halves = token.value in ("first_half", "second_half")
            needs = "literal" if halves else "from" if token.value == "within" else "position"
            return replace(state, needs=needs)
        return self.to_literal(state, token)

    def may_position(self, state: State, token: Token) -> bool:
        """A position of the list."""
        return _whole(token) and state.count is not None and 1 <= token.value <= state.count

    def to_position(self, state: State, token: Token) -> State:
        """Read a position."""
        return replace(state, needs="literal")

    def may_from(self, state: State, token: Token) -> bool:
        """The first position of a stretch."""
        return self.may_position(state, token)

    def to_from(self, state: State, token: Token) -> State:
        """Read the first position of a stretch."""
        return replace(state, needs="position")

    # -- sets

    def may_literal(self, state: State, token: Token) -> bool:
        """An atom, `not`, or a bracket."""
        if token == Token("word", "("):
            return state.bracket < 0 and state.literals <= MOST_LITERALS - 2
        return token == Token("word", "not") or self.may_atom(state, token)

    def to_literal(self, state: State, token: Token) -> State:
        """Read the beginning of a literal."""
        if token.value == "(":
            return replace(state, needs="literal", bracket=0)
        return replace(state, needs="atom") if token.value == "not" else self.to_atom(state, token)

    def may_atom(self, state: State, token: Token) -> bool:
        """A value, an item, a piece of title, or a column with an order."""
        if token.kind == "column":
            return self._schema.kinds.get(token.value) in ORDERED
        return token.kind in ("value", "title", "series")

    def to_atom(self, state: State, token: Token) -> State:
        """Read an atom, or the column of a range."""
        if token.kind == "column":
            return replace(state, needs="sign", column=token.value)
        return self._close(state)

    def _close(self, state: State) -> State:
        """Finish a literal."""
        inside = state.bracket + 1 if state.bracket >= 0 else -1
        return replace(state, needs="join", literals=state.literals + 1, bracket=inside)

    def may_sign(self, state: State, token: Token) -> bool:
        """A comparison, for which there must be a number."""
        if token.kind != "word":
            return False
        if token.value in ("missing", "given"):
            return True
        compares = token.value in COMPARISONS or token.value in ("=", "in")
        if self._schema.kinds[state.column] != "date" or not compares:
            return compares
        return any(map(_is_year, self._choices)) if token.value == "=" else self._dated

    def to_sign(self, state: State, token: Token) -> State:
        """Read the comparison."""
        if token.value in ("missing", "given"):
            return self._close(state)
        needs = "low" if token.value == "in" else "point" if token.value == "=" else "end"
        return replace(state, needs=needs)

    def may_end(self, state: State, token: Token) -> bool:
        """A number, or a span of which one end counts: "before the nineties"."""
        return token.kind == "span" or self.may_point(state, token)

    def to_end(self, state: State, token: Token) -> State:
        """Read the number or the span."""
        return self._close(state)

    def may_point(self, state: State, token: Token) -> bool:
        """A number, or a year or date where the column holds dates."""
        if self._schema.kinds[state.column] == "date":
            return _is_year(token)
        return token.kind == "number" and not isinstance(token.value, str)

    def to_point(self, state: State, token: Token) -> State:
        """Read the number."""
        return self._close(state)

    def may_low(self, state: State, token: Token) -> bool:
        """A span such as a decade, or the lower of two numbers."""
        return token.kind == "span" or self.may_point(state, token)

    def to_low(self, state: State, token: Token) -> State:
        """Read the span or its lower end."""
        return self._close(state) if token.kind == "span" else replace(state, needs="point")  # its other end

    def may_join(self, state: State, token: Token) -> bool:
        """After a literal: another one, or whatever follows a set."""
        more = state.literals < MOST_LITERALS
        if token == Token("word", "and"):
            return more
        if state.bracket >= 0:
            return token == Token("word", ")") and (state.bracket >= 2 or not more)
        return (token == Token("word", "or") and more) or self.may_line(state, token)

    def to_join(self, state: State, token: Token) -> State:
        """Read what follows a literal."""
        if token.value in ("and", "or"):
            return replace(state, needs="literal")
        return replace(state, bracket=-1) if token.value == ")" else self.to_line(state, token)

    # -- caps, lists, what is left

    def _may_cap(self, column: str) -> bool:
        return self._schema.kinds[column] in (*CLOSED, *ORDERED)

    def may_cap(self, state: State, token: Token) -> bool:
        """The column whose values are capped."""
        return token.kind == "column" and self._may_cap(token.value)

    def to_cap(self, state: State, token: Token) -> State:
        """Read the column."""
        return replace(state, needs="cap_bound")

    def may_cap_bound(self, state: State, token: Token) -> bool:
        """How it is capped."""
        return token.kind == "word" and token.value in ("at_most", "share_at_most")

    def to_cap_bound(self, state: State, token: Token) -> State:
        """Read how it is capped."""
        return replace(state, needs="cap_amount", head=str(token.value))

    def may_cap_amount(self, state: State, token: Token) -> bool:
        """How many, at least one."""
        if state.head == "share_at_most":
            return token.kind == "share" and 0 < token.value <= 1
        return _whole(token) and 1 <= token.value <= MAX_COUNT

    def to_cap_amount(self, state: State, token: Token) -> State:
        """Read how many."""
        return replace(state, needs="line")

    def may_title(self, state: State, token: Token) -> bool:
        """An item that the line does not name yet; after the first, the next line too."""
        if token.kind == "title":
            return token not in state.used
        return bool(state.used) and self.may_line(state, token)

    def to_title(self, state: State, token: Token) -> State:
        """Read an item, or the next line."""
        if token.kind == "title":
            return replace(state, used=state.used | {token})
        return self.to_line(state, token)

    def may_spot(self, state: State, token: Token) -> bool:
        """The first word of what is left."""
        return _spot(token) > state.spot

    def to_spot(self, state: State, token: Token) -> State:
        """Read the first word."""
        return replace(state, needs="spot_end", spot=_spot(token))

    def may_spot_end(self, state: State, token: Token) -> bool:
        """The last word of what is left."""
        return _spot(token) >= state.spot

    def to_spot_end(self, state: State, token: Token) -> State:
        """Read the last word."""
        return replace(state, needs="line", spot=_spot(token))


def _whole(token: Token) -> bool:
    return token.kind == "number" and isinstance(token.value, int)


def _is_year(token: Token) -> bool:
    if token.kind != "number":
        return False
    return isinstance(token.value, str) or (isinstance(token.value, int) and 1000 <= token.value <= 2999)


def _spot(token: Token) -> int:
    return int(token.value) if token.kind == "spot" else -2
