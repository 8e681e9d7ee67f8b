"""Everything that trains and writes works where the weights are: no tensor is left on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_best_of import clicks
from test_best_of import config as best_of_config
from test_best_of import make as make_many
from test_rl import CATALOG, config, course, make, wants
from test_sft import config as sft_config
from test_sft import losses, table

from elsewhere import Elsewhere, elsewhere
from steerec.align.all_actions import AllActionsConfig
from steerec.align.critic import CriticConfig
from steerec.align.distillation import DistillationConfig, Teaching
from steerec.align.objectives import Objective
from steerec.align.preferring import PreferenceConfig, prefer, sample_groups
from steerec.align.reward_model import ModelJudge, fit_reward_model
from steerec.align.rl import reinforce
from steerec.align.rollouts import roll_constrained, roll_free
from steerec.align.sft import fine_tune
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from tiny_shelf import tiny


def test_the_other_device_refuses_what_was_forgotten() -> None:
    one = Elsewhere(torch.ones(3))
    assert isinstance(one + one, Elsewhere)
    with pytest.raises(RuntimeError, match="same device"):
        one + torch.ones(3)
    with pytest.raises(TypeError, match="cpu"):
        one.numpy()


def test_lists_are_sampled_where_the_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, asks = make()
    alone = [roll(lm, asks, samples=3, temperature=1.0, seed=0) for roll in (roll_free, roll_constrained)]
    with elsewhere(monkeypatch):
        moved, _ = make()
        assert all(p.device.type == "cuda" for p in moved.model.parameters())
        found = [
            roll(moved, asks, samples=3, temperature=1.0, seed=0) for roll in (roll_free, roll_constrained)
        ]
    for here, there in zip(alone, found, strict=True):
        assert [[one.items for one in group] for group in here] == [
            [one.items for one in group] for group in there
        ]


def by_groups(folder: Path) -> list[float]:
    lm, asks = make("title")
    settings = config(training={"max_steps": 3, "save_steps": 2}, objective=Objective(kl_weight=0.1))
    reinforce(lm, asks, settings, folder, free=wants, constrained=wants)
    return course(folder, "loss")


def by_all_actions(folder: Path) -> list[float]:
    lm, asks = make()
    scores = lambda asks: np.tile(np.arange(len(CATALOG), dtype=np.float32), (len(asks), 1))  # noqa: E731
    settings = config(training={"max_steps": 3}, all_actions=AllActionsConfig())
    reinforce(lm, asks, settings, folder, free=wants, constrained=wants, scores=scores)
    return course(folder, "loss")


def by_ppo(folder: Path) -> list[float]:
    lm, asks = make()
    settings = config(training={"max_steps": 4}, critic=CriticConfig(), updates_per_rollout=2)
    reinforce(lm, asks, settings, folder, free=wants, constrained=wants)
    return course(folder, "loss")


def by_preferences(folder: Path) -> list[float]:
    lm, asks = make_many()
    training = TrainingConfig(max_steps=3, learning_rate=3e-3, logging_steps=1)
    settings = PreferenceConfig(training=training, prompts_per_batch=8, max_prompt_tokens=120)
    _, result = prefer(lm, asks, settings, folder, judge=clicks)
    return [line["preference/loss"] for line in result.history]


def by_reward_model(folder: Path) -> list[float]:
    lm, asks = make_many()
    training = TrainingConfig(max_steps=3, learning_rate=3e-3, logging_steps=1)
    settings = best_of_config().judging(0).replace(training=training)
    groups = sample_groups(lm, asks, settings, clicks)
    model, result = fit_reward_model(lm, groups, settings, folder)
    judged = ModelJudge(model, lm)([group.ask for group in groups[:4]], [group.lists for group in groups[:4]])
    worth = np.array([one.total for group in judged for one in group])
    # Pairs say nothing about a number added to all: its gradient is rounding, which Adam scales up.
    return [
        *(worth - worth.mean()).tolist(),
        *(line["reward-model/loss"] for line in result.history if "reward-model/loss" in line),
    ]


def by_rows(folder: Path) -> list[float]:
    """Fine-tuning with distillation, killed and resumed: the optimiser's moments come back to the weights."""
    teaching = Teaching(lambda h, users: np.tile(np.arange(8, dtype=np.float32), (len(h), 1)), CATALOG)
    settings = sft_config(
        training={"max_steps": 4, "save_steps": 2, "eval_steps": 1},
        distillation=DistillationConfig(),
        embedding_dropout=0.0,
    )
    calls = 0

    def dies(lm: LanguageModel) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return {"ndcg@10": 0.0}

    with pytest.raises(KeyboardInterrupt):
        fine_tune(tiny(), table(), settings, folder, teacher=teaching, evaluate=dies)
    fine_tune(tiny(), table(), settings, folder, teacher=teaching, evaluate=dies)
    return losses(folder)


@pytest.mark.parametrize(
    "learn", [by_groups, by_all_actions, by_ppo, by_preferences, by_reward_model, by_rows]
)
def test_training_is_the_same_where_the_weights_are(
    learn: Callable[[Path], list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = learn(tmp_path / "here")
    with elsewhere(monkeypatch):
        found = learn(tmp_path / "there")
    assert found == pytest.approx(alone, rel=1e-4, abs=1e-5)
