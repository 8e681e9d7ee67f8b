"""Offers and forms as tensors for the network.

Legend: B sentences, T tokens, C choices, S steps, D width, K kinds of choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from steerec.errors import RequestError
from steerec.understand.lines.choices import KEYWORDS, KINDS, NUM_FEATURES, Choice, Offer
from steerec.understand.lines.line_form import Token
from steerec.understand.model.network import ReaderBatch

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
MAX_TOKENS = 160
"""Longest sentence in tokens; what lies behind is not read and stays unplaced."""
_MARKED = {kind: place for place, kind in enumerate(KINDS)}


class TextVectors:
    """Vectors of short texts, computed once each."""

    def __init__(self, embed: Embed) -> None:
        """Keep what computes them: texts (n) -> unit vectors (n, D)."""
        self._embed, self._known = embed, {"": np.zeros(0, np.float32)}

    def add(self, texts: Sequence[str]) -> None:
        """Compute the vectors of texts that are not known, together."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embed(new), strict=True))

    def passing(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, D) vectors of texts that are not worth remembering."""
        return self._embed(texts)

    def __getitem__(self, text: str) -> NDArray[np.float32]:
        """(D,) vector of a text."""
        self.add([text])
        return self._known[text]


class Written(NamedTuple):
    """A sentence, what may be written about it, and what should be."""

    offer: Offer
    places: tuple[int, ...] = ()
    """Targets: places among keywords and choices."""


def places_of(tokens: Sequence[Token], offer: Offer) -> tuple[int, ...]:
    """Return the places of tokens among keywords and the choices of an offer.

    Raises:
        RequestError: a token is not on offer.
    """
    known = {token: place for place, token in enumerate(KEYWORDS)}
    for place, choice in enumerate(offer.choices):
        known.setdefault(choice.token, len(KEYWORDS) + place)
    missing = [token for token in tokens if token not in known]
    if missing:
        raise RequestError(f"The sentence offers no {missing[0].kind} {missing[0].value!r}.")
    return tuple(known[token] for token in tokens)


def spoken_column(column: str) -> str:
    """Return the text of which a column's vector is made."""
    return column.replace("_", " ").lower()


class Batcher:
    """Makes batches with one tokenizer and one kind of text vectors."""

    def __init__(self, tokenizer: Path, vectors: TextVectors, width: int) -> None:
        """Load the tokenizer of the encoder.

        Args:
            tokenizer: its tokenizer.json.
            vectors: of values and columns.
            width: D.
        """
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self.vectors, self._width = vectors, width

    def batch(self, written: Sequence[Written]) -> ReaderBatch:
        """Return sentences as tensors."""
        encodings = self._tokenizer.encode_batch([one.offer.sentence for one in written])
        B, T = len(written), max(len(one.ids) for one in encodings)
        named = max(max(len(one.offer.choices) - len(one.offer.spots) for one in written), 1)
        C = named + max(max(len(one.offer.spots) for one in written), 1)
        S = max(max(len(one.places) for one in written), 1)
        ids, present = np.zeros((B, T), np.int64), np.zeros((B, T), np.bool_)
        marks, kinds = np.zeros((B, T, len(KINDS)), np.float32), np.zeros((B, C), np.int64)
        features = np.zeros((B, C, NUM_FEATURES), np.float32)
        spans = np.zeros((B, C, T), np.float32)
        values, columns = np.zeros((2, B, C), np.int64)
        offered, targets = np.zeros((B, C), np.bool_), np.full((B, S), -1, np.int64)
        texts: dict[str, int] = {"": 0}
        for row, (one, encoding) in enumerate(zip(written, encodings, strict=True)):
            ids[row, : len(encoding.ids)], present[row, : len(encoding.ids)] = encoding.ids, True
            column_of = self._places(one.offer, named)
            targets[row, : len(one.places)] = [_moved(place, column_of) for place in one.places]
            first, last = _token_ends(encoding)
            for place, choice in zip(column_of, one.offer.choices, strict=True):
                kind = _MARKED[choice.token.kind]
                kinds[row, place], features[row, place], offered[row, place] = kind, choice.features, True
                tokens = _tokens_of(choice, first, last)
                if len(tokens):
                    spans[row, place, tokens] = 1 / len(tokens)
                    if choice.token.kind != "spot":
                        marks[row, tokens, kind] = 1
                value, column = _texts(choice)
                values[row, place] = texts.setdefault(value, len(texts))
                columns[row, place] = texts.setdefault(column, len(texts))
        vectors = np.zeros((len(texts), self._width), np.float32)
        for text, place in texts.items():
            if text:
                vectors[place] = self.vectors[text]
        arrays = {
            "ids": ids, "present": present, "marks": marks, "kinds": kinds, "features": features,
            "spans": spans, "vectors": vectors, "values": values, "columns": columns, "offered": offered,
            "targets": targets,
        }  # fmt: skip
        return ReaderBatch(named=named, **{name: torch.from_numpy(array) for name, array in arrays.items()})

    @staticmethod
    def _places(offer: Offer, named: int) -> list[int]:
        """Return where each choice of an offer stands in its row: spots, which come last, behind `named`."""
        before = len(offer.choices) - len(offer.spots)
        return [place if place < before else named + place - before for place in range(len(offer.choices))]


def _moved(place: int, column_of: Sequence[int]) -> int:
    return place if place < len(KEYWORDS) else len(KEYWORDS) + column_of[place - len(KEYWORDS)]


def _texts(choice: Choice) -> tuple[str, str]:
    """Return the texts of which a choice's vectors are made."""
    if choice.token.kind == "value":
        name, value = choice.token.value
        return value.lower(), spoken_column(name)
    return (spoken_column(choice.token.value), "") if choice.token.kind == "column" else ("", "")


def _token_ends(encoding: Encoding) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(T,) first and (T,) last character of each token; special tokens have none."""
    ends = np.array(encoding.offsets, np.int64)
    return ends[:, 0], ends[:, 1]


def _tokens_of(choice: Choice, first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    inside = np.zeros(len(first), np.bool_)
    for start, end in choice.spans:
        inside |= (first < end) & (start < last)
    return np.flatnonzero(inside & (last > first))
