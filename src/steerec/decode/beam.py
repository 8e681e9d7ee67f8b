"""The next item of every row: a beam over the trie on raw joint log-probability plus the teacher term.

Masking token by token is not conditioning: a likely "Star" from a title that is not admissible would force
a bad item. Here whole items compete, and only admissible ones.

Legend: B rows, N items, L leaves, H hypotheses (a node of the trie, reached in one row).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steerec.decode.branch import ROOT, Branches
from steerec.decode.cache import RaggedCache
from steerec.decode.potential import interval_maximum, log_mean_exp
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


@dataclass(frozen=True, kw_only=True)
class _Hypotheses:
    """Columns of one length H."""

    row: IntArray
    node: IntArray
    joint: FloatArray
    """Raw log-probability of the tokens scored so far."""
    term: FloatArray
    """Teacher term of the node, relative to the root."""
    chain: IntArray
    """Chain that ends in the last cached token."""
    source: IntArray
    """Position of that token's logits; read only right after its push."""

    @property
    def score(self) -> FloatArray:
        return self.joint + self.term

    def take(self, index: IntArray | BoolArray) -> _Hypotheses:
        return _Hypotheses(**{name: values[index] for name, values in vars(self).items()})

    def join(self, other: _Hypotheses) -> _Hypotheses:
        mine = vars(self).items()
        return _Hypotheses(**{name: np.concatenate([values, vars(other)[name]]) for name, values in mine})


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
        assert trie.is_prefix_free
        assert beam >= 1
        assert admissible.any(axis=1).all(), "a row has no admissible item: its problem is infeasible"
        self._trie, self._beam, self._additions = trie, beam, additions
        self._ranks = trie.ranks(admissible)  # (B, L + 1)
        self._one_spelling = trie.num_leaves == trie.num_items
        self._branches = Branches(cache)
        self._terms = None if additions is None else _leaf_terms(trie, admissible, additions)

    def run(self) -> Choice:
        """Search, then settle the cache on the chosen spellings.

        Returns:
            The best item of each row. Of its spelling, all tokens but the last are in the cache.
        """
        row = np.arange(len(self._ranks))
        zero = np.zeros(len(row))
        waiting = _Hypotheses(
            row=row, node=0 * row, joint=zero, term=zero, chain=np.full_like(row, ROOT), source=row
        )
        done = waiting.take(row[:0])
        while len(waiting.row):
            waiting, done = self._step(waiting, done)
        if not self._one_spelling:
            done = done.join(self._missing_spellings(done))
        choice, chains = self._best(done)
        self._branches.settle(chains)
        return choice

    def _step(self, waiting: _Hypotheses, done: _Hypotheses) -> tuple[_Hypotheses, _Hypotheses]:
        """Extend every waiting hypothesis to its children, keep the best, score the rest of their edges.

        Returns:
            Hypotheses at inner nodes, to be extended next, and those at leaves.
        """
        trie = self._trie
        grown = self._children(waiting)
        one_token = trie.stop[grown.node] - trie.start[grown.node] == 1
        pool = done.join(grown)
        unscored = np.append(np.zeros(len(done.row), np.bool_), ~(trie.is_leaf[grown.node] & one_token))
        kept = _best_per_row(pool.row, pool.score, trie.items[trie.low[pool.node]], self._beam)
        done, grown = pool.take(kept[~unscored[kept]]), pool.take(kept[unscored[kept]])
        grown = grown.take(self._can_win(grown, done))
        if not len(grown.row):
            return grown, done
        grown = self._score_edges(grown)
        leaf = trie.is_leaf[grown.node]
        return grown.take(~leaf), done.join(grown.take(leaf))

    def _children(self, waiting: _Hypotheses) -> _Hypotheses:
        """Admissible children with the first token of their edge scored, the clearly beaten left out."""
        trie = self._trie
        first = trie.first_child[waiting.node]
        sizes = trie.last_child[waiting.node] - first
        owner = np.repeat(np.arange(len(first)), sizes)
        node = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[owner]
        row = waiting.row[owner]
        alive = self._ranks[row, trie.high[node]] > self._ranks[row, trie.low[node]]
        owner, node, row = owner[alive], node[alive], row[alive]
        gained = self._branches.logits.log_probs(waiting.source[owner], trie.first_token[node])
        grown = _Hypotheses(
            row=row,
            node=node,
            joint=waiting.joint[owner] + gained,
            term=self._term(row, node),
            chain=waiting.chain[owner],
            source=waiting.source[owner],
        )
        return grown.take(_near_the_top(row, grown.score, self._beam))

    def _term(self, row: IntArray, node: IntArray) -> FloatArray:
        if self._terms is None:
            return np.zeros(len(row))
        return log_mean_exp(self._terms, row, self._trie.low[node], self._trie.high[node])

    def _can_win(self, grown: _Hypotheses, done: _Hypotheses) -> BoolArray:
        """Leave out what cannot reach the best finished item even if all remaining tokens were certain."""
        if not self._one_spelling:  # spellings that lose alone may win together
            return np.ones(len(grown.row), np.bool_)
        best = np.full(len(self._ranks), -np.inf)
        np.maximum.at(best, done.row, done.score)
        bound = grown.joint
        if self._terms is not None:
            low, high = self._trie.low[grown.node], self._trie.high[grown.node]
            bound = bound + interval_maximum(self._terms, grown.row, low, high)
        return bound >= best[grown.row]

    def _score_edges(self, grown: _Hypotheses) -> _Hypotheses:
        trie = self._trie
        low, start, stop = (values[grown.node] for values in (trie.low, trie.start, trie.stop))
        edges = [trie.tokens[i, a:b] for i, a, b in zip(low, start, stop, strict=True)]
        pushed = self._branches.push(grown.row, grown.chain, edges, trie.is_leaf[grown.node])
        return _Hypotheses(
            row=grown.row,
            node=grown.node,
            joint=grown.joint + pushed.log_probs,
            term=grown.term,
            chain=pushed.chain,
            source=pushed.source,
        )

    def _missing_spellings(self, done: _Hypotheses) -> _Hypotheses:
        """Score, in one batch, the spellings of the finalists that the beam did not reach."""
        trie = self._trie
        known = set(zip(done.row.tolist(), trie.low[done.node].tolist(), strict=True))
        wanted = {
            (row, int(leaf))
            for row, found in sorted(known)
            for leaf in trie.leaves(int(trie.items[found]))
            if (row, int(leaf)) not in known
        }
        if not wanted:
            return done.take(np.zeros(0, np.int64))
        row, leaf = np.array(sorted(wanted), np.int64).T
        joint = self._branches.root.log_probs(row, trie.tokens[leaf, 0])
        chain, longer = np.full(len(row), ROOT), np.flatnonzero(trie.lengths[leaf] > 1)
        if len(longer):
            spellings = [trie.tokens[i, : trie.lengths[i]] for i in leaf[longer]]
            pushed = self._branches.push(
                row[longer], chain[longer], spellings, np.ones(len(longer), np.bool_)
            )
            joint[longer] += pushed.log_probs
            chain[longer] = pushed.chain
        node = trie.leaf_nodes[leaf]
        term = self._term(row, node)
        return _Hypotheses(row=row, node=node, joint=joint, term=term, chain=chain, source=0 * row)

    def _best(self, done: _Hypotheses) -> tuple[Choice, IntArray]:
        """Sum the spellings of each item, add its addition once, take the best item of each row."""
        trie = self._trie
        leaf = trie.low[done.node]
        item = trie.items[leaf]
        likeliest = np.lexsort((leaf, -done.joint, item, done.row))
        row, item, joint = done.row[likeliest], item[likeliest], done.joint[likeliest]
        begins = np.flatnonzero(np.append(True, (row[1:] != row[:-1]) | (item[1:] != item[:-1])))
        log_probs = np.logaddexp.reduceat(joint, begins)
        row, item = row[begins], item[begins]
        scores = log_probs if self._additions is None else log_probs + self._additions[row, item]
        won = _best_per_row(row, scores, item, 1)
        hypothesis = likeliest[begins[won]]
        choice = Choice(
            items=item[won], leaves=leaf[hypothesis], log_probs=log_probs[won], scores=scores[won]
        )
        return choice, done.chain[hypothesis]


