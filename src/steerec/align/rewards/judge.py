"""Judges of sampled lists for reinforcement learning: the rewards of a configuration, against one teacher.

Legend: B lists, N items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
import pydantic
from numpy.typing import NDArray

from steerec.align.credit import Judged
from steerec.align.distillation import Teaching
from steerec.align.rewards.own import References, RewardConfig, label_matrix, reward_lists
from steerec.align.rewards.published import (
    Cases,
    Task,
    as_rows,
    item_rewards,
    list_rewards,
    teacher_ranks,
)
from steerec.align.rollouts import Ask, Rollout
from steerec.config import Config
from steerec.control.control import Control
from steerec.control.problem import Problem
from steerec.control.request import Request, wishes
from steerec.errors import ConfigError

Judge = Callable[[Sequence[Ask], Sequence[Sequence[Rollout]]], Sequence[Sequence[Judged]]]
"""Asks and the lists sampled for each -> what each list is worth."""


AskedScores = Callable[[Sequence[Ask]], NDArray[np.float32]]
"""Asks -> (B, N) what the teacher thinks of every item, in nats, the wishes of each request added."""


def asked_scores(teaching: Teaching, asks: Sequence[Ask]) -> NDArray[np.float32]:
    """Return (B, N) a teacher's scores in nats for each ask, the wishes of its request added."""
    scores = teaching.scores([ask.history for ask in asks], [ask.user for ask in asks])
    return scores + np.stack([wishes(ask.request, teaching.catalog) for ask in asks]).astype(np.float32)


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
        return list(asked_scores(self.teaching, asks))


class PublishedRewardConfig(Config):
    """Rewards as published (Lu et al. 2024, arXiv 2403.05063), see `rewards.published`."""

    alpha: float = pydantic.Field(0.5, ge=0, le=1)
    """Share of accuracy, against control."""
    item_rewards: bool = True
    """Whether entries are rewarded one by one."""
    list_rewards: bool = True
    """Whether lists are rewarded as lists."""

    @pydantic.model_validator(mode="after")
    def _rewards_something(self) -> Self:
        if not (self.item_rewards or self.list_rewards):
            raise ValueError("neither item_rewards nor list_rewards: nothing is rewarded")
        return self


class PublishedJudge:
    """The published rewards; requests that the published system does not know are refused."""

    def __init__(self, config: PublishedRewardConfig, teaching: Teaching) -> None:
        """Prepare.

        Args:
            config: which rewards.
            teaching: the teacher whose ranks accuracy is measured by, and the catalogue.
        """
        self.config, self.teaching = config, teaching

    def __call__(self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        """Return what the lists sampled for each ask are worth."""
        if not asks:
            return []
        cases = self._cases(asks, groups)
        items = item_rewards(cases, alpha=self.config.alpha)  # (B, L)
        whole = list_rewards(cases, alpha=self.config.alpha)  # (B,)
        row, found = 0, []
        for group in groups:
            judged = []
            for rollout in group:
                worth = items[row, : len(rollout.items)]
                parts = {"item_rewards": float(worth.sum()), "list_reward": float(whole[row])}
                judged.append(
                    Judged(
                        items=worth if self.config.item_rewards else np.zeros_like(worth),
                        whole=float(whole[row]) if self.config.list_rewards else 0.0,
                        parts=parts,
                    )
                )
                row += 1
            found.append(judged)
        return found

    def _cases(self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> Cases:
        owner = np.repeat(np.arange(len(asks)), [len(group) for group in groups])  # (B,)
        asked = [published_task(ask.request, ask.problem) for ask in asks]
        ranks = teacher_ranks(self.teaching.scores([ask.history for ask in asks], [ask.user for ask in asks]))
        lists = [rollout.items for group in groups for rollout in group]
        return Cases(
            tasks=[asked[k].task for k in owner],
            items=as_rows([[-1 if item is None else item for item in items] for items in lists]),
            lengths=np.array([len(items) for items in lists], np.int64),
            counts=np.array([ask.problem.count for ask in asks], np.int64)[owner],
            histories=as_rows([ask.history for ask in asks])[owner],
            targets=np.array([-1 if ask.target is None else ask.target for ask in asks], np.int64)[owner],
            teacher_ranks=ranks[owner],
            members=np.stack([one.members for one in asked])[owner],
            quotas=np.array([one.quota for one in asked], np.int64)[owner],
        )


class PublishedTask(NamedTuple):
    """What a request is in the published system."""

    task: Task
    members: NDArray[np.bool_]
    """(N,) the category; empty without one."""
    quota: int
    """c; 0 without one."""


def published_task(request: Request, problem: Problem) -> PublishedTask:
    """Return the published task that a request stands for.

    Raises:
        ConfigError: it is none of them: several controls, a cap, a part of the list, items or a history that
            are treated apart.
    """
    if request.exclude or request.allow_seen or request.prefer:
        raise _unknown(request)
    nobody = np.zeros(problem.num_items, np.bool_)
    if not request.controls and request.candidates is None:
        return PublishedTask("SeqRec", nobody, 0)
    if len(request.controls) == len(problem.quotas) == 1 and request.candidates is None:
        quota, control = problem.quotas[0], request.controls[0]
        if (quota.first, quota.last) == (1, problem.count):
            if quota.upper == 0:
                return PublishedTask("-C", quota.mask, 0)
            if quota.lower >= problem.count:
                return PublishedTask("+C", quota.mask, 0)
            if isinstance(control, Control) and control.share_about is not None:
                share = control.share_about * problem.count
                return PublishedTask("EP", quota.mask, math.floor(share + Fraction(1, 2)))
            if quota.lower == quota.upper:
                return PublishedTask("EP", quota.mask, quota.lower)
            if quota.lower == 0:
                return PublishedTask("LP", quota.mask, quota.upper)
            if quota.upper >= problem.count:
                return PublishedTask("MP", quota.mask, quota.lower)
    raise _unknown(request)


def _unknown(request: Request) -> ConfigError:
    return ConfigError(
        f"The published rewards know no request like {request.to_json()}. Leave its task out of `tasks`, or "
        "use rewards of our own."
    )


def make_judge(config: RewardConfig | PublishedRewardConfig, teaching: Teaching) -> Judge:
    """Return the judge that a configuration describes."""
    if isinstance(config, PublishedRewardConfig):
        return PublishedJudge(config, teaching)
    return ListJudge(config, teaching)
