"""Whole requests in the line form: tokens to a request and the words left over, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from steerec.control.control import Cap, Control, read_control
from steerec.control.request import MAX_COUNT, Request
from steerec.errors import RequestError
from steerec.understand.lines.line_form import (
    BOUND_WORDS,
    COUNTED,
    LINE_WORDS,
    LIST_WORDS,
    PLACE_WORDS,
    SHARED,
    WISH_WORDS,
    Token,
    word,
)
from steerec.understand.lines.line_where import Kinds, read_where, write_where


class Lines(NamedTuple):
    """What lines say."""

    request: Request
    unplaced: list[str]
    says_count: bool
    written: tuple[tuple[Token, ...], ...] = ()
    """The tokens of each control's line."""


class _Draft(NamedTuple):
    controls: list[dict[str, Any]]
    request: dict[str, Any]
    unplaced: list[str]


def read_request(tokens: Sequence[Token], kinds: Kinds, *, count: int = 10) -> Lines:
    """Return the request that lines make.

    Args:
        tokens: the lines.
        kinds: types of the catalogue's columns: on a date column a year means its days.
        count: length of the list where no line says it.

    Raises:
        RequestError: the lines break the form, or make no valid request.

    Example:
        >>> from steerec.understand.lines.line_form import read_tokens
        >>> read_request(read_tokens('count 3 only categories="Comedy"'), {}).request.count
        3
    """
    lines = list(tokens)
    draft = _empty()
    written: list[tuple[Token, ...]] = []
    said = None
    for start, end in _read_lines(lines, kinds, draft):
        if lines[start].value == "count":
            said = lines[start + 1].value
        written += [tuple(lines[start:end])] * (len(draft.controls) - len(written))
    length = _length(said, draft.controls, count)
    controls = [_settled(control, length, draft.controls) for control in draft.controls]
    given = {name: value for name, value in draft.request.items() if value}
    for name in ("exclude", "candidates"):
        if name in given:
            given[name] = list(dict.fromkeys(given[name]))
    request = Request(count=length, controls=controls, **given)
    return Lines(request, draft.unplaced, said is not None, tuple(written))


def split_lines(tokens: Sequence[Token], kinds: Kinds) -> list[tuple[int, int]]:
    """Return where each line begins and ends among the tokens; arguments and errors as in `read_request`."""
    return list(_read_lines(list(tokens), kinds, _empty()))


def _empty() -> _Draft:
    return _Draft([], {"prefer": [], "exclude": [], "candidates": []}, [])


def _read_lines(lines: list[Token], kinds: Kinds, draft: _Draft) -> Iterator[tuple[int, int]]:
    """Read one line after the other into a draft, all but the count, and yield where each was."""
    place = 0
    while place < len(lines):
        head, start = lines[place], place
        if head.kind != "word" or head.value not in LINE_WORDS:
            raise RequestError(f'A line begins with one of {", ".join(LINE_WORDS)}, and got "{head.value}".')
        if head.value == "count":
            _amount(lines, place + 1, ("sum",))
            place += 2
        else:
            place = _line(lines, place, kinds, draft)
        yield start, place


def _length(said: Any, controls: Sequence[dict[str, Any]], otherwise: int) -> int:
    if said is None:
        return otherwise
    if said == "sum":
        said = sum(_least(control) for control in controls if "place" not in control)
    if not 1 <= said <= MAX_COUNT:
        raise RequestError(f"A list has 1 to {MAX_COUNT:,} items, and the text asks for {said:,}.")
    return int(said)


def _least(control: dict[str, Any]) -> int:
    """Return how many items a control takes for itself, by number."""
    taken = [control[name] for name in ("exactly", "at_least") if isinstance(control.get(name), int)]
    return int(taken[0]) if taken else 0


def _line(lines: list[Token], place: int, kinds: Kinds, draft: _Draft) -> int:
    head = lines[place].value
    if head in BOUND_WORDS:
        return _control(lines, place, kinds, draft)
    if head == "each":
        if place + 3 >= len(lines) or lines[place + 1].kind != "column":
            raise RequestError("A line of `each` reads: each COLUMN at_most N.")
        name = lines[place + 2].value
        if name not in ("at_most", "share_at_most"):
            raise RequestError(f'A line of `each` takes at_most or share_at_most, and got "{name}".')
        limit = _amount(lines, place + 3)
        draft.controls.append({"each": lines[place + 1].value, name: limit})
        return place + 4
    if head in WISH_WORDS:
        where, place = read_where(lines, place + 1, kinds)
        draft.request["prefer"].append({"where": where, "weight": 1.0 if head == "prefer" else -1.0})
        return place
    if head in LIST_WORDS:
        titles, place = _titles(lines, place + 1)
        if head in ("like", "unlike"):
            draft.request["prefer"].append({"like": titles, "weight": 1.0 if head == "like" else -1.0})
        else:
            draft.request[head] += titles
        return place
    if head == "unplaced":
        if place + 1 >= len(lines) or lines[place + 1].kind != "words":
            raise RequestError("A line of `unplaced` quotes words of the sentence.")
        draft.unplaced.append(lines[place + 1].value)
        return place + 2
    draft.request["allow_seen"] = True
    return place + 1