def _leaf_terms(trie: IntervalTrie, admissible: BoolArray, additions: FloatArray) -> FloatArray:
    """(B, L) additions of admissible leaves relative to the root's log-mean-exp; -inf elsewhere."""
    terms = np.where(admissible, additions, -np.inf)[:, trie.items]
    rows = np.arange(len(terms))
    root = log_mean_exp(terms, rows, np.zeros_like(rows), np.full_like(rows, trie.num_leaves))
    return terms - root[:, None]


def _best_per_row(row: IntArray, score: FloatArray, item: IntArray, count: int) -> IntArray:
    """Indices of the best `count` of each row, by row, best first; ties go to the lower item."""
    order = np.lexsort((item, -score, row))
    ordered = row[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return order[rank < count]


def _near_the_top(row: IntArray, score: FloatArray, count: int) -> BoolArray:
    """Which reach the `count`-th best score of their row: a cheap sieve before sorting; rows ascend."""
    sizes = np.bincount(row)
    if sizes.max() <= count:
        return np.ones(len(row), np.bool_)
    table = np.full((len(sizes), sizes.max()), -np.inf)
    table[row, np.arange(len(row)) - (np.cumsum(sizes) - sizes)[row]] = score
    threshold = np.partition(table, sizes.max() - count, axis=1)[:, sizes.max() - count]
    return score >= threshold[row]
