"""What a model may write about one sentence: keywords, and what the sentence and the catalogue offer.

Legend: C choices of a sentence, F features of a choice.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from rapidfuzz import fuzz, process

from steerec.understand.lines.line_form import END, WORDS, Kind, Token, word
from steerec.understand.lines.number_words import find_numbers
from steerec.understand.lines.schema import ORDERED, Schema, stems, value_forms
from steerec.understand.lines.title_index import Hit
from steerec.understand.text import lower, normalise
from steerec.understand.vocabulary import known_words

KEYWORDS = (*(word(text) for text in WORDS), END)
"""The choices that every sentence has, first and in this order."""
KINDS = ("word", "number", "share", "span", "value", "column", "title", "series", "spot")
"""Kinds of choices; a spot is a word of the sentence, an end of what is left unplaced."""
FEATURES = (
    *("exact", "part", "alike", "constant", "quoted", "capital", "length", "main"),
    *("year", "magnitude", "ordered", "dated"),
)
NUM_FEATURES = len(FEATURES)
_CONSTANTS = (Token("number", 1), Token("number", 2), Token("share", Fraction(1, 2)))
"""Said without being written: "start with a comedy", "no two of one director", "mostly"."""
MOST_WORDS = 60
"""Words of a sentence that can be left unplaced; longer texts are cut before they are read."""
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_PIECES = 4
"""Words of a piece of the sentence that is compared with values."""
_ALIKE = 84.0
"""Least similarity of a misspelled value (rapidfuzz ratio, 0..100)."""


class Choice(NamedTuple):
    """One thing that may be written."""

    token: Token
    spans: tuple[tuple[int, int], ...] = ()
    """Where the sentence says it: characters [start, end)."""
    features: tuple[float, ...] = (0.0,) * NUM_FEATURES


class Offer(NamedTuple):
    """A sentence and all that may be written about it."""

    sentence: str
    """Normalised."""
    choices: list[Choice]
    """Without the keywords."""
    spots: list[tuple[int, int]]
    """Characters of each word of the sentence."""


def _features(**given: float) -> tuple[float, ...]:
    return tuple(given.get(name, 0.0) for name in FEATURES)


def _size(token: Token) -> dict[str, float]:
    if token.kind != "number" or isinstance(token.value, str):
        return {}
    return {
        "year": float(1800 <= token.value <= 2100),
        "magnitude": min(math.log1p(abs(token.value)), 10) / 10,
    }


class Offering:
    """Collects the choices of sentences about one catalogue."""

    def __init__(self, schema: Schema) -> None:
        """Index the spellings of all values."""
        self.schema = schema
        self._forms: dict[tuple[str, ...], list[tuple[int, float]]] = defaultdict(list)
        for number, (_, value) in enumerate(schema.values):
            for form, strength in value_forms(value):
                key = stems(_WORD.findall(form.replace("-", " ")))
                if key and (strength == 1 or not known_words().issuperset(key)):
                    self._forms[key].append((number, strength))
        self._keys = list(self._forms)
        self._spelled = [" ".join(key) for key in self._keys]
        self._columns = _column_names(schema)

    def offer(self, sentence: str, values: Iterable[int] = ()) -> Offer:
        """Return the choices of a sentence.

        Args:
            sentence: as it was written.
            values: numbers of values that are offered although the sentence does not spell them.
        """
        text = normalise(sentence)
        words = list(_WORD.finditer(text))[:MOST_WORDS]
        text = text[: words[-1].end() + 1] if len(words) == MOST_WORDS else text
        low = lower(text)
        choices = [*self._numbers(low), *self._columns_in(low), *self._values(low, words, values)]
        titles = self.schema.titles.titles(text)
        choices += self._named(text, "title", titles)
        series = [
            hit
            for hit in self.schema.titles.series(text)
            if not any(one.start <= hit.start and hit.end < one.end for one in titles)
            and not any(one.start < hit.start and hit.end <= one.end for one in titles)
        ]
        choices += self._named(text, "series", series)
        spots = [found.span() for found in words]
        choices += [Choice(Token("spot", i), (span,)) for i, span in enumerate(spots)]
        return Offer(text, choices, spots)

    def _numbers(self, text: str) -> list[Choice]:
        spans: dict[Token, list[tuple[int, int]]] = defaultdict(list)
        for found in find_numbers(text):
            spans[found.token].append((found.start, found.end))
        constants = {token for token in _CONSTANTS if token not in spans}
        said = [
            Choice(token, tuple(where), _features(exact=1, **_size(token))) for token, where in spans.items()
        ]
        return said + [
            Choice(token, (), _features(constant=1, **_size(token)))
            for token in _CONSTANTS
            if token in constants
        ]

    def _columns_in(self, text: str) -> list[Choice]:
        choices = []
        for column, pattern in self._columns:
            spans = tuple(found.span() for found in pattern.finditer(text))
            kind = self.schema.kinds[column]
            features = _features(
                exact=float(bool(spans)), ordered=float(kind in ORDERED), dated=float(kind == "date")
            )
            choices.append(Choice(Token("column", column), spans, features))
        return choices

    def _values(self, text: str, words: Sequence[re.Match[str]], more: Iterable[int]) -> list[Choice]:
        found = self.spelled(text, words)
        for number in more:
            found.setdefault(number, ([], 0.0, 0.0))
        main = [column for column in ("categories", "category") if column in self.schema.kinds][:1]
        choices = []
        for number, (spans, strength, alike) in found.items():
            column, value = self.schema.values[number]
            features = _features(
                exact=float(strength == 1),
                part=strength if strength < 1 else 0.0,
                alike=alike,
                main=float([column] == main),
            )
            choices.append(Choice(Token("value", (column, value)), tuple(spans), features))
        return choices

    def spelled(
        self, text: str, words: Sequence[re.Match[str]]
    ) -> dict[int, tuple[list[tuple[int, int]], float, float]]:
        """Return value number -> where it is spelled, how surely, and how alike where it is misspelled."""
        stemmed = [stems(_WORD.findall(found[0].replace("-", " "))) for found in words]
        best: dict[int, tuple[list[tuple[int, int]], float, float]] = {}
        covered: set[int] = set()
        pieces: list[tuple[str, int, int]] = []
        for start in range(len(words)):
            for end in range(start + 1, min(len(words), start + _PIECES) + 1):
                key = sum(stemmed[start:end], ())
                span = (words[start].start(), words[end - 1].end())
                for number, strength in self._forms.get(key, ()):
                    covered.update(range(start, end))
                    _put(best, number, span, strength, 0.0)
                if end - start <= 2:
                    pieces.append((" ".join(key), start, end))
        queries = [p for p in pieces if len(p[0]) >= 5 and not covered & set(range(p[1], p[2]))]
        if queries and self._spelled:
            scores = process.cdist(
                [query for query, _, _ in queries], self._spelled, scorer=fuzz.ratio, score_cutoff=_ALIKE
            )
            for row, place in zip(*scores.nonzero(), strict=True):
                _, start, end = queries[row]
                span = (words[start].start(), words[end - 1].end())
                for number, strength in self._forms[self._keys[place]]:
                    _put(best, number, span, strength, float(scores[row, place]) / 100)
        return best

    @staticmethod
    def _named(text: str, kind: Kind, hits: Sequence[Hit]) -> list[Choice]:
        choices: dict[str, Choice] = {}
        for hit in hits:
            features = _features(
                exact=float(hit.strength == 1),
                alike=hit.strength if hit.strength < 1 else 0.0,
                quoted=float(hit.quoted),
                capital=float(hit.capital),
                length=min(len(text[hit.start : hit.end].split()), 5) / 5,
            )
            before = choices.get(hit.text)
            spans = (*(before.spans if before else ()), (hit.start, hit.end))
            choices[hit.text] = Choice(Token(kind, hit.text), spans, features)
        return list(choices.values())


def _put(
    best: dict[int, tuple[list[tuple[int, int]], float, float]],
    number: int,
    span: tuple[int, int],
    strength: float,
    alike: float,
) -> None:
    spans, before, likeness = best.get(number, ([], 0.0, 0.0))
    if strength > before:
        best[number] = ([span], strength, alike)
    elif strength == before and span not in spans:
        best[number] = ([*spans, span], strength, max(alike, likeness))


def _column_names(schema: Schema) -> list[tuple[str, re.Pattern[str]]]:
    names = []
    for column in schema.columns:
        one = schema.spoken(column).lower()
        many = one[:-1] + "ies" if one.endswith("y") else one + "s"
        names.append((column, re.compile(rf"\b(?:{re.escape(one)}|{re.escape(many)})\b")))
    return names
