"""Micro-batches of a step are one batch: each loss over its own weight, shares and health of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from test_best_of import make as make_many
from torch import Tensor

from steerec.align.all_actions import AllActionsConfig, all_actions_loss
from steerec.align.credit import Judged
from steerec.align.objectives import Objective, surrogate
from steerec.align.policy import say
from steerec.align.rl import rl_step
from steerec.align.rl_batches import RlBatch, RlBatches, _num_usable
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout
from steerec.errors import ConfigError
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from tiny_shelf import shelf

CATALOG = shelf()


def make() -> tuple[LanguageModel, list[Ask]]:
    lm, asks = make_many()
    return lm, asks[:8]


def settings(micro_batches: int, **changes: Any) -> RlConfig:
    training = TrainingConfig(max_steps=2, learning_rate=1e-3, gradient_accumulation_steps=micro_batches)
    return RlConfig(training=training, prompts_per_step=8, samples=4, max_prompt_tokens=120).replace(
        **changes
    )


class OnlyFirstTells:
    """Lists of the first micro-batch differ in worth, those of the others do not."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        self.calls += 1
        worth = [float(number) if self.calls == 1 else 1.0 for number in range(4)]
        return [
            [Judged(np.zeros(len(one.items)), value, {"part": value})
             for one, value in zip(group, worth, strict=True)]
            for group in groups
        ]  # fmt: skip


def likes_all(asks: Sequence[Ask]) -> np.ndarray:
    return np.tile(np.arange(len(CATALOG), dtype=np.float32), (len(asks), 1))


def gradients(model: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_each_loss_is_divided_by_its_own_weight_over_the_whole_step() -> None:
    lm, asks = make()
    config = settings(2, all_actions=AllActionsConfig(weight=0.5), objective=Objective(aggregation="token"))
    judge = OnlyFirstTells()
    batches = RlBatches(lm, asks, config, free=judge, constrained=judge, scores=likes_all)
    both: list[RlBatch] = [batches(0, micro) for micro in (0, 1)]
    assert both[0].decisions is not None
    assert both[1].decisions is None, "no free list of it is better than another"

    outputs = [rl_step(config, None)(lm.model, batch) for batch in both]
    weight = sum(output.weight for output in outputs)
    found = gradients(lm.model, sum(output.loss_sum for output in outputs) / weight)

    told = both[0].decisions
    now = say(lm.model, told).log_probs
    policy = surrogate(now, now.detach(), both[0].advantages, told.mask, config.objective)
    taught = [all_actions_loss(lm.model, one.choices, config.all_actions) for one in both]
    teaching = sum(one.loss_sum for one in taught) / sum(one.weight for one in taught)
    expected = gradients(lm.model, policy.loss_sum / policy.weight + 0.5 * teaching)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-7)

    # The log: 4 of 4 groups differ, then 0 of 4; lists are worth 0, 1, 2, 3, then 1 each.
    logged = {name: sum(output.metrics.get(name, 0.0) for output in outputs) / weight
              for name in outputs[0].metrics}  # fmt: skip
    assert logged["zero_advantage_groups"] == pytest.approx(0.5)
    assert logged["free_reward"] == logged["free_part"] == pytest.approx((1.5 + 1.0) / 2)
    assert logged["free_reward_spread"] == pytest.approx(np.std([0, 1, 2, 3]) / 2)
    assert logged["all_actions_loss"] == pytest.approx(float(teaching.detach()), rel=1e-5)


def test_a_step_in_which_no_list_is_better_says_so_and_teaches_nothing() -> None:
    lm, asks = make()
    judge = OnlyFirstTells()
    judge.calls = 1
    batches = RlBatches(lm, asks, settings(2, free_share=1.0), free=judge, constrained=judge)
    outputs = [rl_step(settings(2), None)(lm.model, batches(0, micro)) for micro in (0, 1)]
    assert not any(output.loss_sum.requires_grad for output in outputs)
    assert sum(output.weight for output in outputs) == 1.0
    assert sum(output.metrics["zero_advantage_groups"] for output in outputs) == 1.0


@pytest.mark.parametrize(("drop", "weight"), [(True, 4 * 4), (False, 8 * 4)])
def test_silent_groups_are_left_out_or_count(drop: bool, weight: float) -> None:
    lm, asks = make()

    def half(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        return [
            [Judged(np.zeros(len(one.items)), float(place if ask.user < 4 else 0), {})
             for place, one in enumerate(group)]
            for ask, group in zip(asks, groups, strict=True)
        ]  # fmt: skip

    objective = Objective(aggregation="sequence")
    config = settings(1, free_share=1.0, drop_silent_groups=drop, objective=objective)
    batches = RlBatches(lm, asks, config, free=half, constrained=half)
    assert rl_step(config, None)(lm.model, batches(0, 0)).weight == weight
    assert batches(0, 0).step.health["zero_advantage_groups"] == 0.5  # type: ignore[union-attr]


@pytest.mark.parametrize(("share", "micro_batches"), [(0.5, 8), (0.25, 4), (0.375, 2)])
def test_the_free_share_is_that_of_the_step(share: float, micro_batches: int) -> None:
    lm, asks = make()
    free: list[Ask] = []
    judge = OnlyFirstTells()

    def counted(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        free.extend(asks)
        return judge(asks, groups)

    batches = RlBatches(
        lm, asks, settings(micro_batches, free_share=share), free=counted, constrained=OnlyFirstTells()
    )
    for micro in range(micro_batches):
        batches(0, micro)
    assert len(free) == share * 8


def test_entries_that_are_invalid_are_counted() -> None:
    lm, asks = make()
    judge = OnlyFirstTells()
    batches = RlBatches(lm, asks[:1] * 8, settings(1, free_share=1.0), free=judge, constrained=judge)
    batch = batches(0, 0)
    # The first user has seen 0 and 1: the second list repeats 3, the third holds a seen item and no item.
    lists = [(3, 4), (3, 3), (1, None), ()]
    rollouts = [
        Rollout(items=items, tokens=(), ends=np.zeros(len(items)), decided=np.zeros(0), allowed=None)
        for items in lists
    ]
    assert _num_usable(asks[:1], [rollouts]) == 3
    assert 0.0 <= batch.step.health["free_invalid"] <= 1.0  # type: ignore[union-attr]


def test_a_teacher_that_is_missing_is_asked_for() -> None:
    lm, asks = make()
    judge = OnlyFirstTells()
    with pytest.raises(ConfigError, match="Give scores"):
        RlBatches(lm, asks, settings(1, all_actions=AllActionsConfig()), free=judge, constrained=judge)
