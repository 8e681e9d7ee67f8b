"""Ranking and recall learned together: weights that follow losses, and what ranking tells recall."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from action_worlds import SMALL_ACTIONS, liking_split
from torch.nn.functional import cross_entropy

from steerec.networks.actions import ActionNetwork
from steerec.networks.sequence import HstuConfig
from steerec.recommend.actions.interleaving import Past, action_lesson, interleave
from steerec.recommend.actions.losses import (
    AdaptiveWeights,
    Enhancer,
    RunningWeights,
    enhanced_loss,
    loss_weights,
)
from steerec.recommend.actions.model import ActionModel
from steerec.recommend.actions.points import ActionPoints
from steerec.recommend.actions.step import ActionStep, ask_ranking, past_until

PASTS = [
    Past(np.array([3, 1, 4, 9]), np.array([1, 0, 1, 1]), np.arange(4) * 100),
    Past(np.array([2, 7, 5]), np.array([0, 1, 1]), np.arange(3) * 100),
]


def _network() -> ActionNetwork:
    torch.manual_seed(0)
    return ActionNetwork(HstuConfig(), num_items=12, num_actions=2, num_tasks=1, width=8, window=10)


def test_weights_by_hand() -> None:
    """Rates 1/2 and 1, temperature 1: 2 e^.5 / (e^.5 + e) = 2 / (1 + e^.5) = .7551."""
    slow, fast = loss_weights([2.0, 4.0], [1.0, 4.0], 1.0)
    assert slow == pytest.approx(2 / (1 + np.exp(0.5)))
    assert slow + fast == pytest.approx(2)
    assert loss_weights([3.0, 7.0], [1.5, 3.5], 0.1) == pytest.approx([1, 1])
    assert loss_weights([2.0, 4.0], [1.0, 4.0], 1e9) == pytest.approx([1, 1])


def test_running_weights_look_at_the_last_two_intervals() -> None:
    """Intervals of 2 steps; means (4, 4), (2, 4), (2, 2): after step 4 rates 1/2 and 1, after 6 1 and 1/2."""
    running = RunningWeights(AdaptiveWeights(interval=2, temperature=1.0))
    seen = []
    for losses in ([3.0, 4.0], [5.0, 4.0], [2.0, 3.0], [2.0, 5.0], [1.0, 2.0], [3.0, 2.0]):
        running.observe(losses)
        seen.append(list(running.weights))
    assert seen[:3] == [[1.0, 1.0]] * 3
    assert seen[3] == seen[4] == pytest.approx(loss_weights([4, 4], [2, 4], 1.0))
    assert seen[5] == pytest.approx(loss_weights([2, 4], [2, 2], 1.0))


def test_without_a_say_it_is_the_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 8), torch.tensor([0, 3, 5])
    candidates = torch.tensor([[1, 2], [3, 4], [6, 7]])
    plain = cross_entropy(logits, targets, reduction="sum")
    same = enhanced_loss(logits, targets, candidates, torch.full((3, 2), 0.5), Enhancer())
    assert torch.allclose(same, plain)
    # The true next item is never a hard negative, whatever ranking says.
    itself = enhanced_loss(logits, targets, targets[:, None], torch.zeros(3, 1), Enhancer())
    assert torch.allclose(itself, plain)


def test_a_hard_negative_counts_as_if_it_stood_there_more_often() -> None:
    """Weight 2: the normaliser holds item 2 three times."""
    logits = torch.tensor([[0.3, -1.0, 0.7, 0.1]])
    thrice = torch.cat([logits, logits[:, 2:3], logits[:, 2:3]], dim=1)
    found = enhanced_loss(
        logits,
        torch.tensor([0]),
        torch.tensor([[2, 3]]),
        torch.tensor([[0.1, 0.5]]),
        Enhancer(hard_weight=2.0),
    )
    assert torch.allclose(found, cross_entropy(thrice, torch.tensor([0])))


def test_a_likely_positive_shares_the_target() -> None:
    """Item 2 is liked: the target 0 is held against 1 and 3 only, and a tenth of the loss is item 2's."""
    logits = torch.tensor([[0.3, -1.0, 0.7, 0.1]])
    found = enhanced_loss(
        logits,
        torch.tensor([0]),
        torch.tensor([[2, 3]]),
        torch.tensor([[0.9, 0.5]]),
        Enhancer(positive_share=0.1),
    )
    without = cross_entropy(logits[:, [0, 1, 3]], torch.tensor([0]))
    expected = 0.9 * without + 0.1 * cross_entropy(logits, torch.tensor([2]))
    assert torch.allclose(found, expected)


