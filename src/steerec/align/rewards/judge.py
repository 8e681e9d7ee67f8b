"""Judges of sampled lists for reinforcement learning: the rewards of a configuration, against one teacher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.align.credit import Judged
from steerec.align.distillation import Teaching
from steerec.align.rewards.own import References, RewardConfig, label_matrix, reward_lists
from steerec.align.rollouts import Ask, Rollout


class ListJudge:
    """Says what each sampled list is worth under its own request."""

    def __init__(self, config: RewardConfig, teaching: Teaching) -> None:
        """Prepare.

        Args:
            config: weights of the parts.
            teaching: the teacher that regret is measured by, and the catalogue.
        """
        self.config, self.teaching = config, teaching
        self._references = References()
        self._labels = label_matrix(teaching.catalog, config.diversity_column) if config.diversity else None

    def __call__(self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        """Return what the lists sampled for each ask are worth."""
        found = []
        for ask, group, scores in zip(asks, groups, self._scores(asks), strict=True):
            reference = self._references.of(
                ask.problem, history=ask.history, target=ask.target, scores=scores
            )
            lists = [rollout.items for rollout in group]
            rewards = reward_lists(
                lists, ask.problem, reference, self.config, scores=scores, labels=self._labels
            )
            found.append(
                [
                    Judged(
                        items=rewards.places[row, : len(items)],
                        whole=float(rewards.whole[row]),
                        parts={name: float(values[row]) for name, values in rewards.parts.items()},
                    )
                    for row, items in enumerate(lists)
                ]
            )
        return found

    def _scores(self, asks: Sequence[Ask]) -> Sequence[NDArray[np.float32] | None]:
        if not self.config.regret or not asks:
            return [None] * len(asks)
        return list(self.teaching.scores([ask.history for ask in asks], [ask.user for ask in asks]))
