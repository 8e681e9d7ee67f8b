"""Reinforcement learning in two processes is that in one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from steerec.align.all_actions import AllActionsConfig
from steerec.align.credit import Judged
from steerec.align.critic import CriticConfig
from steerec.align.distillation import Teaching
from steerec.align.objectives import Objective
from steerec.align.rewards.judge import Judge, ListJudge
from steerec.align.rewards.own import RewardConfig
from steerec.align.rl import reinforce
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, read_asks
from steerec.control.request import Request
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

CATALOG = shelf()


def _settings(kind: str) -> RlConfig:
    reward = RewardConfig(regret=0, place=1)
    return RlConfig(
        training=TrainingConfig(
            max_steps=4, learning_rate=3e-3, gradient_accumulation_steps=2, logging_steps=1, eval_steps=2
        ),
        objective=Objective(kl_weight=0.1),
        free_reward=reward,
        constrained_reward=reward,
        prompts_per_step=8,
        samples=4,
        max_prompt_tokens=80,
        all_actions=AllActionsConfig() if kind == "all_actions" else None,
        critic=CriticConfig(kl_penalty=0.01) if kind == "ppo" else None,
        updates_per_rollout=2 if kind == "ppo" else 1,
    )


def _silent_from(step: int, judge: Judge) -> Judge:
    """From a step on all lists are worth the same, after steps that left the optimiser in motion."""
    processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    judged = 0

    def judging(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        nonlocal judged
        silent = judged >= step * 8 // processes
        judged += len(asks)
        found = judge(asks, groups)
        return [[one._replace(items=0 * one.items, whole=0.0) if silent else one for one in group]
                for group in found]  # fmt: skip

    return judging


def _learn(folder: Path, kind: str) -> None:
    lm = tiny(initializer_range=0.05)
    rows = pl.DataFrame(
        {
            "history": [[0, 1], [5], [7, 4], [2]] * 2,
            "instruction": ["2 films."] * 8,
            "request": [Request(count=2).to_json()] * 8,
            "target": [3, 4, 1, 6] * 2,
            "user": list(range(8)),
        }
    )
    asks = read_asks(lm, rows, CATALOG, max_prompt_tokens=80)
    flat = lambda histories, users: np.zeros((len(histories), len(CATALOG)), np.float32)  # noqa: E731
    judge: Judge = ListJudge(RewardConfig(regret=0, place=1), Teaching(flat, CATALOG))
    if kind == "silent":
        judge = _silent_from(2, judge)
    scores = lambda asks: np.tile(np.arange(len(CATALOG), dtype=np.float32), (len(asks), 1))  # noqa: E731
    tuned, _ = reinforce(lm, asks, _settings(kind), folder, free=judge, constrained=judge, scores=scores)
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    weights = {name: p.detach().clone() for name, p in tuned.model.named_parameters()}
    save_file(weights, folder / f"weights-{rank}.safetensors")


def _distributed(rank: int, rendezvous: str, folder: str, kind: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    torch.set_num_threads(1)
    _learn(Path(folder), kind)
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("kind", ["sampled", "all_actions", "ppo", "silent"])
def test_two_processes_equal_one(kind: str, tmp_path: Path) -> None:
    rendezvous, two, one = f"file://{tmp_path}/rendezvous", tmp_path / "two", tmp_path / "one"
    two.mkdir()
    torch.multiprocessing.spawn(_distributed, (rendezvous, str(two), kind), nprocs=2)
    one.mkdir()
    _learn(one, kind)
    alone, shared = (
        [
            {name: value for name, value in line.items() if not name.endswith(("tokens_per_s", "ratio_max"))}
            for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
            if "rl/loss" in line
        ]
        for folder in (one, two)
    )
    assert len(alone) == len(shared) == 4
    for first, second in zip(alone, shared, strict=True):
        assert second == pytest.approx(first, rel=1e-3, abs=1e-5)
    if kind == "silent":
        assert [line["rl/zero_advantage_groups"] for line in alone[2:]] == [1.0, 1.0]
    expected = load_file(one / "weights-0.safetensors")
    for rank in (0, 1):
        for name, value in load_file(two / f"weights-{rank}.safetensors").items():
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)
