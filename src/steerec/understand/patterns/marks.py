"""Text in which what was recognised stands as one private character: patterns can then speak of kinds.

"at least 2 comedies, please" becomes "at least # S , please" with # and S characters of the private use area
that lead back to the number 2 and to the set {"categories": "Comedy"}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from steerec.errors import RequestError

WhereJson = dict[str, Any]

_START = {
    "set": 0xE000,
    "number": 0xE800,
    "share": 0xEC00,
    "column": 0xEE00,
    "quote": 0xF000,
    "ordinal": 0xF400,
}
_END = 0xF800
_DEEPEST = 30  # levels of objects and lists; a where may nest 20 objects

SET = "[\ue000-\ue7ff]"
NUMBER = "[\ue800-\uebff]"
SHARE = "[\uec00-\uedff]"
COLUMN = "[\uee00-\uefff]"
QUOTE = "[\uf000-\uf3ff]"
ORDINAL = "[\uf400-\uf7ff]"
MARK = "[\ue000-\uf7ff]"


@dataclass(frozen=True, kw_only=True)
class SetMark:
    """A set of items that was named."""

    where: WhereJson
    options: tuple[tuple[str, str], ...] = ()
    """Every (column, value) the word may mean, when it is one value; `where` holds the first."""


@dataclass(frozen=True, kw_only=True)
class QuoteMark:
    """Words in quotation marks, or a title that stands without them."""

    text: str
    item_id: str | None
    """The item of that name, if there is one."""


@dataclass
class Marks:
    """What was recognised in one text, by the character that stands for it."""

    _values: dict[str, Any] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=lambda: dict(_START))

    def put(self, kind: str, value: object) -> str:
        """Keep a value and return its character."""
        code = self._next[kind]
        if code >= min([start for start in _START.values() if start > _START[kind]], default=_END):
            raise RequestError(f"The text names too many different things ({kind}s); ask for less at a time.")
        self._next[kind] = code + 1
        self._values[chr(code)] = value
        return chr(code)

    def set(self, where: WhereJson, options: tuple[tuple[str, str], ...] = ()) -> str:
        """Keep a set of items.

        Raises:
            RequestError: it nests deeper than a request may.
        """
        if _depth(where) > _DEEPEST:
            raise RequestError("The text describes a set within sets within sets; say it more simply.")
        return self.put("set", SetMark(where=where, options=options))

    def where(self, mark: str) -> WhereJson:
        """Return the where of a set's character."""
        found: SetMark = self._values[mark]
        return found.where

    def options(self, mark: str) -> tuple[tuple[str, str], ...]:
        """Return the (column, value) readings of a set's character."""
        found: SetMark = self._values[mark]
        return found.options

    def number(self, mark: str) -> int:
        """Return the number of a number's or an ordinal's character."""
        return int(self._values[mark])

    def share(self, mark: str) -> Fraction:
        """Return the share of a share's character."""
        found: Fraction = self._values[mark]
        return found

    def column(self, mark: str) -> str:
        """Return the column of a column's character."""
        return str(self._values[mark])

    def quote(self, mark: str) -> QuoteMark:
        """Return what stands in the quotation marks."""
        found: QuoteMark = self._values[mark]
        return found

    def words(self, text: str) -> str:
        """Return the text with every mark spelled out, for people."""

        def spell(found: re.Match[str]) -> str:
            value = self._values[found[0]]
            if isinstance(value, SetMark):
                return _spell(value.where)
            return value.text if isinstance(value, QuoteMark) else str(value)

        return re.sub(r" (?=[,.;:!?])", "", " ".join(re.sub(MARK, spell, text).split()))


def _depth(where: Any) -> int:
    """Return how deep a where nests; its parts are no deeper than `_DEEPEST`, so this ends soon."""
    parts = where.values() if isinstance(where, dict) else where if isinstance(where, list) else ()
    return 1 + max((_depth(part) for part in parts if isinstance(part, dict | list)), default=0)


def _spell(where: Any) -> str:
    if isinstance(where, dict):
        return " ".join(
            f"not {_spell(value)}" if key == "not" else _spell(value) for key, value in where.items()
        )
    return " or ".join(map(_spell, where)) if isinstance(where, list) else str(where)


def any_of(parts: list[WhereJson]) -> WhereJson:
    """Return the union, as a list of values where the parts are values of one column."""
    parts = _flat(parts, "any")
    if len(parts) == 1:
        return parts[0]
    columns = {next(iter(part)) for part in parts if len(part) == 1}
    plain = all(len(part) == 1 and not isinstance(next(iter(part.values())), dict) for part in parts)
    if plain and len(columns) == 1 and not columns & {"any", "all", "not", "items"}:
        values: list[Any] = []
        for part in parts:
            value = next(iter(part.values()))
            values += value if isinstance(value, list) else [value]
        return {columns.pop(): list(dict.fromkeys(values))}
    return {"any": parts}


def all_of(parts: list[WhereJson]) -> WhereJson:
    """Return the intersection, flat where no key stands in two parts."""
    parts = _flat(parts, "all")
    if len(parts) == 1:
        return parts[0]
    keys = [key for part in parts for key in part]
    if len(set(keys)) == len(keys):
        return {key: value for part in parts for key, value in part.items()}
    columns = {next(iter(part)) for part in parts}
    scalars = all(len(part) == 1 and isinstance(next(iter(part.values())), str) for part in parts)
    if scalars and len(columns) == 1:
        return {columns.pop(): {"all_of": list(dict.fromkeys(next(iter(part.values())) for part in parts))}}
    return {"all": parts}


def _flat(parts: list[WhereJson], key: str) -> list[WhereJson]:
    """Open what is itself a union (or intersection), and drop repeats."""
    opened: list[WhereJson] = []
    for part in parts:
        opened += [inner for inner in (part[key] if set(part) == {key} else [part]) if inner not in opened]
    return opened


def none_of(part: WhereJson) -> WhereJson:
    """Return the complement."""
    return part["not"] if set(part) == {"not"} else {"not": part}
