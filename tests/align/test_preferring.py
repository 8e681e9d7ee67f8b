"""Preferences between sampled lists move the model towards the better ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steerec.align.credit import Judged
from steerec.align.preferring import PreferenceConfig, prefer, sample_groups
from steerec.align.rollouts import Ask, Rollout, read_asks, roll_constrained
from steerec.control.request import Request
from steerec.errors import DataError
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

WANTED = 3


def make() -> tuple[LanguageModel, list[Ask]]:
    lm = tiny(context_length=256, initializer_range=0.05)
    rows = pl.DataFrame(
        {
            "history": [[0, 1], [5], [7, 4], [2]] * 8,
            "instruction": ["Two films."] * 32,
            "request": [Request(count=2).to_json()] * 32,
            "target": [WANTED] * 32,
            "user": list(range(32)),
        }
    )
    return lm, read_asks(lm, rows, shelf(), max_prompt_tokens=120)


def first_is_wanted(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    return [
        [
            Judged(np.zeros(len(r.items)), 2.0 * (r.items[0] == WANTED) + (WANTED in r.items), {})
            for r in group
        ]
        for group in groups
    ]


def share(lm: LanguageModel, asks: Sequence[Ask]) -> float:
    groups = roll_constrained(lm, asks, samples=8, temperature=1.0, seed=99)
    return float(np.mean([r.items[0] == WANTED for group in groups for r in group]))


@pytest.mark.parametrize("loss", ["dpo", "s_dpo", "pro", "rejection"])
def test_better_lists_become_likelier(loss: str, tmp_path: Path) -> None:
    lm, asks = make()
    config = PreferenceConfig(
        training=TrainingConfig(max_steps=25, learning_rate=3e-3, logging_steps=1),
        loss=loss,
        beta=0.5,
        prompts_per_batch=8,
    )
    before = share(lm, asks)
    _, result = prefer(lm, asks, config, tmp_path, judge=first_is_wanted)
    assert share(lm, asks) > before + 0.2
    assert result.history[-1]["preference/loss"] < result.history[0]["preference/loss"]
    if loss in ("dpo", "s_dpo"):
        first, last = result.history[0], result.history[-1]
        assert first["preference/margin"] == pytest.approx(0.0, abs=1e-4), "the reference is the model itself"
        assert last["preference/accuracy"] > 0.7


def test_groups_are_ranked_and_equal_ones_left_out() -> None:
    lm, asks = make()
    config = PreferenceConfig(training=TrainingConfig(max_steps=1, learning_rate=1e-3), loss="pro")
    groups = sample_groups(lm, asks, config, first_is_wanted)
    assert 0 < len(groups) <= len(asks)
    for group in groups:
        assert list(group.rewards) == sorted(group.rewards, reverse=True)
        assert group.rewards[0] > group.rewards[-1]
    pairs = sample_groups(lm, asks, config.replace(loss="dpo"), first_is_wanted)
    assert [(g.rewards[0], g.rewards[-1]) for g in groups] == [g.rewards for g in pairs]

    def two_are_bad(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        return [[Judged(np.zeros(2), float(place > 1), {}) for place, _ in enumerate(g)] for g in groups]

    rejecting = config.replace(loss="s_dpo", num_rejected=3)
    for group in sample_groups(lm, asks, rejecting, two_are_bad):
        assert group.rewards == (1.0, 0.0, 0.0, 0.0), "a list as good as the chosen one is not rejected"
        assert len({one.tokens for one in group.lists[1:]}) <= 2

    def equal(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        return [[Judged(np.zeros(2), 1.0, {}) for _ in group] for group in groups]

    with pytest.raises(DataError, match="nothing to prefer"):
        sample_groups(lm, asks, config, equal)
