"""EASE: a linear autoencoder of items in closed form (Steck, "Embarrassingly Shallow Autoencoders", 2019).

Legend: `B` histories, `N` items, `U` users.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from numpy.typing import NDArray

from steerec.config import Config
from steerec.data.split import Split
from steerec.errors import ConfigError
from steerec.recommend.profile import interaction_matrix, recency_profile
from steerec.recommend.recommender import Arrays, Recommender

MAX_ITEMS = 20_000
"""Largest catalogue for the dense closed form: three float64 (N, N) matrices, 3.2 GB each at this size."""


class EASEConfig(Config):
    """Settings of EASE; the defaults were searched on ml-100k's validation items."""

    regularisation: pydantic.PositiveFloat = 400.0
    """Ridge penalty, in squared weights."""
    profile_decay: float = pydantic.Field(0.9, gt=0, le=1)
    """Weight of an item is this to the power of its age in items; 1 is the published method."""


def ease_weights(
    sequences: Sequence[NDArray[np.integer]], num_items: int, regularisation: float
) -> NDArray[np.float32]:
    """Return the weights B that minimise |X - XB|^2 + regularisation |B|^2 with a zero diagonal.

    With P = (X'X + regularisation I)^-1: B_ij = -P_ij / P_jj off the diagonal (Steck, 2019, eq. 8).

    Args:
        sequences: U arrays of item indices; X (U, N) is binary.
        num_items: N, at most `MAX_ITEMS`.
        regularisation: positive.

    Returns:
        Float32 (N, N); the score of item j is the profile (B, N) times column j.

    Raises:
        ConfigError: the catalogue is too large for a dense inverse.
    """
    if num_items > MAX_ITEMS:
        raise ConfigError(
            f"EASE inverts a dense ({num_items:,}, {num_items:,}) matrix; at most {MAX_ITEMS:,} items fit. "
            'Use "item-knn", or the floor with similarity="cosine".'
        )
    interactions = interaction_matrix(sequences, num_items)
    gram = (interactions.T @ interactions).toarray().astype(np.float64)  # (N, N)
    gram[np.diag_indices(num_items)] += regularisation
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)  # column j divided by -P_jj
    weights[np.diag_indices(num_items)] = 0.0
    return np.asarray(weights, dtype=np.float32)


class EASE(Recommender):
    """EASE with recency-weighted profiles."""

    name = "ease"
    config_type = EASEConfig
    config: EASEConfig
    _weights: NDArray[np.float32]

    def _fit(self, split: Split, folder: Path | None) -> None:
        self._weights = ease_weights(split.train, len(split.catalog), self.config.regularisation)

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        profiles = recency_profile(histories, len(self.catalog), self.config.profile_decay)
        return np.asarray(profiles @ self._weights, dtype=np.float32)

    def _similarity(self, item: int) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._weights[item]
        return row

    def _state(self) -> Arrays:
        return {"weights": self._weights}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        self._weights = state["weights"]
