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
from steerec.understand.choices import KEYWORDS, KINDS, NUM_FEATURES, Choice, Offer
from steerec.understand.line_form import Token
from steerec.understand.network import ReaderBatch

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
        C = max(max(len(one.offer.choices) for one in written), 1)
        S = max(max(len(one.places) for one in written), 1)
        ids, present = np.zeros((B, T), np.int64), np.zeros((B, T), np.bool_)
        marks, kinds = np.zeros((B, T, len(KINDS)), np.float32), np.zeros((B, C), np.int64)
        features = np.zeros((B, C, NUM_FEATURES), np.float32)
        spans = np.zeros((B, C, T), np.float32)
        vectors, columns = np.zeros((2, B, C, self._width), np.float32)
        offered, targets = np.zeros((B, C), np.bool_), np.full((B, S), -1, np.int64)
        for row, (one, encoding) in enumerate(zip(written, encodings, strict=True)):
            size = len(one.offer.choices)
            ids[row, : len(encoding.ids)], present[row, : len(encoding.ids)] = encoding.ids, True
            offered[row, :size], targets[row, : len(one.places)] = True, one.places
            first, last = _token_ends(encoding)
            for place, choice in enumerate(one.offer.choices):
                kind = _MARKED[choice.token.kind]
                kinds[row, place], features[row, place] = kind, choice.features
                tokens = _tokens_of(choice, first, last)
                if len(tokens):
                    spans[row, place, tokens] = 1 / len(tokens)
                    if choice.token.kind != "spot":
                        marks[row, tokens, kind] = 1
                self._put_vectors(choice, vectors[row, place], columns[row, place])
        arrays = (ids, present, marks, kinds, features, spans, vectors, columns, offered, targets)
        return ReaderBatch(*(torch.from_numpy(array) for array in arrays))

    def _put_vectors(self, choice: Choice, vector: NDArray[np.float32], column: NDArray[np.float32]) -> None:
        if choice.token.kind == "value":
            name, value = choice.token.value
            vector[:], column[:] = self.vectors[value.lower()], self.vectors[spoken_column(name)]
        elif choice.token.kind == "column":
            vector[:] = self.vectors[spoken_column(choice.token.value)]


def _token_ends(encoding: Encoding) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(T,) first and (T,) last character of each token; special tokens have none."""
    ends = np.array(encoding.offsets, np.int64)
    return ends[:, 0], ends[:, 1]


def _tokens_of(choice: Choice, first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    inside = np.zeros(len(first), np.bool_)
    for start, end in choice.spans:
        inside |= (first < end) & (start < last)
    return np.flatnonzero(inside & (last > first))
