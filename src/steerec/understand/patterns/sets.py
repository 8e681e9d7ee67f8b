"""Noun phrases to sets: "Comedy films from the nineties that are not romances" is one set of items.

The text holds marks; rewriting rules join neighbouring sets until nothing changes: a list of values, a set
and what modifies it, what it is not. Rules that bind tighter come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from steerec.understand.patterns.marks import COLUMN, NUMBER, SET, Marks, WhereJson, all_of, any_of, none_of

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


_BOTH = (
    r"(?P<head>(?:both|combining|combine|combines|mixing|mix|blending|blend|uniting|unite|merging|joining"
    r"|all of|that are|which are|that is|cross between|between)(?: of)?(?: the)?"
    r"(?: labels?| categories| genres)? )?"
)
_AT_ONCE = (
    r"(?P<tail> (?:at once|at the same time|together|all at once|simultaneously|in one|combined|alike))?"
)
_AND = r" ?,? ?(?P<word>and/or|and|or|nor|&|plus) (?:either |the |also )?"

_MOST_STEPS, _MOST_WORK = 500, 1_000_000
"""Every step removes at least one mark or word, so these only bound the time of a hostile text: rewritings of
one sentence, and characters that are looked at for them."""
_STOP = re.compile(r"([.!?;\n]+(?= |$))")
"""No rule joins what stands in two sentences."""

_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], Marks], str]]


class SetReader:
    """Joins the sets of a text into the sets its noun phrases mean."""

    def __init__(self, noun: str, singular: str) -> None:
        """Learn what items are called."""
        own = "|".join(sorted({re.escape(noun.lower()), re.escape(singular.lower())}, key=len, reverse=True))
        self.noun = (
            rf"(?:(?:{own}|films?|movies?|items?|titles?|products?|recommendations?|suggestions?|picks?|ones"
            r"|things?|stuff|anything|everything|something|those|options?|choices|entries|results?)\b)"
        )
        item = rf"{SET}(?: {self.noun})?"
        any_list = rf"{_BOTH}{item}(?: ?, ?(?:(?:and|or) )?{item}){{0,99}}{_AND}{item}{_AT_ONCE}"
        self._rules: list[_Rule] = [
            (re.compile(rf"(?:either )?\( ?{SET} ?\)(?:, \( ?{SET} ?\))* or \( ?{SET} ?\)"), _list),
            *_column_rules(),
            *_value_rules(),
            *_modifier_rules(self.noun),
            (re.compile(any_list), _list),
            (re.compile(rf"\b(?:either|both) ({SET})"), _keep_set),
            (re.compile(rf"\( ?({SET}) ?\)"), _keep_set),
        ]

    def join(self, text: str, marks: Marks) -> str:
        """Rewrite the text, sentence by sentence, until every noun phrase is one set."""
        pieces = _STOP.split(_tidy(text))
        pieces[::2] = [self._joined(piece, marks) for piece in pieces[::2]]
        return _tidy("".join(pieces))

    def _joined(self, sentence: str, marks: Marks) -> str:
        lead = sentence[: len(sentence) - len(sentence.lstrip())]
        for _ in range(min(_MOST_STEPS, _MOST_WORK // (len(sentence) + 1))):
            step = self._step(sentence, marks)
            if step is None:
                break
            sentence = lead + step
        return sentence

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


def _column_rules() -> list[_Rule]:
    """A value beside the name of its column: "whose director is X", "with X as director", "X category"."""
    before = r"(?:\b(?:whose|where|for which|with|having|of|that have|have|by|in|from) ){0,6}(?:the |a |an )?"
    behind = r"(?:as|is|for|being|in) (?:the |a |an |their )?"
    return [
        (
            re.compile(rf"{before}(?P<column>{COLUMN})(?: {_IS}){{0,4}}(?: the| a)? (?P<set>{SET})"),
            _of_column,
        ),
        (
            re.compile(
                rf"(?:\b(?:where|for which|with|having|that have|have) ){{0,6}}(?P<set>{SET}) {behind}"
                rf"(?P<column>{COLUMN})"
            ),
            _of_column,
        ),
    ]


def _value_rules() -> list[_Rule]:
    """Lists of values of one column, and values beside words such as "category"."""
    values = rf"{_BOTH}{SET}(?: ?, ?(?:(?:and|or) )?{SET}){{0,99}}{_AND}{SET}{_AT_ONCE}"
    commas = rf"{_BOTH}{SET}(?: ?, ?{SET})+(?! ?,? (?:and|or|nor|&) )"
    return [
        (re.compile(values), _same_column),
        (re.compile(commas), _same_column),
        (re.compile(rf"\b(?:neither|either|both|the|a|an) {SET} {_LABEL}\b|{SET} {_LABEL}\b"), _keep_set),
        (re.compile(rf"(?:\bthe )?(?P<set>{SET}) (?P<column>{COLUMN})"), _of_column),
        (re.compile(rf"\b{_LABEL}(?: of| called| named| is|:)? {SET}"), _keep_set),
        (re.compile(rf"\bnon ?-? ?({SET})|({SET}) ?- ?free\b"), _negated),
    ]


def _modifier_rules(noun: str) -> list[_Rule]:
    """What follows a noun or a set: "S from S", "films in S", "S that are not S", "anything but S"."""
    also = r"(?: ?,? and(?= (?:with|whose|from|where|that|which|of|having|in)\b))?"
    but = (
        rf"(?: ?,)?(?: (?:that|which|who))?(?: (?:are|is|do|does|can|were|was|have|has))? {_EXCEPT}"
        rf"(?: {_NOT_GLUE}){{0,6}} "
    )
    place = r"(?: (?:else|on|in|from|for|at|of|the|this|that|my|your|list|me)){0,8}"
    return [
        (
            re.compile(rf"({SET})(?: {noun})?{also}(?: {_GLUE}){{0,10}} ({SET})"),
            lambda found, marks: marks.set(all_of([marks.where(found[1]), marks.where(found[2])])),
        ),
        (re.compile(rf"\b{noun}(?: {_GLUE}){{0,10}} {SET}"), _keep_set),
        (re.compile(rf"{SET} {noun}"), _keep_set),
        (re.compile(rf"({SET}){but}({SET})"), _except),
        (re.compile(rf"(\b){noun}{but}({SET})"), _except),
        (
            re.compile(
                rf"\b(?:anything|everything|all|something){place}"
                rf" (?:but|except|other than|besides|apart from) (?:the )?({SET})"
            ),
            _negated,
        ),
    ]


def _same_column(found: re.Match[str], marks: Marks) -> str:
    """Join a list of values of one column: "Action or Thriller"."""
    columns = [set(marks.where(member)) for member in re.findall(SET, found[0])]
    if any(len(names) > 1 or names != columns[0] for names in columns):
        return found[0]
    return _list(found, marks)


def _list(found: re.Match[str], marks: Marks) -> str:
    """Join a list to any of its sets, or to all at once where the words say so."""
    parts = [marks.where(member) for member in re.findall(SET, found[0])]
    groups = found.groupdict()
    if groups.get("word") == "and" and (span := _one_span(parts)):
        return marks.set(span)
    together = bool(groups.get("head") or groups.get("tail")) and groups.get("word") in ("and", "&", "plus")
    return marks.set(all_of(parts) if together else any_of(parts))


def _one_span(parts: list[WhereJson]) -> WhereJson | None:
    """Return the range that "from a and until b" comes to."""
    if len(parts) != 2 or any(set(part) != set(parts[0]) or len(part) != 1 for part in parts):
        return None
    column = next(iter(parts[0]))
    low, high = parts[0][column], parts[1][column]
    if not (isinstance(low, dict) and isinstance(high, dict)):
        return None
    ends = {**low, **high}
    sides = {{"ge": 0, "gt": 0, "le": 1, "lt": 1}.get(name): value for name, value in ends.items()}
    is_span = len(ends) == 2 and set(sides) == {0, 1}
    return {column: ends} if is_span and sides[0] <= sides[1] else None  # "before 1980 and after 1995": both


def _of_column(found: re.Match[str], marks: Marks) -> str:
    """Return the set of the reading in that column; the set as it is when it has no such reading."""
    column = marks.column(found["column"])
    for candidate, value in marks.options(found["set"]):
        if candidate == column:
            return marks.set({candidate: value}, ((candidate, value),))
    return found["set"]


def _negated(found: re.Match[str], marks: Marks) -> str:
    return marks.set(none_of(marks.where(_keep_set(found, marks))))


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
