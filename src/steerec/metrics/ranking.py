"""Ranks of held-out targets in a full ranking, and the metrics that follow from a rank.

Legend: `B` requests (one held-out target each), `N` items. A rank is 1-based; a miss has rank infinity, so
that every metric below is 0 for it at any cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MISS = np.inf
"""The rank of a target that cannot be hit."""


def history_mask(histories: Sequence[NDArray[np.integer]], num_items: int) -> NDArray[np.bool_]:
    """Return which items each history contains.

    Args:
        histories: B integer arrays of item indices in 0..N-1, any length, empty ones too.
        num_items: N.

    Returns:
        Boolean (B, N).
    """
    mask = np.zeros((len(histories), num_items), dtype=np.bool_)
    for row, history in enumerate(histories):
        mask[row, history] = True
    return mask


def rank_of_targets(
    scores: NDArray[np.floating],
    targets: NDArray[np.integer],
    masked: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the rank of each target among all items that are not masked.

    The rank is 1 + the number of other unmasked items whose score is *not below* the target's: ties count
    against us, so a recommender with constant scores ranks every target last. A NaN is below nothing and
    above nothing, so it counts against us as well.

    Args:
        scores: (B, N), higher is better.
        targets: (B,) item indices in 0..N-1.
        masked: (B, N) items out of the ranking, usually the history; None masks nothing.

    Returns:
        Float64 (B,), 1-based; infinity where the target itself is masked.

    Raises:
        ValueError: shapes do not agree.

    Example:
        >>> scores = np.array([[0.5, 0.9, 0.5, 0.1]])
        >>> rank_of_targets(scores, np.array([2])).tolist()
        [3.0]
        >>> rank_of_targets(scores, np.array([2]), np.array([[True, False, False, False]])).tolist()
        [2.0]
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise ValueError(f"scores must be (B, N) and targets (B,); got {scores.shape} and {targets.shape}.")
    if masked is not None and masked.shape != scores.shape:
        raise ValueError(f"masked must have the shape of scores, {scores.shape}; got {masked.shape}.")
    rows = np.arange(len(targets))
    rival = ~(scores < scores[rows, targets][:, None])  # (B, N)
    if masked is not None:
        rival &= ~masked
    rival[rows, targets] = False
    ranks: NDArray[np.float64] = 1.0 + rival.sum(axis=1)  # (B,)
    if masked is not None:
        ranks[masked[rows, targets]] = MISS
    return ranks


def hit_rate(ranks: NDArray[np.floating], k: int = 10) -> NDArray[np.float64]:
    """Return 1 where the rank is at most k, else 0; with one target per request this is also recall@k.

    Args:
        ranks: (B,), 1-based; infinity for a miss.
        k: cutoff, at least 1.

    Returns:
        Float64 (B,), one value per request; its mean is the metric.

    Example:
        >>> hit_rate(np.array([1.0, 3.0, np.inf]), k=2).tolist()
        [1.0, 0.0, 0.0]
    """
    return _at(ranks, k).astype(np.float64)


def ndcg(ranks: NDArray[np.floating], k: int = 10) -> NDArray[np.float64]:
    """Return NDCG with one relevant item: 1 / log2(rank + 1) within k, else 0.

    The ideal list has the target first, so the normaliser is 1 (Järvelin and Kekäläinen, 2002, binary gain).

    Args:
        ranks: (B,), 1-based; infinity for a miss.
        k: cutoff, at least 1.

    Returns:
        Float64 (B,), one value per request; its mean is the metric.

    Example:
        >>> ndcg(np.array([1.0, 3.0, 11.0]), k=10).tolist()
        [1.0, 0.5, 0.0]
    """
    return np.where(_at(ranks, k), 1.0 / np.log2(ranks + 1.0), 0.0)


def mrr(ranks: NDArray[np.floating], k: int = 10) -> NDArray[np.float64]:
    """Return the reciprocal rank, 1 / rank within k, else 0 (Voorhees, 1999).

    Args:
        ranks: (B,), 1-based; infinity for a miss.
        k: cutoff, at least 1.

    Returns:
        Float64 (B,), one value per request; its mean is the metric.

    Example:
        >>> mrr(np.array([2.0, 4.0]), k=3).tolist()
        [0.5, 0.0]
    """
    return np.where(_at(ranks, k), 1.0 / ranks, 0.0)


def _at(ranks: NDArray[np.floating], k: int) -> NDArray[np.bool_]:
    if k < 1:
        raise ValueError(f"The cutoff k must be at least 1, got {k}.")
    ranks = np.asarray(ranks, dtype=np.float64)
    if not np.all(ranks >= 1.0):
        raise ValueError("Ranks are 1-based: every rank must be at least 1 (infinity for a miss).")
    return ranks <= k
