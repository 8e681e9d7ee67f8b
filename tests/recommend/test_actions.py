"""The model of actions on planted likes: it ranks and recalls what only actions tell; saving; refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from action_worlds import NUM_ITEMS, SMALL_ACTIONS, liking_split
from recommender_worlds import hand_split

from steerec.data.split import Split
from steerec.errors import DataError, NotFittedError
from steerec.loop import TrainingConfig
from steerec.metrics.auc import auc
from steerec.networks.sequence import TransformerConfig
from steerec.recommend.actions.interleaving import Past, interleave
from steerec.recommend.actions.losses import AdaptiveWeights, Enhancer, action_loss
from steerec.recommend.actions.model import ActionConfig, ActionModel
from steerec.recommend.actions.points import ActionPoints

SHORT = TrainingConfig(max_steps=20, learning_rate=1e-2, eval_steps=10)


@pytest.fixture(scope="module")
def likes() -> Split:
    torch.set_num_threads(1)
    return liking_split()


@pytest.fixture(scope="module")
def model(likes: Split) -> ActionModel:
    return ActionModel(SMALL_ACTIONS.replace(learns="both")).fit(likes)


def _metrics(model: ActionModel, split: Split) -> dict[str, float]:
    points = ActionPoints.of(split, model.config.levels)
    return points.metrics(*model.both(points.pasts, points.items, points.now), model.config.liked_action)


def test_it_foretells_likes_that_no_mean_knows(model: ActionModel, likes: Split) -> None:
    points = ActionPoints.of(likes, [4.0])
    pairs = [(u, i, r) for u, c in enumerate(likes.cut) for i, r in _train(likes, u, int(c))]
    total, count = np.zeros(NUM_ITEMS), np.zeros(NUM_ITEMS)
    for _, item, rating in pairs:
        total[item], count[item] = total[item] + (rating >= 4), count[item] + 1
    item_mean = (total / count)[points.items]
    assert auc(item_mean, points.actions == 1) < 0.6
    assert _metrics(model, likes)["auc"] > 0.85


def _train(split: Split, user: int, cut: int) -> list[tuple[int, float]]:
    assert split.ratings is not None
    return list(zip(split.sequences[user][:cut].tolist(), split.ratings[user][:cut].tolist(), strict=True))


def test_it_recalls_the_successor_of_the_last_liked_item(model: ActionModel) -> None:
    """Two histories of the same items, the opposite liked: 4 goes on to 6, 7 to 9."""
    items = np.array([2, 5, 4, 7])
    likes_even = Past(items, np.array([1, 0, 1, 0]), np.arange(4))
    likes_odd = Past(items, np.array([0, 1, 0, 1]), np.arange(4))
    scores = model.scores([likes_even, likes_odd])
    assert scores.argmax(axis=1).tolist() == [6, 9]
    told = model.probabilities([likes_even, likes_odd], [np.array([6, 9])] * 2)
    assert told[0][0] > told[0][1] + 0.2
    assert told[1][1] > told[1][0] + 0.2


def test_only_liked_items_are_recalled(model: ActionModel, likes: Split) -> None:
    """Half of what comes next is disliked; a model of all next items spreads over it."""
    every = ActionModel(SMALL_ACTIONS.replace(learns="item", only_liked=False)).fit(likes)
    past = Past(np.array([2, 5, 4]), np.array([1, 0, 1]), np.arange(3))

    def odd_share(of: ActionModel) -> float:
        return float(torch.from_numpy(of.scores([past])).softmax(dim=1)[0, 1::2].sum())

    assert odd_share(model) < 0.15
    assert odd_share(every) > 0.25


def test_candidates_together_are_what_each_is_alone(model: ActionModel, likes: Split) -> None:
    points = ActionPoints.of(likes, [4.0], limit=5)
    assert points.now is not None
    alone, _ = model.both(points.pasts, points.items, points.now)
    some = [np.append(item, np.arange(6)) for item in points.items]
    together = model.probabilities(points.pasts, some, points.now.tolist())
    assert [len(one) for one in together] == [7] * 5
    assert np.array([one[0] for one in together]) == pytest.approx(alone, abs=1e-5)


def test_a_newcomer_gets_probabilities(model: ActionModel) -> None:
    nothing = Past(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    told = model.probabilities([nothing], [np.arange(4)])[0]
    assert told.shape == (4,)
    assert np.all((told > 0) & (told < 1))
    apart = [model.probabilities([nothing], [np.array([item])])[0][0] for item in range(4)]
    assert told == pytest.approx(np.array(apart), abs=1e-6)


def test_the_same_bits_twice_and_after_saving(likes: Split, tmp_path: Path) -> None:
    config = SMALL_ACTIONS.replace(training=SHORT, learns="both")
    first, second = (ActionModel(config).fit(likes) for _ in range(2))
    points = ActionPoints.of(likes, config.levels)
    said = first.both(points.pasts, points.items, points.now)
    for one, other in zip(said, second.both(points.pasts, points.items, points.now), strict=True):
        assert np.array_equal(one, other)
    first.save_pretrained(tmp_path / "model")
    loaded = ActionModel.from_pretrained(tmp_path / "model")
    assert loaded.config == config
    for one, other in zip(said, loaded.both(points.pasts, points.items, points.now), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(DataError, match="another catalogue"):
        ActionModel.from_pretrained(tmp_path / "model", hand_split([[0, 1]], 2).catalog)
    with pytest.raises(DataError, match="has no action_model.json"):
        ActionModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("state", [{"adaptive": AdaptiveWeights()}, {"enhancer": Enhancer()}])
def test_what_a_checkpoint_does_not_hold_is_not_gone_on_from(
    likes: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]
) -> None:
    config = SMALL_ACTIONS.replace(training=SHORT, learns="both", **state)
    whole = ActionModel(config).fit(likes)
    real, calls = ActionPoints.metrics, []

    def metrics(points: ActionPoints, *said: Any) -> dict[str, float]:
        calls.append(said)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(points, *said)

    monkeypatch.setattr(ActionPoints, "metrics", metrics)
    with pytest.raises(KeyboardInterrupt):
        ActionModel(config).fit(likes, tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    again = ActionModel(config).fit(likes, tmp_path)
    past = ActionPoints.of(likes, config.levels).pasts[:3]
    assert np.array_equal(again.scores(past), whole.scores(past))


def test_levels_are_tasks_of_one_action(likes: Split) -> None:
    """With levels 2 and 4 the ratings 1 and 5 are actions 0 and 2, and liking is the second task."""
    model = ActionModel(SMALL_ACTIONS.replace(levels=(2.0, 4.0), training=SHORT)).fit(likes)
    points = ActionPoints.of(likes, (2.0, 4.0))
    assert set(points.actions.tolist()) == {0, 2}
    batch = interleave([points.pasts[0].last(12)], [points.items[:1]], points.now[:1].tolist())  # type: ignore[index]
    with torch.no_grad():
        tasks = model.network.foretell(model.network(batch)[-1:])[0].sigmoid()
    told, _ = model.both(points.pasts[:1], points.items[:1], points.now[:1])  # type: ignore[index]
    assert len(tasks) == 2
    assert told[0] == pytest.approx(float(tasks[1]), abs=1e-6)


def test_the_loss_of_an_action_is_the_mean_over_its_levels() -> None:
    """Action 1 of levels 1 and 2: yes, no. Logits log 3 and 0: -log .75, -log .5."""
    loss = action_loss(torch.tensor([[np.log(3.0), 0.0]]), torch.tensor([1]))
    assert float(loss) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2, abs=1e-6)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        ActionModel().scores([])
    with pytest.raises(DataError, match="needs what people did with the items: a log with a rating column"):
        ActionModel(SMALL_ACTIONS).fit(hand_split([[0, 1, 2]], 3))
    for changes, message in (
        ({"encoder": TransformerConfig(mask="bidirectional")}, 'needs mask "causal"'),
        ({"levels": (4.0, 2.0)}, "levels must ascend"),
        ({"liked_from": 3.0}, "hold liked_from"),
        ({"width": 15}, "multiple of num_heads"),
        ({"adaptive": AdaptiveWeights()}, 'need learns "both"'),
    ):
        with pytest.raises(pydantic.ValidationError, match=message):
            ActionConfig(**{**dict(ActionConfig()), **changes})
    with pytest.raises(pydantic.ValidationError, match="save_steps"):
        ActionConfig(learns="both", adaptive=AdaptiveWeights(), training=SHORT.replace(save_steps=5))
