"""The where language: which items a control is about, as people write it in JSON or Python.

    {"categories": "Comedy"}                          equals, or is a member of a list column
    {"categories": ["Action", "Thriller"]}            any of these
    {"categories": {"all_of": ["Action", "Comedy"]}}  every one of these
    {"year": {"ge": 1990, "le": 1999}}                ge, gt, le, lt on numbers and ISO dates
    {"title": {"contains": "star trek"}}              a piece of text
    {"path": {"under": ["Electronics", "Audio"]}}     a prefix of a path
    {"year": {"is_null": true}}                       no value at all
    {"any": [...]}, {"all": [...]}, {"not": {...}}    nesting
    {"items": ["Toy Story (1995)"]}                   these very items

Several keys of one object must all hold. This module knows the grammar only; `matching` knows catalogues.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from steerec.control.matching import mask, null_mask
from steerec.errors import RequestError, did_you_mean

__all__ = ["Condition", "Scalar", "Where", "mask", "null_mask"]

Scalar = str | int | float

_MAX_DEPTH = 20
"""Nesting beyond this is a mistake or an attack; it would exhaust Python's stack."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What is asked of one column; everything that is set must hold."""

    any_of: tuple[Scalar, ...] | None = None
    """Equals one of these, or has one of them as a member; written as a scalar or a list."""
    all_of: tuple[Scalar, ...] | None = None
    """Has every one of these as a member (list columns)."""
    ge: Scalar | None = None
    gt: Scalar | None = None
    le: Scalar | None = None
    lt: Scalar | None = None
    contains: str | None = None
    """Holds this piece of text, or has a member that does."""
    under: tuple[str, ...] | None = None
    """The path starts with these names."""
    is_null: bool | None = None
    """True: has no value; False: has one."""

    @classmethod
    def parse(cls, value: object, column: str) -> Condition:
        """Read one column's condition: a scalar, a list (any of) or an object of operators."""
        if isinstance(value, Condition):
            return value
        if not isinstance(value, Mapping):
            return cls(any_of=_scalars(value, column) if _is_list(value) else (_scalar(value, column),))
        if not value:
            raise RequestError(f'"{column}": the condition is empty; name an operator: {_names(_OPERATORS)}.')
        for name in value:
            if name not in _OPERATORS:
                raise RequestError(
                    f'"{column}": there is no operator "{name}".{did_you_mean(str(name), _OPERATORS)}'
                    f" Operators: {_names(_OPERATORS)}; a plain list means any of."
                )
        given: dict[str, Any] = {name: _OPERATORS[name](it, f"{column}.{name}") for name, it in value.items()}
        return cls(**given)

    def to_json(self) -> Any:
        """Return the form that people write: a scalar, a list or an object of operators."""
        if self.any_of is not None:
            return self.any_of[0] if len(self.any_of) == 1 else list(self.any_of)
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
            if value is not None
        }


