"""The moving mask: how many leaves of any interval of the trie may come next, for a batch of requests.

`Admissible` says which faces are open after the items chosen so far. This module turns that into counts over
intervals of leaves without looking at the catalogue: a set of open faces is one counted bitset, made from the
bitsets of the predicates; works that were used, blocked items and small faces are counted apart, as sorted
positions. What a step costs does not depend on the number of items; setting a request up does.

Legend: B rows, N items, L leaves, I intervals, F faces, C classes (faces that look alike to the quotas).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from steerec.control.admissible import Admissible
from steerec.control.cells import binding_quotas, join_bits
from steerec.control.problem import Problem
from steerec.control.twins import twins_of
from steerec.decode.leaf_bits import (
    FaceLeaves,
    LeafBits,
    digest,
    digest_words,
    join_classes,
    leaf_bits_of,
)
from steerec.decode.window import LeafRanks, RankedWindow, View, Window
from steerec.items.ranked_bits import RankedBits, Words, pack_positions
from steerec.items.trie import IntervalTrie

__all__ = ["LeafRanks", "MovingMask", "Window"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_REMEMBERED = 512
"""Beginnings of lists that a request remembers."""
_FEW = 64
"""One in so many: fewer blocked items, or leaves of a face, are counted as sorted positions."""


class MovingMask:
    """The moving masks of a batch of requests; a pure function of the items chosen so far, with a memory."""

    def __init__(self, trie: IntervalTrie, problems: Sequence[Problem]) -> None:
        """Set the requests up.

        Args:
            trie: spellings of the N items, or of some: an item may have several, one that is not allowed
                none, and a `GrowingTrie` has two parts.
            problems: compiled requests over the N items.
        """
        self._trie = trie
        digests: dict[int, bytes] = {}
        self._requests = [_Request(trie, problem, digests) for problem in problems]

    def window(self, rows: IntArray, chosen: Sequence[Sequence[int]]) -> Window:
        """Return what may come next.

        Args:
            rows: (B,) request of each row, by its index; requests may repeat.
            chosen: for each row the items at positions 1, 2, ... so far.

        Returns:
            A window whose rows are 0..B-1; a row that is complete, or that nothing completes, admits nothing.
        """
        return RankedWindow(
            self._trie,
            [self._requests[row].view(tuple(items)) for row, items in zip(rows, chosen, strict=True)],
        )

    def admissible(self, rows: IntArray, chosen: Sequence[Sequence[int]]) -> BoolArray:
        """Return the items (B, N) that may come next; arguments as of `window`. It looks at all items."""
        masks = [
            self._requests[row].admissible.mask(tuple(items)) for row, items in zip(rows, chosen, strict=True)
        ]
        return np.stack(masks) if masks else np.zeros((0, self._trie.num_items), np.bool_)


class _Request:
    """What is kept of one request between its steps."""

    def __init__(self, trie: IntervalTrie, problem: Problem, digests: dict[int, bytes]) -> None:
        self.admissible = Admissible(problem)
        self._trie, self._problem = trie, problem
        self._cache: LeafBits = leaf_bits_of(trie)
        cells = self.admissible.cells
        quotas = cells.member[: cells.num_quotas]  # (M, F)
        self._class = join_bits(quotas)  # (F,)
        self._member = np.zeros((cells.num_quotas, int(self._class.max(initial=-1)) + 1), np.bool_)
        self._member[:, self._class] = quotas
        self._masks = [quota.mask for quota in binding_quotas(problem)]
        blocked = problem.num_items - int(np.count_nonzero(problem.allowed))
        self._blocked = np.zeros(0, np.int64)
        if blocked * _FEW <= problem.num_items:
            self._blocked = trie.leaves_of(np.flatnonzero(~problem.allowed)) if blocked else self._blocked
            blocked = 0
        self._cut = problem.allowed if blocked else None
        """Items that bitsets are cut to; None: the few blocked ones are subtracted as positions."""
        self._keys = [_digest(mask, digests) for mask in self._masks]
        self._cut_key = b"all" if self._cut is None else _digest(self._cut, digests)
        self._opened: dict[bytes, View] = {}
        self._own: dict[tuple[int, ...], IntArray] = {}
        self._large: dict[int, Words] = {}
        if cells.num_faces > self._member.shape[1]:
            _ = self._faces  # a cap can close a face alone, so its leaves are found now, not in a step
        for one in np.eye(2, dtype=np.bool_) if self._member.shape[1] == 2 else ():
            self._lay_out(one[self._class]).children(trie, 0)  # one quota: it opens both sides, or either

    def view(self, chosen: tuple[int, ...]) -> View:
        """Return the admissible leaves after `chosen`."""
        faces = self.admissible.open_faces(chosen)
        opened = self._lay_out(faces)
        used = self._used(chosen, faces)
        return replace(opened, used=used) if used.size else opened

    def _used(self, chosen: tuple[int, ...], faces: BoolArray) -> IntArray:
        """Leaves of the used works' items that are open, and so are counted."""
        own = self._own_items(chosen)
        shown = self.admissible.cells.item_face[own]
        return self._trie.leaves_of(own[(shown >= 0) & faces[shown]])

    def _own_items(self, chosen: tuple[int, ...]) -> IntArray:
        """Items of the works of `chosen`, each once: mostly those of a beginning that was asked before."""
        if not chosen:
            return np.zeros(0, np.int64)
        if chosen not in self._own:
            if len(self._own) >= _REMEMBERED:
                self._own = {}
            before = self._own.get(chosen[:-1])
            if before is None:
                before = self._own_items(chosen[:-1])
            twins = twins_of(self._problem.work).of(int(self._problem.work[chosen[-1]]))
            self._own[chosen] = np.append(before, chosen[-1] if twins is None else twins)
        return self._own[chosen]

    def _lay_out(self, faces: BoolArray) -> View:
        """Return the leaves of open faces (F,)."""
        known = faces.tobytes()
        if known not in self._opened:
            self._opened[known] = self._open(faces)
        return self._opened[known]

    def _open(self, faces: BoolArray) -> View:
        none = np.zeros(0, np.int64)
        if not faces.any():
            return View(bits=None, key=b"", minus=none, plus=none, used=none, wide={})
        classes, wrong = self._nearest_classes(faces)
        large = wrong[self._faces.sizes[wrong] * _FEW > self._trie.num_leaves] if wrong.size else wrong
        small = np.setdiff1d(wrong, large)
        if large.size:
            words = self._flip(self._words(classes), large)
            bits, key = RankedBits(words), digest_words(words)
        else:
            layout = self._member.shape[1].to_bytes(4, "little") + self._member.tobytes() + classes.tobytes()
            key = b"".join([self._cut_key, *self._keys, layout])
            bits = self._cache.ranked(key, lambda: self._words(classes))
        minus, plus = self._blocked[bits.holds(self._blocked)], none
        if small.size:
            minus = np.sort(np.append(minus, self._faces.joined(small[~faces[small]])))
            plus = np.sort(self._faces.joined(small[faces[small]]))
        return View(bits=bits, key=key, minus=minus, plus=plus, used=none, wide={})

    def _nearest_classes(self, faces: BoolArray) -> tuple[BoolArray, IntArray]:
        """Classes (C,) that are open but for fewer than half of their leaves, and the faces that differ."""
        number = self._member.shape[1]
        total = np.bincount(self._class, minlength=number)
        opened = np.bincount(self._class, weights=faces, minlength=number)
        if ((opened == 0) | (opened == total)).all():
            return opened > 0, np.zeros(0, np.int64)
        sizes = self._faces.sizes
        total = np.bincount(self._class, weights=sizes, minlength=number)
        classes = 2 * np.bincount(self._class, weights=sizes * faces, minlength=number) > total
        return classes, np.flatnonzero(faces != classes[self._class])

    @cached_property
    def _faces(self) -> FaceLeaves:
        cells = self.admissible.cells
        return FaceLeaves(self._trie, cells.item_face, cells.num_faces)

    def _words(self, classes: BoolArray) -> Words:
        """Leaves of open classes; blocked leaves may be among them unless there are many."""
        trie, cache = self._trie, self._cache
        predicates = [cache.words(trie, mask, key) for mask, key in zip(self._masks, self._keys, strict=True)]
        everything = cache.everything(trie.num_leaves)
        words = join_classes(predicates, self._member, classes, everything)
        if words is None:
            return np.zeros_like(everything)
        return words if self._cut is None else words & cache.words(trie, self._cut, self._cut_key)

    def _flip(self, words: Words, faces: IntArray) -> Words:
        """Take faces that are in out, and those that are out in."""
        for face in faces.tolist():
            if face not in self._large:
                self._large[face] = pack_positions(self._faces.of(face), self._trie.num_leaves)
            words = words ^ self._large[face]
        return words


def _digest(mask: BoolArray, known: dict[int, bytes]) -> bytes:
    """Digest a mask once per batch, whose problems keep it alive."""
    if id(mask) not in known:
        known[id(mask)] = digest(mask)
    return known[id(mask)]
