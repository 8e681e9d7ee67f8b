"""Ranks of next items: from scores and from lists they are the same, and metrics average seeds per user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from steerec.data.split import Point
from steerec.evaluate.ranking import ranking_metrics, ranks_by_lists, ranks_by_scores, seed_means

NUM_ITEMS = 12


def point(history: list[int], target: int, user: int = 0) -> Point:
    return Point(user, np.array(history, np.int64), target, len(history))


def fixed(table: NDArray[np.float64]) -> object:
    """Scores by the first item of the history."""

    def scores(histories: Sequence[NDArray[np.integer]], times: object) -> NDArray[np.float64]:
        del times
        return table[[int(history[0]) for history in histories]]

    return scores


def test_ranks_by_hand() -> None:
    # Item:                0    1    2    3    4
    table = np.array([[0.1, 0.9, 0.5, 0.5, 0.7], [0.9, 0.8, 0.7, 0.6, 0.5]])
    points = [point([0, 1], 3), point([0], 3), point([1, 0], 4), point([1, 2, 4], 4)]
    # masked: {0, 1} out, 4 above, 2 ties against us -> 3; {0} out, 1, 4 above, 2 ties -> 4;
    # {1, 0} out, 2, 3 above -> 3; the target is in its own history -> a miss.
    assert ranks_by_scores(fixed(table), points).tolist() == [3, 4, 3, np.inf]  # type: ignore[arg-type]
    # unmasked: 1, 4, 2 -> 4; the same; 0, 1, 2, 3 above -> 5; 5.
    assert ranks_by_scores(fixed(table), points, masked=False).tolist() == [4, 4, 5, 5]  # type: ignore[arg-type]
    assert ranks_by_scores(fixed(table), []).shape == (0,)  # type: ignore[arg-type]


def test_scores_and_full_lists_give_the_same_ranks() -> None:
    rng = np.random.default_rng(0)
    table = rng.permuted(np.tile(np.arange(NUM_ITEMS, dtype=np.float64), (NUM_ITEMS, 1)), axis=1)  # no ties
    points = []
    for user in range(600):  # more than one batch of scores
        history = rng.choice(NUM_ITEMS, size=rng.integers(1, 5), replace=False)
        points.append(point(history.tolist(), int(rng.integers(NUM_ITEMS)), user))
    full = [
        [int(i) for i in np.argsort(-table[one.history[0]]) if i not in set(one.history.tolist())]
        for one in points
    ]
    by_scores = ranks_by_scores(fixed(table), points)  # type: ignore[arg-type]
    np.testing.assert_array_equal(by_scores, ranks_by_lists(full, points))
    assert np.isinf(by_scores).any()  # targets in their history are misses for both
    assert by_scores.min() == 1


def test_a_list_is_taken_as_shown() -> None:
    points = [point([0], 5)] * 4 + [point([5, 1], 5)]
    lists = [[5, 6], [None, 0, 5], [6, 7], [], [5]]
    assert ranks_by_lists(lists, points).tolist() == [1, 3, np.inf, np.inf, np.inf]


def test_seeds_and_positions_of_a_user_are_averaged() -> None:
    # User 0 has two points, user 1 one; two seeds.
    ranks = [np.array([1.0, np.inf, np.inf]), np.array([1.0, 3.0, 1.0])]
    metrics = ranking_metrics(ranks, np.array([0, 0, 1]))
    # hr: user 0 (1 + 0 + 1 + 1) / 4, user 1 (0 + 1) / 2; ndcg of rank 3 is 1 / log2(4) = 1/2.
    assert metrics["hr@10"].mean == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert metrics["ndcg@10"].mean == pytest.approx((2.5 / 4 + 1 / 2) / 2)
    assert metrics["mrr@10"].mean == pytest.approx(((2 + 1 / 3) / 4 + 1 / 2) / 2)
    assert {one.n for one in metrics.values()} == {2}  # users, not points or seeds
    for one in metrics.values():
        assert one.low <= one.mean <= one.high
    # Seed by seed, users count alike there too: (1/2 + 0) / 2 and (1 + 1) / 2; (1/2 + 0) / 2, (3/4 + 1) / 2.
    means = seed_means(ranks, np.array([0, 0, 1]))
    assert means["hr@10"] == (0.25, 1.0)
    assert means["ndcg@10"] == (0.25, 0.875)
    assert np.mean(means["mrr@10"]) == pytest.approx(metrics["mrr@10"].mean, abs=1e-6)
