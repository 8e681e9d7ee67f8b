"""Nested quotas: closed form and greedy.

Rows over one segment are *nested* when any two of their sets are disjoint or one holds the other. A row that
holds the first class is read from the other side (at least l of A = at most total - l of the rest), which
nests every family that can be nested. Lists within nested bounds are the bases of a matroid, so the greedy
list is the best one, and every test below costs one walk up a tree.

Legend: R rows, V variables of a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steerec.control.model import Model
from steerec.control.problem import IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """The rows as a tree; node R is the root, the whole list. Children come before parents."""

    parent: list[int]
    """(R + 1,) parent of each node, -1 for the root."""
    lower: list[int]
    """(R + 1,) items needed of each node."""
    upper: list[int]
    """(R + 1,) items admitted of each node."""
    leaf: list[int]
    """(V,) smallest node that holds each variable."""


def nest(model: Model) -> Tree | None:
    """Return the rows of a model as a tree, or None where they cross or there are several segments.

    The tree knows nothing of pools: where works are split it is a relaxation, to be checked by the caller.
    """
    if model.length.size != 1 or not model.pool.size:
        return None
    total, number = model.total, model.rows.size
    flipped = model.member[:, :1]
    sets = model.member ^ flipped  # (R, V)
    lower = np.where(flipped[:, 0], total - model.upper, model.lower)
    upper = np.where(flipped[:, 0], total - model.lower, model.upper)
    shared = sets.astype(np.float32) @ sets.T.astype(np.float32)  # exact: counts below 2**24
    size = np.diagonal(shared)
    if not ((shared == 0) | (shared == np.minimum(size[:, None], size))).all():
        return None
    order = np.argsort(size, kind="stable")
    sets, lower, upper, shared, size = (
        sets[order],
        lower[order],
        upper[order],
        shared[order][:, order],
        size[order],
    )
    holds = np.triu(shared == size[:, None], k=1)  # holds[i, j]: the later set j holds set i
    parent = (
        np.where(holds.any(axis=1), holds.argmax(axis=1), number) if number else np.zeros(0, dtype=np.int64)
    )
    leaf = np.where(sets.any(axis=0), sets.argmax(axis=0), number) if number else np.full(model.pool.size, 0)
    return Tree(
        parent=[*parent.tolist(), -1],
        lower=[*lower.tolist(), total],
        upper=[*upper.tolist(), total],
        leaf=leaf.tolist(),
    )


def fill(tree: Tree, supply: IntArray) -> list[int] | None:
    """Return counts (V,) that satisfy a tree, or None where none do.

    Args:
        tree: nested rows.
        supply: (V,) works of each variable.
    """
    nodes = len(tree.parent)
    need, reach = [0] * nodes, [0] * nodes
    for variable, works in enumerate(supply.tolist()):
        reach[tree.leaf[variable]] += works
    for node in range(nodes):
        need[node] = max(need[node], tree.lower[node])
        reach[node] = min(reach[node], tree.upper[node])
        if need[node] > reach[node]:
            return None
        if tree.parent[node] >= 0:
            need[tree.parent[node]] += need[node]
            reach[tree.parent[node]] += reach[node]
    return _share_out(tree, supply, need, reach)


def _share_out(tree: Tree, supply: IntArray, need: list[int], reach: list[int]) -> list[int]:
    """Give every node what it needs, then its own variables, then its children, up to its target."""
    nodes = len(tree.parent)
    target = need[:]
    children: list[list[int]] = [[] for _ in range(nodes)]
    own: list[list[int]] = [[] for _ in range(nodes)]
    for node, parent in enumerate(tree.parent[:-1]):
        children[parent].append(node)
    for variable, node in enumerate(tree.leaf):
        own[node].append(variable)
    counts = [0] * len(tree.leaf)
    for node in reversed(range(nodes)):
        left = target[node] - sum(need[child] for child in children[node])
        for variable in own[node]:
            counts[variable] = min(left, int(supply[variable]))
            left -= counts[variable]
        for child in children[node]:
            extra = min(left, reach[child] - need[child])
            target[child] += extra
            left -= extra
    return counts


class Greedy:
    """Grow a list in a tree, one item at a time, never into a dead end.

    The supplies must admit some list to begin with (`fill` says so); they then never stop a step.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._have = [0] * len(tree.parent)
        self._need = tree.lower[:]
        self._below = [0] * len(tree.parent)  # needs of the children
        for node, parent in enumerate(tree.parent):
            self._need[node] = max(self._need[node], self._below[node])
            if parent >= 0:
                self._below[parent] += self._need[node]

    def add(self, variable: int) -> bool:
        """Add one item of `variable` if the list can still be completed; say whether it was added.

        A variable that is refused once is refused for good.
        """
        tree = self._tree
        changes: list[tuple[int, int, int]] = []
        node, eased = tree.leaf[variable], 0
        while node >= 0:
            have, below = self._have[node] + 1, self._below[node] - eased
            need = max(tree.lower[node] - have, below)
            if have + need > tree.upper[node]:
                return False
            changes.append((node, below, need))
            eased = self._need[node] - need
            node = tree.parent[node]
        for node, below, need in changes:
            self._have[node] += 1
            self._below[node], self._need[node] = below, need
        return True
