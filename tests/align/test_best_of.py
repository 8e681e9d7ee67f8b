"""The loop of best-of-n: what clicks like becomes likely, and finished rounds are not repeated.

In two processes it is what it is in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from steerec.align import best_of
from steerec.align.best_of import BestOfConfig, learn_best_of
from steerec.align.credit import Judged
from steerec.align.preferring import PreferenceConfig, sample_groups
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


def test_the_reward_model_sees_all_lists_as_hot_as_it_scores_them() -> None:
    settings = config()
    learned = settings.judging(1)
    assert learned.temperature == settings.policy(1).temperature == settings.temperature
    lm, asks = make()
    by_place = lambda asks, groups: [  # noqa: E731
        [Judged(np.zeros(2), float(place), {}) for place, _ in enumerate(group)] for group in groups
    ]
    for group in sample_groups(lm, asks[:8], learned, by_place):
        assert len(group.lists) == learned.samples
    assert learned.training.seed != settings.judging(0).training.seed


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


def _learn(folder: Path) -> None:
    training = TrainingConfig(
        max_steps=4, learning_rate=3e-3, gradient_accumulation_steps=2, logging_steps=1, eval_steps=2
    )
    settings = config()
    settings = settings.replace(
        training=training, reward_model=settings.reward_model.replace(training=training), num_prompts=16
    )
    lm, asks = make()
    tuned = learn_best_of(lm, asks, settings, folder, judge=clicks)
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    weights = {name: p.detach().clone() for name, p in tuned.model.named_parameters()}
    save_file(weights, folder / f"weights-{rank}.safetensors")


def _distributed(rank: int, rendezvous: str, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    torch.set_num_threads(1)
    _learn(Path(folder))
    torch.distributed.destroy_process_group()


def test_two_processes_equal_one_and_the_first_keeps_the_rounds(tmp_path: Path) -> None:
    rendezvous, two, one = f"file://{tmp_path}/rendezvous", tmp_path / "two", tmp_path / "one"
    two.mkdir()
    torch.multiprocessing.spawn(_distributed, (rendezvous, str(two)), nprocs=2)
    one.mkdir()
    _learn(one)
    rounds = [read_json(folder / "rounds.json") for folder in (one, two)]
    assert [line["round"] for line in rounds[1]] == [0, 1]
    for alone, shared in zip(*rounds, strict=True):
        assert shared == pytest.approx(alone, rel=1e-3)
    expected = load_file(one / "weights-0.safetensors")
    for rank in (0, 1):
        for name, value in load_file(two / f"weights-{rank}.safetensors").items():
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)
