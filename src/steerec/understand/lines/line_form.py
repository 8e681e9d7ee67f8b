"""The line form: a request as short lines of tokens, which a model writes and people can read.

    count 8
    exactly 5 categories="Comedy"
    at_least 1 within 1 3 categories="Drama" and year in 1990..1999
    without categories="Horror" or categories="War"
    each director at_most 1
    like item "Fargo (1996)"
    unplaced "with subtitles"

A line begins with its keyword and ends where the next begins, so line breaks carry nothing. `or` binds
tighter than `and`; brackets hold an `and` inside an `or`. Some lines say what only the sentence knows, and
become plain when they are read: `more_than 3` is `at_least 4`, `rest` is what is left, `count sum` adds up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from steerec.errors import RequestError

Kind = Literal["word", "number", "share", "span", "value", "column", "title", "series", "words", "spot"]

LOWER_WORDS = ("only", "at_least", "more_than", "share_at_least", "share_more_than", "rest")
UPPER_WORDS = ("without", "at_most", "fewer_than", "share_at_most", "share_less_than")
BOTH_WORDS = ("exactly", "about", "share_about")
BOUND_WORDS = (*LOWER_WORDS, *UPPER_WORDS, *BOTH_WORDS)
"""Words that say how many; a control has one, or a lower and an upper one."""
PLACE_WORDS = ("within", "first", "last", "at", "first_half", "second_half")
"""Words that say where in the list: `within 2 4`, `first 3`, `at 1`."""
LIST_WORDS = ("like", "unlike", "exclude", "candidates")
WISH_WORDS = ("prefer", "avoid")
LINE_WORDS = ("count", *BOUND_WORDS, "each", *WISH_WORDS, *LIST_WORDS, "allow_seen", "unplaced")
"""Words that begin a line. A second bound stands in the line of the first."""
COMPARISONS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt"}
WORDS = (
    *LINE_WORDS,
    *PLACE_WORDS,
    *("sum", "all", "and", "or", "not", "(", ")", "in", "=", "missing", "given", *COMPARISONS),
)
"""Every keyword."""
COUNTED = ("at_least", "at_most", "exactly", "more_than", "fewer_than", "about")
SHARED = ("share_at_least", "share_at_most", "share_more_than", "share_less_than", "share_about")


class Token(NamedTuple):
    """One piece of a line."""

    kind: Kind
    value: Any
    """word: itself; number: int or float (or an ISO date); share: Fraction; span: (low, high); value:
    (column, value); column: its name; title: an item reference; series: a piece of title; words: of the
    sentence; spot: the place of one of its words."""


def word(text: str) -> Token:
    """Return a keyword as a token."""
    return Token("word", text)


END = word("end")
"""Closes a form that a model writes; never printed."""

_PIECE = re.compile(
    r"""\s*(?:
    (?P<value>(?P<vcol>[^\W\d]\w*|"(?:[^"\\]|\\.)*")=(?P<vval>"(?:[^"\\]|\\.)*"))
  | (?P<item>item\s+(?P<title>"(?:[^"\\]|\\.)*"))
  | (?P<series>title\s+contains\s+(?P<text>"(?:[^"\\]|\\.)*"))
  | (?P<span>(?P<low>-?[\d.]*\d|"[\d-]+")\.\.(?P<high>-?\d[\d.]*|"[\d-]+"))
  | (?P<share>\d+/\d+)
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<quoted>"(?:[^"\\]|\\.)*")
  | (?P<mark>>=|<=|[()=<>])
  | (?P<name>[^\W\d]\w*)
    )""",
    re.VERBOSE,
)


def write_tokens(tokens: Sequence[Token]) -> str:
    """Return the tokens as text, one line a control."""
    lines: list[list[Token]] = []
    for token in tokens:
        starts = token.kind == "word" and token.value in LINE_WORDS
        if not lines or (starts and not (token.value in BOUND_WORDS and takes_bound(lines[-1]))):
            lines.append([])
        lines[-1].append(token)
    return "\n".join(_join([_spell(token) for token in line]) for line in lines)


def _join(pieces: Sequence[str]) -> str:
    text = ""
    for before, piece in zip(("(", *pieces), pieces, strict=False):
        text += piece if before == "(" or piece == ")" else f" {piece}"
    return text


def takes_bound(line: Sequence[Token]) -> bool:
    """Whether a bound that follows belongs to this line: its set of items is still to come."""
    if line[0] == word("each"):
        return len(line) == 2
    amounts = all(token.kind in ("number", "share") or token == word("all") for token in line[1:])
    return line[0].value in BOUND_WORDS and amounts


def _spell(token: Token) -> str:
    kind, value = token
    if kind == "value":
        return f"{_name(value[0])}={_quote(value[1])}"
    if kind == "column":
        return _name(value)
    if kind == "title":
        return f"item {_quote(value)}"
    if kind == "series":
        return f"title contains {_quote(value)}"
    if kind == "words":
        return _quote(value)
    if kind == "span":
        return f"{_point(value[0])}..{_point(value[1])}"
    if kind == "share":
        return f"{value.numerator}/{value.denominator}"
    return _point(value) if kind == "number" else str(value)


def _point(value: int | float | str) -> str:
    return _quote(value) if isinstance(value, str) else repr(value)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _name(column: str) -> str:
    plain = re.fullmatch(r"[^\W\d]\w*", column) and column not in (*WORDS, "item", "title", "contains")
    return column if plain else _quote(column)


def read_tokens(text: str) -> list[Token]:
    """Return the tokens of a written form; `write_tokens` writes them back.

    Raises:
        RequestError: a piece of the text is no token.

    Example:
        >>> [token.value for token in read_tokens('without categories="Horror"')]
        ['without', ('categories', 'Horror')]
    """
    tokens: list[Token] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _PIECE.match(text, place)
        if found is None:
            raise RequestError(
                f'The line form does not go on with "{text[place : place + 30].strip()}". '
                'Lines look like: at_least 2 categories="Comedy" and year in 1990..1999'
            )
        tokens.append(_read(found, tokens))
        place = found.end()
    return tokens


def _read(found: re.Match[str], before: Sequence[Token]) -> Token:
    if found["value"]:
        column = found["vcol"]
        name = json.loads(column) if column.startswith('"') else column
        return Token("value", (name, json.loads(found["vval"])))
    if found["item"]:
        return Token("title", json.loads(found["title"]))
    if found["series"]:
        return Token("series", json.loads(found["text"]))
    if found["span"]:
        return Token("span", (_read_point(found["low"]), _read_point(found["high"])))
    if found["share"]:
        above, below = found["share"].split("/")
        if int(below) == 0 or int(above) > int(below):
            raise RequestError(
                f"A share lies between 0 and 1, such as 3/10, and the line form has {found['share']}."
            )
        return Token("share", Fraction(int(above), int(below)))
    if found["number"]:
        return Token("number", _read_point(found["number"]))
    if found["quoted"]:
        return _quoted(json.loads(found["quoted"]), before)
    text = found["mark"] or found["name"]
    return word(text) if text in WORDS else Token("column", text)


def _quoted(text: str, before: Sequence[Token]) -> Token:
    """Words after `unplaced`, a date after a comparison, else a column whose name needs quotes."""
    last = before[-1] if before else None
    if last == word("unplaced"):
        return Token("words", text)
    if last is not None and last.kind == "word" and last.value in (*COMPARISONS, "=", "in"):
        return Token("number", text)
    if last is not None and last.kind == "number" and len(before) > 1 and before[-2] == word("in"):
        return Token("number", text)
    return Token("column", text)


def _read_point(text: str) -> int | float | str:
    if text.startswith('"'):
        return str(json.loads(text))
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
