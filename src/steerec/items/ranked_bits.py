"""A set of leaves as packed bits with a running count, so that any interval is counted in constant time.

Legend: L leaves, W words of 64 leaves, I queries.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Words = NDArray[np.uint64]
Indices = NDArray[Any]

_LITTLE = sys.byteorder == "little"
_WORD = 64
_SHIFT, _LAST = 6, 63  # position >> 6 is its word, position & 63 its bit


def pack(bits: BoolArray) -> Words:
    """Pack (L,) bools into (L // 64 + 1,) words, bit k of word j being position 64 j + k.

    There is always a word for position L, so that intervals may end there.
    """
    words = np.zeros(len(bits) // _WORD + 1, np.uint64)
    packed = np.packbits(bits, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    return words if _LITTLE else words.byteswap()


def pack_positions(positions: Indices, length: int) -> Words:
    """Pack distinct positions 0..length-1, in any order, as `pack` does."""
    bits = np.zeros(length, np.bool_)
    bits[positions] = True
    return pack(bits)


def unpack(words: Words, length: int) -> BoolArray:
    """Return the (L,) bools that were packed."""
    if not _LITTLE:
        words = words.byteswap()
    return np.unpackbits(words.view(np.uint8), count=length, bitorder="little").view(np.bool_)


class RankedBits:
    """An immutable set of positions 0..L-1: 1 bit a position, and 1 count (4 bytes) a word."""

    def __init__(self, words: Words) -> None:
        """Count packed words (W,); they are kept and must not change."""
        self.words = words
        self._before = np.zeros(len(words), np.int32)  # (W,) set bits before each word
        np.cumsum(np.bitwise_count(words[:-1]), out=self._before[1:])

    @classmethod
    def of(cls, bits: BoolArray) -> RankedBits:
        """Pack and count (L,) bools."""
        return cls(pack(bits))

    @property
    def nbytes(self) -> int:
        """Bytes of bits and counts."""
        return self.words.nbytes + self._before.nbytes

    @property
    def total(self) -> int:
        """Set bits in all."""
        return int(self._before[-1]) + int(np.bitwise_count(self.words[-1]))

    def rank(self, positions: Indices) -> Indices:
        """Return the number of set bits before each position (I,), 0 <= position <= L, as int32."""
        place = positions.astype(np.intp)  # once: every look-up would convert narrower ones anew
        word = place >> _SHIFT
        inside = self.words[word]
        inside <<= np.uint64(1)  # in two steps, since shifting by 64 is not defined
        inside <<= (~place & _LAST).view(np.uint64)
        before: Indices = self._before[word]
        before += np.bitwise_count(inside)
        return before

    def count(self, low: Indices, high: Indices) -> IntArray:
        """Return the number of set bits among positions low..high-1 of each interval (I,)."""
        before = self.rank(low)
        if len(low) < 2:
            return np.subtract(self.rank(high), before, dtype=np.int64)
        # children of one node touch: an interval's end is the next one's beginning
        counts = np.empty(len(low), np.int64)
        np.subtract(before[1:], before[:-1], out=counts[:-1])
        apart = np.flatnonzero(np.append(high[:-1] != low[1:], True))
        counts[apart] = self.rank(high[apart]) - before[apart]
        return counts

    def holds(self, positions: Indices) -> BoolArray:
        """Return whether each position (I,) is set."""
        bit = self.words[positions >> _SHIFT] >> (positions & _LAST).astype(np.uint64)
        held: BoolArray = (bit & np.uint64(1)).astype(np.bool_)
        return held
