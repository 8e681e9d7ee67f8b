"""How people really type: without capitals and full stops, with slips of the finger."""

from __future__ import annotations

import re

import numpy as np

_NEAR = {
    "a": "sq", "e": "wr", "i": "uo", "o": "ip", "u": "yi", "s": "ad", "n": "bm", "r": "et", "t": "ry",
    "l": "k", "m": "n", "d": "sf", "c": "xv", "h": "gj", "g": "fh", "p": "o", "b": "vn", "v": "cb",
}  # fmt: skip


def misspell(text: str, rng: np.random.Generator) -> str:
    """Return a text with the case, stops and slips of a random writer; private characters stay."""
    text = re.sub(r" {2,}", " ", text).strip()
    dice = rng.random()
    if dice < 0.45:
        text = text[:1].upper() + text[1:]
    elif dice < 0.6:
        text = text.lower()
    elif dice < 0.62:
        text = text.upper()
    if rng.random() < 0.1:
        text = text.replace("'", "")
    if rng.random() < 0.15:
        text = re.sub(r"[,;](?= )", "", text)
    if rng.random() < 0.12:
        words = list(re.finditer(r"[^\W\d_]{4,}", text))
        for found in sorted(rng.permutation(len(words))[: 1 + (rng.random() < 0.3)], reverse=True):
            one = words[int(found)]
            text = text[: one.start()] + slip(one[0], rng) + text[one.end() :]
    return text


def slip(word: str, rng: np.random.Generator) -> str:
    """Return a word of four letters or more with one slip: a letter dropped, doubled, swapped or missed.

    Example:
        >>> slip("horror", np.random.default_rng(0))
        'horrro'
    """
    place = int(rng.integers(1, len(word) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + word[place] + word[place:]
    if kind == 2:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    near = _NEAR.get(word[place].lower(), "x")
    return word[:place] + near[int(rng.integers(len(near)))] + word[place + 1 :]
