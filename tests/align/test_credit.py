"""Rewards reach the decisions that earned them."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.align.credit import Judged, advantages_by_entry, entry_of_decision, padded, token_rewards
from steerec.align.rollouts import Rollout


def rollout(ends: list[int], decided: list[int]) -> Rollout:
    length = max([*ends, *decided]) + 1
    return Rollout(
        items=tuple(range(len(ends))),
        tokens=tuple(range(length)),
        ends=np.array(ends, np.int64),
        decided=np.array(decided, np.int64),
        allowed=None,
    )


def judged(items: list[float], whole: float = 0.0) -> Judged:
    return Judged(np.array(items), whole, {})


# marker, title of two decisions, separator; marker, title of one decision, separator; end token
TITLES = rollout([3, 6], [1, 2, 5, 7])


def test_decisions_belong_to_the_entry_that_they_write() -> None:
    assert entry_of_decision(TITLES).tolist() == [0, 0, 1, 2]


def test_item_rewards_lie_on_the_choice_of_the_item_and_list_rewards_on_the_last() -> None:
    second = rollout([1], [1])
    rewards = token_rewards([TITLES, second], [judged([0.5, 2.0], 10.0), judged([1.0], -1.0)])
    assert rewards.tolist() == [[0, 0.5, 2.0, 10.0], [0.0, 0, 0, 0]]
    forced = token_rewards([rollout([1, 3], [2])], [judged([4.0, 1.0])])
    assert forced.tolist() == [[5.0]], (
        "an entry without choice gives its reward to the first decision there is"
    )


def test_list_rewards_alone_are_grpo_and_rloo() -> None:
    group = [TITLES, TITLES, rollout([1], [1, 2])]
    worth = [judged([0, 0], 1.0), judged([0, 0], 4.0), judged([0], 1.0)]
    plain = advantages_by_entry(group, worth, leave_one_out=False, scale=True)
    # mean 2, standard deviation sqrt(2): the entry that only two lists have is compared between them
    deviation = np.sqrt(2.0)
    np.testing.assert_allclose(plain[0], [-1 / deviation, -1 / deviation, -1 / deviation, -1.5 / deviation])
    np.testing.assert_allclose(plain[1], [2 / deviation, 2 / deviation, 2 / deviation, 1.5 / deviation])
    rloo = advantages_by_entry(group, worth, leave_one_out=True, scale=False)
    np.testing.assert_allclose(rloo[0], [1 - 2.5, 1 - 2.5, 1 - 2.5, 1 - 4.0])
    np.testing.assert_allclose(rloo[1][:3], 4 - 1.0)


def test_what_earlier_items_earned_is_nobodys_merit_later() -> None:
    group = [TITLES, TITLES]
    found = advantages_by_entry(
        group, [judged([1.0, 0.0]), judged([0.0, 0.0])], leave_one_out=False, scale=False
    )
    np.testing.assert_allclose(found[0], [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(found[1], [-0.5, -0.5, 0, 0])


def test_a_greedy_baseline_is_subtracted_entry_by_entry() -> None:
    found = advantages_by_entry(
        [TITLES, TITLES],
        [judged([1.0, 0.0], 2.0), judged([0.0, 3.0], 0.0)],
        leave_one_out=False,
        scale=False,
        baseline=judged([0.5], 1.0),
    )
    # From the first entry on the greedy list earns 1.5, behind its only entry 1.
    np.testing.assert_allclose(found[0], [3 - 1.5, 3 - 1.5, 2 - 1.0, 2 - 1.0])
    np.testing.assert_allclose(found[1], [3 - 1.5, 3 - 1.5, 3 - 1.0, 0 - 1.0])


@pytest.mark.parametrize("leave_one_out", [True, False])
def test_equal_lists_teach_nothing(leave_one_out: bool) -> None:
    group = [TITLES] * 3
    for scale in (True, False):
        found = advantages_by_entry(
            group, [judged([0.1, 0.2], 0.3)] * 3, leave_one_out=leave_one_out, scale=scale
        )
        assert all((values == 0).all() for values in found)


def test_rows_are_padded_with_zeros() -> None:
    assert padded([np.array([1.0, 2.0]), np.array([3.0])]).tolist() == [[1, 2], [3, 0]]
