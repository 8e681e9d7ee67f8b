"""What may come next in a batch of rows, asked by intervals of leaves or by nodes of the trie.

Legend: B rows, N items, L leaves, I intervals, P places (a node in a row), C children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steerec.decode.leaf_bits import leaf_bits_of
from steerec.items.ranked_bits import RankedBits
from steerec.items.trie import IntervalTrie

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_WIDE = 256
"""A node with more children keeps what its bitsets say of them."""
_KEPT = 16
"""Wide nodes that a view keeps for itself; the root is always the first."""


class Window(Protocol):
    """What may come next in each of B rows."""

    def counts(self, rows: IntArray, low: IntArray, high: IntArray) -> IntArray:
        """Count admissible leaves.

        Args:
            rows: (I,) row of each interval.
            low: (I,) first leaf of each.
            high: (I,) leaf after the last of each, low <= high.

        Returns:
            (I,) int64 number of leaves in low..high-1 whose item may come next in the row.
        """

    def children(self, rows: IntArray, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """Find the children that lead to an admissible leaf.

        Args:
            rows: (P,) row of each place.
            nodes: (P,) node of the trie there.

        Returns:
            (C,) place of each admissible child, ascending, and (C,) the children, in token order.
        """


class LeafRanks:
    """The slow definition of a window: a running count over all leaves."""

    def __init__(self, trie: IntervalTrie, admissible: BoolArray) -> None:
        """Count the admissible items (B, N) of each row."""
        self._trie = trie
        self._ranks = trie.ranks(admissible)  # (B, L + 1)

    def counts(self, rows: IntArray, low: IntArray, high: IntArray) -> IntArray:
        """Return the number of admissible leaves (I,); see `Window`."""
        return np.asarray(self._ranks[rows, high] - self._ranks[rows, low])

    def children(self, rows: IntArray, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """Return the places and nodes (C,) of admissible children; see `Window`."""
        return _counted_children(self._trie, self, rows, nodes)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The admissible leaves of one row: `bits` without `minus`, with `plus`, without what is used."""

    bits: RankedBits | None
    """None where nothing is admissible."""
    key: bytes
    """Names the contents of `bits`."""
    minus: IntArray
    """Leaves of `bits` that are not admissible, ascending."""
    plus: IntArray
    """Admissible leaves that `bits` lacks, ascending."""
    used: IntArray
    """Leaves of works that the list already holds, among the others; they change with every item."""
    wide: dict[int, IntArray]
    """Admissible children of a few wide nodes, used ones included; shared by views that differ in `used`."""

    def count(self, low: IntArray, high: IntArray) -> IntArray:
        """Return the number of admissible leaves in each interval (I,), used ones included."""
        assert self.bits is not None
        return self.bits.count(low, high) - _inside(self.minus, low, high) + _inside(self.plus, low, high)

    def children(self, trie: IntervalTrie, node: int) -> IntArray:
        """Return the admissible children of a node, used ones included; do not write to them."""
        bits = self.bits
        if bits is None:
            return np.zeros(0, np.int64)
        if node in self.wide:
            return self.wide[node]
        first, last = int(trie.first_child[node]), int(trie.last_child[node])
        low, high = trie.low[first:last], trie.high[first:last]
        found: IntArray = leaf_bits_of(trie).nodes(
            self.key, node, lambda: (first + np.flatnonzero(bits.count(low, high))).astype(np.int32)
        )
        touched = np.unique(_holders(trie, node, np.concatenate([self.minus, self.plus]))[1])
        if touched.size:
            found = _revised(found, touched, self.count(trie.low[touched], trie.high[touched]) > 0)
        if len(self.wide) < _KEPT:
            self.wide[node] = found
        return found


