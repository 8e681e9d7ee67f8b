"""Ranks in explicit lists, and their agreement with full rankings."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.metrics.lists import rank_in_list, ranks_in_lists
from steerec.metrics.ranking import MISS, history_mask, rank_of_targets


def test_invalid_and_repeated_entries_keep_their_place() -> None:
    assert rank_in_list([5, None, 5, 8], 8) == 4.0
    assert rank_in_list([5, None, 5, 8], 5) == 1.0
    assert rank_in_list([5, None], 8) == MISS
    assert rank_in_list([], 8) == MISS


def test_seen_target_is_a_miss_and_other_seen_items_take_a_place() -> None:
    assert rank_in_list([1, 2], 2, seen={2}) == MISS
    assert rank_in_list([1, 2], 2, seen={1}) == 2.0


def test_list_of_best_items_gives_the_rank_of_the_full_ranking() -> None:
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)  # distinct: no ties
    histories = [rng.choice(30, size=5, replace=False) for _ in range(20)]
    targets = rng.integers(30, size=20)
    masked = history_mask(histories, 30)
    lists = [
        [int(i) for i in np.argsort(-row) if not seen[i]] for row, seen in zip(scores, masked, strict=True)
    ]
    assert np.array_equal(ranks_in_lists(lists, targets, histories), rank_of_targets(scores, targets, masked))


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="got 1 lists, 2 targets, 1 histories"):
        ranks_in_lists([[1]], [1, 2])
