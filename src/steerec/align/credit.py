"""Which decision a reward belongs to: item rewards to the choice of the item, list rewards to the whole list.

An item reward lies on the last decision of the entry that it judges, a list reward on the last decision of
the list. What a decision can still influence is what comes from its entry on.

Legend: B lists, T most decisions of a list, E entries of a list, S lists of a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steerec.align.rollouts import Rollout

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Judged(NamedTuple):
    """What a sampled list is worth."""

    items: FloatArray
    """(E,) reward of each entry."""
    whole: float
    """Reward of the list as a list."""
    parts: dict[str, float]
    """What the total is made of, for the log."""

    @property
    def total(self) -> float:
        """Sum of all rewards."""
        return float(self.items.sum() + self.whole)


def entry_of_decision(rollout: Rollout) -> IntArray:
    """Return (M,) the entry that each decision belongs to; E for those after the last entry."""
    return np.searchsorted(rollout.ends, rollout.decided, side="left")


def token_rewards(rollouts: Sequence[Rollout], judged: Sequence[Judged]) -> Tensor:
    """Return rewards on decisions.

    Args:
        rollouts: B lists with at least one decision each.
        judged: their rewards.

    Returns:
        (B, T) float32: every item reward on the last decision up to the end of its entry (the first decision
        of all, if its entry and those before left no choice), the list reward on the last decision.
    """
    rewards = np.zeros((len(rollouts), max(len(rollout.decided) for rollout in rollouts)))
    for row, (rollout, worth) in enumerate(zip(rollouts, judged, strict=True)):
        place = np.searchsorted(rollout.decided, rollout.ends, side="right") - 1
        np.add.at(rewards[row], np.maximum(place, 0), worth.items)
        rewards[row, len(rollout.decided) - 1] += worth.whole
    return torch.from_numpy(rewards).float()


def advantages_by_entry(
    group: Sequence[Rollout],
    judged: Sequence[Judged],
    *,
    leave_one_out: bool,
    scale: bool,
    baseline: Judged | None = None,
) -> list[FloatArray]:
    """Return the advantage of every decision against the other lists of its group at the same entry.

    A decision's return is the reward of its entry and the later ones, and the list's. Its baseline is the
    mean return of the group from the same entry on: what earlier items earned is nobody's merit. With list
    rewards alone and scaling this is GRPO (Shao et al. 2024, arXiv 2402.03300), unscaled and
    with leave-one-out RLOO (Ahmadian et al. 2024, arXiv 2402.14740).

    Args:
        group: S lists of one prompt.
        judged: their rewards.
        leave_one_out: whether a list is left out of its own baseline.
        scale: whether to divide by the standard deviation of the lists' total rewards.
        baseline: a list that all are compared with instead, such as the greedy one (ReMax, Li et al. 2024,
            arXiv 2310.10505): what it earns from the same entry on, behind its end its list reward.

    Returns:
        S arrays (M,); all zeros where all lists are worth the same.
    """
    size = max(len(worth.items) for worth in judged) + 1
    returns = np.full((len(group), size), np.nan)
    for row, worth in enumerate(judged):
        after = _returns(worth)
        returns[row, : len(after)] = after
    known = ~np.isnan(returns)
    count, total = known.sum(axis=0), np.nansum(returns, axis=0)
    if baseline is not None:
        ahead = _returns(baseline)[:size]
        expected = np.broadcast_to(
            np.append(ahead, np.full(size - len(ahead), baseline.whole)), returns.shape
        )
    elif leave_one_out:
        filled = np.where(known, returns, 0.0)
        expected = np.where(count > 1, (total - filled) / np.maximum(count - 1, 1), filled)
    else:
        expected = np.broadcast_to(total / count, returns.shape)
    advantage = returns - expected
    if scale:
        deviation = float(np.std([worth.total for worth in judged]))
        advantage = advantage / deviation if deviation > _EQUAL else np.zeros_like(advantage)
    advantage[np.abs(advantage) < _EQUAL] = 0.0
    return [advantage[row, entry_of_decision(rollout)] for row, rollout in enumerate(group)]


def _returns(worth: Judged) -> FloatArray:
    """Return (E + 1,) what a list earns from each entry on; the last is what is left after all of them."""
    return np.append(np.cumsum(worth.items[::-1])[::-1], 0.0) + worth.whole


_EQUAL = 1e-9
"""Differences below it are rounding."""


def padded(rows: Sequence[FloatArray]) -> Tensor:
    """Return rows of unequal length as (B, T) float32, 0 after their ends."""
    result = np.zeros((len(rows), max(map(len, rows))))
    for row, values in enumerate(rows):
        result[row, : len(values)] = values
    return torch.from_numpy(result).float()