class RankedWindow:
    """A window over the views of B rows; no question looks at more leaves than it is about."""

    def __init__(self, trie: IntervalTrie, views: Sequence[View]) -> None:
        """Take the view of each row."""
        self._trie, self._views = trie, views
        self._stride = trie.num_leaves + 1
        sets = {id(view.bits): view.bits for view in views if view.bits is not None}
        numbers = {key: number for number, key in enumerate(sets)}
        self._bits = list(sets.values())
        self._group = np.array([numbers.get(id(view.bits), -1) for view in views], np.int64)  # (B,)
        self._minus = self._keys([np.append(view.minus, view.used) for view in views])
        self._plus = self._keys([view.plus for view in views])

    def _keys(self, positions: Sequence[IntArray]) -> IntArray:
        """Sorted numbers that tell positions of different rows apart."""
        if not any(part.size for part in positions):
            return np.zeros(0, np.int64)
        return np.sort(np.concatenate([part + row * self._stride for row, part in enumerate(positions)]))

    def counts(self, rows: IntArray, low: IntArray, high: IntArray) -> IntArray:
        """Return the number of admissible leaves (I,); see `Window`."""
        if len(self._bits) == 1 and self._group.min() == 0:
            counts = self._bits[0].count(low, high)
        else:
            group, counts = self._group[rows], np.zeros(len(rows), np.int64)
            for number, bits in enumerate(self._bits):
                own = np.flatnonzero(group == number)
                if own.size:
                    counts[own] = bits.count(low[own], high[own])
        if self._minus.size or self._plus.size:
            shift = np.asarray(rows, np.int64) * self._stride
            counts -= _inside(self._minus, shift + low, shift + high)
            counts += _inside(self._plus, shift + low, shift + high)
        return counts

    def children(self, rows: IntArray, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """Return the places and nodes (C,) of admissible children; see `Window`."""
        fan = self._trie.last_child[nodes] - self._trie.first_child[nodes]
        wide = np.flatnonzero(fan > _WIDE)
        if not wide.size:
            return _counted_children(self._trie, self, rows, nodes)
        parts = self._wide_children(rows[wide].tolist(), nodes[wide].tolist())
        places = np.repeat(wide, [len(part) for part in parts])
        if wide.size == len(nodes):
            return places, np.concatenate(parts)
        narrow = np.flatnonzero(fan <= _WIDE)
        place, child = _counted_children(self._trie, self, rows[narrow], nodes[narrow])
        places = np.concatenate([narrow[place], places])
        order = np.argsort(places, kind="stable")
        return places[order], np.concatenate([child, *parts])[order]

    def _wide_children(self, rows: Sequence[int], nodes: Sequence[int]) -> list[IntArray]:
        """Admissible children of nodes that have many: what is kept of them, without those just used up."""
        trie = self._trie
        found = [self._views[row].children(trie, node) for row, node in zip(rows, nodes, strict=True)]
        touched = np.zeros(0, np.int64)
        for node in set(nodes):
            places = [place for place, other in enumerate(nodes) if other == node]
            used = [self._views[rows[place]].used for place in places]
            owner = np.repeat(places, [len(leaves) for leaves in used])
            if owner.size:
                below, child = _holders(trie, node, np.concatenate(used))
                touched = np.append(touched, owner[below] * trie.num_nodes + child)
        if not touched.size:
            return found
        owner, child = np.divmod(np.unique(touched), trie.num_nodes)
        left = self.counts(np.asarray(rows)[owner], trie.low[child], trie.high[child]) > 0
        bounds = np.searchsorted(owner, np.arange(len(rows) + 1)).tolist()
        return [
            _revised(children, child[start:stop], left[start:stop]) if stop > start else children
            for children, start, stop in zip(found, bounds, bounds[1:], strict=False)
        ]


def _holders(trie: IntervalTrie, node: int, leaves: IntArray) -> tuple[BoolArray, IntArray]:
    """Return which leaves (I,) lie below a node, and the children that hold those."""
    first, last = int(trie.first_child[node]), int(trie.last_child[node])
    low = trie.low[first:last]
    below = (leaves >= low[0]) & (leaves < trie.high[last - 1])
    inside = leaves[below].astype(low.dtype)  # of one type: no copy of `low`
    return below, first + np.searchsorted(low, inside, side="right") - 1


def _revised(found: IntArray, nodes: IntArray, alive: BoolArray) -> IntArray:
    """Take nodes out of ascending `found` where they are not alive, and in where they are."""
    nodes = nodes.astype(found.dtype)
    place = np.searchsorted(found, nodes)
    held = np.append(found, -1)[place] == nodes
    if (alive & ~held).any():
        found = np.union1d(found, nodes[alive & ~held])
        place = np.searchsorted(found, nodes)
    kept = np.ones(len(found), np.bool_)
    kept[place[held & ~alive]] = False
    return found[kept]


def _counted_children(
    trie: IntervalTrie, window: Window, rows: IntArray, nodes: IntArray
) -> tuple[IntArray, IntArray]:
    """Count below every child of every node."""
    first = trie.first_child[nodes].astype(np.int64)
    sizes = trie.last_child[nodes] - first
    place = np.repeat(np.arange(len(nodes)), sizes)
    child = np.arange(len(place)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[place]
    alive = window.counts(rows[place], trie.low[child], trie.high[child]) > 0
    return place[alive], child[alive]


def _inside(keys: IntArray, low: IntArray, high: IntArray) -> IntArray | int:
    """How many sorted keys lie in low..high-1 of each interval (I,)."""
    if not keys.size or not low.size:
        return 0
    if (
        len(low) > len(keys) and (low[1:] >= high[:-1]).all()
    ):  # children in order: look the few keys up instead
        place = np.searchsorted(low, keys, side="right") - 1
        hit = place[(place >= 0) & (keys < high[place])]
        return np.bincount(hit, minlength=len(low))
    return np.searchsorted(keys, high) - np.searchsorted(keys, low)