@dataclass(frozen=True, kw_only=True)
class Where:
    """A set of items, described; everything that is set must hold."""

    columns: tuple[tuple[str, Condition], ...] = ()
    """(column, condition) in the order written."""
    any: tuple[Where, ...] = ()
    """At least one of these holds (ignored when empty)."""
    all: tuple[Where, ...] = ()
    """Each of these holds."""
    negated: Where | None = None
    """Does not hold; written `not`. The plain complement: it holds for items without a value."""
    items: tuple[str, ...] = ()
    """One of these item references (ignored when empty)."""

    @classmethod
    def parse(cls, value: object, *, depth: int = 0) -> Where:
        """Read the written form.

        Args:
            value: a mapping in the grammar of this module, or a Where, which is returned as it is.
            depth: how deep the value lies inside another.

        Raises:
            RequestError: the value is not in the grammar.

        Example:
            >>> Where.parse({"year": {"ge": 1990, "le": 1999}}).to_json()
            {'year': {'ge': 1990, 'le': 1999}}
        """
        if isinstance(value, Where):
            return value
        if not isinstance(value, Mapping):
            raise RequestError(
                f'"where" is an object such as {{"categories": "Comedy"}}, and got {value!r:.80}.'
            )
        if not value:
            raise RequestError('"where" is empty; name a column, such as {"categories": "Comedy"}.')
        if depth > _MAX_DEPTH:
            raise RequestError(f'"where" nests more than {_MAX_DEPTH} deep; write it flatter.')
        parts: dict[str, Any] = {}
        columns: list[tuple[str, Condition]] = []
        for key, given in value.items():
            if key in ("any", "all"):
                parts[key] = _nested(given, key, depth)
            elif key == "not":
                parts["negated"] = cls.parse(given, depth=depth + 1)
            elif key == "items":
                parts["items"] = _references(given)
            elif isinstance(key, str):
                columns.append((key, Condition.parse(given, key)))
            else:
                raise RequestError(f'"where" has the key {key!r}; column names are strings.')
        return cls(columns=tuple(columns), **parts)

    def to_json(self) -> dict[str, Any]:
        """Return the written form; `Where.parse` reads it back to an equal Where."""
        written: dict[str, Any] = {column: condition.to_json() for column, condition in self.columns}
        if self.any:
            written["any"] = [part.to_json() for part in self.any]
        if self.all:
            written["all"] = [part.to_json() for part in self.all]
        if self.negated is not None:
            written["not"] = self.negated.to_json()
        if self.items:
            written["items"] = list(self.items)
        return written

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.to_json),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        nested = {"type": "object", "minProperties": 1}
        return {
            **nested,
            "title": "Where",
            "description": "Column names with a scalar, a list (any of) or operators; all keys must hold.",
            "properties": {
                "any": {"type": "array", "items": nested, "minItems": 1},
                "all": {"type": "array", "items": nested, "minItems": 1},
                "not": nested,
                "items": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            },
        }


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes)


_LARGEST = 10**308
"""Whole numbers beyond it cannot be compared with a column of floats."""


def _scalar(value: object, place: str) -> Scalar:
    if isinstance(value, bool):  # a yes-or-no column is a category column of the catalogue
        return "true" if value else "false"
    if isinstance(value, Decimal):  # JSON numbers arrive as decimals when shares must be exact
        value = int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise RequestError(f'"{place}" takes numbers of at most 308 digits, and got one of more.')
    if isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if value is None:
        raise RequestError(f'"{place}" is null; to ask for items without a value write {{"is_null": true}}.')
    raise RequestError(f'"{place}" takes a string, a number or an ISO date, and got {value!r:.80}.')


def _scalars(value: object, place: str) -> tuple[Scalar, ...]:
    if not _is_list(value):
        raise RequestError(f'"{place}" takes a list, and got {value!r:.80}.')
    assert isinstance(value, Sequence | set | frozenset)
    if not value:
        raise RequestError(f'"{place}" is an empty list; name at least one value.')
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    return tuple(dict.fromkeys(_scalar(entry, place) for entry in value))


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RequestError(f'"{place}" takes a non-empty string, and got {value!r:.80}.')
    return value


def _path(value: object, place: str) -> tuple[str, ...]:
    """A path is a list of names from the root; a single string is a path of one name."""
    names = list(value) if isinstance(value, list | tuple) else [value]
    if not names:
        raise RequestError(f'"{place}" is an empty path; name at least its root.')
    return tuple(_text(name, place) for name in names)


def _truth(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f'"{place}" is true or false, and got {value!r:.80}.')
    return value


def _nested(value: object, key: str, depth: int) -> tuple[Where, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise RequestError(f'"{key}" takes a list of one or more where objects, and got {value!r:.80}.')
    return tuple(Where.parse(part, depth=depth + 1) for part in value)


def _references(value: object) -> tuple[str, ...]:
    names = _scalars(value, "items")
    return tuple(dict.fromkeys(str(name) for name in names))


def _names(names: Mapping[str, object]) -> str:
    return ", ".join(names)


_OPERATORS: dict[str, Callable[[object, str], object]] = {
    "all_of": _scalars,
    "ge": _scalar,
    "gt": _scalar,
    "le": _scalar,
    "lt": _scalar,
    "contains": _text,
    "under": _path,
    "is_null": _truth,
}
