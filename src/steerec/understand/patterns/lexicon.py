"""The words of a catalogue: which category value a word of a request names.

Values are found as written, in the plural, hyphenated or not ("sci-fi", "comedies"), by the family of a word
("animated" is Animation), with a slip of the pen, by the last name of a person, and by embedding neighbours.
There is no hand-written list of synonyms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from steerec.data.catalog import Catalog
from steerec.understand.patterns.marks import Marks
from steerec.understand.patterns.neighbours import Embedder, Neighbours
from steerec.understand.text import lower, normalise, stem
from steerec.understand.vocabulary import known_words

_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_JOINERS = frozenset({"and", "the", "of", "for"})
_KINDS = ("categories", "category", "path")  # where a word is looked for first
_FUZZY = 86.0
"""Least rapidfuzz ratio of a slip of the pen: one wrong letter in seven."""
_MOST_LOOKED_UP = 200
"""Different words of one text that are compared with the values in meaning; nobody asks for more."""
_FAMILY, _FAMILY_SHARE = 5, 0.6
"""Words are of one family when they share this many first letters and this part of the longer one."""


@dataclass(frozen=True)
class _Token:
    word: str
    start: int
    end: int


class Lexicon:
    """Finds category values in text."""

    def __init__(self, catalog: Catalog, embedder: Embedder | None = None) -> None:
        """Index the values of every category, categories and path column."""
        self._readings: dict[str, list[tuple[str, str]]] = {}
        self._longest = 1
        names = sorted(
            (name for name, kind in catalog.columns.items() if kind in _KINDS),
            key=lambda name: _KINDS.index(catalog.columns[name]),
        )
        for column in names:
            for value in catalog.values(column):
                key, length = _key(value)
                if key and not key.isdecimal():  # "1980s" in a path is no reason to read years as values
                    self._readings.setdefault(key, []).append((column, value))
                    self._longest = max(self._longest, length + 1)
        self._last_names = _last_names(catalog, self._readings)
        # Neighbours and slips are for labels; a person's name has neither.
        labels = [name for name in names if catalog.columns[name] == "categories"] or names
        self._labels = {
            key: readings for key, readings in self._readings.items() if any(c in labels for c, _ in readings)
        }
        self._neighbours: Neighbours | None = None
        if embedder is not None and self._labels:
            values = list(dict.fromkeys(readings[0][1] for readings in self._labels.values()))
            self._neighbours = Neighbours(values, embedder, catalog.noun)
        self._own_words = {stem(catalog.noun), *(stem(name.replace("_", " ")) for name in catalog.columns)}

    def mark(self, text: str, marks: Marks) -> str:
        """Replace every value that the text spells or nearly spells; the longest first."""
        tokens = [_Token(found[0], found.start(), found.end()) for found in _TOKEN.finditer(text)]
        pieces, place, at = [], 0, 0
        while at < len(tokens):
            length, readings = self._longest_at(tokens, at, text)
            if readings:
                end = tokens[at + length - 1].end
                mark = marks.set({readings[0][0]: readings[0][1]}, tuple(readings))
                pieces += [text[place : tokens[at].start], f" {mark} "]
                place = _after_bracket(text, tokens[at].start, end)
            at += max(length, 1)
        return "".join([*pieces, text[place:]])

    def mark_neighbours(self, text: str, marks: Marks) -> str:
        """Replace words that no value spells by the value nearest in meaning; needs an embedder."""
        if self._neighbours is None:
            return text
        unknown = dict.fromkeys(word for word in _TOKEN.findall(text) if self.unknown(word))
        near = self._neighbours.nearest(list(unknown)[:_MOST_LOOKED_UP])

        def replace(found: re.Match[str]) -> str:
            word = found[0]
            value = near.get(word)
            if value is None:
                return word
            readings = self._readings[_key(value)[0]]
            return f" {marks.set({readings[0][0]: readings[0][1]}, tuple(readings))} "

        return _TOKEN.sub(replace, text)

    def unknown(self, word: str) -> bool:
        """Whether a word is neither plain English nor request language."""
        low = lower(word)
        plain = known_words()
        if len(low) < 3 or low.isdecimal() or not low[0].isalpha():
            return False
        forms = {low, stem(low), low.replace("'", ""), low.split("'")[0], *_bases(low)}
        return not forms & plain and stem(low) not in self._own_words

    def _longest_at(self, tokens: list[_Token], at: int, text: str) -> tuple[int, list[tuple[str, str]]]:
        for length, key in _windows(tokens, at, self._longest):
            if key in self._readings and self._meant(tokens, at, length, key, text):
                return length, self._readings[key]
        word = tokens[at].word
        if word[0].isupper() and self.unknown(word) and stem(word) in self._last_names:
            return 1, [self._last_names[stem(word)]]
        return 1, self._relative(word)

    def _meant(self, tokens: list[_Token], at: int, length: int, key: str, text: str) -> bool:
        """A value that is also a plain word ("New", "Family") counts only as the catalogue writes it."""
        if length > 1 or not ({lower(tokens[at].word), stem(tokens[at].word)} & known_words()):
            return True
        starts = re.search(r"(^|[.!?;:]\s*|\")$", text[: tokens[at].start]) is not None
        return not starts and any(tokens[at].word == value for _, value in self._readings[key])

    def _relative(self, word: str) -> list[tuple[str, str]]:
        """Return the label of the word's family, or the one it misspells."""
        if len(word) < _FAMILY or not self.unknown(word):
            return []
        key = stem(word)
        family = [label for label in self._labels if _of_family(key, label)]
        if len(family) == 1:
            return self._labels[family[0]]
        near = process.extractOne(key, list(self._labels), scorer=fuzz.ratio, score_cutoff=_FUZZY)
        return self._labels[near[0]] if near else []


