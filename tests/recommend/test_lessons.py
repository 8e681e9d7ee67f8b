"""What sequence models learn to predict: places, targets, and what a query may see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steerec.networks.sequence import SequenceNetwork, TransformerConfig
from steerec.recommend.sequences.tasks import (
    AllActions,
    MaskedItems,
    NextItem,
    PermutedItems,
    TaskConfig,
    lesson,
    question,
)

N = 50
WINDOWS = [np.array([3, 4, 5, 6]), np.array([7, 8]), np.arange(20, 32)]
TIMES = [np.arange(len(one)) * 100 for one in WINDOWS]
TASKS: list[TaskConfig] = [NextItem(), MaskedItems(), PermutedItems(), AllActions()]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_every_item_predicts_the_next() -> None:
    found = lesson(WINDOWS[:2], TIMES[:2], NextItem(), N, rng())
    assert found.batch.items.tolist() == [3, 4, 5, 7]
    assert found.batch.positions.tolist() == [0, 1, 2, 0]
    assert found.batch.times is not None
    assert found.batch.times.tolist() == [0, 100, 200, 0]
    assert found.places.tolist() == [0, 1, 2, 3]
    assert found.targets.tolist() == [4, 5, 6, 8]


def test_hidden_items_are_replaced_by_the_mask_and_asked_for() -> None:
    found = lesson(WINDOWS, None, MaskedItems(share=0.5, last_share=0), N, rng())
    whole = np.concatenate(WINDOWS)
    hidden = found.batch.items.numpy() == N
    assert np.flatnonzero(hidden).tolist() == sorted(found.places.tolist())
    assert [int(hidden[:4].sum()), int(hidden[4:6].sum()), int(hidden[6:].sum())] == [2, 1, 6]
    assert found.targets.tolist() == whole[found.places].tolist()
    assert np.array_equal(found.batch.items.numpy()[~hidden], whole[~hidden])


def test_sometimes_only_the_last_item_is_hidden() -> None:
    found = lesson(WINDOWS, None, MaskedItems(last_share=1), N, rng())
    assert found.places.tolist() == [3, 5, 17]
    assert found.targets.tolist() == [6, 8, 31]


def test_near_actions_are_predicted_within_the_horizon() -> None:
    window = np.arange(100, 130)
    ahead = set()
    for seed in range(50):
        found = lesson([window], None, AllActions(share=0.2, horizon=4), 200, np.random.default_rng(seed))
        assert len(found.places) == round(0.2 * 29)
        ahead |= set((found.targets - found.batch.items[found.places]).tolist())
        assert found.targets.max() <= 129
    assert ahead == {1, 2, 3, 4}


def test_a_guessed_item_of_a_permutation_is_never_seen_by_its_query() -> None:
    """Changing the guessed item itself changes no query that guesses it, changing one it may see does."""
    torch.manual_seed(0)
    config = TransformerConfig(mask="bidirectional", dropout=0.0, bias="none")
    network = SequenceNetwork(config, num_items=N, width=8, window=12).eval()
    window = np.array([3, 4, 5, 6, 7, 8])
    task = PermutedItems(share=0.3)
    found = lesson([window], None, task, N, rng())
    assert found.batch.items.tolist()[6:] == [N] * len(found.places)
    assert window[found.batch.positions[found.places]].tolist() == found.targets.tolist()
    states = network(found.batch)[found.places]
    for query, place in enumerate(found.batch.positions[found.places].tolist()):
        other = found._replace(batch=found.batch._replace(items=found.batch.items.clone()))
        other.batch.items[place] = 49
        moved = network(other.batch)[other.places]
        assert torch.equal(moved[query], states[query])
    seen_by_all = next(p for p in range(6) if p not in found.batch.positions[found.places].tolist())
    found.batch.items[seen_by_all] = 49
    assert not torch.allclose(network(found.batch)[found.places], states, atol=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_lessons_are_a_function_of_the_generator(task: TaskConfig) -> None:
    one, other = (lesson(WINDOWS, TIMES, task, N, rng()) for _ in range(2))
    assert torch.equal(one.batch.items, other.batch.items)
    assert torch.equal(one.places, other.places)
    assert len(one.places) == len(one.targets)
    assert one.targets.max() < N


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_a_question_asks_for_the_item_behind_the_history(task: TaskConfig) -> None:
    batch, places = question(WINDOWS[:2], TIMES[:2], task, N)
    if isinstance(task, NextItem | AllActions):
        assert batch.items.tolist() == [3, 4, 5, 6, 7, 8]
        assert places.tolist() == [3, 5]
    else:
        assert batch.items.tolist() == [3, 4, 5, 6, N, 7, 8, N]
        assert batch.times is not None
        assert batch.times.tolist() == [0, 100, 200, 300, 300, 0, 100, 100]
        assert places.tolist() == [4, 7]
