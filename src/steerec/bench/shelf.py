"""Catalogues of any size that branch like real ones: titles of words by Zipf's law, and codes.

Legend: N items, D longest spelling in tokens.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.items.trie_build import END

Tokens = NDArray[np.int32]

NUM_WORDS = 32_768
"""Distinct words; with `EXPONENT`, 1,700 titles begin with about 600 of them, as real ones do."""
EXPONENT = 1.15
LONGEST = 16
_NUMBER = 3
"""Tokens that end every title and make it unique, as a year and a number do."""
_BASE = 256
_BLOCK = 2**18


def titles(num_items: int, seed: int = 0) -> Tokens:
    """Return (N, 16) padded titles: 5..13 words (9 on average), then 3 tokens that tell namesakes apart."""
    rng = np.random.default_rng([seed, 1])
    ladder = np.cumsum(np.arange(1, NUM_WORDS + 1) ** -EXPONENT)
    tokens = np.full((num_items, LONGEST), END, np.int32)
    most = LONGEST - _NUMBER
    for begin in range(0, num_items, _BLOCK):
        block = tokens[begin : begin + _BLOCK]
        lengths = rng.integers(5, most + 1, size=len(block))
        words = np.searchsorted(ladder, rng.random((len(block), most)) * ladder[-1]).astype(np.int32)
        block[:, :most] = np.where(np.arange(most) < lengths[:, None], words, END)
        number = np.arange(begin, begin + len(block))
        for place in range(_NUMBER):  # digits come after all words
            digit = number // _BASE ** (_NUMBER - 1 - place) % _BASE
            block[np.arange(len(block)), lengths + place] = NUM_WORDS + digit
    return tokens


def codes(num_items: int, seed: int = 0) -> Tokens:
    """Return (N, 4) distinct codes of four levels with 256 values each, each level with its own tokens."""
    rng = np.random.default_rng([seed, 2])
    step = 2_654_435_761  # odd, so that multiplying by it permutes the 2^32 codes
    mixed = (
        np.arange(num_items, dtype=np.uint64) * np.uint64(step) + rng.integers(2**32, dtype=np.uint64)
    ) % (2**32)
    digits = [(mixed >> np.uint64(8 * level)) & np.uint64(255) for level in (3, 2, 1, 0)]
    return np.stack(
        [digit.astype(np.int32) + 256 * level for level, digit in enumerate(digits)], axis=1
    ).astype(np.int32)


def texts(tokens: Tokens) -> pl.Series:
    """Return (N,) title texts: the first four words of each."""
    words = pl.Series([f"w{word}" for word in range(NUM_WORDS + _BASE)])
    columns = pl.DataFrame({str(k): words.gather(tokens[:, k].astype(np.uint32)) for k in range(4)})
    return columns.select(text=pl.concat_str(["0", "1", "2", "3"], separator=" "))["text"]
