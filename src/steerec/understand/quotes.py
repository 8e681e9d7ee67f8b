"""The words that a control came from, quoted from what a person said: literal pieces of it, or nothing.

Reading rewrites a text step by step. A `Trail` follows every word and every mark back through the steps to
the characters of the original, so that a clause of the last text can be quoted from the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from steerec.understand.patterns.marks import MARK
from steerec.understand.text import lower

LONGEST = 160
"""Characters of a quote; what is longer points at nothing any more."""
_FARTHEST = 2_000
"""Characters of a text whose words are followed; a longer one is no request that a refusal could quote."""
_PIECE = re.compile(rf"{MARK}|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")
_JOINER = r"(?:and|but|plus|while|with|also|as well as|yet|then|although|though)"
_LEAD = re.compile(
    rf"(?:[\s,.;:!?\-–—]+|(?:please|kindly|{_JOINER}|ok(?:ay)?|hi|hello|hey|well|i['’]d|i|we|would|like|want"
    r"|wants?|need|give|show|find|get|recommend|suggest|me|us|can|could|will|you|let|have)\b)*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:[\s,.;:!?\-–—]+|\b(?:please|thanks|thank you|pls|if possible|if you can|for (?:me|us)"
    rf"|{_JOINER}))*$",
    re.IGNORECASE,
)
_CUT = re.compile(
    rf"[,.;:!?\n]+(?=\s|$)|\s[-–—]\s|(?<!start )(?<!begin )(?<!open )(?<!end )\b{_JOINER}\b", re.IGNORECASE
)

Span = tuple[int, int]
"""Characters [start, end)."""


class _Piece(NamedTuple):
    text: str
    span: Span | None
    """Where the original says it; None where nothing there does."""


class Trail:
    """The words of one text, followed through its rewritings."""

    def __init__(self, text: str) -> None:
        """Start from what was said."""
        self.original = text
        self._follows = len(text) <= _FARTHEST
        self._texts: list[str] = []
        self._pieces: list[_Piece] = []
        self._is_read = False

    def follow(self, text: str) -> None:
        """Note the text after one more step."""
        self._texts.append(text)

    def quote(self, clause: str, anchor: str) -> str | None:
        """Return the words of the original that a clause of the last text came from.

        Args:
            clause: a piece of the last text; words may have been taken out of it since, such as the count.
            anchor: a mark in it, which stands only once in the text.

        Returns:
            A substring of the original without joining words and courtesies around it, or None.
        """
        pieces = self._last()
        texts = [piece.text for piece in pieces]
        asked = [found[0] for found in _PIECE.finditer(clause)]
        if anchor not in texts or anchor not in asked:
            return None
        start, own = texts.index(anchor), asked.index(anchor)
        places = [*_matched(asked[:own][::-1], texts, start, -1), start]
        places += _matched(asked[own + 1 :], texts, start, 1)
        return self._cut(_around([pieces[place].span for place in places]))

    def at(self, start: int, end: int) -> str | None:
        """Return the words of the original that characters [start, end) of the last text came from."""
        pieces = self._last()
        places = [
            found.span() for found in _PIECE.finditer(self._texts[-1] if self._texts else self.original)
        ]
        inside = [piece.span for piece, (a, b) in zip(pieces, places, strict=False) if a < end and start < b]
        return self._cut(_around(inside))

    def _cut(self, span: Span | None) -> str | None:
        return None if span is None else trimmed(self.original[slice(*span)])

    def _last(self) -> list[_Piece]:
        """Return the pieces of the last text; the steps are compared when first asked for."""
        if not self._is_read and self._follows:
            self._pieces = [
                _Piece(_plain(found[0]), found.span()) for found in _PIECE.finditer(self.original)
            ]
            for text in self._texts:
                self._pieces = _followed(self._pieces, [found[0] for found in _PIECE.finditer(text)])
        self._is_read = True
        return self._pieces


def _plain(word: str) -> str:
    return lower(word).replace("’", "'")


def _followed(before: Sequence[_Piece], after: Sequence[str]) -> list[_Piece]:
    """Return the pieces of a rewritten text: what stands in the place of others came from all of these.

    What was dropped behind a mark was said with it: the "films" of "Comedy films".
    """
    found: list[_Piece] = []
    old, new = [piece.text for piece in before], [_plain(word) for word in after]
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += before[a:b]
            continue
        whole = _around([piece.span for piece in before[a:b]])
        if kind == "delete" and found and re.fullmatch(MARK, found[-1].text):
            found[-1] = _Piece(found[-1].text, _around([found[-1].span, whole]))
        found += [_Piece(word, whole) for word in new[c:d]]
    return found


def _around(spans: Sequence[Span | None]) -> Span | None:
    """Return the stretch from the first to the last of some."""
    known = [span for span in spans if span is not None]
    return (min(start for start, _ in known), max(end for _, end in known)) if known else None


def _matched(asked: Sequence[str], texts: Sequence[str], start: int, step: int) -> list[int]:
    """Return where the words of a clause stand, going away from a place, up to where one was taken out."""
    places = []
    for distance, word in enumerate(asked, start=1):
        place = start + step * distance
        if not 0 <= place < len(texts) or texts[place] != _plain(word):
            break
        places.append(place)
    return places


def trimmed(words: str) -> str | None:
    """Return words without joining words and courtesies around them; None where nothing quotable is left.

    Example:
        >>> trimmed("but no more than three comedies, please.")
        'no more than three comedies'
        >>> trimmed("Please, and thank you")
    """
    words = words.strip()
    tail = _TAIL.search(words)
    words = words[: tail.start()] if tail else words
    lead = _LEAD.match(words)
    quote = words[lead.end() :] if lead else words
    return quote if quote and len(quote) <= LONGEST else None


def clauses(text: str) -> list[Span]:
    """Return the clauses of a text: what stands between punctuation and joining words.

    Example:
        >>> [("ten comedies, but no war"[a:b]) for a, b in clauses("ten comedies, but no war")]
        ['ten comedies', ' no war']
    """
    found, place = [], 0
    for cut in [*_CUT.finditer(text), None]:
        end = len(text) if cut is None else cut.start()
        if re.search(r"\w", text[place:end]):
            found.append((place, end))
        place = len(text) if cut is None else cut.end()
    return found
