"""Token chains tried side by side after a settled prefix: one forward pass for all rows and all beams.

Legend: B rows, V vocabulary, H chains of a push, T columns of a push, W columns of earlier pushes,
F positions that logits are known for, P tokens of a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from steerec.decode.cache import RaggedCache

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

ROOT = -1
"""The chain that every first chain continues: the prefix itself."""


class Pushed(NamedTuple):
    """What a push says about each of its H chains."""

    chain: IntArray
    """(H,) numbers under which later chains can continue them."""
    source: IntArray
    """(H,) position whose logits follow the chain's last pushed token."""
    log_probs: FloatArray
    """(H,) log-probability of each chain's tokens after the first."""


class Logits:
    """Next-token log-probabilities at F positions, normalised over the full vocabulary."""

    def __init__(self, logits: torch.Tensor) -> None:
        """Take (F, V) logits."""
        self._logits = logits
        self._normaliser = torch.logsumexp(logits, dim=-1)  # (F,)

    def log_probs(self, source: IntArray, tokens: IntArray) -> FloatArray:
        """Return float64 log-probabilities of tokens at positions; both of one shape."""
        at = torch.as_tensor(source, device=self._logits.device)
        values = self._logits[at, torch.as_tensor(tokens, device=self._logits.device)] - self._normaliser[at]
        return values.double().cpu().numpy()


class Branches:
    """The chains tried for one item of every row; `settle` keeps one per row."""

    def __init__(self, cache: RaggedCache) -> None:
        """Start from a settled cache, whose logits predict the first token of a chain."""
        self._cache = cache
        self._paths: list[IntArray] = []  # columns after the prefix, from the first token to the chain's end
        self._width = 0
        self.root = Logits(cache.logits)  # position b is row b
        self.logits = self.root
        """Logits of the last push (before any: of the prefix), addressed by `Pushed.source`."""

    def push(self, rows: IntArray, parents: IntArray, tokens: Sequence[IntArray], cut: BoolArray) -> Pushed:
        """Score chains in one forward pass, ragged over rows and chains.

        Args:
            rows: (H,) row of each chain.
            parents: (H,) chain that it continues, or ROOT.
            tokens: H token sequences; the first token's log-probability is known from the parent.
            cut: (H,) whether the last token is scored only, not put in the cache (nothing follows it yet).

        Returns:
            Chain numbers, positions and the log-probabilities of all tokens but the first.
        """
        lengths = np.array([len(chain) for chain in tokens], np.int64) - cut  # pushed tokens
        assert (lengths > 0).all(), "a chain without tokens to push is already scored"
        starts, width = _layout(rows, lengths, len(self._cache.valid))
        logits = self._forward(rows, parents, tokens, lengths, starts, width)
        source = rows * width + starts  # position of each chain's first token
        self.logits = Logits(logits.flatten(0, 1))
        chain = np.repeat(np.arange(len(rows)), [len(sequence) - 1 for sequence in tokens])
        following = np.concatenate([sequence[1:] for sequence in tokens])
        step = np.concatenate([np.arange(len(sequence) - 1) for sequence in tokens])
        scores = self.logits.log_probs(source[chain] + step, following)
        total = np.bincount(chain, weights=scores, minlength=len(rows)).astype(np.float64)
        numbers = np.arange(len(self._paths) - len(rows), len(self._paths))
        return Pushed(numbers, source + lengths - 1, total)

    def settle(self, chains: IntArray) -> None:
        """Keep (B,) chains, one per row, in the cache; ROOT keeps the prefix alone."""
        if not self._width:
            return
        paths = [self._path(chain) for chain in chains]
        longest = max(map(len, paths))
        columns = np.zeros((len(paths), longest), np.int64)
        kept = np.zeros((len(paths), longest), np.bool_)
        for row, path in enumerate(paths):
            columns[row, : len(path)] = path
            kept[row, : len(path)] = True
        self._cache.settle(columns, kept)

    def _path(self, chain: int) -> IntArray:
        return np.zeros(0, np.int64) if chain == ROOT else self._paths[chain]

    def _forward(
        self,
        rows: IntArray,
        parents: IntArray,
        tokens: Sequence[IntArray],
        lengths: IntArray,
        starts: IntArray,
        width: int,
    ) -> torch.Tensor:
        batch = len(self._cache.valid)
        new = np.full((batch, width), self._cache.pad_id, np.int64)
        depth = np.zeros((batch, width), np.int64)
        visible = np.zeros((batch, width, self._width + width), np.bool_)
        for row, parent, sequence, length, start in zip(rows, parents, tokens, lengths, starts, strict=True):
            above, end = self._path(parent), start + length
            columns = self._width + np.arange(start, end)
            new[row, start:end] = sequence[:length]
            depth[row, start:end] = len(above) + np.arange(length)
            visible[row, start:end, above] = True
            visible[row, start:end, columns[0] : columns[-1] + 1] = np.tri(length, dtype=np.bool_)
            self._paths.append(np.concatenate([above, columns]))
        self._width += width
        return self._cache.branch(new, visible, depth)


def _layout(rows: IntArray, lengths: IntArray, batch: int) -> tuple[IntArray, int]:
    """Put the chains of each row one after the other: (H,) first columns, and the width of the widest row."""
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(lengths[order])
    totals = np.bincount(rows, weights=lengths, minlength=batch).astype(np.int64)
    before = np.cumsum(totals) - totals
    starts = np.empty_like(lengths)
    starts[order] = ends - lengths[order] - before[rows[order]]
    return starts, int(totals.max())
