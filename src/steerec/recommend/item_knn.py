"""Item-based nearest neighbours with cosine similarity (Sarwar et al., 2001; Deshpande and Karypis, 2004).

Legend: `B` histories, `N` items, `U` users.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import scipy.sparse as sp
from numpy.typing import NDArray

from steerec.config import Config
from steerec.data.split import Split
from steerec.recommend.profile import interaction_matrix, recency_profile
from steerec.recommend.recommender import Arrays, Recommender


class ItemKNNConfig(Config):
    """Settings of item-kNN; the defaults were searched on ml-100k's validation items."""

    num_neighbours: pydantic.PositiveInt = 50
    """Neighbours kept for each item."""
    shrinkage: pydantic.NonNegativeFloat = 2.0
    """Added to the denominator of the cosine, in users: damps similarities seen in few users."""
    profile_decay: float = pydantic.Field(0.6, gt=0, le=1)
    """Weight of an item is this to the power of its age in items; 1 is the classical method."""


def cosine_neighbours(
    sequences: Sequence[NDArray[np.integer]], num_items: int, num_neighbours: int, shrinkage: float
) -> sp.csr_matrix:
    """Return each item's nearest neighbours by shrunk cosine: co(i, j) / (sqrt(n_i n_j) + shrinkage).

    co(i, j) is the number of users who have both items, n_i of those who have i.

    Args:
        sequences: U arrays of item indices.
        num_items: N.
        num_neighbours: largest number of entries in a row; ties by lower index.
        shrinkage: in users.

    Returns:
        Sparse float32 (N, N), zero diagonal; row i holds the neighbours of item i.
    """
    interactions = interaction_matrix(sequences, num_items)
    together = (interactions.T @ interactions).tocsr()  # (N, N)
    counts = together.diagonal()
    together.setdiag(0)
    together.eliminate_zeros()
    together.sort_indices()
    rows = np.repeat(np.arange(num_items), np.diff(together.indptr))
    together.data /= np.sqrt(counts[rows] * counts[together.indices]) + shrinkage
    kept = np.zeros(together.nnz, dtype=np.bool_)
    for start, end in zip(together.indptr[:-1], together.indptr[1:], strict=True):
        best = np.argsort(-together.data[start:end], kind="stable")[:num_neighbours]
        kept[start + best] = True
    matrix = sp.csr_matrix(
        (together.data[kept], (rows[kept], together.indices[kept])), shape=(num_items, num_items)
    )
    matrix.sort_indices()
    return matrix.astype(np.float32)


class ItemKNN(Recommender):
    """Sum of the similarities of the history's items to their neighbours, recent items weighing more."""

    name = "item-knn"
    config_type = ItemKNNConfig
    config: ItemKNNConfig
    _similarities: sp.csr_matrix

    def _fit(self, split: Split, folder: Path | None) -> None:
        config = self.config
        self._similarities = cosine_neighbours(
            split.train, len(split.catalog), config.num_neighbours, config.shrinkage
        )

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        profiles = recency_profile(histories, len(self.catalog), self.config.profile_decay)
        return np.asarray((profiles @ self._similarities).toarray(), dtype=np.float32)

    def _similarity(self, item: int) -> NDArray[np.float32]:
        return np.asarray(self._similarities[item].toarray()[0], dtype=np.float32)

    def _state(self) -> Arrays:
        return sparse_state("similarities", self._similarities)

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        self._similarities = sparse_from_state("similarities", state, len(self.catalog))


def sparse_state(name: str, matrix: sp.csr_matrix) -> Arrays:
    """Return a CSR matrix as three named arrays."""
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices.astype(np.int64),
        f"{name}.indptr": matrix.indptr.astype(np.int64),
    }


def sparse_from_state(name: str, state: Arrays, num_items: int) -> sp.csr_matrix:
    """Return the (N, N) matrix whose arrays `sparse_state` named."""
    parts = tuple(state[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sp.csr_matrix(parts, shape=(num_items, num_items))
