"""Spellings sorted by token sequence, so that every node of their trie is an interval of leaves.

Legend: N items, L leaves (spellings), D longest spelling in tokens, M nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from steerec.errors import DataError
from steerec.items.trie_build import END, BoolArray, Indices, TrieArrays, build_arrays, pad_spellings
from steerec.items.trie_file import map_arrays, write_arrays

__all__ = ["END", "IntervalTrie"]

IntArray = NDArray[np.int64]

_FORMAT = "steerec.interval-trie/1"


class IntervalTrie:
    """A path-compressed trie over token sequences, in flat arrays; node 0 is the root.

    Nodes are numbered level by level, so the children of a node are consecutive numbers, in the order of
    their intervals. A sequence that is a prefix of another ends in a leaf below an edge without tokens.
    Nothing is ever written to the arrays: an item is removed by masking it, new ones go to a `GrowingTrie`.

    Attributes:
        tokens: (L, D) int32 sequences in sorted order, padded with END.
        lengths: (L,) int16 number of tokens of each (int32 from 32,768 tokens on).
        items: (L,) int32 item that each leaf spells; several leaves may spell one item.
        low, high: (M,) int32 node covers leaves low..high-1.
        start, stop: (M,) as lengths; the node's edge is `tokens[low, start:stop]`.
        first_child, last_child: (M,) int32 children are nodes first_child..last_child-1.
        first_token: (M,) int32 first token of each node's edge; END where the edge has none, and at the root.
    """

    def __init__(self, spellings: Sequence[Sequence[Sequence[int]]]) -> None:
        """Sort and index the spellings.

        Args:
            spellings: for each of N items, its one or more token sequences, none empty.

        Raises:
            DataError: an item has no spelling, a spelling is empty, or two items share one.
        """
        self._adopt(build_arrays(*pad_spellings(spellings), len(spellings)))

    @classmethod
    def from_tokens(
        cls, tokens: Indices, items: Indices | None = None, *, num_items: int | None = None
    ) -> Self:
        """Sort and index spellings that are already laid out as an array.

        Args:
            tokens: (L, D) token ids >= 0, padded on the right with END; not kept.
            items: (L,) item that each row spells; None: row i spells item i.
            num_items: N, where some items may have no spelling at all; None: the largest item is the last
                one, and each has a spelling.

        Raises:
            DataError: a row is empty or not padded with END, an item has no spelling, or two items share one.

        Example:
            >>> IntervalTrie.from_tokens(np.array([[4, 6], [1, -1]])).spelling(0)
            (1,)
        """
        trie = cls.__new__(cls)
        trie._adopt(build_arrays(tokens, items, num_items))
        return trie

    def _adopt(self, arrays: TrieArrays) -> None:
        self._arrays = arrays
        self.tokens, self.lengths, self.items = arrays.tokens, arrays.lengths, arrays.items
        self.low, self.high, self.start, self.stop = arrays.low, arrays.high, arrays.start, arrays.stop
        self.first_child, self.last_child = arrays.child_bounds[:-1], arrays.child_bounds[1:]
        self.first_token = arrays.first_token
        self.num_items = len(arrays.item_bounds) - 1

    @property
    def num_leaves(self) -> int:
        """L, the number of spellings."""
        return len(self.items)

    @property
    def num_nodes(self) -> int:
        """M, root and leaves included; at most 2L."""
        return len(self.low)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(values.nbytes for values in vars(self._arrays).values())

    @cached_property
    def is_leaf(self) -> BoolArray:
        """(M,) whether a node is a complete spelling."""
        leaf: BoolArray = self.first_child == self.last_child
        return leaf

    @cached_property
    def is_prefix_free(self) -> bool:
        """Whether no spelling begins another: each then ends itself, without an end marker."""
        return not bool((self.first_token[1:] == END).any())

    def children(self, node: int) -> range:
        """Return the node's children, in token order; empty for a leaf."""
        return range(int(self.first_child[node]), int(self.last_child[node]))

    def edge(self, node: int) -> tuple[int, ...]:
        """Return the tokens that lead from the parent to the node."""
        return tuple(self.tokens[self.low[node], self.start[node] : self.stop[node]].tolist())

    def interval(self, node: int) -> tuple[int, int]:
        """Return the node's leaves as (low, high), high excluded."""
        return int(self.low[node]), int(self.high[node])

    def spelling(self, leaf: int) -> tuple[int, ...]:
        """Return the token sequence of a leaf."""
        return tuple(self.tokens[leaf, : self.lengths[leaf]].tolist())

    def find(self, sequence: Sequence[int]) -> int | None:
        """Return the leaf that is spelled exactly so, or None."""
        node, position = 0, 0
        while self.first_child[node] != self.last_child[node]:
            token = sequence[position] if position < len(sequence) else END
            children = self.children(node)
            place = children.start + int(
                np.searchsorted(self.first_token[children.start : children.stop], token)
            )
            if place == children.stop or self.first_token[place] != token:
                return None
            edge = self.edge(place)
            if tuple(sequence[position : position + len(edge)]) != edge:
                return None
            node, position = place, position + len(edge)
        return int(self.low[node]) if position == len(sequence) else None

    @cached_property
    def leaf_nodes(self) -> Indices:
        """(L,) int32 node of each leaf."""
        nodes = np.empty(self.num_leaves, np.int32)
        nodes[self.low[self.is_leaf]] = np.flatnonzero(self.is_leaf)
        return nodes

    def leaves(self, item: int) -> Indices:
        """Return the leaves that spell an item, ascending."""
        bounds = self._arrays.item_bounds
        return self._arrays.item_leaves[bounds[item] : bounds[item + 1]]

    @cached_property
    def _spelled_once(self) -> bool:
        """Whether every item has one leaf."""
        return self.num_leaves == self.num_items and bool((np.diff(self._arrays.item_bounds) == 1).all())

    def leaves_of(self, items: Indices) -> IntArray:
        """Return the leaves that spell any of `items` (I,), ascending.

        Args:
            items: distinct items >= 0; those from `num_items` on are spelled elsewhere and have none here.
        """
        own = items[items < self.num_items]
        if self._spelled_once:
            return np.sort(self._arrays.item_leaves[self._arrays.item_bounds[own]]).astype(np.int64)
        first = self._arrays.item_bounds[own].astype(np.int64)
        sizes = self._arrays.item_bounds[own + 1] - first
        place = np.repeat(first - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
        return np.sort(self._arrays.item_leaves[place]).astype(np.int64)

    def ranks(self, items: BoolArray) -> IntArray:
        """Count admissible leaves before each leaf, so that any interval is counted by one difference.

        The slow definition of `decode.mask`; it takes 8 bytes a leaf and row.

        Args:
            items: (..., N) bool, admissible items.

        Returns:
            (..., L + 1) int64: the leaves low..high-1 hold `ranks[..., high] - ranks[..., low]`.
        """
        ranks = np.zeros((*items.shape[:-1], self.num_leaves + 1), np.int64)
        np.cumsum(items[..., self.items], axis=-1, out=ranks[..., 1:])
        return ranks

    def save(self, path: Path) -> None:
        """Write the trie as one safetensors file."""
        write_arrays(Path(path), vars(self._arrays), {"format": _FORMAT})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Map a saved trie into memory; pages are read when they are looked at.

        Raises:
            DataError: the file is missing or is not what `save` wrote.
        """
        arrays, metadata = map_arrays(Path(path))
        names = {field.name for field in fields(TrieArrays)}
        if metadata.get("format") != _FORMAT or set(arrays) != names:
            raise DataError(
                f"{path} is no trie: its format is {metadata.get('format')!r}, and {_FORMAT!r} is needed. "
                "Write it anew with IntervalTrie.save."
            )
        trie = cls.__new__(cls)
        trie._adopt(TrieArrays(**arrays))
        return trie
