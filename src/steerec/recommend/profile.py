"""User profiles with recency weights, and scores made comparable across recommenders.

Legend: `B` histories, `L` items of a history, `N` items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def interaction_matrix(sequences: Sequence[NDArray[np.integer]], num_items: int) -> sp.csr_matrix:
    """Return the binary float32 matrix (U, N) of who interacted with what; repeats count once."""
    return recency_profile(sequences, num_items, decay=1.0)


def recency_profile(histories: Sequence[NDArray[np.integer]], num_items: int, decay: float) -> sp.csr_matrix:
    """Weight each item of a history by decay ** (number of items after it).

    An item that occurs several times keeps the weight of its latest occurrence.

    Args:
        histories: B arrays of item indices, oldest first.
        num_items: N.
        decay: in (0, 1]; 1 weights all items alike.

    Returns:
        Sparse float32 (B, N), rows with sorted indices.

    Example:
        >>> recency_profile([np.array([2, 0])], 3, decay=0.5).toarray().tolist()
        [[1.0, 0.0, 0.5]]
    """
    columns, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    lengths = [0]
    for history in histories:
        items, latest = np.unique(np.asarray(history)[::-1], return_index=True)  # sorted; age of the latest
        columns.append(items.astype(np.int64))
        weights.append(np.power(decay, latest, dtype=np.float64).astype(np.float32))
        lengths.append(len(items))
    indptr = np.cumsum(lengths)
    return sp.csr_matrix(
        (np.concatenate(weights), np.concatenate(columns), indptr), shape=(len(histories), num_items)
    )


def standardise(scores: NDArray[np.floating], apart: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Return scores with mean 0 and standard deviation 1 in each row; constant rows become 0.

    Args:
        scores: (B, N).
        apart: (B, N) bool, items that do not count for mean and deviation; None: all do. A row where none
            would is measured over all of its items.
    """
    counted: Any = True
    if apart is not None:
        counted = ~apart | apart.all(axis=1, keepdims=True)
    centred = scores - scores.mean(axis=1, keepdims=True, where=counted)
    spread = np.sqrt(np.square(centred).mean(axis=1, keepdims=True, where=counted))
    scaled: NDArray[np.float32] = (centred / np.where(spread > 0, spread, 1)).astype(np.float32)
    return scaled
