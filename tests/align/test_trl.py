"""TRL's trainers on our token ids lose what our own steps lose; what they cannot do is refused."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from steerec.align import trl as adapter
from steerec.align.all_actions import AllActionsConfig
from steerec.align.credit import Judged
from steerec.align.examples import encode_rows
from steerec.align.objectives import Objective, surrogate
from steerec.align.policy import lay_out, say
from steerec.align.preferring import PreferenceBatch, PreferenceConfig, preference_step, sample_groups
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, read_asks
from steerec.align.sft import SftBatches, SftConfig, sft_step
from steerec.control.request import Request
from steerec.errors import ConfigError
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

pytest.importorskip("trl", reason='TRL is not installed: pip install "steerec[train]"')
CLOSE = 1e-4
SAMPLES = 4


def plain_tiny(**changes: object) -> LanguageModel:
    return tiny(**{"copy_dim": 0, "context_length": 256, "initializer_range": 0.2, **changes})


def table(num_rows: int = 6) -> pl.DataFrame:
    """Prompts and answers of different lengths, and one answer in words."""
    rows = [
        {
            "history": [(k + j) % 8 for j in range(k % 4)],
            "instruction": "Two films." if k % 2 else "Recommend 'Heat (1995)', please.",
            "answer_items": [(3 * k + j) % 8 for j in range(1 + k % 3)] if k else None,
            "answer_text": None if k else "A comedy.",
            "request": Request(count=1 + k % 3).to_json() if k else None,
            "target": 3,
            "user": k,
        }
        for k in range(num_rows)
    ]
    schema = {"history": pl.List(pl.Int32), "answer_items": pl.List(pl.Int32), "answer_text": pl.String}
    return pl.DataFrame(rows, schema_overrides=schema)


def asks_of(lm: LanguageModel) -> list[Ask]:
    return read_asks(lm, table(), shelf(), max_prompt_tokens=120)[:4]


def judge(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    """Every list is worth something else, as a list."""
    return [
        [Judged(np.zeros(len(r.items)), sum(r.tokens) % 7 + 0.1 * k, {}) for k, r in enumerate(group)]
        for group in groups
    ]


def training(**changes: Any) -> TrainingConfig:
    return TrainingConfig(**{"max_steps": 2, "learning_rate": 1e-3, "logging_steps": 1, **changes})


def move(model: nn.Module, scale: float = 0.05) -> None:
    """Move the weights, so that policy, reference and sampling policy differ."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same_step(model: nn.Module, theirs: Tensor, ours: Tensor) -> None:
    assert theirs.item() == pytest.approx(ours.item(), abs=CLOSE)
    expected, found = gradients(model, ours), gradients(model, theirs)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize("kind", ["atomic", "title"])
def test_fine_tuning_has_our_tokens_and_our_loss(kind: str, tmp_path: Path) -> None:
    lm, rows = plain_tiny(identifier=kind), table()
    config = SftConfig(training=training(), pack_length=200, tokens_per_batch=10_000)
    trainer = adapter.trl_sft(lm, rows, config, tmp_path, rows_per_batch=len(rows))
    encoded = encode_rows(lm, rows)
    for k, row in enumerate(trainer.train_dataset):
        tokens = encoded.tokens[encoded.starts[k] : encoded.starts[k + 1]].tolist()
        answer = int(encoded.answer[k])
        assert row["input_ids"] == tokens
        assert row["labels"] == [-100] * answer + tokens[answer:]
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(batch["input_ids"]) == len(rows)
    ours = sft_step(config, 0)(lm.model, SftBatches(lm, rows, config)(0, 0))
    assert_same_step(lm.model, trainer.compute_loss(lm.model, batch), ours.loss_sum / ours.weight)


def test_preferences_have_our_tokens_and_our_loss(tmp_path: Path) -> None:
    lm = plain_tiny()
    asks = asks_of(lm)
    config = PreferenceConfig(
        training=training(), beta=0.3, samples=SAMPLES, free=True, prompts_per_batch=len(asks)
    )
    groups = sample_groups(lm, asks, config, judge)
    trainer = adapter.trl_dpo(lm, groups, config, tmp_path)
    reference = copy.deepcopy(lm.model)
    move(lm.model)
    batch = next(iter(trainer.get_train_dataloader()))
    decisions = lay_out([g.ask for g in groups], [g.lists for g in groups], lm.vocab_size)
    lists = [rollout.tokens for group in groups for rollout in group.lists]
    written = rows_of(batch["input_ids"], batch["completion_mask"])
    assert sorted(written) == sorted(lists)
    rewards = torch.tensor([group.rewards for group in groups])
    ours = preference_step(config, reference)(lm.model, PreferenceBatch(decisions, rewards))
    assert abs(ours.loss_sum.item() / ours.weight - np.log(2)) > 100 * CLOSE, "the policy has moved"
    assert_same_step(lm.model, trainer.compute_loss(lm.model, batch), ours.loss_sum / ours.weight)


