"""Ranks and metrics against values worked out by hand, and the tie rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.metrics.ranking import MISS, history_mask, hit_rate, mrr, ndcg, rank_of_targets


def test_rank_counts_better_and_equal_items() -> None:
    scores = np.array([[0.9, 0.5, 0.5, 0.5, 0.1]])
    # Item 2 is behind item 0 and, ties counting against us, behind items 1 and 3.
    assert rank_of_targets(scores, np.array([2])).tolist() == [4.0]
    assert rank_of_targets(scores, np.array([0])).tolist() == [1.0]
    assert rank_of_targets(scores, np.array([4])).tolist() == [5.0]


def test_masked_items_leave_the_ranking() -> None:
    scores = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]])
    masked = np.array([[True, False, False], [False, True, False]])
    assert rank_of_targets(scores, np.array([2, 2]), masked).tolist() == [2.0, 2.0]


def test_target_in_the_history_is_a_miss() -> None:
    masked = np.array([[True, False]])
    assert rank_of_targets(np.array([[9.0, 1.0]]), np.array([0]), masked).tolist() == [MISS]


def test_constant_scores_rank_last() -> None:
    assert rank_of_targets(np.zeros((1, 7)), np.array([0])).tolist() == [7.0]


@pytest.mark.parametrize("target", [0, 1])
def test_nan_counts_against_us(target: int) -> None:
    assert rank_of_targets(np.array([[np.nan, 1.0]]), np.array([target])).tolist() == [2.0]


def test_minus_infinity_ties_too() -> None:
    scores = np.array([[-np.inf, -np.inf, 0.0]])
    assert rank_of_targets(scores, np.array([0])).tolist() == [3.0]


def test_golden_metrics() -> None:
    ranks = np.array([1.0, 2.0, 3.0, 10.0, 11.0, MISS])
    assert hit_rate(ranks, 10).tolist() == [1, 1, 1, 1, 0, 0]
    # 1/log2(2), 1/log2(3), 1/log2(4), 1/log2(11)
    assert ndcg(ranks, 10) == pytest.approx([1.0, 0.6309297536, 0.5, 0.2890648263, 0.0, 0.0])
    assert mrr(ranks, 10) == pytest.approx([1.0, 0.5, 1 / 3, 0.1, 0.0, 0.0])


def test_history_mask() -> None:
    mask = history_mask([np.array([2, 0, 2]), np.array([], dtype=np.int64)], 3)
    assert mask.tolist() == [[True, False, True], [False, False, False]]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(
        ValueError, match=r"scores must be \(B, N\) and targets \(B,\); got \(2, 3\) and \(3,\)"
    ):
        rank_of_targets(np.zeros((2, 3)), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="masked must have the shape of scores"):
        rank_of_targets(np.zeros((2, 3)), np.zeros(2, dtype=int), np.zeros((2, 2), dtype=bool))
    with pytest.raises(ValueError, match="cutoff k must be at least 1, got 0"):
        hit_rate(np.array([1.0]), 0)
    with pytest.raises(ValueError, match="1-based"):
        ndcg(np.array([0.0]))


@given(
    values=st.lists(st.integers(-3, 3), min_size=2, max_size=12),
    data=st.data(),
)
def test_rank_is_the_place_in_the_worst_stable_order(values: list[int], data: st.DataObject) -> None:
    """Slow definition: sort by falling score, the target behind all its equals; count places."""
    target = data.draw(st.integers(0, len(values) - 1))
    masked = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    masked[target] = False
    order = sorted(
        (item for item in range(len(values)) if not masked[item]),
        key=lambda item: (-values[item], item == target),
    )
    rank = rank_of_targets(np.array([values], dtype=np.float32), np.array([target]), masked[None])
    assert rank.tolist() == [order.index(target) + 1]


@given(rank=st.integers(1, 60), k=st.integers(1, 50))
def test_metrics_are_ordered_and_fall_with_rank(rank: int, k: int) -> None:
    here, next_ = np.array([float(rank)]), np.array([float(rank + 1)])
    assert 0 <= mrr(here, k)[0] <= ndcg(here, k)[0] <= hit_rate(here, k)[0] <= 1
    for metric in (hit_rate, ndcg, mrr):
        assert metric(next_, k)[0] <= metric(here, k)[0]
