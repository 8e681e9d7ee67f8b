"""Invariants of the one optimisation loop."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from steerec import loop
from steerec.artifacts import remove
from steerec.errors import ConfigError
from steerec.loop import StepOutput, TrainingConfig, TrainingResult, seconds_spent, train
from steerec.optimisers import Schedule, rate_factor
from steerec.seeding import torch_generator


class _Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _rows(step: int, size: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(size, 4, generator=torch_generator(1, "rows", step))
    return x, x.sum(dim=1, keepdim=True)


def _batches(step: int, micro: int) -> tuple[Tensor, Tensor]:
    del micro
    return _rows(step, 8)


def _step(model: nn.Module, batch: tuple[Tensor, Tensor]) -> StepOutput:
    x, y = batch
    loss = (model(x) - y).square().sum()
    return StepOutput(loss, float(len(x)), {"absolute": float((model(x) - y).detach().abs().sum())}, len(x))


def _losses(result_history: list[dict[str, float]]) -> list[float]:
    return [line["toy/loss"] for line in result_history if "toy/loss" in line]


def _config(**changes: object) -> TrainingConfig:
    return TrainingConfig(max_steps=20, learning_rate=0.05, logging_steps=1, save_steps=5).replace(**changes)


def _halves(step: int, micro: int) -> tuple[Tensor, Tensor]:
    x, y = _rows(step, 9)
    return (x[:6], y[:6]) if micro == 0 else (x[6:], y[6:])  # unequal on purpose


def _distributed(rank: int, rendezvous: str, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    torch.set_num_threads(1)
    _train_halves(Path(folder))
    torch.distributed.destroy_process_group()


def _train_halves(folder: Path) -> TrainingResult:
    model = _Model()
    config = _config(gradient_accumulation_steps=2, eval_steps=4)
    evaluate = lambda m: {"quality": -float((m(torch.ones(1, 4)) - 4).square())}  # noqa: E731
    result = train(model, _halves, _step, config, folder, stage="toy", evaluate=evaluate, select="quality")
    torch.save(model.state_dict(), folder / f"weights-{os.getpid()}.pt")
    return result


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Two gloo processes share the micro-batches of a step: same losses, same weights, one set of files."""
    rendezvous, folder = f"file://{tmp_path}/rendezvous", tmp_path / "two"
    folder.mkdir()
    torch.multiprocessing.spawn(_distributed, (rendezvous, str(folder)), nprocs=2)
    alone = _train_halves(tmp_path)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert _losses(lines) == pytest.approx(_losses(alone.history), rel=1e-5)
    assert [line["toy/absolute"] for line in lines if "toy/absolute" in line] == pytest.approx(
        [line["toy/absolute"] for line in alone.history if "toy/absolute" in line], rel=1e-5
    )
    expected = torch.load(next(tmp_path.glob("weights-*.pt")), weights_only=True)
    trained = list(folder.glob("weights-*.pt"))
    assert len(trained) == 2
    for path in trained:
        for name, value in torch.load(path, weights_only=True).items():
            torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    assert not list(folder.glob("best*"))
    assert not (folder / "checkpoint").exists()


