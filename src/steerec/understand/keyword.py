"""The floor of understanding: words to a request by keywords, patterns and embedding neighbours, no model.

    text -> titles -> values -> numbers, years -> noun phrases are sets -> sentences -> clauses -> request

What cannot be placed is returned as it was written, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from steerec.control.control import Cap, Control, read_control
from steerec.control.request import MAX_COUNT, Request
from steerec.data.catalog import Catalog
from steerec.errors import RequestError
from steerec.understand.patterns.clauses import ClauseReader
from steerec.understand.patterns.conditions import mark_conditions
from steerec.understand.patterns.cues import IDIOMS
from steerec.understand.patterns.draft import Draft
from steerec.understand.patterns.lexicon import Lexicon
from steerec.understand.patterns.marks import MARK, SET, Marks
from steerec.understand.patterns.neighbours import Embedder
from steerec.understand.patterns.ranges import Ranges
from steerec.understand.patterns.sets import SetReader
from steerec.understand.patterns.titles import TitleFinder
from steerec.understand.quotes import Trail
from steerec.understand.reading import Reader, Reading, check_length
from steerec.understand.text import expand, lower, mark_numbers, mark_shares, normalise

_COLUMN_ALIASES = {
    "categories": ("genre",),
    "category": ("genre",),
    "genres": ("category",),
    "genre": ("category",),
}


class KeywordReader(Reader):
    """Reads plain English requests about one catalogue."""

    def __init__(self, catalog: Catalog, embedder: Embedder | None = None) -> None:
        """Learn the words of the catalogue.

        Args:
            catalog: N items.
            embedder: texts (n) to vectors (n, d) float32, such as `steerec.items.vectors.TextEncoder`; it
                places words that no value spells ("scary") at the nearest value. None: they stay unplaced.
        """
        self._catalog = catalog
        self._lexicon = Lexicon(catalog, embedder)
        self._ranges = Ranges(catalog)
        self._titles = TitleFinder(catalog)
        self._sets = SetReader(catalog.noun, catalog.singular)
        self._columns = _column_patterns(catalog)

    def reading(self, sentence: str, *, count: int = 10) -> Reading:
        """Return what a text is understood as.

        Args:
            sentence: one or more sentences in English.
            count: length of the list where the text says none.

        Raises:
            RequestError: the text is longer than 20,000 characters, names hundreds of different things, or
                asks for a list of no or of more than 1,000 items.
        """
        check_length(sentence)
        marks, draft, trail = Marks(), Draft(otherwise=count), Trail(sentence)
        text = ""
        for text in self._marked(normalise(sentence), marks):
            trail.follow(text)
        reader = ClauseReader(self._sets.noun, marks, draft)
        for piece in reader.sentences(text):
            placed = reader.read(piece)
            draft.unplaced += self._unknown(piece, everywhere=not placed)
        return self._request(draft, trail)

    def _marked(self, text: str, marks: Marks) -> Iterator[str]:
        """Replace everything that has a meaning of its own, step by step, the surest first."""
        yield text
        text = self._titles.mark(text, marks)
        yield text
        text = self._lexicon.mark(text, marks)
        yield text
        text = " ".join(expand(lower(text)).split())
        text = mark_conditions(text, self._catalog.columns, self._sets.noun, marks)
        text = self._ranges.mark(text, marks)
        yield text
        text = self._lexicon.mark_neighbours(text, marks)
        text = mark_numbers(mark_shares(text, marks), marks)
        text = re.sub(
            rf"\b(?:one|1)\b(?= (?:{SET}|{self._sets.noun}|per |from (?:each|every)))|(?<=\bleast )one\b"
            r"|(?<=\bmost )one\b|(?<=\bexactly )one\b|(?<=\bthan )one\b",
            lambda found: f" {marks.put('number', 1)} ",
            text,
        )
        yield text
        for pattern, column in self._columns:
            text = pattern.sub(lambda found, column=column: f" {marks.put('column', column)} ", text)  # type: ignore[misc]
        for pattern, meaning in IDIOMS:
            text = pattern.sub(meaning, text)
        yield text
        text = self._sets.join(text, marks)
        yield text
        yield re.sub(
            rf"\b(?:at least|start with|begin with|open with) (an?)(?= {SET})",
            lambda found: f"{found[0][: -len(found[1])]} {marks.put('number', 1)} ",
            text,
        )

    def _unknown(self, piece: str, *, everywhere: bool) -> list[str]:
        """Return words that mean something we do not know.

        In a sentence that was placed, these are words where a description stands: before a noun or a set
        ("dark comedies"), after one ("comedies about dogs"), after "no", "too" and the like.
        """
        here = rf"(?:{SET}|{self._sets.noun})"
        described = [
            *re.finditer(rf"((?:[^\W_]+[ -]){{1,2}}){here}", piece),
            *re.finditer(
                rf"{here}(?: ?,)? (?:about|with|that|which|featuring|starring|set|for|where|who|on|of)"
                " ([^,:]*)",
                piece,
            ),
            *re.finditer(
                r"\b(?:no|without|not|too|very|less|more|only|some|any|really|something|anything|things"
                r"|stuff) ([^\W_]+)",
                piece,
            ),
        ]
        spans = [(0, len(piece))] if everywhere else sorted(found.span(1) for found in described)
        text = [re.sub(MARK, " ", piece[start:end]) for start, end in spans]
        words = [word for part in text for word in re.findall(r"[^\W\d_]+(?:'[^\W_]+)*", part)]
        return [word for word in words if self._lexicon.unknown(word)]

    def _request(self, draft: Draft, trail: Trail) -> Reading:
        count = self._count(draft)  # what the parts come to is said, too
        controls, quotes = [], []
        for given in draft.controls:
            control = _control(given, count)
            if control is None:
                draft.unplaced.append(given.get("said", given.get("each", "")))
            else:
                controls.append(control)
                quotes.append(trail.quote(given["clause"], given["anchor"]))
        request = Request(
            count=count,
            controls=controls,
            prefer=draft.prefer,
            candidates=list(dict.fromkeys(draft.candidates)) or None,
            exclude=list(dict.fromkeys(draft.exclude)),
            allow_seen=draft.allow_seen,
        )
        unplaced = list(dict.fromkeys(draft.unplaced))
        return Reading(request, unplaced, draft.count is not None, tuple(quotes))

    def _count(self, draft: Draft) -> int:
        """Return the length of the list: as said, else what "5 comedies and 3 dramas" come to."""
        bare = [
            control["bare"] for control in draft.controls if "bare" in control and "within" not in control
        ]
        if draft.count is None and bare:
            draft.count = sum(bare)
            for control in draft.controls:
                if len(bare) == 1 and "bare" in control:
                    del control["bare"]
                    control["at_least"] = "all"
        if draft.count is None:
            return draft.otherwise
        if not 1 <= draft.count <= MAX_COUNT:
            raise RequestError(
                f"A list has 1 to {MAX_COUNT:,} {self._catalog.noun}, and the text asks for {draft.count:,}. "
                "Ask for another number."
            )
        return draft.count


def _control(given: dict[str, Any], count: int) -> Control | Cap | None:
    """Return the control, or None where it cannot hold in a list of that length."""
    try:
        control = read_control(_settled(given, count))
    except RequestError:
        return None
    beyond = isinstance(control, Control) and control.within is not None and control.within[1] > count
    return None if beyond else control


def _settled(control: dict[str, Any], count: int) -> dict[str, Any]:
    """Turn what depends on the count into bounds, and "all are not X" into "none is X"."""
    settled = {name: value for name, value in control.items() if name not in ("said", "clause", "anchor")}
    if "bare" in settled:
        settled["exactly"] = settled.pop("bare")
    if "about" in settled:
        settled["share_about"] = Fraction(min(settled.pop("about"), count), count)
    if settled.get("exactly") == 0:
        del settled["exactly"]
        settled["at_most"] = 0
    if "rest" in settled:
        settled["at_least"] = max(count - settled.pop("rest"), 0)
    where = settled.get("where", {})
    if set(where) == {"not"} and (settled.get("at_least") == "all" or settled.get("at_most") == 0):
        settled["where"] = where["not"]
        if settled.pop("at_least", None) == "all":
            settled["at_most"] = 0
        else:
            del settled["at_most"]
            settled["at_least"] = "all"
    return settled


def _column_patterns(catalog: Catalog) -> list[tuple[re.Pattern[str], str]]:
    """Return a pattern of each column's name, singular or plural, the longest first."""
    found: list[tuple[str, str]] = []
    for column in catalog.columns:
        for name in (column.lower().replace("_", " "), *_COLUMN_ALIASES.get(column.lower(), ())):
            if name.endswith("ies"):
                found += [(name, column), (name[:-3] + "y", column)]
            else:
                found += [(name.removesuffix("s"), column), (name.removesuffix("s") + "s", column)]
    found.sort(key=lambda pair: -len(pair[0]))
    return [(re.compile(rf"\b{re.escape(name)}\b"), column) for name, column in found]
