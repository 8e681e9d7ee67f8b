"""Sets of leaves as packed bits: those of a predicate once a trie, those of quotas from them by words of 64.

Legend: N items, L leaves, W words, M quotas, C classes (memberships in the quotas that some item has).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from steerec.items.ranked_bits import BoolArray, Indices, IntArray, RankedBits, Words, pack, pack_positions
from steerec.items.trie import IntervalTrie

CACHE_BYTES = 128 * 2**20
"""Memory that the sets of one trie may keep; the least recently used ones go first."""

_RARE = 32
"""A predicate with fewer than one in so many items is laid out by its items, not by looking at every leaf."""
_BLOCK = 2**16


class LeafBits:
    """The bitsets of one trie that were asked for, shared by all requests, threads and batches."""

    def __init__(self, capacity: int = CACHE_BYTES) -> None:
        self._capacity, self._size = capacity, 0
        self._kept: OrderedDict[bytes, Indices | RankedBits] = OrderedDict()
        self._lock = Lock()

    def everything(self, num_leaves: int) -> Words:
        """Return the set of all leaves (W,)."""
        found = self._get(b"everything")
        if found is None:
            found = self._put(b"everything", pack(np.ones(num_leaves, np.bool_)))
        assert isinstance(found, np.ndarray)
        return found

    def words(self, trie: IntervalTrie, items: BoolArray, key: bytes) -> Words:
        """Return the leaves (W,) of a set of items (N,) whose `digest` is `key`."""
        found = self._get(b"words" + key)
        if found is None:
            found = self._put(b"words" + key, leaf_words(trie, items))
        assert isinstance(found, np.ndarray)
        return found

    def ranked(self, key: bytes, make: Callable[[], Words]) -> RankedBits:
        """Return the counted set of a key; `make` gives its words where it is not known."""
        found = self._get(b"ranks" + key)
        if found is None:
            found = self._put(b"ranks" + key, RankedBits(make()))
        assert isinstance(found, RankedBits)
        return found

    def nodes(self, key: bytes, node: int, make: Callable[[], Indices]) -> Indices:
        """Return the children of a node that hold a leaf of the set of a key; do not write to them."""
        own = b"nodes" + key + node.to_bytes(4, "little")
        found = self._get(own)
        if found is None:
            found = self._put(own, make())
        assert isinstance(found, np.ndarray)
        return found

    def _get(self, key: bytes) -> Indices | RankedBits | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: bytes, value: Indices | RankedBits) -> Indices | RankedBits:
        with self._lock:
            if key in self._kept:  # another thread was faster
                return self._kept[key]
            self._kept[key] = value
            self._size += value.nbytes
            while self._size > self._capacity and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1].nbytes
        return value


_BITS: WeakKeyDictionary[IntervalTrie, LeafBits] = WeakKeyDictionary()


def leaf_bits_of(trie: IntervalTrie) -> LeafBits:
    """Return the bitsets of a trie, kept as long as the trie."""
    return _BITS.setdefault(trie, LeafBits())


def digest(items: BoolArray) -> bytes:
    """Return 16 bytes that name the contents of a mask (N,)."""
    return digest_words(np.packbits(items))


def digest_words(words: Indices) -> bytes:
    """Return 16 bytes that name the contents of an array."""
    return hashlib.blake2b(words.tobytes(), digest_size=16).digest()


def leaf_words(trie: IntervalTrie, items: BoolArray) -> Words:
    """Return the leaves (W,) that spell an item of a mask (N,)."""
    number = int(np.count_nonzero(items))
    if number * _RARE < items.size:
        return pack_positions(trie.leaves_of(np.flatnonzero(items)), trie.num_leaves)
    if number == items.size:
        return pack(np.ones(trie.num_leaves, np.bool_))
    bits = np.empty(trie.num_leaves, np.bool_)
    for begin in range(0, trie.num_leaves, _BLOCK):  # in blocks: an index is copied to 8 bytes an entry
        np.take(items, trie.items[begin : begin + _BLOCK], out=bits[begin : begin + _BLOCK], mode="clip")
    return pack(bits)


def join_classes(
    predicates: Sequence[Words], member: BoolArray, wanted: BoolArray, everything: Words
) -> Words | None:
    """Join classes, by one or two operations on words for each quota that matters.

    Args:
        predicates: M sets of leaves (W,), one a quota.
        member: (M, C) whether the class counts in the quota; no two classes are alike.
        wanted: (C,) classes to join.
        everything: (W,) all leaves.

    Returns:
        The leaves (W,) of the wanted classes, or None where there are none. Leaves of no class at all may be
        in or out.
    """
    if wanted.all():
        return everything
    if not wanted.any():
        return None
    inside, first = member[0], predicates[0]
    if inside.all() or not inside.any():
        return join_classes(predicates[1:], member[1:], wanted, everything)
    yes = join_classes(predicates[1:], member[1:, inside], wanted[inside], everything)
    no = join_classes(predicates[1:], member[1:, ~inside], wanted[~inside], everything)
    if yes is everything:
        return first if no is None else first | no
    if no is everything:
        return first ^ everything if yes is None else (first ^ everything) | yes
    if no is None:
        return None if yes is None else first & yes
    return no & ~first if yes is None else (first & yes) | (no & ~first)


class FaceLeaves:
    """The leaves of every face, sorted; needed only where quotas alone do not say what is open."""

    def __init__(self, trie: IntervalTrie, item_face: Indices, num_faces: int) -> None:
        face = item_face[trie.items]  # (L,), -1 where the item is not allowed
        order = np.argsort(face, kind="stable")
        self.sizes = np.bincount(face[face >= 0], minlength=num_faces)  # (F,) leaves
        self._bounds = len(face) - int(self.sizes.sum()) + np.append(0, np.cumsum(self.sizes))
        self._leaves = order.astype(np.int32)

    def of(self, face: int) -> Indices:
        """Return the leaves of a face, ascending."""
        return self._leaves[self._bounds[face] : self._bounds[face + 1]]

    def joined(self, faces: IntArray) -> IntArray:
        """Return the leaves of several faces."""
        parts = [self.of(face) for face in faces]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