def test_two_runs_are_bitwise_equal(tmp_path: Path) -> None:
    models = [_Model(), _Model()]
    folders = [tmp_path / "a", tmp_path / "b"]
    runs = [
        train(m, _batches, _step, _config(), f, stage="toy") for m, f in zip(models, folders, strict=True)
    ]
    logs = [run.history for run in runs]
    assert _losses(logs[0]) == _losses(logs[1])
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("killed_at", [3, 5, 7, 19])
def test_a_killed_run_resumes_to_the_same_losses_and_weights(tmp_path: Path, killed_at: int) -> None:
    unbroken, resumed = _Model(), _Model()
    expected = train(unbroken, _batches, _step, _config(), tmp_path / "a", stage="toy")

    def dies(step: int, micro: int) -> tuple[Tensor, Tensor]:
        if step == killed_at:
            raise KeyboardInterrupt
        return _batches(step, micro)

    with pytest.raises(KeyboardInterrupt):
        train(_Model(), dies, _step, _config(), tmp_path / "b", stage="toy")
    got = train(resumed, _batches, _step, _config(), tmp_path / "b", stage="toy")
    assert _losses(got.history) == _losses(expected.history)
    assert [line["step"] for line in got.history] == [line["step"] for line in expected.history]
    for a, b in zip(unbroken.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_accumulation_equals_one_big_batch(tmp_path: Path) -> None:
    def step_fn(model: nn.Module, batch: tuple[Tensor, Tensor]) -> StepOutput:
        model.eval()  # dropout would differ between the two by design
        return _step(model, batch)

    def micro_batches(step: int, micro: int) -> tuple[Tensor, Tensor]:
        x, y = _rows(step, 8)
        parts = [slice(0, 1), slice(1, 5), slice(5, 8)]  # uneven on purpose: a mean of means would differ
        return x[parts[micro]], y[parts[micro]]

    big, small = _Model(), _Model()
    train(big, _batches, step_fn, _config(), tmp_path / "a", stage="toy")
    train(small, micro_batches, step_fn, _config(gradient_accumulation_steps=3), tmp_path / "b", stage="toy")
    for a, b in zip(big.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_best_weights_are_restored_and_patience_stops(tmp_path: Path) -> None:
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    seen: list[Tensor] = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(next(model.parameters()).detach().clone())
        return {"ndcg@10": next(scores)}

    model = _Model()
    config = _config(eval_steps=2, patience=2)
    result = train(model, _batches, _step, config, tmp_path, stage="toy", evaluate=evaluate, select="ndcg@10")
    assert (result.steps, result.best_step, result.best_metric) == (8, 4, 0.5)
    assert torch.equal(next(model.parameters()), seen[1])
    assert not (tmp_path / "checkpoint").exists()
    assert not (tmp_path / "best.safetensors").exists()


def test_metrics_are_json_lines_with_stage_names(tmp_path: Path) -> None:
    train(_Model(), _batches, _step, _config(max_steps=2), tmp_path, stage="toy")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1]
    assert {"toy/loss", "toy/learning_rate", "toy/grad_norm", "toy/absolute"} <= set(lines[0])


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path: Path) -> None:
    def broken(model: nn.Module, batch: tuple[Tensor, Tensor]) -> StepOutput:
        return _step(model, batch)._replace(loss_sum=model(batch[0]).sum() * float("nan"))

    with pytest.raises(ValueError, match="loss is nan at step 0.*Lower the learning rate"):
        train(_Model(), _batches, broken, _config(), tmp_path, stage="toy")


def test_the_schedule_rises_and_falls() -> None:
    def factor(kind: Schedule, step: int) -> float:
        return rate_factor(kind, step, max_steps=10, warmup_ratio=0.2)

    # 2 warm-up steps: 1/3, 2/3; then 8 steps falling from 1 by eighths.
    assert [round(factor("linear", s), 4) for s in (0, 1, 2, 3, 9)] == [0.3333, 0.6667, 1.0, 0.875, 0.125]
    assert factor("cosine", 6) == pytest.approx(0.5)  # half-way down
    assert factor("quadratic", 6) == pytest.approx(0.25)
    assert factor("constant", 9) == 1.0


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    def dying(step: int, micro: int) -> tuple[Tensor, Tensor]:
        if step == 7:
            raise KeyboardInterrupt
        return _batches(step, micro)

    with pytest.raises(KeyboardInterrupt):
        train(_Model(), dying, _step, _config(), tmp_path, stage="toy")
    assert 0 < seconds_spent(tmp_path) < 60
    with pytest.raises(ConfigError, match="other settings"):
        train(_Model(), _batches, _step, _config(learning_rate=0.5), tmp_path, stage="toy")


def test_select_without_evaluate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an evaluate function"):
        train(_Model(), _batches, _step, _config(), tmp_path, stage="toy", select="ndcg@10")
    with pytest.raises(ValueError, match="set eval_steps too"):
        _config(patience=3)


def test_bfloat16_is_used_only_where_the_processor_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def looks(model: nn.Module, batch: tuple[Tensor, Tensor]) -> StepOutput:
        seen.append(torch.is_autocast_enabled("cpu"))
        return _step(model, batch)

    for has in (True, False):
        flags = {"avx512_bf16": has}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        with caplog.at_level("INFO", logger="steerec"):
            train(
                _Model(), _batches, looks, _config(bf16=True, max_steps=1), tmp_path / str(has), stage="toy"
            )
    assert seen == [True, False]
    assert caplog.text.count("no bfloat16 arithmetic, so float32 is used") == 1


@pytest.mark.parametrize("gone", ["model.safetensors", "model.safetensors optimizer.safetensors state.json"])
def test_a_run_killed_while_it_cleans_up_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """The kill comes when some or all files of the checkpoint are deleted."""
    evaluate = lambda m: {"quality": -float((m(torch.ones(1, 4)) - 4).square())}  # noqa: E731

    def run(folder: Path) -> nn.Module:
        model, config = _Model(), _config(eval_steps=4)
        train(model, _batches, _step, config, folder, stage="toy", evaluate=evaluate, select="quality")
        return model

    def killed(folder: Path) -> None:
        for name in gone.split():
            (folder / name).unlink()
        raise KeyboardInterrupt

    unbroken = run(tmp_path / "a")
    with monkeypatch.context() as patch:

        def clean_up(path: Path) -> None:
            patch.setattr(shutil, "rmtree", killed)
            remove(path)

        patch.setattr(loop, "remove", clean_up)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "b")
    again = run(tmp_path / "b")
    for a, b in zip(unbroken.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["metrics.jsonl"]
