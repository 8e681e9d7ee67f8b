"""Where a list stands while it is written token by token: what was chosen, and which tokens may follow.

Tokens that leave no choice are written at once, so a path always stands before a decision or at its end.

Legend: I children of nodes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.control.problem import Problem
from steerec.decode.mask import MovingMask, Window
from steerec.items.identifier import Identifier

IntArray = NDArray[np.int64]


class Path:
    """One list in the making."""

    def __init__(self, request: int, marker: Sequence[int]) -> None:
        self.request = request
        self.items: list[int] = []
        self.tokens: list[int] = list(marker)
        """Everything written so far, as far as no choice is left: markers, spellings, separators."""
        self.node = 0
        self.options: IntArray = np.zeros(0, np.int64)
        """Children of the node that may come next, at least two; none when the list is complete."""
        self.window: tuple[Window, int] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to decide."""
        return self.options.size == 0

    def copy(self) -> Path:
        """Return a path that goes its own way from here."""
        other = copy.copy(self)
        other.items, other.tokens = list(self.items), list(self.tokens)
        return other


class Paths:
    """Paths of a batch of requests through one trie, under the moving mask."""

    def __init__(self, identifier: Identifier, problems: Sequence[Problem]) -> None:
        """Prepare the requests.

        Args:
            identifier: spelling of N items; prefix-free with its separator.
            problems: feasible problems over the same items.
        """
        assert identifier.trie.is_prefix_free
        self.trie = identifier.trie
        self._identifier, self._problems = identifier, problems
        self._mask = MovingMask(self.trie, problems)

    def begin(self, requests: Sequence[int]) -> list[Path]:
        """Return one new path per given request, each before its first decision."""
        counts = [self._problems[request].count for request in requests]
        markers = [self._identifier.marker(1, count) for count in counts]
        paths = [Path(request, marker) for request, marker in zip(requests, markers, strict=True)]
        self._turn(paths)
        self._settle(paths)
        return paths

    def take(self, paths: Sequence[Path], nodes: Sequence[int]) -> None:
        """Take one of its options on every path, and what follows without choice."""
        for path, node in zip(paths, nodes, strict=True):
            self._enter(path, node)
        self._turn([path for path in paths if self._ends_item(path)])
        self._settle(paths)

    def _enter(self, path: Path, node: int) -> None:
        trie = self.trie
        path.node = node
        path.tokens += trie.tokens[trie.low[node], trie.start[node] : trie.stop[node]].tolist()

    def _settle(self, paths: Sequence[Path]) -> None:
        """Append what leaves no choice."""
        moving = [path for path in paths if self._is_open(path)]
        while moving:
            for path, options in zip(moving, self._options(moving), strict=True):
                path.options = options
            moving = [path for path in moving if path.options.size == 1]
            for path in moving:
                self._enter(path, int(path.options[0]))
            self._turn([path for path in moving if self._ends_item(path)])
            moving = [path for path in moving if self._is_open(path)]

    def _is_open(self, path: Path) -> bool:
        return len(path.items) < self._problems[path.request].count

    def _ends_item(self, path: Path) -> bool:
        """Note the item if the path stands at a leaf; return whether another one begins."""
        trie, node = self.trie, path.node
        if trie.first_child[node] != trie.last_child[node]:
            return False
        path.items.append(int(trie.items[trie.low[node]]))
        path.node, path.options = 0, path.options[:0]
        if not self._is_open(path):
            return False
        count = self._problems[path.request].count
        path.tokens += self._identifier.marker(len(path.items) + 1, count)
        return True

    def _turn(self, paths: Sequence[Path]) -> None:
        """Find out what may come next where an item begins."""
        if paths:
            requests = np.array([path.request for path in paths])
            window = self._mask.window(requests, [path.items for path in paths])
            for place, path in enumerate(paths):
                path.window = (window, place)

    def _options(self, paths: Sequence[Path]) -> list[IntArray]:
        """Return the admissible children of every path's node."""
        found: list[IntArray] = [np.zeros(0, np.int64)] * len(paths)
        groups: dict[int, tuple[Window, list[int], list[int]]] = {}
        for k, path in enumerate(paths):
            assert path.window is not None
            window, place = path.window
            _, members, places = groups.setdefault(id(window), (window, [], []))
            members.append(k)
            places.append(place)
        for window, members, places in groups.values():
            nodes = np.array([paths[k].node for k in members])
            owner, child = window.children(np.array(places), nodes)
            children = np.split(child, np.searchsorted(owner, np.arange(1, len(members))))
            for k, options in zip(members, children, strict=True):
                assert options.size, "a node that was admissible has no admissible child"
                found[k] = options
        return found