def test_recall_is_pushed_where_ranking_points() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    liked = torch.tensor([[0.9, 0.1, 0.5]])
    enhanced_loss(logits, torch.tensor([0]), torch.tensor([[1, 2, 3]]), liked, Enhancer()).backward()
    assert logits.grad is not None
    _, likely, hard, neutral = logits.grad[0].tolist()
    assert likely < 0 < neutral < hard


def test_ranking_is_asked_about_what_recall_would_return_then() -> None:
    """At the third item's action of the first person and the second's of the second."""
    network = _network()
    network.train()
    batch = action_lesson(PASTS, [0, 0], 0).batch
    places = torch.tensor([5, 8 + 3])
    logits = torch.arange(12.0).repeat(2, 1)
    candidates, liked = ask_ranking(network, batch, places, logits, 3, liked_action=1)
    assert candidates.tolist() == [[11, 10, 9], [11, 10, 9]]
    assert network.training
    network.eval().requires_grad_(False)
    for row, (past, number) in enumerate(((PASTS[0], 3), (PASTS[1], 2))):
        until = Past(
            past.items[:number], past.actions[:number], None if past.times is None else past.times[:number]
        )
        assert np.array_equal(past_until(batch, int(places[row])).items, until.items)
        assert np.array_equal(past_until(batch, int(places[row])).actions, until.actions)
        for place, item in enumerate(candidates[row].tolist()):
            alone = network.foretell(network(interleave([until], [np.array([item])]))[-1:]).sigmoid()
            assert float(liked[row, place]) == pytest.approx(float(alone), abs=1e-5)


def test_items_of_the_history_are_no_candidates() -> None:
    batch = action_lesson(PASTS, [0, 0], 0).batch
    logits = torch.zeros(1, 12)
    logits[0, [3, 1, 4]] = 9.0
    candidates, _ = ask_ranking(_network(), batch, torch.tensor([5]), logits, 9, liked_action=1)
    assert sorted(candidates[0].tolist()) == [0, 2, 5, 6, 7, 8, 9, 10, 11]


def test_the_step_adds_up_the_losses_it_is_to_learn() -> None:
    network, lesson = _network().eval(), action_lesson(PASTS, [0, 0], 1)
    alone = {learns: ActionStep(learns, 1.0, 1)(network, lesson) for learns in ("action", "item")}  # type: ignore[arg-type]
    both = ActionStep("both", 3.0, 1)(network, lesson)
    expected = alone["action"].loss_sum + 3.0 * alone["item"].loss_sum
    assert torch.allclose(both.loss_sum, expected)
    assert both.weight == 7  # impressions, all of them targets
    assert both.num_tokens == 14


def test_learned_together_with_a_say_it_still_knows_the_planted_likes() -> None:
    torch.set_num_threads(1)
    split = liking_split()
    config = SMALL_ACTIONS.replace(
        learns="both",
        adaptive=AdaptiveWeights(interval=20),
        enhancer=Enhancer(num_candidates=5, warmup_steps=100, share=0.5),
    )
    model, points = ActionModel(config).fit(split), ActionPoints.of(split, config.levels)
    found = points.metrics(*model.both(points.pasts, points.items, points.now), config.liked_action)
    assert found["auc"] > 0.85
    assert found["ndcg@10"] > 0.7
