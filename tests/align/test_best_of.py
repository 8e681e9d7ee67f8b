"""The loop of best-of-n: what clicks like becomes likely, and finished rounds are not repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from steerec.align import best_of
from steerec.align.best_of import BestOfConfig, learn_best_of
from steerec.align.credit import Judged
from steerec.align.preferring import PreferenceConfig
from steerec.align.rollouts import Ask, Rollout, read_asks, roll_constrained
from steerec.artifacts import read_json
from steerec.control.request import Request
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

WANTED = 3


def clicks(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    return [[Judged(np.zeros(len(r.items)), float(WANTED in r.items), {}) for r in group] for group in groups]


def make() -> tuple[LanguageModel, list[Ask]]:
    lm = tiny(context_length=256, initializer_range=0.05)
    rows = pl.DataFrame(
        {
            "history": [[0, 1], [5], [7, 4], [2]] * 20,
            "instruction": ["Two films."] * 80,
            "request": [Request(count=2).to_json()] * 80,
            "target": [WANTED] * 80,
            "user": list(range(80)),
        }
    )
    return lm, read_asks(lm, rows, shelf(), max_prompt_tokens=120)


def config(**changes: object) -> BestOfConfig:
    training = TrainingConfig(max_steps=30, learning_rate=3e-3, eval_steps=10)
    learned = PreferenceConfig(training=training, prompts_per_batch=8, max_prompt_tokens=120)
    return BestOfConfig(training=training, reward_model=learned, num_prompts=40, samples=6).replace(**changes)


def share(lm: LanguageModel, asks: Sequence[Ask]) -> float:
    lists = roll_constrained(lm, asks, samples=8, temperature=1.0, seed=9)
    return float(np.mean([WANTED in one.items for group in lists for one in group]))


def test_what_is_clicked_becomes_likely_and_a_killed_loop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm, asks = make()
    before = share(lm, asks)
    whole = learn_best_of(lm, asks, config(), tmp_path / "whole", judge=clicks)
    rounds = read_json(tmp_path / "whole" / "rounds.json")
    assert [one["round"] for one in rounds] == [0, 1]
    assert rounds[0]["held_out_accuracy"] > 0.7
    assert rounds[0]["best_of_n"] > rounds[0]["any_of_n"] + 0.1
    assert share(whole, asks) > before + 0.2

    killed, _ = make()
    done = best_of.prefer

    def dies(*arguments: object, **options: object) -> object:
        if (tmp_path / "killed" / "round-0" / "model").exists():
            raise KeyboardInterrupt
        return done(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(best_of, "prefer", dies)
    with pytest.raises(KeyboardInterrupt):
        learn_best_of(killed, asks, config(), tmp_path / "killed", judge=clicks)
    monkeypatch.setattr(best_of, "prefer", done)
    fresh, _ = make()
    resumed = learn_best_of(fresh, asks, config(), tmp_path / "killed", judge=clicks)
    assert read_json(tmp_path / "killed" / "rounds.json") == rounds
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name
