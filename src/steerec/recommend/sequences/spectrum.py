"""Item embeddings from the spectrum of the training transitions: a warm start that costs seconds.

Factorising shifted pointwise mutual information is what skip-gram does implicitly (Levy and Goldberg, 2014);
starting there saves a sequence model most of its epochs on small data.

Legend: `N` items, `D` width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from steerec.recommend.transitions import transition_counts
from steerec.seeding import numpy_rng

_WINDOW, _DECAY, _SHRINKAGE = 10, 0.9, 10.0


def spectral_embeddings(
    sequences: Sequence[NDArray[np.integer]], num_items: int, width: int
) -> NDArray[np.float32]:
    """Return U sqrt(S) of the first `width` singular triples of log(1 + lift), scaled to unit deviation.

    lift(i, j) = C(i, j) * sum(R) / (R(i) R(j)), where C counts decayed transitions both ways and R are its
    row sums plus a shrinkage.

    Args:
        sequences: arrays of item indices, oldest first.
        num_items: N.
        width: D; where N is not above it the missing columns are zero.

    Returns:
        Float32 (N, D), zero rows for items never seen, or for all where nobody went from one item to
        another. Signs are fixed, so the result is deterministic.
    """
    counts = transition_counts(sequences, num_items, window=_WINDOW, decay=_DECAY).astype(np.float64)
    both = (counts + counts.T).tocoo()
    mass = np.asarray(both.sum(axis=1)).ravel() + _SHRINKAGE  # (N,)
    both.data = np.log1p(both.data * mass.sum() / (mass[both.row] * mass[both.col]))
    rank = min(width, num_items - 1)
    if rank < 1 or not both.nnz:
        return np.zeros((num_items, width), np.float32)
    start = numpy_rng(0, "spectrum").standard_normal(num_items)
    left, strength, _ = svds(both.tocsr(), k=rank, v0=start)  # strengths ascend
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(rank)])
    embeddings = np.zeros((num_items, width))
    embeddings[:, :rank] = (left * np.where(signs == 0, 1, signs) * np.sqrt(strength))[:, ::-1]
    spread = float(embeddings.std())
    return (embeddings / (spread if spread > 0 else 1.0)).astype(np.float32)