def _bases(word: str) -> Iterator[str]:
    """Yield what a word may be derived from: "happiest" from "happy", "hoping" from "hope"."""
    for ending in ("ly", "ed", "d", "ing", "er", "est", "r", "st"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            base = word[: -len(ending)]
            yield from (base, base + "e", base[:-1] if base[-1] == base[-2] else base)
            if base.endswith("i"):
                yield base[:-1] + "y"


def _key(value: str) -> tuple[str, int]:
    """Return the stems of a value's words run together, and how many words there are."""
    words = [stem(found[0]) for found in _TOKEN.finditer(normalise(value))]
    words = [word for word in words if word not in _JOINERS] or words
    return "".join(words), len(_TOKEN.findall(normalise(value)))


def _windows(tokens: list[_Token], at: int, longest: int) -> Iterator[tuple[int, str]]:
    """Yield (number of tokens, key) of the stretches that begin here, the longest first."""
    window = tokens[at : at + longest]
    for length in range(len(window), 0, -1):
        words = [stem(token.word) for token in window[:length]]
        if words[0] in _JOINERS or words[-1] in _JOINERS:
            continue
        yield length, "".join(word for word in words if word not in _JOINERS)


def _after_bracket(text: str, start: int, end: int) -> int:
    """Include the bracket that closes one inside the value: "American (New)"."""
    return (
        end + 1
        if text[start:end].count("(") > text[start:end].count(")") and text[end : end + 1] == ")"
        else end
    )


def _of_family(word: str, label: str) -> bool:
    shared = next(
        (i for i, (a, b) in enumerate(zip(word, label, strict=False)) if a != b), min(len(word), len(label))
    )
    return shared >= _FAMILY and shared >= _FAMILY_SHARE * max(len(word), len(label))


def _last_names(catalog: Catalog, readings: dict[str, list[tuple[str, str]]]) -> dict[str, tuple[str, str]]:
    """Return last words that belong to one value of a single-valued column only: "Kubrick"."""
    found: list[tuple[str, tuple[str, str]]] = []
    for column, kind in catalog.columns.items():
        if kind == "category":
            for value in catalog.values(column):
                words = _TOKEN.findall(normalise(value))
                if 2 <= len(words) <= 4:
                    found.append((stem(words[-1]), (column, value)))
    often = Counter(name for name, _ in found)
    return {name: value for name, value in found if often[name] == 1 and name not in readings}
