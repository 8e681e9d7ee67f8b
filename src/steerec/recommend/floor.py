"""The training-free floor: recency-weighted co-occurrence plus decayed item transitions.

No gradient, no epoch: a closed form and counts, settings chosen on validation over a small declared grid. A
trained model that does not beat it is no teacher. The two parts are standardised per user and added, as in
hybrids of neighbourhood and sequence models (Ludewig and Jannach, 2018, compare such baselines).

Legend: `B` histories, `N` items.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import scipy.sparse as sp
from numpy.typing import NDArray

from steerec.config import Config
from steerec.data.split import Split
from steerec.recommend.ease import ease_weights
from steerec.recommend.item_knn import cosine_neighbours, sparse_from_state, sparse_state
from steerec.recommend.profile import recency_profile, standardise
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.transitions import normalised_transitions, transition_counts
from steerec.recommend.validation import Validation

Values = tuple[float, ...]

AUTO_MAX_ITEMS = 6_000
"""Largest catalogue for which `similarity="auto"` takes EASE rather than cosine neighbours."""


class FloorConfig(Config):
    """Settings of the floor; a tuple is a grid, its best value is chosen on validation ndcg@10."""

    similarity: Literal["auto", "ease", "cosine"] = "auto"
    """Co-occurrence part: EASE, cosine neighbours, or EASE for catalogues of up to 6,000 items."""
    regularisations: Values = (200.0, 400.0, 800.0)
    """EASE's ridge penalties to try."""
    num_neighbours: pydantic.PositiveInt = 200
    """Neighbours kept for each item, cosine only."""
    shrinkages: Values = (10.0,)
    """Cosine's shrinkages to try, in users."""
    profile_decays: Values = (0.9, 0.95)
    """Recency decays of the co-occurrence part to try, per item."""
    window: pydantic.PositiveInt = 20
    """Largest lag of a transition, in items."""
    lag_decay: float = pydantic.Field(0.9, gt=0, le=1)
    """Weight of a transition is this to the power of its lag - 1."""
    transition_shrinkage: pydantic.PositiveFloat = 10.0
    """Added to the row and column sums of the transitions."""
    popularity_powers: Values = (0.25, 0.5)
    """Powers of the popularity discount of transitions to try."""
    transition_decays: Values = (0.7, 0.8)
    """Recency decays of the transition part to try, per item."""
    transition_weights: Values = (0.5, 1.0)
    """Weights of the transition part to try; the co-occurrence part weighs 1."""
    max_points: pydantic.PositiveInt = 2000
    """Validation points used for the choice; a random part when there are more."""


class FloorSettings(NamedTuple):
    """One point of the grid."""

    strength: float
    """EASE's regularisation or the cosine's shrinkage."""
    profile_decay: float
    popularity_power: float
    transition_decay: float
    transition_weight: float


class Floor(Recommender):
    """Standardised co-occurrence scores plus weighted standardised transition scores."""

    name = "floor"
    config_type = FloorConfig
    config: FloorConfig
    _chosen: FloorSettings
    _similarities: sp.csr_matrix | NDArray[np.float32]
    _transitions: sp.csr_matrix

    @property
    def settings(self) -> dict[str, Any]:
        """The grid point that was chosen."""
        return dict(self._chosen._asdict())

    def _fit(self, split: Split, folder: Path | None) -> None:
        sequences, num_items, config = split.train, len(split.catalog), self.config
        dense = self._is_dense(num_items)
        strengths = config.regularisations if dense else config.shrinkages
        similarities = {
            strength: ease_weights(sequences, num_items, strength)
            if dense
            else cosine_neighbours(sequences, num_items, config.num_neighbours, strength)
            for strength in strengths
        }
        counts = transition_counts(sequences, num_items, window=config.window, decay=config.lag_decay)
        transitions = {
            power: normalised_transitions(
                counts, shrinkage=config.transition_shrinkage, popularity_power=power
            )
            for power in config.popularity_powers
        }
        validation = Validation.of(split, limit=config.max_points)
        self._chosen = self._choose(strengths, similarities, transitions, validation)
        self._similarities = similarities[self._chosen.strength]
        self._transitions = transitions[self._chosen.popularity_power]

    def _is_dense(self, num_items: int) -> bool:
        if self.config.similarity == "auto":
            return num_items <= AUTO_MAX_ITEMS
        return self.config.similarity == "ease"

    def _choose(
        self,
        strengths: Values,
        similarities: dict[float, Any],
        transitions: dict[float, Any],
        validation: Validation,
    ) -> FloorSettings:
        """Return the best grid point; the first one when there is nothing to choose on; ties to the first."""
        config = self.config
        best = FloorSettings(
            strengths[0],
            config.profile_decays[0],
            config.popularity_powers[0],
            config.transition_decays[0],
            config.transition_weights[0],
        )
        if not validation:
            return best
        best_value = -1.0
        for settings, scores in self._grid(strengths, similarities, transitions, validation):
            value = validation.metrics(scores)["ndcg@10"]
            if value > best_value:
                best, best_value = settings, value
        return best

    def _grid(
        self,
        strengths: Values,
        similarities: dict[float, Any],
        transitions: dict[float, Any],
        validation: Validation,
    ) -> Iterator[tuple[FloorSettings, NDArray[np.float32]]]:
        config = self.config
        right = {
            (power, decay): self._part(validation.histories, transitions[power], decay)
            for power, decay in itertools.product(config.popularity_powers, config.transition_decays)
        }
        for strength, profile_decay in itertools.product(strengths, config.profile_decays):
            left = self._part(validation.histories, similarities[strength], profile_decay)
            for (power, decay), part in right.items():
                for weight in config.transition_weights:
                    yield FloorSettings(strength, profile_decay, power, decay, weight), left + weight * part

    def _part(
        self, histories: list[NDArray[np.int64]], matrix: sp.csr_matrix | NDArray[np.float32], decay: float
    ) -> NDArray[np.float32]:
        """Return standardised scores (B, N) of one part."""
        product = recency_profile(histories, matrix.shape[0], decay) @ matrix
        return standardise(product.toarray() if sp.issparse(product) else product)

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        chosen = self._chosen
        scores = self._part(histories, self._similarities, chosen.profile_decay)
        scores += np.float32(chosen.transition_weight) * self._part(
            histories, self._transitions, chosen.transition_decay
        )
        return scores

    def _state(self) -> Arrays:
        similarities = (
            sparse_state("similarities", self._similarities)
            if sp.issparse(self._similarities)
            else {"similarities": self._similarities}
        )
        return similarities | sparse_state("transitions", self._transitions)

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        num_items = len(self.catalog)
        self._chosen = FloorSettings(**settings)
        self._similarities = (
            state["similarities"]
            if "similarities" in state
            else sparse_from_state("similarities", state, num_items)
        )
        self._transitions = sparse_from_state("transitions", state, num_items)
