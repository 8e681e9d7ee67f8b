"""Text vectors without a model: the spectrum of the words that items share.

Latent semantic analysis (Deerwester et al. 1990). It needs no weights and reads any language with spaces;
what two words have in common it knows only from the catalogue.

Legend: N texts, W words, D width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from steerec.seeding import numpy_rng

_WORD = re.compile(r"\w+")


def word_vectors(texts: Sequence[str], width: int = 128) -> NDArray[np.float32]:
    """Return one unit vector per text, so that dot products are cosines.

    Words of one text only connect nothing and are left out; the others count
    (1 + log count) * log(N / texts with the word).

    Args:
        texts: N texts, at least two.
        width: D; where there are fewer words or texts the missing columns are zero.

    Returns:
        Float32 (N, D); zero rows for texts without a word that another text has. Signs are fixed, so the
        result is deterministic.

    Example:
        >>> likeness = word_vectors(["red sea", "the red sea", "blue", "the blue"], width=2)
        >>> np.round(likeness @ likeness.T, 1)[0].tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    table = _weighted(texts)
    vectors = np.zeros((len(texts), width))
    rank = min(width, min(table.shape) - 1)
    if rank > 0:
        start = numpy_rng(0, "words").standard_normal(min(table.shape))
        left, strength, _ = svds(table, k=rank, v0=start)  # strengths ascend
        signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(rank)])
        vectors[:, :rank] = (left * np.where(signs == 0, 1, signs) * strength)[:, ::-1]
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 1e-9, length, np.inf), np.float32)


def _weighted(texts: Sequence[str]) -> csr_array:
    """Return the weights of words in texts, (N, W)."""
    counts: dict[tuple[int, str], int] = {}
    for row, text in enumerate(texts):
        for word in _WORD.findall(text.casefold()):
            counts[row, word] = counts.get((row, word), 0) + 1
    spread: dict[str, int] = {}
    for _, word in counts:
        spread[word] = spread.get(word, 0) + 1
    columns = {word: column for column, word in enumerate(sorted(w for w, n in spread.items() if n > 1))}
    entries = [(row, word, count) for (row, word), count in counts.items() if word in columns]
    weights = [(1 + np.log(count)) * np.log(len(texts) / spread[word]) for _, word, count in entries]
    places = ([row for row, _, _ in entries], [columns[word] for _, word, _ in entries])
    return csr_array((np.asarray(weights, np.float64), places), shape=(len(texts), len(columns)))
