"""The category value nearest to a word that no value spells: "scary" is near Horror, an embedder says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_KNOWN = 10_000
"""Words that are remembered."""
Embedder = Callable[[list[str]], NDArray[np.float32]]
"""Texts (n) to vectors (n, d) float32; `steerec.items.vectors.TextEncoder` is one."""


class Neighbours:
    """Category values by embedding.

    A word is placed at a value when their cosine is at least `floor` and the best value leads the second by
    at least `margin`; both vectors are taken relative to the mean value, so that what all values share
    ("films") does not count. The defaults put no word of a list of 32 everyday synonyms of film genres at a
    wrong genre (16 at the right one) with all-MiniLM-L6-v2.
    """

    def __init__(
        self, values: Sequence[str], embed: Embedder, noun: str, *, floor: float = 0.4, margin: float = 0.15
    ) -> None:
        """Embed the values once.

        Args:
            values: (V,) distinct names of values.
            embed: texts to vectors.
            noun: what items are called, in the plural; puts a bare word in context.
            floor: least cosine, -1..1.
            margin: least lead over the second value, 0..2.
        """
        self.values = tuple(values)
        self._embed, self._noun = embed, noun
        self._floor, self._margin = floor, margin
        vectors = self._vectors(self.values)  # (V, D)
        self._mean = vectors.mean(axis=0, keepdims=True)
        self._matrix = _unit(vectors - self._mean)
        self._known: dict[str, str | None] = {}

    def nearest(self, words: Sequence[str]) -> dict[str, str | None]:
        """Return the value that each word or short phrase means, or None when no value is near enough."""
        new = [word for word in dict.fromkeys(words) if word not in self._known]
        if new:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known.update(zip(new, self._search(new), strict=True))
        return {word: self._known[word] for word in words}

    def ranked(self, words: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Return for each word every value with its cosine, nearest first; ties in the order of `values`."""
        cosines = _unit(self._vectors(words) - self._mean) @ self._matrix.T  # (n, V)
        return [
            [(self.values[place], float(row[place])) for place in np.argsort(-row, kind="stable")]
            for row in cosines
        ]

    def _search(self, words: Sequence[str]) -> list[str | None]:
        if not self.values:
            return [None] * len(words)
        found: list[str | None] = []
        for (best, cosine), *others in self.ranked(words):
            lead = cosine - others[0][1] if others else 2.0
            found.append(best if cosine >= self._floor and lead >= self._margin else None)
        return found

    def _vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self._embed([f"{word} {self._noun}" for word in words]), dtype=np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit
