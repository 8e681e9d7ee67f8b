"""The next item of every row: a beam over the trie on raw joint log-probability plus the teacher term.

Masking token by token is not conditioning: a likely "Star" from a title that is not admissible would force
a bad item. Here whole items compete, and only admissible ones.

Legend: B rows, N items, L leaves, H hypotheses (a node of the trie, reached in one row).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steerec.decode.cache import RaggedCache
from steerec.decode.expansion import Expansion, Hypotheses, best_per_row
from steerec.items.trie import IntervalTrie

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The item chosen in each row, and the spelling to append."""

    items: IntArray
    """(B,) item."""
    leaves: IntArray
    """(B,) its likeliest spelling."""
    log_probs: FloatArray
    """(B,) raw log-probability of the item, summed over its spellings."""
    scores: FloatArray
    """(B,) log-probability plus the item's addition."""


class ItemSearch:
    """One search: all rows of a batch choose their next item after the cache's settled prefix."""

    def __init__(
        self,
        trie: IntervalTrie,
        cache: RaggedCache,
        admissible: BoolArray,
        additions: FloatArray | None,
        *,
        beam: int,
    ) -> None:
        """Prepare the search.

        Args:
            trie: prefix-free spellings.
            cache: settled; its logits predict the first token of an item.
            admissible: (B, N) items that may come next, at least one in every row.
            additions: (B, N) nats added to each item's log-probability (finite), or None for none.
            beam: hypotheses kept per row, >= 1.
        """
        assert beam >= 1
        self._trie, self._beam = trie, beam
        self._expansion = Expansion(trie, cache, admissible, additions)

    def run(self) -> Choice:
        """Search, then settle the cache on the chosen spellings.

        Returns:
            The best item of each row. Of its spelling, all tokens but the last are in the cache.
        """
        expansion = self._expansion
        waiting = expansion.root()
        done = waiting.take(np.zeros(0, np.int64))
        while len(waiting.row):
            waiting, done = self._step(waiting, done)
        if not expansion.has_one_spelling_each:
            done = done.join(expansion.missing_spellings(done))
        found = expansion.by_item(done)
        won = best_per_row(found.row, found.score, found.item, 1)
        hypothesis = found.hypothesis[won]
        expansion.settle(done.chain[hypothesis])
        return Choice(
            items=found.item[won],
            leaves=self._trie.low[done.node[hypothesis]],
            log_probs=found.log_prob[won],
            scores=found.score[won],
        )

    def _step(self, waiting: Hypotheses, done: Hypotheses) -> tuple[Hypotheses, Hypotheses]:
        """Extend every waiting hypothesis to its children, keep the best, score the rest of their edges.

        Returns:
            Hypotheses at inner nodes, to be extended next, and those at leaves.
        """
        trie, expansion = self._trie, self._expansion
        grown = expansion.children(waiting)
        grown = grown.take(_near_the_top(grown.row, grown.score, self._beam))
        pool = done.join(grown)
        unscored = np.append(np.zeros(len(done.row), np.bool_), ~expansion.is_scored(grown))
        kept = best_per_row(pool.row, pool.score, trie.items[trie.low[pool.node]], self._beam)
        done, grown = pool.take(kept[~unscored[kept]]), pool.take(kept[unscored[kept]])
        grown = grown.take(self._can_win(grown, done))
        if not len(grown.row):
            return grown, done
        grown = expansion.score_edges(grown)
        leaf = trie.is_leaf[grown.node]
        return grown.take(~leaf), done.join(grown.take(leaf))

    def _can_win(self, grown: Hypotheses, done: Hypotheses) -> BoolArray:
        """Leave out what cannot reach the best finished item even if all remaining tokens were certain."""
        if not self._expansion.has_one_spelling_each:  # spellings that lose alone may win together
            return np.ones(len(grown.row), np.bool_)
        best = np.full(self._expansion.num_rows, -np.inf)
        np.maximum.at(best, done.row, done.score)
        return self._expansion.bound(grown) >= best[grown.row]


def _near_the_top(row: IntArray, score: FloatArray, count: int) -> BoolArray:
    """Which reach the `count`-th best score of their row: a cheap sieve before sorting; rows ascend."""
    sizes = np.bincount(row)
    if sizes.max() <= count:
        return np.ones(len(row), np.bool_)
    table = np.full((len(sizes), sizes.max()), -np.inf)
    table[row, np.arange(len(row)) - (np.cumsum(sizes) - sizes)[row]] = score
    threshold = np.partition(table, sizes.max() - count, axis=1)[:, sizes.max() - count]
    return score >= threshold[row]
