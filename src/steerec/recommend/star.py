"""STAR's training-free score: what is said of items and who takes them together, weighed by recency.

score(x) = 1/n sum_j decay^(age of j) [a sem(x, j) + (1 - a) co(x, j)] over the n last items of the history,
with sem the cosine of text vectors and co that of the users of two items (Lee et al. 2024, arXiv 2410.16458,
equation 3). The language model that reorders the best few in the paper is not part of it.

Legend: B histories, N items, E width of text vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic
import scipy.sparse as sp
from numpy.typing import NDArray

from steerec.config import Config
from steerec.data.split import Split
from steerec.items.vectors import text_vectors_installed
from steerec.recommend.item_knn import cosine_neighbours, sparse_from_state, sparse_state
from steerec.recommend.profile import recency_profile
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.sequences.text import text_table
from steerec.recommend.validation import Validation


class StarConfig(Config):
    """Settings of STAR; the paper's where nothing else is said."""

    shares: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
    """a, what the text weighs: the grid from which validation chooses."""
    decay: float = pydantic.Field(0.7, gt=0, le=1)
    """Weight of an item is this to the power of its age in items."""
    recent: pydantic.PositiveInt = 3
    """Items of the history that count, the last ones."""
    encoder: Literal["auto", "minilm", "words"] = "auto"
    """Text vectors: MiniLM's, those of shared words, or MiniLM's where it is installed."""
    max_points: pydantic.PositiveInt = 5000
    """Validation points used for the choice; a random part when there are more."""


class Star(Recommender):
    """Text and co-occurrence of the last items, with nothing learned but the share of each."""

    name = "star"
    config_type = StarConfig
    config: StarConfig
    _text: NDArray[np.float32]
    _together: sp.csr_matrix

    def _fit(self, split: Split, folder: Path | None) -> None:
        num_items = len(split.catalog)
        installed: Literal["minilm", "words"] = "minilm" if text_vectors_installed() else "words"
        encoder = installed if self.config.encoder == "auto" else self.config.encoder
        table = text_table(split.catalog, encoder)
        length = np.linalg.norm(table, axis=1, keepdims=True)
        self._text = np.asarray(table / np.where(length > 0, length, 1.0), np.float32)  # (N, E)
        self._together = cosine_neighbours(split.train, num_items, num_items, 0.0)
        self._share = self.config.shares[len(self.config.shares) // 2]
        validation = Validation.of(split, limit=self.config.max_points)
        if validation:
            self._share = max(self.config.shares, key=lambda share: self._value(share, validation))

    def _value(self, share: float, validation: Validation) -> float:
        self._share = share
        return validation.of_scorer(self._scores_at)["ndcg@10"]

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        recent = [history[-self.config.recent :] for history in histories]
        profiles = recency_profile(recent, len(self.catalog), self.config.decay)  # (B, N)
        lengths = np.array([len(one) for one in recent], np.float32)[:, None]
        said = (profiles @ self._text) @ self._text.T
        together = np.asarray((profiles @ self._together).toarray())
        scores = self._share * said + (1.0 - self._share) * together
        return np.asarray(scores / lengths, dtype=np.float32)

    @property
    def settings(self) -> dict[str, Any]:
        """The share of the text."""
        return {"share": self._share}

    def _state(self) -> Arrays:
        return {"text": self._text, **sparse_state("together", self._together)}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        self._share = settings["share"]
        self._text = state["text"]
        self._together = sparse_from_state("together", state, len(self.catalog))
