"""Sets of items in the line form: `(A and B) or C` read to the where language and written from it.

A set is a conjunction of clauses, a clause is a choice of literals or of bracketed conjunctions of literals,
and a literal is an atom, perhaps negated. Deeper nesting has no line form.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from steerec.control.where import Condition, Where
from steerec.errors import RequestError
from steerec.understand.lines.line_form import COMPARISONS, Token, word
from steerec.understand.patterns.marks import WhereJson, all_of, any_of, none_of

_OPERATORS = {name: sign for sign, name in COMPARISONS.items()}
Kinds = Mapping[str, str]
"""Column -> its type in the catalogue."""


class Pieces(NamedTuple):
    """What was read, and where reading goes on."""

    where: WhereJson
    place: int


def read_where(tokens: list[Token], place: int, kinds: Kinds) -> Pieces:
    """Read clauses joined by `and` from a place on.

    Raises:
        RequestError: the tokens are no set of items.
    """
    clauses = []
    while True:
        clause, place = _clause(tokens, place, kinds)
        clauses.append(clause)
        if not _is(tokens, place, "and"):
            return Pieces(_together(clauses), place)
        place += 1


def _together(parts: list[WhereJson]) -> WhereJson:
    """Join ranges of one column into one condition, everything else as the floor does."""
    joined: list[WhereJson] = []
    for part in parts:
        (key, value), *more = part.items()
        before = next((one for one in joined if set(one) == {key} and isinstance(one[key], dict)), None)
        if not more and key != "not" and before is not None and _one_range(value, before[key]):
            before[key] = {**before[key], **value}
        else:
            joined.append(dict(part))
    return all_of(joined)


def _one_range(value: Any, other: WhereJson) -> bool:
    """Whether two conditions are different ends of one range."""
    return isinstance(value, dict) and set(value).isdisjoint(other) and {*value, *other} <= set(_OPERATORS)


def _clause(tokens: list[Token], place: int, kinds: Kinds) -> Pieces:
    choices = []
    while True:
        if _is(tokens, place, "("):
            literals = []
            while True:
                literal, place = _literal(tokens, place + 1, kinds)
                literals.append(literal)
                if not _is(tokens, place, "and"):
                    break
            if not _is(tokens, place, ")"):
                raise _wrong(tokens, place, "a closing bracket")
            choice, place = all_of(literals), place + 1
        else:
            choice, place = _literal(tokens, place, kinds)
        choices.append(choice)
        if not _is(tokens, place, "or"):
            return Pieces(any_of(choices), place)
        place += 1


def _literal(tokens: list[Token], place: int, kinds: Kinds) -> Pieces:
    if _is(tokens, place, "not"):
        atom, place = _atom(tokens, place + 1, kinds)
        return Pieces(none_of(atom), place)
    return _atom(tokens, place, kinds)


def _atom(tokens: list[Token], place: int, kinds: Kinds) -> Pieces:
    token = tokens[place] if place < len(tokens) else None
    if token is None or token.kind not in ("value", "title", "series", "column"):
        raise _wrong(tokens, place, "a value, an item, a piece of title or a column")
    if token.kind == "value":
        return Pieces({token.value[0]: token.value[1]}, place + 1)
    if token.kind == "title":
        return Pieces({"items": [token.value]}, place + 1)
    if token.kind == "series":
        return Pieces({"title": {"contains": token.value}}, place + 1)
    return _range(tokens, place, kinds)


def _range(tokens: list[Token], place: int, kinds: Kinds) -> Pieces:
    column, dated = tokens[place].value, kinds.get(tokens[place].value) == "date"
    sign = tokens[place + 1].value if place + 1 < len(tokens) else None
    if sign in ("missing", "given"):
        return Pieces({column: {"is_null": sign == "missing"}}, place + 2)
    given = tokens[place + 2] if place + 2 < len(tokens) else None
    if sign == "in" and given is not None and given.kind == "span":
        low, high = given.value
        return Pieces({column: _between(low, high, dated)}, place + 3)
    if given is not None and given.kind == "span" and sign in COMPARISONS:  # "before the nineties"
        given = Token("number", given.value[sign in ("<=", ">")])
    if given is None or given.kind != "number" or sign not in (*COMPARISONS, "=", "in"):
        raise _wrong(tokens, place + 1, "a comparison such as >= 1990, or in 1990..1999")
    if sign == "in":
        if place + 3 >= len(tokens) or tokens[place + 3].kind != "number":
            raise _wrong(tokens, place + 3, "the other end of the range")
        return Pieces({column: _between(given.value, tokens[place + 3].value, dated)}, place + 4)
    if sign == "=":
        equal: Any = _between(given.value, given.value, True) if dated else given.value
        return Pieces({column: equal}, place + 3)
    name = COMPARISONS[sign]
    late = name in ("le", "gt")
    return Pieces({column: {name: as_day(given.value, late=late) if dated else given.value}}, place + 3)


def _between(low: Any, high: Any, dated: bool) -> WhereJson:
    if dated:
        low, high = as_day(low, late=False), as_day(high, late=True)
    low, high = min(low, high), max(low, high)
    return {"ge": low, "le": high}


def as_day(point: Any, *, late: bool) -> str:
    """Return an ISO date for a year (1994), a month ("1994-05") or a date: its first or its last day."""
    text = str(point)
    if re.fullmatch(r"\d{4}", text):
        return f"{text}-12-31" if late else f"{text}-01-01"
    if found := re.fullmatch(r"(\d{4})-(\d\d)", text):
        last = calendar.monthrange(int(found[1]), int(found[2]))[1]
        return f"{text}-{last if late else 1:02d}"
    return text


def _is(tokens: list[Token], place: int, text: str) -> bool:
    return place < len(tokens) and tokens[place] == word(text)


def _wrong(tokens: list[Token], place: int, needed: str) -> RequestError:
    got = f'"{tokens[place].value}"' if place < len(tokens) else "the end"
    return RequestError(f"The line form needs {needed} here, and got {got}.")


def write_where(where: Where) -> list[Token]:
    """Return the tokens of a set.

    Raises:
        RequestError: it nests deeper, or compares in a way, that the line form does not write.
    """
    clauses = _clauses(where)
    tokens: list[Token] = []
    for number, clause in enumerate(clauses):
        tokens += [word("and")] if number else []
        for place, choice in enumerate(clause):
            tokens += [word("or")] if place else []
            bracketed = len(choice) > 1
            tokens += [word("(")] if bracketed else []
            for part, literal in enumerate(choice):
                tokens += [word("and")] if part else []
                tokens += literal
            tokens += [word(")")] if bracketed else []
    return tokens


Literal = list[Token]
Choice = list[Literal]
"""Literals that all hold."""
Clause = list[Choice]
"""Choices of which one holds."""


def _clauses(where: Where) -> list[Clause]:
    clauses: list[Clause] = []
    for column, condition in where.columns:
        clauses += _condition(column, condition)
    for part in where.all:
        clauses += _clauses(part)
    if where.any:
        clauses.append([choice for part in where.any for choice in _choices(part)])
    if where.negated is not None:
        clauses += _negated(where.negated)
    if where.items:
        clauses.append([[[Token("title", item)]] for item in where.items])
    return clauses


def _choices(where: Where) -> Clause:
    """Return a set as alternatives of a clause: a single clause, or one bracketed conjunction."""
    clauses = _clauses(where)
    if len(clauses) == 1:
        return clauses[0]
    if all(len(clause) == 1 for clause in clauses):
        return [[literal for clause in clauses for literal in clause[0]]]
    raise _deep()


def _negated(where: Where) -> list[Clause]:
    """Not (A or B) is not A and not B; not (A and B) is not A or not B."""
    clauses = _clauses(where)
    if len(clauses) == 1:
        return [[[_not(literal)] for literal in choice] for choice in clauses[0]]
    if all(len(clause) == 1 for clause in clauses):
        return [[[_not(literal)] for clause in clauses for literal in clause[0]]]
    raise _deep()


def _not(literal: Literal) -> Literal:
    return literal[1:] if literal[0] == word("not") else [word("not"), *literal]


def _deep() -> RequestError:
    return RequestError("This set of items nests too deep for the line form; send the request as JSON.")


def _condition(column: str, condition: Condition) -> list[Clause]:
    clauses: list[Clause] = []
    if condition.any_of is not None:
        clauses.append([[_equal(column, value)] for value in condition.any_of])
    clauses += [[[_equal(column, value)]] for value in condition.all_of or ()]
    if condition.contains is not None:
        if column != "title":
            raise RequestError(f"The line form looks for pieces of text in titles only, not in {column}.")
        clauses.append([[[Token("series", condition.contains)]]])
    if condition.under is not None:
        raise RequestError(f'The line form writes no paths ("{column}": under); send the request as JSON.')
    if condition.is_null is not None:
        sign = "missing" if condition.is_null else "given"
        clauses.append([[[Token("column", column), word(sign)]]])
    ends = {name: getattr(condition, name) for name in _OPERATORS if getattr(condition, name) is not None}
    if "ge" in ends and "le" in ends and ends["ge"] <= ends["le"]:
        span = Token("span", (ends.pop("ge"), ends.pop("le")))
        clauses.append([[[Token("column", column), word("in"), span]]])
    for name, point in ends.items():
        clauses.append([[[Token("column", column), word(_OPERATORS[name]), Token("number", point)]]])
    return clauses


def _equal(column: str, value: Any) -> Literal:
    if isinstance(value, str):
        return [Token("value", (column, value))]
    return [Token("column", column), word("="), Token("number", value)]
