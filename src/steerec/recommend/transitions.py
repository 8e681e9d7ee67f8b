"""Decayed item-to-item transitions: a first-order Markov chain with a fading window.

Legend: `N` items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def transition_counts(
    sequences: Sequence[NDArray[np.integer]], num_items: int, *, window: int, decay: float
) -> sp.csr_matrix:
    """Count how often item j follows item i, a step of lag d weighing decay ** (d - 1).

    Args:
        sequences: arrays of item indices, oldest first.
        num_items: N.
        window: largest lag, in items.
        decay: in (0, 1].

    Returns:
        Sparse float32 (N, N), entry (i, j): i before j.

    Example:
        >>> sequence = np.array([0, 1, 2])
        >>> transition_counts([sequence], 3, window=2, decay=0.5).toarray().tolist()
        [[0.0, 1.0, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    counts = sp.csr_matrix((num_items, num_items), dtype=np.float64)
    for lag in range(1, window + 1):
        longer = [sequence for sequence in sequences if len(sequence) > lag]
        if not longer:
            break
        before = np.concatenate([sequence[:-lag] for sequence in longer])
        after = np.concatenate([sequence[lag:] for sequence in longer])
        weight = np.full(len(before), decay ** (lag - 1))
        counts += sp.csr_matrix((weight, (before, after)), shape=(num_items, num_items))
    counts.sort_indices()
    return counts.astype(np.float32)


def normalised_transitions(
    counts: sp.csr_matrix, *, shrinkage: float, popularity_power: float
) -> sp.csr_matrix:
    """Return counts(i, j) / (out(i) + shrinkage) / (in(j) + shrinkage) ** popularity_power.

    out and in are row and column sums. Power 0 is a shrunk conditional probability of the next item, power
    1 a shrunk lift, which forgets how popular j is.

    Args:
        counts: (N, N) of `transition_counts`.
        shrinkage: positive, in (decayed) transitions.
        popularity_power: in [0, 1].

    Returns:
        Sparse float32 (N, N).
    """
    leaving = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel() + shrinkage
    arriving = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() + shrinkage
    scaled = sp.diags(1.0 / leaving) @ counts @ sp.diags(arriving**-popularity_power)
    return sp.csr_matrix(scaled).astype(np.float32)
