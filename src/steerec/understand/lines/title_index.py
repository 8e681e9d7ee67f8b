"""Titles and series in a sentence: with or without quotation marks, with small typing errors.

Whether a hit is a title, or just words that are also one, is for the model to say.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz, process

from steerec.data.title import fold, split_year
from steerec.understand.vocabulary import known_words

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_QUOTED = re.compile(r"(?<!\w)([\"'“”])(?=\S)(.{1,120}?)(?<=\S)[\"'“”](?!\w)")
_LONGEST = 12
"""Words of a title that is looked for."""
_ALIKE = 86.0
"""Least similarity of a name with typing errors (rapidfuzz ratio, 0..100)."""
_MOST = 24
"""Hits of one sentence."""


class Hit(NamedTuple):
    """A title or a piece of titles that stands in a sentence."""

    text: str
    """An item reference, or the piece."""
    start: int
    end: int
    strength: float
    """1: letter by letter."""
    quoted: bool
    capital: bool


class TitleIndex:
    """Finds the titles of one catalogue; built once."""

    def __init__(
        self,
        displays: Sequence[str],
        rank: Callable[[int], float] = lambda index: -index,
        references: Sequence[str] | None = None,
    ) -> None:
        """Index titles as people see them.

        Args:
            displays: (N,) such as "The Usual Suspects (1995)".
            rank: item -> how well known it is; of items with one name the highest is meant.
            references: (N,) what a request names the items by; None: by their titles.
        """
        self._displays, self._references = displays, references or displays
        self._names: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._carrying: dict[str, set[int]] = defaultdict(set)
        self._words: list[tuple[str, ...]] = []
        for index in sorted(range(len(displays)), key=rank, reverse=True):
            for name in _names(displays[index]):
                self._names[name].append(index)
        for index, display in enumerate(displays):
            words = tuple(_fold_word(found[0]) for found in _WORD.finditer(split_year(display)[0]))
            self._words.append(words)
            for one in words:
                self._carrying[one].add(index)
        self._spelled = [" ".join(name) for name in self._names]
        self._keys = list(self._names)

    def titles(self, sentence: str) -> list[Hit]:
        """Return the titles that stand in a sentence, the longest where several overlap."""
        words = list(_WORD.finditer(sentence))
        folded = [_fold_word(found[0]) for found in words]
        quotes = [(found.start(2), found.end(2)) for found in _QUOTED.finditer(sentence)]
        hits: list[Hit] = []
        for start in range(len(words)):
            for end in range(min(len(words), start + _LONGEST), start, -1):
                name = tuple(folded[start:end])
                if name in self._names and self._may_be_title(sentence, words[start:end], quotes):
                    hits.append(self._hit(sentence, words, start, end, name, 1.0, quotes))
                    break
        hits = _outermost(hits)
        taken = {
            place
            for place, found in enumerate(words)
            if any(hit.start < found.end() and found.start() < hit.end for hit in hits)
        }
        for start, end in _runs(words, quotes, taken):
            name_found = self._alike(tuple(folded[start:end]))
            if name_found is not None:
                name, strength = name_found
                hits.append(self._hit(sentence, words, start, end, name, strength, quotes))
        return hits[:_MOST]

    def _may_be_title(
        self, sentence: str, words: Sequence[re.Match[str]], quotes: Sequence[tuple[int, int]]
    ) -> bool:
        """A plain word is a title only in quotation marks or with a capital inside the sentence."""
        if any(start <= words[0].start() and words[-1].end() <= end for start, end in quotes):
            return True
        text = [found[0] for found in words]
        if all(one.isdigit() for one in text):
            return False
        plain = all(one.lower() in known_words() for one in text)
        inside = words[0].start() > 0 and sentence[: words[0].start()].rstrip()[-1:] not in ".!?"
        return not plain or (inside and text[0][:1].isupper())

    def _hit(
        self,
        sentence: str,
        words: Sequence[re.Match[str]],
        start: int,
        end: int,
        name: tuple[str, ...],
        strength: float,
        quotes: Sequence[tuple[int, int]],
    ) -> Hit:
        indices = self._names[name]
        last = words[end - 1].end()
        year = re.match(r"\s*\((\d{4})\)", sentence[last:])
        chosen = indices[0]
        if year:
            last += year.end()
            same = [i for i in indices if split_year(self._displays[i])[1] == int(year[1])]
            chosen = same[0] if same else chosen
        first = words[start].start()
        quoted = any(a <= first and words[end - 1].end() <= b for a, b in quotes)
        return Hit(self._references[chosen], first, last, strength, quoted, sentence[first].isupper())

    def _alike(self, name: tuple[str, ...]) -> tuple[tuple[str, ...], float] | None:
        text = " ".join(name)
        if len(text) < 5 or not self._spelled:
            return None
        found = process.extractOne(text, self._spelled, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        return None if found is None else (self._keys[found[2]], found[1] / 100)

    def series(self, sentence: str) -> list[Hit]:
        """Return pieces that several titles share ("Star Trek"), or that begin a longer title."""
        words = list(_WORD.finditer(sentence))
        folded = [_fold_word(found[0]) for found in words]
        hits: list[Hit] = []
        for start in range(len(words)):
            for end in range(min(len(words), start + 4), start, -1):
                piece = tuple(folded[start:end])
                if piece[0] not in ("the", "a", "an") and self._is_series(piece):
                    first, last = words[start].start(), words[end - 1].end()
                    text = fold(sentence[first:last]).replace("’", "'")
                    hits.append(Hit(text, first, last, 1.0, False, sentence[first].isupper()))
                    break
        return _outermost(hits)[:_MOST]

    def _is_series(self, piece: tuple[str, ...]) -> bool:
        if piece[0] in known_words() and (len(piece) == 1 or all(one in known_words() for one in piece)):
            return False
        if any(one not in self._carrying for one in piece) or piece[-1] in ("the", "and", "of", "a"):
            return False
        carrying = set.intersection(*(self._carrying[one] for one in piece))
        size = len(piece)
        holds = [
            index
            for index in sorted(carrying)[:500]
            if any(self._words[index][i : i + size] == piece for i in range(len(self._words[index])))
        ]
        return len({self._words[index] for index in holds}) >= 2


def _fold_word(text: str) -> str:
    return fold(text).replace("'", "").replace("’", "")


def _names(display: str) -> list[tuple[str, ...]]:
    """Return the names of a title: whole, without what stands in brackets, without its article."""
    name = split_year(display)[0]
    forms = []
    for text in (name, re.sub(r"\([^()]*\)", " ", name)):
        words = tuple(_fold_word(found[0]) for found in _WORD.finditer(text))
        if words:
            forms.append(words)
            if len(words) > 1 and words[0] in ("the", "a", "an"):
                forms.append(words[1:])
    return list(dict.fromkeys(forms))


def _outermost(hits: Sequence[Hit]) -> list[Hit]:
    return [
        hit
        for hit in hits
        if not any(
            other is not hit
            and other.start <= hit.start
            and hit.end <= other.end
            and other.end - other.start > hit.end - hit.start
            for other in hits
        )
    ]


def _runs(
    words: Sequence[re.Match[str]], quotes: Sequence[tuple[int, int]], taken: set[int]
) -> list[tuple[int, int]]:
    """Return ranges of words that look like names: in quotation marks, or with capitals."""
    runs = []
    for first, last in quotes:
        inside = [i for i, found in enumerate(words) if first <= found.start() and found.end() <= last]
        if inside and not taken & set(inside):
            runs.append((inside[0], inside[-1] + 1))
    capital = [found[0][:1].isupper() and place not in taken for place, found in enumerate(words)]
    place = 0
    while place < len(words):
        end = place
        while end < len(words) and capital[end]:
            end += 1
            joined = end + 1 < len(words) and words[end][0] in ("of", "the", "in", "to", "de", "la")
            end += joined and capital[end + 1]
        if end > place and not (end == place + 1 and words[place][0].lower() in known_words()):
            runs.append((place, end))
        place = max(end, place + 1)
    return runs
