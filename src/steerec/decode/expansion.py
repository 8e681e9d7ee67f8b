"""Nodes of the trie under trial: their children, their edges, their spellings, and what they are worth.

Legend: B rows, N items, L leaves, H hypotheses (a node of the trie, reached in one row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.decode.branch import ROOT, Branches
from steerec.decode.cache import RaggedCache
from steerec.decode.potential import interval_maximum, log_mean_exp
from steerec.decode.window import LeafRanks
from steerec.items.trie import IntervalTrie

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Hypotheses:
    """Nodes of the trie, each reached in one row: columns of one length H."""

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
        """(H,) log-probability so far plus teacher term."""
        return self.joint + self.term

    def take(self, index: IntArray | BoolArray) -> Hypotheses:
        """Return some of them."""
        return Hypotheses(**{name: values[index] for name, values in vars(self).items()})

    def join(self, other: Hypotheses) -> Hypotheses:
        """Return both, these first."""
        mine = vars(self).items()
        return Hypotheses(**{name: np.concatenate([values, vars(other)[name]]) for name, values in mine})


class Found(NamedTuple):
    """Items found in B rows, by row, then item; the spellings of each summed."""

    row: IntArray
    """(I,)."""
    item: IntArray
    """(I,)."""
    log_prob: FloatArray
    """(I,) raw log-probability over the spellings that were scored."""
    score: FloatArray
    """(I,) log-probability plus the item's addition."""
    hypothesis: IntArray
    """(I,) which hypothesis is its likeliest spelling."""


class Expansion:
    """What searches share: they differ in which nodes they expand, and when they stop."""

    def __init__(
        self, trie: IntervalTrie, cache: RaggedCache, admissible: BoolArray, additions: FloatArray | None
    ) -> None:
        """Prepare a batch.

        Args:
            trie: prefix-free spellings.
            cache: settled; its logits predict the first token of an item.
            admissible: (B, N) items that may come next, at least one in every row.
            additions: (B, N) nats added to each item's log-probability (finite), or None for none.
        """
        assert trie.is_prefix_free
        assert admissible.any(axis=1).all(), "a row has no admissible item: its problem is infeasible"
        self.num_rows = len(admissible)
        self.has_one_spelling_each = trie.num_leaves == trie.num_items
        self._trie, self._additions = trie, additions
        self._window = LeafRanks(trie, admissible)
        self._branches = Branches(cache)
        self._terms, self.root_term = None, np.zeros(self.num_rows)
        if additions is not None:
            self._terms, self.root_term = _leaf_terms(trie, admissible, additions)

    def root(self) -> Hypotheses:
        """Return the root of every row."""
        row, zero = np.arange(self.num_rows), np.zeros(self.num_rows)
        return Hypotheses(
            row=row, node=0 * row, joint=zero, term=zero, chain=np.full_like(row, ROOT), source=row
        )

    def children(self, parents: Hypotheses) -> Hypotheses:
        """Return all admissible children, by parent, with the first token of their edge scored.

        Args:
            parents: inner nodes whose edges were scored by the last push (or roots before any).
        """
        trie = self._trie
        owner, node = self._window.children(parents.row, parents.node)
        row = parents.row[owner]
        gained = self._branches.logits.log_probs(parents.source[owner], trie.first_token[node])
        return Hypotheses(
            row=row,
            node=node,
            joint=parents.joint[owner] + gained,
            term=self._term(row, node),
            chain=parents.chain[owner],
            source=parents.source[owner],
        )

    def is_scored(self, grown: Hypotheses) -> BoolArray:
        """(H,) whether children are complete spellings already: leaves behind edges of one token."""
        trie = self._trie
        one_token = trie.stop[grown.node] - trie.start[grown.node] == 1
        scored: BoolArray = trie.is_leaf[grown.node] & one_token
        return scored

    def score_edges(self, grown: Hypotheses) -> Hypotheses:
        """Score the rest of the edges that lead to these nodes, in one forward pass."""
        trie = self._trie
        low, start, stop = (values[grown.node] for values in (trie.low, trie.start, trie.stop))
        edges = [trie.tokens[i, a:b] for i, a, b in zip(low, start, stop, strict=True)]
        pushed = self._branches.push(grown.row, grown.chain, edges, trie.is_leaf[grown.node])
        return Hypotheses(
            row=grown.row,
            node=grown.node,
            joint=grown.joint + pushed.log_probs,
            term=grown.term,
            chain=pushed.chain,
            source=pushed.source,
        )

    def bound(self, grown: Hypotheses) -> FloatArray:
        """(H,) what a spelling below would score at most, were all its remaining tokens certain."""
        if self._terms is None:
            return grown.joint
        low, high = self._trie.low[grown.node], self._trie.high[grown.node]
        return grown.joint + interval_maximum(self._terms, grown.row, low, high)

    def missing_spellings(self, done: Hypotheses) -> Hypotheses:
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
        return Hypotheses(row=row, node=node, joint=joint, term=term, chain=chain, source=0 * row)

    def by_item(self, done: Hypotheses) -> Found:
        """Sum the spellings of each item and add its addition once; `done` are leaves."""
        trie = self._trie
        leaf = trie.low[done.node]
        item = trie.items[leaf]
        likeliest = np.lexsort((leaf, -done.joint, item, done.row))
        row, item, joint = done.row[likeliest], item[likeliest], done.joint[likeliest]
        if not len(row):
            return Found(row, item, joint, joint, likeliest)
        begins = np.flatnonzero(np.append(True, (row[1:] != row[:-1]) | (item[1:] != item[:-1])))
        log_probs = np.logaddexp.reduceat(joint, begins)
        row, item = row[begins], item[begins]
        scores = log_probs if self._additions is None else log_probs + self._additions[row, item]
        return Found(row, item, log_probs, scores, likeliest[begins])

    def settle(self, chains: IntArray) -> None:
        """Keep the chains (B,), one per row, in the cache: all tokens of a spelling but the last."""
        self._branches.settle(chains)

    def _term(self, row: IntArray, node: IntArray) -> FloatArray:
        if self._terms is None:
            return np.zeros(len(row))
        return log_mean_exp(self._terms, row, self._trie.low[node], self._trie.high[node])


def _leaf_terms(
    trie: IntervalTrie, admissible: BoolArray, additions: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(B, L) additions of admissible leaves less the root's log-mean-exp, else -inf; and the root's (B,)."""
    terms = np.where(admissible, additions, -np.inf)[:, trie.items]
    rows = np.arange(len(terms))
    root = log_mean_exp(terms, rows, np.zeros_like(rows), np.full_like(rows, trie.num_leaves))
    return terms - root[:, None], root


def best_per_row(row: IntArray, score: FloatArray, item: IntArray, count: int) -> IntArray:
    """Indices of the best `count` of each row, by row, best first; ties go to the lower item."""
    order = np.lexsort((item, -score, row))
    ordered = row[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return order[rank < count]