def _titles(lines: list[Token], place: int) -> tuple[list[str], int]:
    titles = []
    while place < len(lines) and lines[place].kind == "title":
        titles.append(lines[place].value)
        place += 1
    if not titles:
        raise RequestError("A line of like, unlike, exclude or candidates names items.")
    return titles, place


def _control(lines: list[Token], place: int, kinds: Kinds, draft: _Draft) -> int:
    control: dict[str, Any] = {}
    while place < len(lines) and lines[place].kind == "word" and lines[place].value in BOUND_WORDS:
        name = lines[place].value
        if name in control:
            raise RequestError(f"A control says {name} once.")
        takes = name in COUNTED or name in SHARED
        control[name] = _amount(lines, place + 1, ("all",)) if takes else True
        place += 2 if takes else 1
    if place < len(lines) and lines[place].kind == "word" and lines[place].value in PLACE_WORDS:
        name = lines[place].value
        number = {"within": 2, "first": 1, "last": 1, "at": 1}.get(name, 0)
        control["place"] = (name, *(_amount(lines, place + 1 + i) for i in range(number)))
        place += 1 + number
    control["where"], place = read_where(lines, place, kinds)
    draft.controls.append(control)
    return place


def _amount(lines: list[Token], place: int, words: Sequence[str] = ()) -> Any:
    token = lines[place] if place < len(lines) else None
    if token is not None and (token.kind in ("number", "share") or token.value in words):
        return token.value
    raise RequestError(f"A number or a share is needed, and got {'the end' if token is None else token}.")


def _settled(control: dict[str, Any], count: int, controls: Sequence[dict[str, Any]]) -> Control | Cap:
    """Return the control that a line comes to in a list of this length."""
    if "each" in control:
        return read_control(control)
    settled: dict[str, Any] = {"where": control["where"]}
    for name, amount in control.items():
        if name == "only":
            settled["at_least"] = "all"
        elif name == "without":
            settled["at_most"] = 0
        elif name == "rest":
            settled["at_least"] = max(count - sum(map(_least, controls)), 0)
        elif name == "more_than":
            settled["at_least"] = amount + 1
        elif name == "fewer_than":
            settled["at_most"] = max(amount - 1, 0)
        elif name == "about":
            settled["share_about"] = Fraction(min(amount, count), count)
        elif name == "place":
            settled["within"] = stretch(amount, count)
        elif name != "where":
            settled[name] = amount
    if settled.get("exactly") == 0:
        settled["at_most"] = settled.pop("exactly")
    return read_control(settled)


def stretch(place: Sequence[Any], count: int) -> tuple[int, int]:
    """Return the first and last position that `within 2 4`, `first 3`, `last 3`, `at 1` and halves name."""
    name, *numbers = place
    if name == "within":
        return min(numbers), max(numbers)
    if name == "last":
        return max(1, count - numbers[0] + 1), count
    if name == "first_half":
        return 1, max(1, count // 2)
    if name == "second_half":
        return min(count // 2 + 1, count), count
    return (1 if name == "first" else numbers[0]), numbers[0]


def write_request(request: Request, unplaced: Sequence[str] = (), *, says_count: bool = True) -> list[Token]:
    """Return the lines of a request, its count first; `read_request` reads them to a request that means it.

    Args:
        request: what is asked. Its `seed` and the size of a wish's weight are not said.
        unplaced: words that nothing says.
        says_count: whether the count gets its line.

    Raises:
        RequestError: a set of items has no line form.
    """
    tokens = [word("count"), Token("number", request.count)] if says_count else []
    for control in request.controls:
        tokens += _write_cap(control) if isinstance(control, Cap) else _write_control(control)
    for wish in request.prefer:
        if wish.where is not None:
            tokens += [word("prefer" if wish.weight >= 0 else "avoid"), *write_where(wish.where)]
        else:
            tokens.append(word("like" if wish.weight >= 0 else "unlike"))
            tokens += [Token("title", title) for title in wish.like or ()]
    for name, titles in (("candidates", request.candidates or ()), ("exclude", request.exclude)):
        if titles:
            tokens += [word(name), *(Token("title", title) for title in titles)]
    tokens += [word("allow_seen")] if request.allow_seen else []
    for words in unplaced:
        tokens += [word("unplaced"), Token("words", words)]
    return tokens


def _write_cap(cap: Cap) -> list[Token]:
    limit = Token("number", cap.at_most) if cap.at_most is not None else Token("share", cap.share_at_most)
    name = "at_most" if cap.at_most is not None else "share_at_most"
    return [word("each"), Token("column", cap.each), word(name), limit]


def _write_control(control: Control) -> list[Token]:
    tokens: list[Token] = []
    for name in ("at_least", "exactly", "share_at_least", "share_more_than", "share_about"):
        tokens += _bound(name, getattr(control, name))
    for name in ("at_most", "share_at_most", "share_less_than"):
        tokens += _bound(name, getattr(control, name))
    if control.within is not None:
        tokens += [word("within"), *(Token("number", end) for end in control.within)]
    return tokens + write_where(control.where)


def _bound(name: str, amount: int | str | Fraction | None) -> list[Token]:
    if amount is None:
        return []
    if name == "at_least" and amount == "all":
        return [word("only")]
    if name == "at_most" and amount == 0:
        return [word("without")]
    if isinstance(amount, Fraction):
        return [word(name), Token("share", amount)]
    return [word(name), word("all") if amount == "all" else Token("number", amount)]