OBJECTIVES = {
    "dapo": Objective(clip_low=0.2, clip_high=0.28),
    "grpo": Objective(aggregation="sequence", kl_weight=0.3),
    "dr_grpo": Objective(aggregation="constant", constant_length=40, clip_low=None, clip_high=None),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("rollouts", ["free", "constrained", "generate"])
def test_reinforcement_has_our_tokens_and_our_loss(name: str, rollouts: str, tmp_path: Path) -> None:
    """Two updates on the same lists, so that probability ratios are not 1 and some are clipped.

    For constrained lists TRL takes probabilities over the whole vocabulary, and so does the comparison.
    """
    lm = plain_tiny()
    asks = asks_of(lm)
    config = RlConfig(
        training=training(),
        objective=OBJECTIVES[name],
        prompts_per_step=len(asks),
        samples=SAMPLES,
        free_share=float(rollouts != "constrained"),
        temperature=0.8,
        scale_advantages=False,
        updates_per_rollout=2,
    )
    options: dict[str, Any] = {"free": judge, "constrained": judge, "generate": rollouts == "generate"}
    trainer = adapter.trl_grpo(lm, asks, config, tmp_path, **options)
    lm.model.train()
    batch = prepared(trainer)
    present = batch["completion_mask"]
    if rollouts != "constrained" and name != "dr_grpo":
        assert present.sum(dim=1).max() == trainer.args.max_completion_length, "both may write as much"
    groups = [
        [Rollout(items=(), tokens=tokens, ends=np.zeros(0, int), decided=decided, allowed=None)]
        for tokens, decided in zip(
            rows_of(batch["completion_ids"], present),
            [np.flatnonzero(row.numpy()) for row in present * batch.get("tool_mask", present)],
            strict=True,
        )
    ]
    prompts = rows_of(batch["prompt_ids"], batch["prompt_mask"])
    assert sorted(prompts) == sorted(ask.tokens for ask in asks for _ in range(SAMPLES))
    by_prompt = {ask.tokens: ask for ask in asks}
    decisions = lay_out([by_prompt[prompt] for prompt in prompts], groups, lm.vocab_size)
    with torch.no_grad():
        old = say(lm.model, decisions, temperature=config.temperature).log_probs
    move(lm.model)
    now = say(lm.model, decisions, temperature=config.temperature).log_probs
    ours = surrogate(
        now,
        old,
        batch["advantages"][:, None],
        decisions.mask,
        config.objective,
        ref_log_probs=old if config.objective.kl_weight else None,
    )
    assert name == "dr_grpo" or ours.clipped_sum > 0
    loss = trainer.compute_loss(lm.model, batch)
    assert_same_step(lm.model, loss, ours.loss_sum / ours.weight)


def prepared(trainer: Any) -> dict[str, Tensor]:
    """Return TRL's sampled and scored batch, as its `train()` would make it."""
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    found: dict[str, Tensor] = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    return found


def rows_of(tokens: Tensor, mask: Tensor) -> list[tuple[int, ...]]:
    return [tuple(row[kept.bool()].tolist()) for row, kept in zip(tokens, mask, strict=True)]


def test_advantages_are_those_of_the_group(tmp_path: Path) -> None:
    lm = plain_tiny()
    asks = asks_of(lm)
    judged: list[list[float]] = []

    def remembers(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        found = judge(asks, groups)
        judged.extend([one.total for one in group] for group in found)
        return found

    config = RlConfig(
        training=training(),
        prompts_per_step=len(asks),
        samples=SAMPLES,
        free_share=1.0,
        scale_advantages=False,
    )
    trainer = adapter.trl_grpo(lm, asks, config, tmp_path, free=remembers, constrained=remembers)
    lm.model.train()
    advantages = prepared(trainer)["advantages"].numpy()
    worth = np.array(judged)  # (P, S)
    expected = (worth - worth.mean(axis=1, keepdims=True)).ravel()
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(np.sort(advantages), np.sort(expected), atol=CLOSE)


def test_rollouts_are_ours_and_only_choices_count(tmp_path: Path) -> None:
    lm = plain_tiny()
    asks = asks_of(lm)
    config = RlConfig(training=training(), prompts_per_step=len(asks), samples=SAMPLES, free_share=0.5)
    seen: list[Rollout] = []

    def looks(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        seen.extend(rollout for group in groups for rollout in group)
        return judge(asks, groups)

    trainer = adapter.trl_grpo(lm, asks, config, tmp_path, free=looks, constrained=looks)
    roll = adapter.rollout_function(lm, asks, config, free=looks, constrained=looks)
    rolled = roll([str(k) for k in range(len(asks)) for _ in range(SAMPLES)], trainer)
    assert rolled["prompt_ids"] == [list(ask.tokens) for ask in asks for _ in range(SAMPLES)]
    assert rolled["completion_ids"] == [list(rollout.tokens) for rollout in seen]
    half = len(seen) // 2
    assert all(rollout.allowed is None for rollout in seen[:half])
    assert all(None not in rollout.items for rollout in seen[half:]), "constrained lists are lists of items"
    for rollout, mask in zip(seen, rolled["env_mask"], strict=True):
        assert np.flatnonzero(mask).tolist() == rollout.decided.tolist()


@pytest.mark.parametrize("stage", ["sft", "dpo", "grpo"])
def test_trainers_train_and_print_nothing(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm = plain_tiny()
    asks = asks_of(lm)
    if stage == "sft":
        sft = SftConfig(training=training(learning_rate=0.01, max_steps=12))
        trainer = adapter.trl_sft(lm, table(), sft, tmp_path, rows_per_batch=6)
    elif stage == "dpo":
        preference = PreferenceConfig(
            training=training(learning_rate=0.01, max_steps=12), free=True, prompts_per_batch=4
        )
        groups = sample_groups(lm, asks, preference, judge)
        trainer = adapter.trl_dpo(lm, groups, preference, tmp_path)
    else:
        rl = RlConfig(training=training(), objective=OBJECTIVES["grpo"], prompts_per_step=4, samples=SAMPLES)
        trainer = adapter.trl_grpo(lm, asks, rl, tmp_path, free=judge, constrained=judge)
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert np.isfinite(losses).all()
    if stage != "grpo":
        assert losses[-1] < 0.7 * losses[0]
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.rglob("*.safetensors")), "nothing is saved unless save_steps says so"


def test_what_trl_cannot_do_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = plain_tiny()
    asks = asks_of(lm)
    sft = SftConfig(training=training())
    with pytest.raises(ConfigError, match="cannot do what this says: history_loss_weight"):
        adapter.trl_sft(lm, table(), sft.replace(history_loss_weight=0.5), tmp_path, rows_per_batch=2)
    with pytest.raises(ConfigError, match="patience"):
        stops = sft.replace(training=training(eval_steps=1, patience=2))
        adapter.trl_sft(lm, table(), stops, tmp_path, rows_per_batch=2)
    with pytest.raises(ConfigError, match="copy_dim=0"):
        adapter.trl_sft(tiny(), table(), sft, tmp_path, rows_per_batch=2)
    with pytest.raises(ConfigError, match="loss"):
        adapter.trl_dpo(lm, [], PreferenceConfig(training=training(), loss="pro", free=True), tmp_path)
    with pytest.raises(ConfigError, match="cannot do what this says: free"):
        adapter.trl_dpo(lm, [], PreferenceConfig(training=training()), tmp_path)
    rl = RlConfig(training=training(), prompts_per_step=4, samples=2)
    wrong_settings: dict[str, Any] = {"all_actions": AllActionsConfig(), "unique": True}
    for name, value in wrong_settings.items():
        with pytest.raises(ConfigError, match=name):
            adapter.trl_grpo(lm, asks, rl.replace(**{name: value}), tmp_path, free=judge, constrained=judge)
    with pytest.raises(ConfigError, match="optim"):
        tables = rl.replace(training=training(optim="rowwise_adamw"))
        adapter.trl_grpo(lm, asks, tables, tmp_path, free=judge, constrained=judge)
    for wrong, message in ((rl, "free_share"), (rl.replace(advantage="leave_one_out"), "advantage")):
        with pytest.raises(ConfigError, match=message):
            adapter.trl_grpo(lm, asks, wrong, tmp_path, free=judge, constrained=judge, generate=True)
    with pytest.raises(ConfigError, match="as many prompts as a step has, 8, and got 4"):
        many = rl.replace(prompts_per_step=8)
        adapter.trl_grpo(lm, asks, many, tmp_path, free=judge, constrained=judge)
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(ConfigError, match=r"steerec\[train\]"):
        adapter.trl_sft(lm, table(), sft, tmp_path, rows_per_batch=2)
