"""Noun phrases to sets: "Comedy films from the nineties that are not romances" is one set of items.

The text holds marks; rewriting rules join neighbouring sets until nothing changes: a list of values, a set
and what modifies it, what it is not. Rules that bind tighter come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from steerec.understand.marks import COLUMN, NUMBER, QUOTE, SET, Marks, WhereJson, all_of, any_of, none_of

_LABEL = (
    r"(?:categor(?:y|ies)|genres?|kinds?|variet(?:y|ies)|types?|sections?|style|headings?|labels?|tags?|side)"
)
_GLUE = (
    r"(?:in|from|of|the|a|an|under|as|with|whose|where|which|that|who|are|is|were|was|either|all"
    r"|labell?ed|tagged|filed"
    r"|listed|classified|classed|marked|categori[sz]ed|described|known|belonging|belong(?:s)?|to|having"
    r"|have|has|for|by"
    r"|made|directed|released|starring|featuring|called|heading|among|about|set|coming|come|comes"
    r"|created|written"
    r"|produced|sold|within|being|counted|counting|count|carrying|carry|fall(?:s|ing)?|into"
    r"|count(?:s)? as|on|label|labels"
    r"|tag|side|some|any)"
)
_NOT_GLUE = rf"(?:{_GLUE}|any|one|those|some|other|considered)"
_IS = r"(?:is|are|equals?|equal to|=|:|exactly|of|named|called|was|were|must be|should be)"
_EXCEPT = (
    r"(?:other than|except(?:ing)?(?: for)?|excluding|apart from|aside from|besides|outside(?: of)?"
    r"|without|with no"
    r"|minus|save(?: for)?|bar(?:ring)?|but not|not|neither|but for|in addition to no|beyond|unlike|non)"
)


_MOST_STEPS = 500
"""Every step removes at least one mark or word, so this only bounds the time of a hostile text."""


class SetReader:
    """Joins the sets of a text into the sets its noun phrases mean."""

    def __init__(self, noun: str, singular: str) -> None:
        """Learn what items are called."""
        own = "|".join(sorted({re.escape(noun.lower()), re.escape(singular.lower())}, key=len, reverse=True))
        self.noun = (
            rf"(?:(?:{own}|films?|movies?|items?|titles?|products?|recommendations?|suggestions?|picks?"
            rf"|ones|things?|stuff"
            rf"|anything|everything|something|those|options?|choices|entries|results?)\b)"
        )
        noun_ = self.noun
        item = rf"{SET}(?: {noun_})?"
        tail = (
            r"(?P<tail> (?:at once|at the same time|together|all at once|simultaneously|in one"
            r"|combined|alike))?"
        )
        head = (
            r"(?P<head>(?:both|combining|combine|combines|mixing|mix|blending|blend|uniting|unite"
            r"|merging|joining|all of"
            r"|that are|which are|that is|cross between|between)(?: of)?(?: the)?(?: labels?"
            r"| categories| genres)? )?"
        )
        chain = (
            rf"{item}(?: ?, ?(?:(?:and|or) )?{item})* ?,? ?(?P<word>and/or|and|or|nor|&"
            rf"|plus) (?:either |the |also )?{item}"
        )
        but = (
            rf"(?: ?,)?(?: (?:that|which|who))?(?: (?:are|is|do|does|can|were|was|have|has))? {_EXCEPT}"
            rf"(?: {_NOT_GLUE}){{0,6}} "
        )
        plain_chain = rf"{SET}(?: ?, ?{SET})+(?! ?,? (?:and|or|nor|&) )"
        self._rules: list[tuple[re.Pattern[str], Callable[[re.Match[str], Marks], str]]] = [
            (
                re.compile(rf"(?:either )?\( ?{SET} ?\)(?:, \( ?{SET} ?\))* or \( ?{SET} ?\)"),
                self._general,
            ),
            (
                re.compile(
                    rf"(?:\b(?:whose|where|for which|with|having|of|that have|have|by|in"
                    rf"|from) )*(?:the |a |an )?({COLUMN})"
                    rf"(?: {_IS})*(?: the| a)? ({SET})"
                ),
                lambda found, marks: _of_column(found[2], found[1], marks),
            ),
            (
                re.compile(
                    rf"(?:\b(?:where|for which|with|having|that have|have) )*({SET}) (?:as|is|for|being"
                    rf"|in) (?:the |a |an |their )?"
                    rf"({COLUMN})"
                ),
                lambda found, marks: _of_column(found[1], found[2], marks),
            ),
            (re.compile(rf"{head}{chain.replace('(?: ' + noun_ + ')?', '')}{tail}"), self._same_column),
            (re.compile(rf"{head}({plain_chain})"), self._same_column),
            (
                re.compile(rf"\b(?:neither|either|both|the|a|an) ({SET}) {_LABEL}\b|({SET}) {_LABEL}\b"),
                _keep_set,
            ),
            (
                re.compile(rf"(?:\bthe )?({SET}) ({COLUMN})"),
                lambda found, marks: _of_column(found[1], found[2], marks),
            ),
            (re.compile(rf"\b{_LABEL}(?: of| called| named| is|:)? ({SET})"), _keep_set),
            (
                re.compile(rf"\bnon ?-? ?({SET})|({SET}) ?- ?free\b"),
                lambda found, marks: marks.set(none_of(marks.where(found[1] or found[2]))),
            ),
            (
                re.compile(
                    rf"({SET})(?: {noun_})?(?: ?,? and(?= (?:with|whose|from|where|that|which|of|having"
                    rf"|in)\b))?"
                    rf"(?: {_GLUE})* ({SET})"
                ),
                lambda found, marks: marks.set(all_of([marks.where(found[1]), marks.where(found[2])])),
            ),
            (re.compile(rf"\b{noun_}(?: {_GLUE})* ({SET})"), _keep_set),
            (re.compile(rf"({SET}) {noun_}"), _keep_set),
            (re.compile(rf"({SET}){but}({SET})"), _except),
            (re.compile(rf"(\b){noun_}{but}({SET})"), _except),
            (
                re.compile(
                    rf"\b(?:anything|everything|all|something)(?: (?:else|on|in|from|for|at|of|the|this"
                    rf"|that|my|your|list|me))*"
                    rf" (?:but|except|other than|besides|apart from) (?:the )?({SET})"
                ),
                lambda found, marks: marks.set(none_of(marks.where(found[1]))),
            ),
            (re.compile(rf"{head}{chain}{tail}"), self._general),
            (re.compile(rf"\b(?:either|both) ({SET})"), _keep_set),
            (re.compile(rf"\( ?({SET}) ?\)"), _keep_set),
        ]

    def join(self, text: str, marks: Marks) -> str:
        """Rewrite the text until every noun phrase is one set."""
        text = _tidy(text)
        for _ in range(_MOST_STEPS):
            step = self._step(text, marks)
            if step is None:
                break
            text = step
        return text

    def _step(self, text: str, marks: Marks) -> str | None:
        """Apply the first rule that changes anything, at the first place where it does."""
        for pattern, rewrite in self._rules:
            found = pattern.search(text)
            while found is not None:
                changed = rewrite(found, marks)
                if changed != found[0]:
                    return _tidy(f"{text[: found.start()]} {changed} {text[found.end() :]}")
                found = pattern.search(text, found.start() + 1)
        return None

    def _same_column(self, found: re.Match[str], marks: Marks) -> str:
        """A list of values of one column: "Action or Thriller"."""
        members = re.findall(SET, found[0])
        columns = [_columns(marks.where(member)) for member in members]
        if not all(len(names) == 1 for names in columns) or len(set(map(frozenset, columns))) > 1:
            return found[0]
        return self._general(found, marks)

    def _general(self, found: re.Match[str], marks: Marks) -> str:
        parts = [marks.where(member) for member in re.findall(SET, found[0])]
        groups = found.groupdict()
        if groups.get("word") == "and" and (span := _one_span(parts)):
            return marks.set(span)
        together = bool(groups.get("head") or groups.get("tail")) and groups.get("word") in (
            "and",
            "&",
            "plus",
        )
        return marks.set(all_of(parts) if together else any_of(parts))


def mark_text_conditions(text: str, columns: Sequence[str], paths: Sequence[str], marks: Marks) -> str:
    """Replace conditions on quoted words: "whose title contains 'x'", "under 'A > B' in the path", nulls.

    Args:
        text: lower-case, with quotes marked.
        columns: every column, and title.
        paths: the path columns.
        marks: keeps what is found.
    """
    spoken = {column.lower().replace("_", " "): column for column in columns}
    names = "|".join(re.escape(name) for name in sorted(spoken, key=len, reverse=True))
    if not names:
        return text

    def contains(found: re.Match[str]) -> str:
        column = spoken[found["after"] or found["before"]]
        return f" {marks.set({column: {'contains': marks.quote(found['quote']).text}})} "

    def null(found: re.Match[str]) -> str:
        return f" {marks.set({spoken[found[2]]: {'is_null': found[1] in ('no', 'without')}})} "

    has = r"(?:contains?|includes?|has|have|mentions?|says?|with|containing)"
    text = re.sub(
        rf"(?:\b(?:whose|with|where|having|that have) )?(?:the "
        rf"|a )?\b(?P<before>{names}) (?:that )?{has} (?:the words? )?"
        rf"(?P<quote>{QUOTE})(?P<after>)|\b(?:with|containing) (?P<q2>{QUOTE}) in (?:the"
        rf"|their) (?P<a2>{names})\b",
        lambda found: (
            contains(found)
            if found["quote"]
            else f" {marks.set({spoken[found['a2']]: {'contains': marks.quote(found['q2']).text}})} "
        ),
        text,
    )
    path_names = "|".join(re.escape(path.lower().replace("_", " ")) for path in paths)
    if path_names:

        def under(found: re.Match[str]) -> str:
            column = next(p for p in paths if p.lower().replace("_", " ") == found[2])
            steps = [step.strip() for step in marks.quote(found[1]).text.split(">")]
            return f" {marks.set({column: {'under': steps}})} "

        text = re.sub(rf"\b(?:under|in|below) ({QUOTE}) (?:in|of) the ({path_names})\b", under, text)
    return re.sub(
        rf"\b(?:with |having )?(no|some|any|without) (?:known |given )?({names}) (?:given|known|at all)\b",
        null,
        text,
    )


def mark_listed(text: str, noun: str, marks: Marks) -> str:
    """Replace "films among 'A', 'B'" by the set of these items, where all of them exist."""

    def listed(found: re.Match[str]) -> str:
        quotes = [marks.quote(mark) for mark in re.findall(QUOTE, found[2])]
        if not all(quote.item_id for quote in quotes):
            return found[0]
        return f" {found[1]} {marks.set({'items': [quote.item_id for quote in quotes]})} "

    return re.sub(
        rf"\b({noun}) (?:among|out of) ({QUOTE}(?: ?(?:,|and|or|, and|, or) ?{QUOTE})*)", listed, text
    )


def _columns(where: dict[str, object]) -> set[str]:
    return set(where)


def _one_span(parts: list[WhereJson]) -> WhereJson | None:
    """Return the range that "from a and until b" comes to."""
    if len(parts) != 2 or any(set(part) != set(parts[0]) or len(part) != 1 for part in parts):
        return None
    column = next(iter(parts[0]))
    low, high = parts[0][column], parts[1][column]
    if not (isinstance(low, dict) and isinstance(high, dict)):
        return None
    ends = {**low, **high}
    sides = [{"ge": 0, "gt": 0, "le": 1, "lt": 1}.get(name) for name in ends]
    return {column: ends} if sorted(map(str, sides)) == ["0", "1"] else None


def _of_column(mark: str, column: str, marks: Marks) -> str:
    """Return the set of the reading in that column; the set as it is when it has no such reading."""
    name = marks.column(column)
    for candidate, value in marks.options(mark):
        if candidate == name:
            return marks.set({candidate: value}, ((candidate, value),))
    return mark


def _keep_set(found: re.Match[str], marks: Marks) -> str:
    del marks
    return str(re.findall(SET, found[0])[-1])


def _except(found: re.Match[str], marks: Marks) -> str:
    rest = none_of(marks.where(found[2]))
    return marks.set(all_of([marks.where(found[1]), rest]) if found[1] else rest)


def _tidy(text: str) -> str:
    text = re.sub(rf"({SET}|{NUMBER})", r" \1 ", text)
    return (
        re.sub(r" +", " ", re.sub(r" ([,.;:!?])", r"\1", text.replace(",", " , "))).replace(" ,", ",").strip()
    )
