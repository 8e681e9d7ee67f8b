"""Recommend what most people chose: the row below which nothing has been learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.config import Config
from steerec.data.split import Split
from steerec.recommend.recommender import Arrays, Recommender


class PopularityConfig(Config):
    """Popularity has no settings."""


class Popularity(Recommender):
    """Score every item by the logarithm of its training interactions, whatever the history."""

    name = "popularity"
    config_type = PopularityConfig

    def _fit(self, split: Split, folder: Path | None) -> None:
        """Nothing to learn beyond the counts that every recommender keeps."""

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        return np.tile(self._popularity, (len(histories), 1))

    def _state(self) -> Arrays:
        return {}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        del state, settings
