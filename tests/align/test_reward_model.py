"""A reward model learns the judge's order, and picks better lists than chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from steerec.align.credit import Judged
from steerec.align.preferring import PreferenceConfig, sample_groups
from steerec.align.reward_model import ModelJudge, best_of, fit_reward_model, pairwise_loss
from steerec.align.rollouts import Ask, Rollout, read_asks, roll_constrained
from steerec.control.request import Request
from steerec.errors import DataError
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

WANTED = 3


def judge(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    return [[Judged(np.zeros(len(r.items)), float(WANTED in r.items), {}) for r in group] for group in groups]


def test_loss_by_hand() -> None:
    worth = torch.tensor([[0.0, 1.0, 2.0]])
    loss, pairs, right = pairwise_loss(worth, torch.tensor([[1.0, 0.0, 0.0]]))
    # the first is better than both others, and is worth 1 and 2 less
    assert float(loss) == pytest.approx(np.log1p(np.exp(1.0)) + np.log1p(np.exp(2.0)))
    assert (int(pairs), int(right)) == (2, 0)
    loss, pairs, _ = pairwise_loss(worth, torch.ones(1, 3))
    assert (float(loss), int(pairs)) == (0.0, 0)


def test_it_learns_the_order_and_picks_better_lists(tmp_path: Path) -> None:
    lm = tiny(context_length=256, initializer_range=0.05)
    rows = pl.DataFrame(
        {
            "history": [[0, 1], [5], [7, 4], [2]] * 10,
            "instruction": ["Two films."] * 40,
            "request": [Request(count=2).to_json()] * 40,
            "target": [WANTED] * 40,
            "user": list(range(40)),
        }
    )
    asks = read_asks(lm, rows, shelf(), max_prompt_tokens=120)
    before = {name: value.clone() for name, value in lm.model.state_dict().items()}
    config = PreferenceConfig(
        training=TrainingConfig(max_steps=40, learning_rate=3e-3, eval_steps=10),
        loss="pro",
        prompts_per_batch=8,
    )
    groups = sample_groups(lm, asks, config, judge)
    model, result = fit_reward_model(lm, groups, config, tmp_path)
    assert result.best_metric is not None
    assert result.best_metric > 0.8
    assert all(torch.equal(value, before[name]) for name, value in lm.model.state_dict().items())
    fresh = roll_constrained(lm, asks, samples=4, temperature=1.0, seed=123)
    chosen = best_of(asks, fresh, ModelJudge(model, lm))
    share = np.mean([WANTED in rollout.items for rollout in chosen])
    assert share > np.mean([WANTED in r.items for group in fresh for r in group]) + 0.15
    assert not ModelJudge(model, lm)([], [])
    with pytest.raises(DataError, match="got 1"):
        fit_reward_model(lm, groups[:1], config, tmp_path)
