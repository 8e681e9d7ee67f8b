"""Supervised fine-tuning: invariants of the loop as this stage uses it, and a small world learned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from steerec.align.distillation import DistillationConfig, Teaching
from steerec.align.sft import Journal, SftBatches, SftConfig, fine_tune, sft_step
from steerec.control.forms import at_least
from steerec.control.request import Request
from steerec.errors import ConfigError, DataError
from steerec.llm.language_model import LanguageModel
from steerec.llm.lora import LoraConfig
from steerec.llm.packing import target_logits
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def table(num_rows: int = 24, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for row in range(num_rows):
        items = rng.permutation(8).tolist()
        cut = int(rng.integers(0, 6))
        counting = [at_least(1, "Drama")] if row % 2 else []  # a quota that counts gets hard labels only
        request = Request(count=2, controls=counting)
        rows.append(
            {
                "user": row,
                "history": items[:cut],
                "instruction": "Recommend 2 films.",
                "answer_items": items[cut : cut + 2],
                "answer_text": None,
                "request": request.to_json(),
            }
        )
    schema = {"history": pl.List(pl.Int32), "answer_items": pl.List(pl.Int32), "answer_text": pl.String}
    return pl.DataFrame(rows, schema_overrides=schema)


def config(**changes: object) -> SftConfig:
    training = {"max_steps": 6, "learning_rate": 0.01, "logging_steps": 1, "seed": 3}
    training |= changes.pop("training", {})  # type: ignore[operator]
    settings = {"tokens_per_batch": 150, "pack_length": 64, "history_loss_weight": 0.5}
    return SftConfig(**{**settings, **changes, "training": TrainingConfig(**training)})


def losses(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["sft/loss"] for line in lines if "sft/loss" in line]


def same_weights(a: LanguageModel, b: LanguageModel) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.model.parameters(), b.model.parameters(), strict=True))


DROPOUT = {"embedding_dropout": 0.1, "residual_dropout": 0.1}


def test_two_runs_are_bitwise_equal(tmp_path: Path) -> None:
    runs = [fine_tune(tiny(), table(), config(**DROPOUT), tmp_path / name)[0] for name in "ab"]
    assert same_weights(*runs)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


def test_a_killed_run_resumes_as_if_unbroken(tmp_path: Path) -> None:
    settings = config(training={"save_steps": 2, "lr_scheduler_type": "cosine"}, **DROPOUT)
    unbroken, _ = fine_tune(tiny(), table(), settings, tmp_path / "unbroken")

    class KilledError(Exception):
        pass

    step = sft_step(settings, 0)
    calls = 0

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 6:  # step 5 of 6, after the checkpoint of step 4
            raise KilledError
        return step(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steerec.align.sft.sft_step", lambda *_: dying)
        with pytest.raises(KilledError):
            fine_tune(tiny(), table(), settings, tmp_path / "killed")
    assert (tmp_path / "killed" / "checkpoint").is_dir()
    resumed, result = fine_tune(tiny(), table(), settings, tmp_path / "killed")
    assert result.steps == 6
    assert losses(tmp_path / "killed") == losses(tmp_path / "unbroken")
    assert same_weights(resumed, unbroken)


def test_accumulation_equals_one_big_batch(tmp_path: Path) -> None:
    rows = table(12)
    small = config(
        tokens_per_batch=60, training={"max_steps": 1, "gradient_accumulation_steps": 6, "max_grad_norm": 0}
    )
    lm = tiny()
    batches = SftBatches(lm, rows, small)
    chosen = np.concatenate([batches.plan[micro] for micro in range(6)])
    step = sft_step(small, 0)
    model = lm.model.train()
    weight = 0.0
    for micro in range(6):
        output = step(model, batches(0, micro))
        output.loss_sum.backward()
        weight += output.weight
    accumulated = [p.grad.clone() / weight for p in model.parameters()]
    model.zero_grad()
    big = SftBatches(lm, rows[batches.encoded.source[chosen].tolist()], small.replace(tokens_per_batch=10**6))
    output = step(model, big(0, 0))
    (output.loss_sum / output.weight).backward()
    assert output.weight == weight
    for ours, theirs in zip(accumulated, model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad, atol=1e-5, rtol=1e-4)


def test_history_weight_0_is_the_completion_only_loss() -> None:
    lm, rows = tiny(), table()
    settings = config(history_loss_weight=0.0)
    batch = SftBatches(lm, rows, settings)(0, 0)
    output = sft_step(settings, 0)(lm.model, batch)
    expected, count = 0.0, 0
    for row in SftBatches(lm, rows, settings).plan[0]:
        data = rows.row(int(row), named=True)
        prompt = lm.encode_prompt(data["history"], data["instruction"], 2)
        answer = lm.encode_answer(data["answer_items"])
        with torch.no_grad():
            logits = lm.model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        expected -= sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(answer))
        count += len(answer)
    assert output.weight == count
    assert float(output.loss_sum.detach()) == pytest.approx(expected, rel=1e-5)


def test_soft_labels_stand_at_the_items_of_requests_that_leave_the_same_items_open() -> None:
    lm, rows = tiny(), table()
    settings = config(distillation=DistillationConfig(weight=2.0))
    scores = np.random.default_rng(1).normal(size=(64, 8)).astype(np.float32)
    teaching = Teaching(lambda histories, users: scores[: len(users)], shelf())
    batches = SftBatches(lm, rows, settings, teacher=teaching)
    batch = batches(0, 0)
    free = [int(r) for r in batches.plan[0] if "at_least" not in rows["request"][int(r)]]
    assert 0 < len(free) < len(batches.plan[0])
    items = [item for r in free for item in rows["answer_items"][r]]
    tokens = batch.packed.tokens.flatten()[batch.soft_places].tolist()
    assert tokens == [lm.identifier.spell(item)[0][0] for item in items]
    seen = [set(rows["history"][r]) for r in free for _ in rows["answer_items"][r]]
    for label, blocked in zip(batch.soft_labels, seen, strict=True):
        assert all(float(label[item]) == 0 for item in blocked)
    first = lm.identifier.to_dict()["first_item_id"]
    output = sft_step(settings, first)(lm.model, batch)
    logits, _, places = target_logits(lm.model, batch.packed)
    log_probabilities = logits.log_softmax(-1)[:, first:]
    wanted = dict(zip(batch.soft_places.tolist(), batch.soft_labels, strict=True))
    soft = -sum(
        float((wanted[p] * row).sum())
        for p, row in zip(places.tolist(), log_probabilities.detach(), strict=True)
        if p in wanted
    )
    hard = sft_step(config(), first)(lm.model, SftBatches(lm, rows, config())(0, 0))
    assert float(output.loss_sum.detach()) == pytest.approx(
        float(hard.loss_sum.detach()) + 2 * soft, rel=1e-4
    )


def test_distillation_needs_a_teacher_and_atomic_items() -> None:
    settings = config(distillation=DistillationConfig())
    with pytest.raises(ConfigError, match="needs a teacher"):
        SftBatches(tiny(), table(), settings)
    with pytest.raises(ConfigError, match="title spelling"):
        SftBatches(
            tiny(identifier="title"),
            table(),
            settings,
            teacher=Teaching(lambda h, users: np.zeros((len(h), 8), np.float32), shelf()),
        )


def test_samples_are_written_before_and_at_every_evaluation(tmp_path: Path) -> None:
    settings = config(training={"eval_steps": 3})
    fine_tune(
        tiny(),
        table(),
        settings,
        tmp_path,
        evaluate=lambda lm: {"ndcg@10": 0.5},
        sample=lambda lm: [f"{lm.name} says"],
    )
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert lines == [{"step": step, "answers": ["tiny says"]} for step in (0, 3, 6)]

    again = Journal(tiny(), tmp_path, lambda lm: ["says it again"], "sft")
    again(again.lm.model, 3)  # resumed from a checkpoint before it
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [(line["step"], line["answers"][0]) for line in lines] == [(0, "tiny says"), (3, "says it again")]


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    kept: list[torch.Tensor] = []

    def evaluate(lm: LanguageModel) -> dict[str, float]:
        kept.append(lm.model.get_input_embeddings().weight.detach().clone())
        return {"ndcg@10": [0.1, 0.3, 0.2][len(kept) - 1]}

    settings = config(training={"eval_steps": 2})
    lm, result = fine_tune(tiny(), table(), settings, tmp_path, evaluate=evaluate, select="ndcg@10")
    assert result.best_step == 4
    assert torch.equal(lm.model.get_input_embeddings().weight, kept[1])


def test_lora_trains_adapters_only_and_merges_them(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    lm = tiny(identifier="title", context_length=200)
    before = {name: p.detach().clone() for name, p in lm.model.named_parameters()}
    settings = config(lora=LoraConfig(r=2), pack_length=200, tokens_per_batch=400, history_loss_weight=0.0)
    trained, _ = fine_tune(lm, table(), settings, tmp_path)
    after = dict(trained.model.named_parameters())
    assert set(after) == set(before)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "proj" in name}
    assert losses(tmp_path)[-1] < losses(tmp_path)[0]


def test_a_small_rule_is_learned(tmp_path: Path) -> None:
    # The next items are always the two that follow the last one on a ring of eight.
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 8, 200)
    ring = pl.DataFrame(
        {
            "history": [[int(s + k) % 8 for k in range(3)] for s in starts],
            "instruction": ["Recommend 2 films."] * 200,
            "answer_items": [[int(s + 3) % 8, int(s + 4) % 8] for s in starts],
            "answer_text": [None] * 200,
        }
    )
    settings = config(training={"max_steps": 120, "warmup_ratio": 0.1}, tokens_per_batch=500)
    lm, _ = fine_tune(tiny(initializer_range=0.1), ring, settings, tmp_path)
    for start in range(8):
        prompt = lm.encode_prompt([start, (start + 1) % 8, (start + 2) % 8], "Recommend 2 films.", 2)
        for expected in lm.encode_answer([(start + 3) % 8, (start + 4) % 8]):
            with torch.no_grad():
                token = int(lm.model(input_ids=torch.tensor([prompt])).logits[0, -1].argmax())
            assert token == expected
            prompt.append(token)


def test_tasks_that_are_left_out_are_not_learned() -> None:
    rows = table().with_columns(pl.Series("task", ["next_items", "share_about"] * 12))
    batches = SftBatches(tiny(), rows, config(tasks=("next_items",)))
    assert len(batches.encoded.lengths) == 12
    assert batches.rows["task"].unique().to_list() == ["next_items"]
    with pytest.raises(DataError, match="Tasks that rows have: next_items, share_about"):
        SftBatches(tiny(), rows, config(tasks=("cap",)))
