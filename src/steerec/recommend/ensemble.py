"""A weighted sum of recommenders, weights chosen on validation over a declared grid.

Legend: `B` histories, `N` items.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pydantic
from numpy.typing import NDArray
from scipy.special import log_softmax

from steerec.config import Config
from steerec.data.split import Split
from steerec.metrics.ranking import history_mask
from steerec.recommend.profile import standardise
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.validation import Validation

_MEMBERS = "members"


class EnsembleConfig(Config):
    """How members are combined."""

    members: tuple[str, ...] = ("floor", "sequence")
    """Names in `RECOMMENDERS`, fitted with their defaults; unused where fitted members are given."""
    normalise: Literal["standardise", "log_softmax"] = "standardise"
    """What makes a user's scores comparable: mean 0 and deviation 1 over what is new to the user, or
    log-probabilities."""
    parts: pydantic.PositiveInt = 5
    """The grid: all weights that are multiples of 1/parts and sum to 1."""
    max_points: pydantic.PositiveInt = 5000
    """Validation points used for the choice; a random part when there are more."""


class Ensemble(Recommender):
    """Weighted sum of the members' normalised scores; a member of weight 0 is not asked.

    Args:
        config: how members are combined.
        members: recommenders, fitted or not; None builds those that the configuration names.
    """

    name = "ensemble"
    config_type = EnsembleConfig
    config: EnsembleConfig

    def __init__(
        self, config: EnsembleConfig | None = None, members: Sequence[Recommender] | None = None
    ) -> None:
        super().__init__(config)
        self._members: list[Recommender] | None = None if members is None else list(members)
        self._weights = np.zeros(0, dtype=np.float64)

    def unfitted(self) -> Self:
        """Return an ensemble of the same members, none of which has learned anything."""
        members = None if self._members is None else [member.unfitted() for member in self._members]
        return type(self)(self.config, members)

    @property
    def settings(self) -> dict[str, Any]:
        """The weight of each member, in order."""
        weights = zip(self._members or [], self._weights, strict=True)
        return {f"{place}-{member.name}": float(weight) for place, (member, weight) in enumerate(weights)}

    def _fit(self, split: Split, folder: Path | None) -> None:
        if self._members is None:
            self._members = self._named()
        for place, member in enumerate(self._members):
            if not member.is_fitted:
                member.fit(split, self._place(folder, place, member))
        validation = Validation.of(split, limit=self.config.max_points)
        num_members = len(self._members)
        self._weights = np.full(num_members, 1.0 / num_members)
        if validation:
            asked = validation.histories, validation.times
            parts = [self._normalised(member, *asked) for member in self._members]
            self._weights = self._choose(parts, validation)

    def fit_partial(self, split: Split, *, since: int | None = None, folder: Path | None = None) -> Self:
        """Let every member learn from a longer log and choose the weights again, see `Recommender`."""
        if self._members is None:
            self._members = self._named()
        for place, member in enumerate(self._members):
            member.fit_partial(split, since=since, folder=self._place(folder, place, member))
        return self.fit(split, folder)

    @staticmethod
    def _place(folder: Path | None, place: int, member: Recommender) -> Path | None:
        return None if folder is None else folder / f"{place}-{member.name}"

    def _named(self) -> list[Recommender]:
        from steerec.recommend.table import recommender_class

        return [recommender_class(name)() for name in self.config.members]

    def _choose(self, parts: list[NDArray[np.float32]], validation: Validation) -> NDArray[np.float64]:
        """Return the weights with the best validation ndcg@10; ties go to the most even ones."""
        grid = sorted(
            weight_grid(len(parts), self.config.parts), key=lambda weights: float(weights @ weights)
        )
        values = [validation.metrics(_combine(parts, weights))["ndcg@10"] for weights in grid]
        return grid[int(np.argmax(values))]

    def _normalised(
        self,
        member: Recommender,
        histories: list[NDArray[np.int64]],
        times: list[NDArray[np.int64]] | None,
    ) -> NDArray[np.float32]:
        scores = member.scores(histories, times)  # (B, N)
        if self.config.normalise == "standardise":
            # Members score what someone has seen on scales of their own, far from everything else.
            return standardise(scores, history_mask(histories, scores.shape[1]))
        return np.asarray(log_softmax(scores, axis=1), dtype=np.float32)

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        return self._scores_at(histories, None)

    def _scores_at(
        self, histories: list[NDArray[np.int64]], times: list[NDArray[np.int64]] | None
    ) -> NDArray[np.float32]:
        assert self._members is not None
        asked = [place for place, weight in enumerate(self._weights) if weight > 0]
        parts = [self._normalised(self._members[place], histories, times) for place in asked]
        return _combine(parts, self._weights[asked])

    def _state(self) -> Arrays:
        return {"weights": self._weights}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        self._weights = state["weights"]

    def _save(self, folder: Path) -> None:
        super()._save(folder)
        for name, member in zip(self.settings, self._members or [], strict=True):
            member._save(folder / _MEMBERS / name)

    def _load(self, folder: Path, state: Arrays, settings: dict[str, Any]) -> None:
        from steerec.recommend.table import load_recommender

        names = sorted(settings, key=lambda name: int(name.partition("-")[0]))
        self._members = [load_recommender(folder / _MEMBERS / name, self.catalog) for name in names]
        self._restore(state, settings)


def weight_grid(num_members: int, parts: int) -> Iterator[NDArray[np.float64]]:
    """Yield all weights (num_members,) that are multiples of 1/parts and sum to 1.

    Example:
        >>> [weights.tolist() for weights in weight_grid(2, 2)]
        [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    for counts in itertools.product(range(parts + 1), repeat=num_members):
        if sum(counts) == parts:
            yield np.array(counts) / parts


def _combine(parts: list[NDArray[np.float32]], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the weighted sum (B, N), added up in member order."""
    total = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        total += np.float32(weight) * part
    return total
