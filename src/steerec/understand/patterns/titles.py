"""Titles in a text, in quotation marks or after words such as "similar to", and what is done with them."""

from __future__ import annotations

import re
from itertools import islice

from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.errors import RequestError
from steerec.understand.patterns import cues
from steerec.understand.patterns.draft import Draft
from steerec.understand.patterns.marks import NUMBER, QUOTE, SET, Marks, QuoteMark
from steerec.understand.text import normalise

_OPENING = re.compile(r"(?<![^\s(\[:,;/])['\"](?=\S)")
_CUE = re.compile(
    r"\b(?:like|similar to|resembling|resembles?|style of|vein of|lines of|spirit of|fans? of|loved"
    r"|enjoyed|liked|close to"
    r"|reminiscent of|except(?: for)?|but not|not|exclud(?:e|ing)|without|skip|leave out|out of|from"
    r"|among|between|and|or"
    r"|recommend|comparable (?:to|with))[:,]? (?=\S)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S+")
_LONGEST = 12  # words of a title that stands without quotation marks
_FARTHEST = 400  # characters from an opening quotation mark to its closing one


class TitleFinder:
    """Knows every title of a catalogue, in the forms people see and in the raw form."""

    def __init__(self, catalog: Catalog) -> None:
        """Index the names of all items."""
        self._catalog = catalog
        names = (*catalog.item_ids, *catalog.displays, *catalog.titles)
        self._names = {fold(normalise(name)): name for name in reversed(names)}

    def item(self, name: str) -> str | None:
        """Return the id of the item of that name, or None when there is none or the name is ambiguous."""
        known = self._names.get(fold(normalise(name)))
        if known is None:
            return None
        try:
            return self._catalog.item_ids[self._catalog.resolve(known)]
        except RequestError:
            return None

    def mark(self, text: str, marks: Marks) -> str:
        """Replace quoted words, then titles that follow a cue, each by one mark."""
        return self._unquoted(self._quoted(text, marks), marks)

    def _quoted(self, text: str, marks: Marks) -> str:
        pieces, place = [], 0
        while found := _OPENING.search(text, place):
            end = self._closing(text, found.start())
            if end is None:
                pieces.append(text[place : found.end()])
                place = found.end()
                continue
            words = text[found.end() : end].rstrip(",.") if text[end - 1] in ",." else text[found.end() : end]
            mark = marks.put("quote", QuoteMark(text=words, item_id=self.item(words)))
            pieces += [text[place : found.start()], f" {mark} "]
            place = end + 1
        return "".join([*pieces, text[place:]])

    def _closing(self, text: str, start: int) -> int | None:
        """Return where the closing mark is: the first that ends a known title, else the first there is."""
        ends = [
            found.start()
            for found in re.finditer(rf"(?<=\S){text[start]}(?!\w)", text[: start + _FARTHEST])
            if found.start() > start + 1
        ]
        titled = (end for end in ends if fold(normalise(text[start + 1 : end])) in self._names)
        return next(titled, ends[0] if ends else None)

    def _unquoted(self, text: str, marks: Marks) -> str:
        place = 0
        while found := _CUE.search(text, place):
            place = found.end()
            if not (text[place].isupper() or text[place].isdigit()):
                continue
            words = list(islice(_WORD.finditer(text, place), _LONGEST))
            for length in range(len(words), 0, -1):
                name = text[place : words[length - 1].end()]
                title = name if fold(name) in self._names else name.rstrip(".,;:!?")
                if not title.isdigit() and (item := self.item(title)) is not None:
                    mark = marks.put("quote", QuoteMark(text=title, item_id=item))
                    text = f"{text[:place]}{mark} {text[place + len(title) :]}"
                    place += 1
                    break
        return text


def read_titles(sentence: str, marks: Marks, draft: Draft) -> str:
    """Add what a marked sentence does with titles to a draft, and return the sentence without them."""
    if re.search(SET, sentence):
        sentence = _beside_sets(sentence, marks, draft)
        if not re.search(QUOTE, sentence):
            return sentence
    items = _items(sentence, marks, draft)
    rest = re.sub(r"\bi'd like\b|\bwould like\b|\bi would\b", " ", re.sub(QUOTE, " ", sentence))
    if re.search(r"\bno anything (?:\w+ )?(?:like|similar|close)\b", rest):
        _like(items, draft, weight=-1.0)
    elif cues.LIMITED.search(rest) and not re.search(r"\bjust (?:my|what|like|the)\b", rest):
        draft.candidates += items
    elif cues.NEGATION.search(rest) or cues.EXCEPTION.search(rest):
        draft.exclude += items
    elif cues.SIMILAR.search(rest) or (len(items) < 2 and not cues.CHOICE.search(rest)):
        _like(items, draft)
    else:
        draft.candidates += items
    if draft.candidates and draft.count is None and (number := re.search(NUMBER, rest)):
        draft.count = marks.number(number[0])
    return "" if not re.search(SET, sentence) else re.sub(QUOTE, " ", sentence)


def _beside_sets(sentence: str, marks: Marks, draft: Draft) -> str:
    """Read "S like Q" and "S except Q"; the rest of the sentence is about S."""
    similar = (
        r"(?:similar to|like|in the (?:style|vein|spirit) of|along the lines of"
        r"|reminiscent of|resembling|close to)"
    )
    quotes = cues.FOLLOWING_QUOTES
    for pattern, target in (
        (rf"\b(?:something |things |ones |more )?{similar} ({quotes})", "like"),
        (rf"\b(?:except(?: for)?|but not|other than|excluding|without|apart from|not) ({quotes})", "exclude"),
    ):
        while found := re.search(pattern, sentence):
            items = _items(found[1], marks, draft)
            _like(items, draft) if target == "like" else draft.exclude.extend(items)
            sentence = f"{sentence[: found.start()]} {sentence[found.end() :]}".strip()
    return sentence


def _items(text: str, marks: Marks, draft: Draft) -> list[str]:
    items = []
    for mark in re.findall(QUOTE, text):
        quote = marks.quote(mark)
        if quote.item_id is None:
            draft.unplaced.append(quote.text)
        else:
            items.append(quote.item_id)
    return items


def _like(items: list[str], draft: Draft, weight: float = 1.0) -> None:
    if items:
        draft.prefer.append({"like": items, "weight": weight})
