"""Spellings sorted by token sequence, so that every node of their trie is an interval of leaves.

Legend: N items, L leaves (spellings), D longest spelling in tokens, M nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from steerec.errors import DataError

END = -1
"""Token of an edge that consumes nothing: its parent's sequence is a spelling and begins longer ones too."""

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class IntervalTrie:
    """A path-compressed trie over token sequences, in flat arrays; node 0 is the root.

    Nodes are numbered level by level, so the children of a node are consecutive numbers, in the order of
    their intervals. A sequence that is a prefix of another ends in a leaf below an edge without tokens.

    Attributes:
        tokens: (L, D) int64 sequences in sorted order, padded with END.
        lengths: (L,) int64 number of tokens of each.
        items: (L,) int64 item that each leaf spells; several leaves may spell one item.
        low, high: (M,) int64 node covers leaves low..high-1.
        start, stop: (M,) int64 the node's edge is `tokens[low, start:stop]`.
        first_child, last_child: (M,) int64 children are nodes first_child..last_child-1.
    """

    def __init__(self, spellings: Sequence[Sequence[Sequence[int]]]) -> None:
        """Sort and index the spellings.

        Args:
            spellings: for each of N items, its one or more token sequences, none empty.

        Raises:
            DataError: an item has no spelling, a spelling is empty, or two items share one.
        """
        self.num_items = len(spellings)
        self.tokens, self.lengths, self.items = _sorted_leaves(spellings)
        self._build()

    def _build(self) -> None:
        common = _common_prefix(self.tokens, self.lengths)  # (L,)
        low, high, start, stop = (np.array([x], np.int64) for x in (0, len(self.items), 0, 0))
        levels = []
        count = 1
        while len(low):
            inner = (high - low > 1) | (stop < self.lengths[low])
            child_low, child_high, parent = _split(low, high, stop, inner, common)
            sizes = np.bincount(parent, minlength=len(low))
            last = count + np.cumsum(sizes)
            levels.append((low, high, start, stop, last - sizes, last))
            count += len(child_low)
            start = stop[parent]
            low, high = child_low, child_high
            stop = _branch_depth(low, high, self.lengths, common)
        columns = [np.concatenate(parts) for parts in zip(*levels, strict=True)]
        self.low, self.high, self.start, self.stop, self.first_child, self.last_child = columns

    @property
    def num_leaves(self) -> int:
        """L, the number of spellings."""
        return len(self.items)

    @property
    def num_nodes(self) -> int:
        """M, root and leaves included; at most 2L."""
        return len(self.low)

    @cached_property
    def is_leaf(self) -> BoolArray:
        """(M,) whether a node is a complete spelling."""
        leaf: BoolArray = self.first_child == self.last_child
        return leaf

    @cached_property
    def first_token(self) -> IntArray:
        """(M,) first token of each node's edge; END where the edge has none (and at the root)."""
        column = np.minimum(self.start, self.tokens.shape[1] - 1)
        return np.where(self.start < self.stop, self.tokens[self.low, column], END)

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
        while not self.is_leaf[node]:
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
    def _leaves_by_item(self) -> tuple[IntArray, IntArray]:
        order = np.argsort(self.items, kind="stable")
        return order, np.searchsorted(self.items[order], np.arange(self.num_items + 1))

    @cached_property
    def leaf_nodes(self) -> IntArray:
        """(L,) node of each leaf."""
        nodes = np.empty(self.num_leaves, np.int64)
        nodes[self.low[self.is_leaf]] = np.flatnonzero(self.is_leaf)
        return nodes

    def leaves(self, item: int) -> IntArray:
        """Return the leaves that spell an item, ascending."""
        order, bounds = self._leaves_by_item
        return order[bounds[item] : bounds[item + 1]]

    def ranks(self, items: BoolArray) -> IntArray:
        """Count admissible leaves before each leaf, so that any interval is counted by one difference.

        Args:
            items: (..., N) bool, admissible items.

        Returns:
            (..., L + 1) int64: the leaves low..high-1 hold `ranks[..., high] - ranks[..., low]`.
        """
        ranks = np.zeros((*items.shape[:-1], self.num_leaves + 1), np.int64)
        np.cumsum(items[..., self.items], axis=-1, out=ranks[..., 1:])
        return ranks


def _sorted_leaves(spellings: Sequence[Sequence[Sequence[int]]]) -> tuple[IntArray, IntArray, IntArray]:
    leaves: dict[tuple[int, ...], int] = {}
    for item, forms in enumerate(spellings):
        if not forms or not all(forms):
            raise DataError(f"Item {item} has {'an empty' if forms else 'no'} spelling; each needs tokens.")
        for form in forms:
            other = leaves.setdefault(tuple(form), item)
            if other != item:
                raise DataError(
                    f"Items {other} and {item} are both spelled {tuple(form)}: a spelling names one item. "
                    "Tell the items apart by an attribute or by their id."
                )
    if not leaves:
        raise DataError("A trie needs at least one item.")
    lengths = np.array([len(form) for form in leaves], np.int64)
    tokens = np.full((len(leaves), lengths.max()), END, np.int64)
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = [token for form in leaves for token in form]
    order = np.lexsort(tokens.T[::-1])
    return tokens[order], lengths[order], np.fromiter(leaves.values(), np.int64)[order]


def _common_prefix(tokens: IntArray, lengths: IntArray) -> IntArray:
    """(L,) tokens that a leaf shares with the leaf before it; 0 for the first."""
    common = np.zeros(len(tokens), np.int64)
    same = (tokens[1:] == tokens[:-1]) & (tokens[1:] != END)
    common[1:] = np.cumprod(same, axis=1).sum(axis=1)
    assert (common[1:] < lengths[1:]).all(), "equal sequences were removed before sorting"
    return common


def _branch_depth(low: IntArray, high: IntArray, lengths: IntArray, common: IntArray) -> IntArray:
    """Depth at which each interval branches: the least common prefix inside it, or the leaf's length."""
    depth = lengths[low]
    many = high - low > 1
    if many.any():
        # reduceat takes (from, to) pairs; the even results are the intervals, the pad allows to == L
        pairs = np.stack([low[many] + 1, high[many]], axis=1).ravel()
        padded = np.append(common, np.iinfo(np.int64).max)
        depth[many] = np.minimum.reduceat(padded, pairs)[::2]
    return depth


def _split(
    low: IntArray, high: IntArray, stop: IntArray, inner: BoolArray, common: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Cut each inner interval where neighbours share no more than `stop` tokens; (low, high, parent)."""
    sizes = np.where(inner, high - low, 0)
    parent = np.repeat(np.arange(len(low)), sizes)
    leaf = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + low[parent]
    begins = (leaf == low[parent]) | (common[leaf] <= stop[parent])
    child_low, child_parent = leaf[begins], parent[begins]
    following = np.append(child_low[1:], 0)
    ends_parent = np.append(child_parent[1:] != child_parent[:-1], True)
    return child_low, np.where(ends_parent, high[child_parent], following), child_parent
