"""Reinforcement learning learns what is rewarded, says when it cannot, and can be interrupted."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from steerec.align.all_actions import AllActionsConfig
from steerec.align.credit import Judged
from steerec.align.critic import ActorCritic, CriticConfig
from steerec.align.objectives import Objective
from steerec.align.policy import lay_out
from steerec.align.rl import reinforce, rl_step, warn_if_hopeless
from steerec.align.rl_batches import RlBatches
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, read_asks, roll_constrained
from steerec.control.request import Request
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import hidden_states
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

CATALOG, WANTED = shelf(), 3


def make(kind: str = "atomic") -> tuple[LanguageModel, list[Ask]]:
    lm = tiny(identifier=kind, context_length=256, initializer_range=0.05)
    rows = pl.DataFrame(
        {
            "history": [[0, 1], [5], [7, 4], [2]],
            "instruction": ["Two films."] * 4,
            "request": [Request(count=2).to_json()] * 4,
            "target": [WANTED] * 4,
            "user": [0, 1, 2, 3],
        }
    )
    return lm, read_asks(lm, rows, CATALOG, max_prompt_tokens=120)


def wants(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    """1 for every entry that is the wanted item, once."""
    found = []
    for group in groups:
        hits = [np.array([float(i == r.items.index(WANTED)) if WANTED in r.items else 0.0
                          for i in range(len(r.items))]) for r in group]  # fmt: skip
        found.append([Judged(items, 0.0, {"hit": float(items.sum())}) for items in hits])
    return found


def equal(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    return [[Judged(np.zeros(len(r.items)), 1.0, {}) for r in group] for group in groups]


def config(**changes: Any) -> RlConfig:
    training = {"max_steps": 30, "learning_rate": 3e-3, "logging_steps": 1, **changes.pop("training", {})}
    return RlConfig(training=TrainingConfig(**training), prompts_per_step=4, samples=8).replace(**changes)


def course(folder: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line[f"rl/{name}"] for line in lines if f"rl/{name}" in line]


@pytest.mark.parametrize(("kind", "free_share"), [("atomic", 0.0), ("atomic", 1.0), ("title", 0.0)])
def test_what_is_rewarded_becomes_likely(kind: str, free_share: float, tmp_path: Path) -> None:
    lm, asks = make(kind)
    steps = {"max_steps": 60 if free_share else 30}
    reinforce(
        lm, asks, config(free_share=free_share, training=steps), tmp_path, free=wants, constrained=wants
    )
    for part in ("free",) * (free_share > 0) + ("constrained",) * (free_share < 1):
        hits = course(tmp_path, f"{part}_hit")
        assert np.mean(hits[-5:]) > np.mean(hits[:3]) + 0.15, (part, hits)


def test_ppo_learns_and_so_does_its_value_head(tmp_path: Path) -> None:
    lm, asks = make()
    critic = CriticConfig(kl_penalty=0.01)
    settings = config(
        free_share=0.0,
        critic=critic,
        updates_per_rollout=2,
        training={"max_steps": 60, "learning_rate": 3e-3},
    )
    reinforce(lm, asks, settings, tmp_path, free=wants, constrained=wants)
    hits = course(tmp_path, "constrained_hit")
    assert np.mean(hits[-6:]) > np.mean(hits[:4]) + 0.15, hits
    losses = course(tmp_path, "value_loss")
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:4]), "the head is trained, unlike the published one"


def test_the_value_head_reads_states_and_does_not_pull_on_them() -> None:
    lm, asks = make()
    actor = ActorCritic(lm.model, CriticConfig(), seed=0)
    groups = roll_constrained(lm, asks, samples=2, temperature=1.0, seed=0)
    decisions = lay_out(asks, groups, lm.vocab_size)
    values = actor.values(hidden_states(lm.model, decisions.packed), decisions)
    assert values.shape == decisions.mask.shape
    assert torch.equal(values, torch.zeros_like(values)), "a new head expects nothing"
    torch.nn.init.ones_(actor.value_head[-1].weight)
    actor.values(hidden_states(lm.model, decisions.packed), decisions).sum().backward()
    assert all(p.grad is None for p in lm.model.parameters())
    assert all(p.grad is not None for p in actor.value_head.parameters())


def test_groups_without_difference_change_nothing_and_are_reported(tmp_path: Path) -> None:
    lm, asks = make()
    before = copy.deepcopy(lm.model.state_dict())
    _, result = reinforce(
        lm, asks, config(training={"max_steps": 2}), tmp_path, free=equal, constrained=equal
    )
    for name, value in lm.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert course(tmp_path, "zero_advantage_groups") == [1.0, 1.0]
    assert "100%" in warn_if_hopeless(result.history)[0]
    assert not warn_if_hopeless([{"rl/zero_advantage_groups": 0.3, "rl/entropy": 2.0}])
    assert "entropy" in warn_if_hopeless([{"rl/entropy": 2.0}, {"rl/entropy": 0.1}])[0]


def test_the_reference_is_frozen_and_holds_the_policy(tmp_path: Path) -> None:
    moved = {}
    for weight in (0.0, 10.0):
        lm, asks = make()
        objective = Objective(kl_weight=weight)
        if not weight:  # measured, not felt
            objective = Objective(kl_weight=1e-9)
        reinforce(
            lm,
            asks,
            config(free_share=0.0, objective=objective),
            tmp_path / str(weight),
            free=wants,
            constrained=wants,
        )
        kl = course(tmp_path / str(weight), "kl")
        assert kl[0] == pytest.approx(0.0, abs=1e-6), "at the first step policy and reference are the same"
        moved[weight] = kl[-1]
    assert moved[10.0] < 0.2 * moved[0.0]


@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_an_interrupted_run_equals_an_unbroken_one(kind: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"objective": Objective(kl_weight=0.01)}
    if kind == "ppo":
        changes = {"critic": CriticConfig(kl_penalty=0.01), "updates_per_rollout": 2}
    settings = config(training={"max_steps": 16, "save_steps": 2}, **changes)
    lm, asks = make()
    reinforce(lm, asks, settings, tmp_path / "whole", free=wants, constrained=wants)

    class KilledError(Exception):
        pass

    calls = 0

    def dies(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KilledError
        return wants(asks, groups)

    broken, _ = make()
    with pytest.raises(KilledError):
        reinforce(broken, asks, settings, tmp_path / "broken", free=wants, constrained=dies)
    again, _ = make()
    reinforce(again, asks, settings, tmp_path / "broken", free=wants, constrained=wants)
    assert course(tmp_path / "broken", "loss") == course(tmp_path / "whole", "loss")
    for a, b in zip(again.model.parameters(), lm.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_later_updates_use_the_same_lists_and_clip() -> None:
    lm, asks = make()
    settings = config(updates_per_rollout=2, free_share=0.0, objective=Objective(kl_weight=0.0))
    batches = RlBatches(lm, asks, settings, free=wants, constrained=wants)
    first = batches(0, 0)
    assert batches(1, 0) is first
    assert batches(2, 0) is not first
    assert first.old_log_probs is not None
    with torch.no_grad():
        output = rl_step(settings, None)(lm.model, first)
    assert output.metrics["clip_fraction"] == 0.0
    assert output.metrics["ratio_max"] / output.weight == pytest.approx(1.0, abs=1e-4)
    with torch.no_grad():
        for parameter in lm.model.parameters():
            parameter.mul_(3.0)
        moved = rl_step(settings, None)(lm.model, batches(1, 0))
    assert moved.metrics["clip_fraction"] / moved.weight > 0.2
    assert moved.metrics["ratio_max"] / moved.weight > 1.2


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the"):
        config(training={"gradient_accumulation_steps": 3})
    with pytest.raises(ValueError, match="takes the place of the group's baseline"):
        config(critic=CriticConfig(), advantage="leave_one_out")
    for changes in ({"free_share": 1.0}, {"all_actions": AllActionsConfig()}):
        with pytest.raises(ValueError, match="unique is about sampled lists"):
            config(unique=True, **changes)
    with pytest.raises(ValueError, match="control_satisfaction"):
        config(select="obedience")
    with pytest.raises(ValueError, match="save_steps is 3"):
        config(training={"save_steps": 3}, updates_per_rollout=2)


@pytest.mark.parametrize("changes", [{"advantage": "greedy", "scale_advantages": False}, {"unique": True}])
def test_other_baselines_and_lists_learn_too(changes: dict[str, Any], tmp_path: Path) -> None:
    lm, asks = make()
    reinforce(lm, asks, config(free_share=0.0, **changes), tmp_path, free=wants, constrained=wants)
    greedy = roll_constrained(lm, asks, samples=1, temperature=0.0, seed=0)
    assert np.mean([WANTED in group[0].items for group in greedy]) == 1.0


def test_an_untrained_critic_stays_a_random_baseline_as_published(tmp_path: Path) -> None:
    heads: dict[bool, dict[str, torch.Tensor]] = {}
    for trained in (False, True):
        lm, asks = make()
        settings = config(
            free_share=0.0,
            critic=CriticConfig(trained=trained),
            training={"max_steps": 4, "save_steps": 2},
        )
        start = ActorCritic(lm.model, settings.critic, seed=settings.training.seed).state_dict()
        before = copy.deepcopy(lm.model.state_dict())
        calls = 0

        def dies(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
            nonlocal calls
            calls += 1
            if calls == 4:
                raise KeyboardInterrupt
            return wants(asks, groups)

        with pytest.raises(KeyboardInterrupt):
            reinforce(lm, asks, settings, tmp_path / str(trained), free=wants, constrained=dies)
        assert any(not torch.equal(value, before[name]) for name, value in lm.model.state_dict().items())
        saved = load_file(tmp_path / str(trained) / "checkpoint" / "model.safetensors")
        heads[trained] = {name: value for name, value in saved.items() if name.startswith("value_head")}
        for name, value in heads[trained].items():
            assert not torch.equal(value, start[name]), name
    assert not heads[False], "what is not trained is not in the optimiser, nor in a checkpoint"
    assert len(heads[True]) == 4
