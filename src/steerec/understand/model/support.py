"""Whether a sentence has words for a value that none of them spells: "scary" means Horror, "zxcvb" nothing.

A network that must point at something points at some value for a word that means none. A value has support if
a word of the sentence is what people call it, or lies near to that: its own name, and the phrasebook's names
for it in all languages.

Legend: P pieces of a sentence, M names of a value, D width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from steerec.understand.model.batches import TextVectors
from steerec.understand.model.worlds import called
from steerec.understand.vocabulary import known_words

LEAST = 0.5
"""Least cosine of a piece of the sentence and a name of the value. On `tests/understand/development` every
value that was read right has 0.57 or more, and of 44 made-up or unrelated words two have more than 0.5."""
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_MOST = 80


class Piece(NamedTuple):
    """Words of a sentence that are no plain words of asking."""

    text: str
    start: int
    end: int


def telling_pieces(sentence: str) -> list[Piece]:
    """Return up to three words in a row of which none is a plain word of asking.

    Example:
        >>> [piece.text for piece in telling_pieces("something quantum please, no gangster sagas")]
        ['quantum', 'gangster', 'gangster sagas', 'sagas']
    """
    words = [found for found in _WORD.finditer(sentence.lower()) if not found[0].isdigit()]
    runs: list[Piece] = []
    for start in range(len(words)):
        for end in range(start + 1, min(start + 3, len(words)) + 1):
            if words[end - 1][0] in known_words():
                break
            text = " ".join(found[0] for found in words[start:end])
            runs.append(Piece(text, words[start].start(), words[end - 1].end()))
    return runs[:_MOST]


class Support:
    """Compares sentences with what people call values."""

    def __init__(self, vectors: TextVectors) -> None:
        """Keep where vectors of names are remembered; those of sentences are not."""
        self._vectors = vectors

    def unsupported(self, values: Sequence[str], sentence: str) -> set[str]:
        """Return the values that nothing in a sentence can mean.

        Args:
            values: names of values that no word of it spells.
            sentence: normalised.
        """
        whole = f" {' '.join(_WORD.findall(sentence.lower()))} "
        rest = [value for value in values if not any(f" {name} " in whole for name in _names(value))]
        return self._far(rest, [piece.text for piece in telling_pieces(sentence)])

    def unmeant(self, values: Sequence[str], sentence: str, spans: Sequence[tuple[int, int]]) -> list[str]:
        """Return telling words of a sentence that mean none of some values, in its order, longest runs first.

        Args:
            values: what the sentence was read as, beside what stands in the spans.
            sentence: normalised.
            spans: characters that are accounted for.
        """
        free = [
            piece for piece in telling_pieces(sentence)
            if " " not in piece.text and not any(a < piece.end and piece.start < b for a, b in spans)
        ]  # fmt: skip
        meant = [piece for piece in free if len(self._far(values, [piece.text])) < len(values)]
        return [sentence[piece.start : piece.end] for piece in free if piece not in meant]

    def _far(self, values: Sequence[str], pieces: Sequence[str]) -> set[str]:
        """Return the values of whose names none is near to any piece."""
        if not pieces:
            return set(values)
        near = self._vectors.passing(pieces)  # (P, D)
        far = set()
        for value in values:
            names = _names(value)
            self._vectors.add(names)
            table = np.stack([self._vectors[name] for name in names])  # (M, D)
            if float((near @ table.T).max()) < LEAST:
                far.add(value)
        return far


def _names(value: str) -> list[str]:
    """Return what people call a value, and the same without the plain words beside it ("heist films")."""
    names = [value.lower(), *(text.lower() for text in _texts(called(value)))]
    bare = (" ".join(word for word in _WORD.findall(name) if word not in known_words()) for name in names)
    return [name for name in dict.fromkeys([*names, *bare]) if name]


def _texts(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for name, inner in entry.items():
            if name != "names":
                yield from _texts(inner)
    else:
        for inner in entry:
            yield from _texts(inner)
