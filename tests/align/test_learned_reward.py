"""A reward that is learned from judgements: who judges, what is kept, and what the policy makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from test_best_of import WANTED, clicks, make

from steerec.align import learned_reward
from steerec.align.credit import Judged
from steerec.align.critic import CriticConfig
from steerec.align.learned_reward import LearnedRewardConfig, learned_judge, mistaken
from steerec.align.preferring import PreferenceConfig
from steerec.align.rl import reinforce
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, roll_free
from steerec.artifacts import read_json
from steerec.loop import TrainingConfig

TRAINING = TrainingConfig(max_steps=40, learning_rate=3e-3, eval_steps=10, logging_steps=1)
SETTINGS = LearnedRewardConfig(
    pairs=PreferenceConfig(training=TRAINING, free=True, prompts_per_batch=8, max_prompt_tokens=120)
)


def test_a_person_prefers_the_nearer_lists_the_less_surely() -> None:
    def worth(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        return [[Judged(np.zeros(1), value, {}) for value in (0.0, 1.0)]] * 4000

    for noise in (0.5, 2.0):
        heard = mistaken(worth, noise, seed=0)([], [])
        right = np.mean([second.total > first.total for first, second in heard])
        assert right == pytest.approx(1 / (1 + np.exp(-1 / noise)), abs=0.03)
    assert mistaken(worth, 0.0, seed=0) is worth
    first, second = (mistaken(worth, 1.0, seed=7)([], [])[0][0].total for _ in range(2))
    assert first == second, "the same seed hears the same"


def test_the_judge_is_learned_once_and_shows_the_truth_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm, asks = make()
    judge = learned_judge(lm, asks[:40], SETTINGS, tmp_path, truth=clicks)
    assert read_json(tmp_path / "accuracy.json")["held_out_accuracy"] > 0.7
    lists = roll_free(lm, asks[40:44], samples=3, temperature=1.0, seed=5)
    found = judge(asks[40:44], lists)
    for group, worth in zip(lists, found, strict=True):
        assert [one.parts["judged"] for one in worth] == [float(WANTED in one.items) for one in group]
        assert [one.parts["reward_model"] for one in worth] == [one.total for one in worth]

    def never(*_: object) -> None:
        raise AssertionError("a finished reward model is not learned again")

    monkeypatch.setattr(learned_reward, "sample_groups", never)
    again = learned_judge(lm, asks[:40], SETTINGS, tmp_path, truth=clicks)(asks[40:44], lists)
    for one, other in zip(again, found, strict=True):
        assert [worth.total for worth in one] == [worth.total for worth in other]


def test_ppo_raises_what_was_judged_by_the_word_of_the_reward_model(tmp_path: Path) -> None:
    lm, asks = make()
    judge = learned_judge(lm, asks[:40], SETTINGS, tmp_path / "reward", truth=clicks)
    config = RlConfig(
        training=TRAINING.replace(max_steps=70, learning_rate=5e-3, eval_steps=None),
        free_reward=SETTINGS,
        free_share=1.0,
        prompts_per_step=8,
        samples=8,
        updates_per_rollout=2,
        max_prompt_tokens=120,
        critic=CriticConfig(kl_penalty=0.0),
    )
    _, result = reinforce(lm, asks[40:], config, tmp_path, free=judge, constrained=judge)
    judged = [line["rl/free_judged"] for line in result.history if "rl/free_judged" in line]
    assert np.mean(judged[-6:]) > np.mean(judged[:4]) + 0.5, judged


def test_nobody_can_judge_clicks_where_none_are_known() -> None:
    with pytest.raises(ValueError, match="no next item is known"):
        RlConfig(training=TRAINING, free_reward=SETTINGS, free_share=1.0, moments="present")
