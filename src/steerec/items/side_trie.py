"""A trie whose catalogue changes: removal is a mask bit, insertion goes to a small trie at its side.

Between compactions two tries serve. Every item has all its spellings in one of them, so the best item is the
better of the best of each: run one search per part, with a `MovingMask` of that part and the same problem,
and compare. A version is immutable and shares the main trie with the next one, so searches that are under way
finish on the version that they began with, in any thread. Compaction is done off-line, on a version.

Legend: N items ever known, n new items, D longest spelling in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from steerec.errors import DataError
from steerec.items.trie import IntArray, IntervalTrie
from steerec.items.trie_build import END, BoolArray, Indices


class GrowingTrie:
    """One version of a changing trie. Items keep their numbers; those of removed ones are not used again."""

    def __init__(
        self, main: IntervalTrie, *, side: IntervalTrie | None = None, present: BoolArray | None = None
    ) -> None:
        """Take a main trie, and what changed since it was built.

        Args:
            main: spellings of the items 0..main.num_items-1, none for those that were removed before.
            side: spellings of later items, over all N; None: there are none.
            present: (N,) items that have not been removed; None: those that have a spelling.
        """
        self.main, self.side = main, side
        self.num_items = main.num_items if side is None else side.num_items
        if present is None:
            present = np.zeros(self.num_items, np.bool_)
            for part in self.parts:
                present[part.items] = True
        self.present: BoolArray = present
        """(N,) items that may be recommended; a problem's `allowed` must leave out all others."""

    @property
    def parts(self) -> tuple[IntervalTrie, ...]:
        """The tries to search: the main one, and that at its side if there is one."""
        return (self.main,) if self.side is None else (self.main, self.side)

    def insert(self, tokens: Indices, owner: Indices | None = None) -> tuple[GrowingTrie, IntArray]:
        """Add new items.

        The side trie is built anew, so what an insertion costs depends on the insertions since the last
        compaction only.

        Args:
            tokens: (L, D) token ids >= 0, padded on the right with END.
            owner: (L,) which of the n new items each row spells, 0..n-1; None: each row is an item.

        Returns:
            The next version, and the numbers (n,) of the new items.

        Raises:
            DataError: a row is malformed, or spells an item that is present or another new one.
        """
        fresh = IntervalTrie.from_tokens(tokens, owner)  # checks the rows
        for leaf in range(fresh.num_leaves):
            spelled = fresh.spelling(leaf)
            other = self.find(spelled)
            if other is not None:
                raise DataError(
                    f"New item {fresh.items[leaf]} is spelled {spelled} like item {other}: a spelling names "
                    "one item. Tell them apart by an attribute or by their id, or remove the old one first."
                )
        numbers = self.num_items + np.arange(fresh.num_items)
        total = self.num_items + fresh.num_items
        rows = [(fresh.tokens, fresh.items + np.int32(self.num_items))]
        if self.side is not None:
            rows.append(self._spelled(self.side))
        side = _built(rows, total)
        present = np.append(self.present, np.ones(fresh.num_items, np.bool_))
        return GrowingTrie(self.main, side=side, present=present), numbers

    def remove(self, items: Indices) -> GrowingTrie:
        """Return the next version, without some items (I,); removing one twice changes nothing.

        Raises:
            DataError: a number names no item.
        """
        gone = np.asarray(items, np.int64)
        if gone.size and not (gone.min() >= 0 and gone.max() < self.num_items):
            raise DataError(
                f"Items are numbered 0..{self.num_items - 1}; got {gone.tolist()!r:.80} to remove."
            )
        present = self.present.copy()
        present[gone] = False
        return GrowingTrie(self.main, side=self.side, present=present)

    def find(self, sequence: Sequence[int]) -> int | None:
        """Return the item that is present and spelled exactly so, or None."""
        for part in self.parts:
            leaf = part.find(sequence)
            if leaf is not None and self.present[part.items[leaf]]:
                return int(part.items[leaf])
        return None

    @cached_property
    def is_prefix_free(self) -> bool:
        """Whether no spelling of a present item begins another one, in either trie."""
        if self.present.all() and self.side is None:
            return self.main.is_prefix_free
        if not all(part.is_prefix_free for part in self.parts):  # what is removed does not count
            return self.compact().is_prefix_free
        if self.side is None:
            return True
        leaves = np.flatnonzero(self.present[self.side.items])
        return not any(self._meets_main(self.side.spelling(leaf)) for leaf in leaves.tolist())

    def _meets_main(self, sequence: Sequence[int]) -> bool:
        """Whether a present spelling of the (prefix-free) main trie begins a sequence, or it one of them."""
        trie, node, position = self.main, 0, 0
        while trie.first_child[node] != trie.last_child[node] and position < len(sequence):
            children = trie.children(node)
            tokens = trie.first_token[children.start : children.stop]
            node = children.start + int(np.searchsorted(tokens, sequence[position]))
            if node == children.stop or trie.first_token[node] != sequence[position]:
                return False
            rest = tuple(sequence[position : position + int(trie.stop[node] - trie.start[node])])
            if trie.edge(node)[: len(rest)] != rest:
                return False
            position += len(rest)
        low, high = trie.interval(node)
        return bool(self.present[trie.items[low:high]].any())

    def compact(self) -> IntervalTrie:
        """Return one trie of everything that is present, over the same N items.

        `GrowingTrie(trie.compact())` is the next version: equal to what a new trie of all spellings would be.

        Raises:
            DataError: no item is present.
        """
        return _built([self._spelled(part) for part in self.parts], self.num_items)

    def _spelled(self, part: IntervalTrie) -> tuple[Indices, Indices]:
        """Rows and items of what is present in a part."""
        kept = self.present[part.items]
        return (part.tokens, part.items) if kept.all() else (part.tokens[kept], part.items[kept])


def _built(rows: Sequence[tuple[Indices, Indices]], num_items: int) -> IntervalTrie:
    width = max(tokens.shape[1] for tokens, _ in rows)
    tokens = np.full((sum(len(part) for part, _ in rows), width), END, np.int32)
    begin = 0
    for part, _ in rows:
        tokens[begin : begin + len(part), : part.shape[1]] = part
        begin += len(part)
    return IntervalTrie.from_tokens(tokens, np.concatenate([items for _, items in rows]), num_items=num_items)
