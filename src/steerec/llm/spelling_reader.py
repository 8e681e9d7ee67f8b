"""Reads, token by token, where a text stands in the spelling of an item.

A finite automaton over the pieces that rows and prompts are made of: a line begins, its marker ("3." or "-")
is read, then a spelling with its separator. What fits nowhere is words. The state is one integer: 0 words, 1
the beginning of a line, the markers, the nodes of the spellings' trie, and one for every item that was just
finished, after which a line begins.

Legend: N items, L tokens of the longest spelling with its separator, C states, Z edges, V vocabulary, B
requests, K queries, S tokens of a context, J finished items, T tokens, P pairs of a query and an item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

if TYPE_CHECKING:
    from steerec.items.identifier import Identifier

_WORDS, _LINE = 0, 1
_FEW_CHILDREN = 64
_MARKERS = 200
"""Positions whose markers are read."""


class SpellingTables(NamedTuple):
    """The automaton as arrays."""

    edges: NDArray[np.int64]
    """(Z,) ascending: state * V + token."""
    targets: NDArray[np.int64]
    """(Z,) the state that each edge leads to."""
    openers: NDArray[np.int64]
    """Tokens after which a line begins, whatever stood before."""
    low: NDArray[np.int64]
    """(C,) first rank of the items below a state; 0 where there are none."""
    high: NDArray[np.int64]
    """(C,) last rank + 1."""
    depth: NDArray[np.int64]
    """(C,) tokens of a spelling that have been read."""
    rank: NDArray[np.int64]
    """(N,) place of each item in the order of spellings."""
    path: NDArray[np.int64]
    """(N, L) the state after each token of a spelling."""
    tokens: NDArray[np.int64]
    """(N, L) the tokens; 0 after the end."""

    @property
    def sizes(self) -> dict[str, int]:
        """Return what a `SpellingReader` of these tables is built with."""
        return {
            "num_edges": len(self.edges),
            "num_openers": len(self.openers),
            "num_states": len(self.low),
            "num_items": len(self.rank),
            "longest": self.path.shape[1],
        }


def read_tables(identifier: Identifier, reply_end: int, vocab_size: int) -> SpellingTables:
    """Build the automaton of an identifier's pieces.

    Args:
        identifier: its first spellings are read, its separator ends with a token that no spelling holds.
        reply_end: last token before an answer.
        vocab_size: V.
    """
    separator = identifier.separator
    spellings = [(*identifier.spell(i)[0], *separator) for i in range(identifier.num_items)]
    order = sorted(range(len(spellings)), key=lambda i: spellings[i])
    lead = tuple(identifier.history([0])[: -len(spellings[0])])
    markers = {lead, *(tuple(identifier.marker(p, _MARKERS)) for p in range(1, _MARKERS + 1))}
    edges: dict[tuple[int, int], int] = {}
    root, size = 2, 3
    for marker in sorted(markers):
        state = _LINE
        for token in marker[:-1]:
            state = edges.setdefault((state, token), size)
            size += state == size
        edges[state, marker[-1]] = root
    longest = max(map(len, spellings))
    path, tokens = (np.zeros((len(spellings), longest), np.int64) for _ in range(2))
    depth = {root: 0}
    for i in order:
        state = root
        for d, token in enumerate(spellings[i][:-1]):
            state = edges.setdefault((state, token), size)
            size += state == size
            depth[state] = d + 1
            path[i, d] = state
        tokens[i, : len(spellings[i])] = spellings[i]
    for i in range(len(spellings)):
        last = len(spellings[i]) - 1
        before = int(path[i, last - 1]) if last else root
        path[i, last] = edges[before, spellings[i][-1]] = size + i
    rank = np.argsort(np.array(order))
    states = size + len(spellings)
    low, high, depths = (np.zeros(states, np.int64) for _ in range(3))
    low[:] = len(spellings)
    for i in order:
        passed = np.append(root, path[i, : len(spellings[i])])
        low[passed] = np.minimum(low[passed], rank[i])
        high[passed] = np.maximum(high[passed], rank[i] + 1)
    low = np.minimum(low, high)
    depths[list(depth)] = list(depth.values())
    keys = np.array([state * vocab_size + token for state, token in edges], np.int64)
    sorting = keys.argsort()
    return SpellingTables(
        edges=keys[sorting],
        targets=np.array(list(edges.values()), np.int64)[sorting],
        openers=np.unique(np.array([separator[-1], reply_end], np.int64)),
        low=low,
        high=high,
        depth=depths,
        rank=rank,
        path=path,
        tokens=tokens,
    )


class Interval(NamedTuple):
    """The items below nodes, by rank."""

    low: Tensor
    """(P,) first rank."""
    high: Tensor
    """(P,) last rank + 1."""


class Step(NamedTuple):
    """The next step of a spelling from where a query stands towards an item."""

    token: Tensor
    """(P,) the next token."""
    child: Interval
    """Items below the child that it leads to."""
    here: Interval
    """Items below the node where the query stands."""


class SpellingReader(nn.Module):
    """The automaton on the device of a model, saved with its weights."""

    edges: Tensor
    targets: Tensor
    openers: Tensor
    low: Tensor
    high: Tensor
    depth: Tensor
    rank: Tensor
    path: Tensor
    tokens: Tensor

    def __init__(
        self,
        num_edges: int,
        num_openers: int,
        num_states: int,
        num_items: int,
        longest: int,
        vocab_size: int,
    ) -> None:
        """Reserve room for tables of these sizes."""
        super().__init__()
        self.vocab_size, self.first_finished = vocab_size, num_states - num_items
        shapes: dict[str, tuple[int, ...]] = {
            "edges": (num_edges,),
            "targets": (num_edges,),
            "openers": (num_openers,),
            "low": (num_states,),
            "high": (num_states,),
            "depth": (num_states,),
            "rank": (num_items,),
            "path": (num_items, longest),
            "tokens": (num_items, longest),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.int64))

    def fill(self, tables: SpellingTables) -> None:
        """Copy tables of the sizes that the reader was built with."""
        for name, buffer in self.named_buffers():
            buffer.copy_(torch.from_numpy(getattr(tables, name)))

    def read_next(self, before: Tensor, tokens: Tensor) -> Tensor:
        """Return the states after tokens that follow the states `before`; both of one shape."""
        resting = torch.where(before >= self.first_finished, _LINE, before)
        keys = resting * self.vocab_size + tokens
        place = torch.searchsorted(self.edges, keys).clamp(max=len(self.edges) - 1)
        outside = torch.isin(tokens, self.openers).long()  # _LINE after an opener, else _WORDS
        return torch.where(self.edges[place] == keys, self.targets[place], outside)

    def read_rows(self, tokens: Tensor, begins: Tensor, opened: Tensor | None = None) -> Tensor:
        """Return the states after each token of whole sequences.

        An opener leads to the beginning of a line from everywhere, so lines are read side by side.

        Args:
            tokens: (B, T).
            begins: (B, T) bool, True at the first token of a sequence, the first column included.
            opened: (B, T) bool, further places where a line begins.

        Returns:
            (B, T) int64.
        """
        flat, first = tokens.flatten(), begins.flatten()
        lines = torch.isin(flat, self.openers).roll(1) & ~first
        if opened is not None:
            lines |= opened.flatten()
        starts = (lines | first).nonzero()[:, 0]  # (lines,)
        lengths = torch.diff(starts, append=torch.tensor([len(flat)], device=flat.device))
        lengths, order = lengths.sort(descending=True)
        starts = starts[order]
        state = lines[starts].long()  # _LINE or _WORDS
        states = torch.zeros_like(flat)
        longest = int(lengths[0])
        going_on = torch.searchsorted(-lengths, -torch.arange(longest, device=flat.device)).tolist()
        for d, size in enumerate(going_on):
            state = self.read_next(state[:size], flat[starts[:size] + d])
            states[starts[:size] + d] = state
        return states.view_as(tokens)

    def finished(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the items that a context finished and where.

        Args:
            states: (B, S).

        Returns:
            Items (B, J), -1 where a request has fewer, and their places (B, J), ascending.
        """
        ends = states >= self.first_finished  # (B, S)
        most = int(ends.sum(dim=1).max())
        place = ends.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        items = states.gather(1, place) - self.first_finished
        return items.clamp(min=-1), place

    def last_mentions(self, seen: Tensor, items: Tensor) -> Tensor:
        """Return `seen` without the mentions of an item that a later visible mention repeats.

        Args:
            seen: (B, K, J) bool, which mentions each query sees.
            items: (B, J).
        """
        later = torch.ones(items.shape[1], items.shape[1], device=items.device, dtype=torch.bool).tril(-1)
        repeats = (items[:, :, None] == items[:, None]) & later & (items >= 0)[:, None]  # (B, later, earlier)
        if not repeats.any():
            return seen
        return seen & ~(seen.float() @ repeats.float()).bool()

    def below(self, states: Tensor, items: Tensor) -> Tensor:
        """Return (B, K, J) bool: item j can still be written from where query k stands, and others too.

        Args:
            states: (B, K).
            items: (B, J); anything where there is none.
        """
        low, high = self.low[states], self.high[states]  # (B, K)
        open_ = (states < self.first_finished) & (high > low + 1)
        rank = self.rank[items.clamp(min=0)][:, None]  # (B, 1, J)
        return (low[:, :, None] <= rank) & (rank < high[:, :, None]) & open_[:, :, None]

    def step(self, states: Tensor, items: Tensor) -> Step:
        """Return the next step from states (P,) towards items (P,), which lie below them."""
        depth = self.depth[states]
        child = self.path[items, depth]
        child_items = Interval(self.low[child], self.high[child])
        return Step(self.tokens[items, depth], child_items, Interval(self.low[states], self.high[states]))

    def children_of(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the children of nodes (I,) that have few: the place of each in `states`, and its token.

        Nodes with more than 64 children are left out: what one item loses there is nothing to so many.
        """
        first = torch.searchsorted(self.edges, states * self.vocab_size)
        sizes = torch.searchsorted(self.edges, (states + 1) * self.vocab_size) - first
        sizes = torch.where(sizes > _FEW_CHILDREN, 0, sizes)
        owner = torch.repeat_interleave(sizes)
        place = torch.arange(len(owner), device=states.device) - (sizes.cumsum(0) - sizes)[owner]
        return owner, self.edges[first[owner] + place] % self.vocab_size

    def below_rank(self, values: Tensor) -> Tensor:
        """Return sums of values (N,) of the items before each rank: (N + 1,)."""
        by_rank = torch.zeros_like(values).index_copy(0, self.rank, values)
        return torch.cat([values.new_zeros(1), by_rank.cumsum(0)])
