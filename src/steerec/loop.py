"""The one optimisation loop: the teacher, supervised fine-tuning and reinforcement learning all use it.

A stage supplies `batches(step, micro)`, a pure function, and `step_fn(model, batch)`. Gradients of the *sum*
of the losses are accumulated and divided by the total weight, so accumulation equals one big batch exactly;
randomness is derived from (seed, stage, step, micro), so a resumed run equals an unbroken one. Where a
process group stands (`torchrun`), the processes share the micro-batches of a step and add up what they found,
so two processes equal one, up to the order of sums; the first one writes the files.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import pydantic
import torch
import torch.distributed as distributed
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from steerec.artifacts import atomic_path, read_json, remove, write_json
from steerec.config import Config, fingerprint
from steerec.errors import ConfigError
from steerec.hardware import has_bf16
from steerec.optimisers import OptimiserName, Schedule, build_optimiser, rate_factor
from steerec.processes import agreed, gathered, place, wait
from steerec.progress import Bar, clock, progress
from steerec.seeding import derive_seed

logger = logging.getLogger("steerec")

Batch = TypeVar("Batch")
CHECKPOINT, _STATE = "checkpoint", "state.json"


class TrainingConfig(Config):
    """Optimisation settings; fields are named as in transformers' TrainingArguments."""

    max_steps: pydantic.PositiveInt
    """Optimiser steps."""
    learning_rate: pydantic.PositiveFloat
    """Peak learning rate."""
    optim: OptimiserName = "adamw"
    """AdamW, or AdamW with one second moment per row of embedding tables."""
    weight_decay: pydantic.NonNegativeFloat = 0.0
    """Decoupled weight decay, on matrices only (not on norms and biases)."""
    adam_beta1: float = pydantic.Field(0.9, ge=0, lt=1)
    """AdamW's first decay rate."""
    adam_beta2: float = pydantic.Field(0.999, ge=0, lt=1)
    """AdamW's second decay rate."""
    adam_epsilon: pydantic.PositiveFloat = 1e-8
    """AdamW's denominator offset."""
    warmup_ratio: float = pydantic.Field(0.0, ge=0, le=1)
    """Share of the steps in which the learning rate rises linearly from 0."""
    lr_scheduler_type: Schedule = "constant"
    """How the learning rate falls to 0 after the warm-up; quadratic: the square of the linear factor."""
    max_grad_norm: pydantic.NonNegativeFloat = 1.0
    """Gradient norm above which gradients are scaled down; 0 switches clipping off."""
    gradient_accumulation_steps: pydantic.PositiveInt = 1
    """Micro-batches per optimiser step."""
    bf16: bool = False
    """Run the forward pass under bfloat16 autocast where the processor has such arithmetic; weights stay
    float32. Elsewhere everything is float32, which is many times faster there than imitating it."""
    logging_steps: pydantic.PositiveInt = 10
    """Steps between lines in metrics.jsonl."""
    eval_steps: pydantic.PositiveInt | None = None
    """Steps between evaluations; None evaluates at the end only."""
    save_steps: pydantic.PositiveInt | None = None
    """Steps between checkpoints; None writes none."""
    patience: pydantic.PositiveInt | None = None
    """Evaluations without a better metric after which training stops; None never stops early."""
    max_minutes: pydantic.PositiveFloat | None = None
    """Wall-clock budget, time before a resumption included, after which training stops as if finished; None
    sets no limit. A budget makes the result depend on the machine: use it for comparisons at equal time
    only."""
    seed: int = 0
    """Seed of everything random in the run."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.patience is not None and self.eval_steps is None:
            raise ValueError("patience counts evaluations: set eval_steps too")
        return self


class StepOutput(NamedTuple):
    """What one micro-batch yields."""

    loss_sum: Tensor
    """Summed loss, scalar; without gradient where there is nothing to learn. A step without any changes
    neither weights nor optimiser."""
    weight: float
    """What the sum is divided by, for example the number of target tokens."""
    metrics: dict[str, float]
    """Further sums, divided by the same weight in the log."""
    num_tokens: int
    """Tokens processed, for tokens per second."""


class TrainingResult(NamedTuple):
    """What a finished run yields."""

    steps: int
    best_step: int
    best_metric: float | None
    history: list[dict[str, Any]]
    """All lines of metrics.jsonl."""


class _State(NamedTuple):
    step: int
    best_step: int
    best_metric: float | None
    stale: int


def train(
    model: nn.Module,
    batches: Callable[[int, int], Batch],
    step_fn: Callable[[nn.Module, Batch], StepOutput],
    config: TrainingConfig,
    folder: Path,
    *,
    stage: str,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    select: str | None = None,
    on_eval: Callable[[nn.Module, int], None] | None = None,
) -> TrainingResult:
    """Train a model, resuming from the folder's checkpoint when there is one.

    Args:
        model: trained in place; parameters that need no gradient are left alone and not saved.
        batches: `(step, micro) -> batch`, a pure function of its arguments.
        step_fn: `(model, batch) -> StepOutput`.
        config: optimisation settings.
        folder: receives `metrics.jsonl`, and `checkpoint/` and `best/` while training runs.
        stage: prefix of the metric names and part of every derived seed.
        evaluate: returns metrics of the model; called every `eval_steps` and at the end.
        select: name of an evaluation metric, higher is better; the best weights are restored at the end.
        on_eval: called after each evaluation with the model and the step, for samples.

    Returns:
        Steps run, best step and metric, and the logged history.
    """
    run = _Run(model, config, folder, stage, evaluate, select, on_eval)
    state = run.resume()
    with progress(stage, total=config.max_steps, done=state.step) as bar:
        while state.step < config.max_steps and not run.is_stale(state):
            run.optimise(state.step, batches, step_fn, bar)
            state = run.after_step(state._replace(step=state.step + 1))
            if config.max_minutes is not None and agreed(run.seconds) > 60 * config.max_minutes:
                break
    return run.finish(state)


def seconds_spent(folder: Path) -> float:
    """Return the seconds of training that a folder's checkpoint holds; 0 where there is none."""
    saved = folder / CHECKPOINT / _STATE
    return float(read_json(saved)["seconds"]) if saved.is_file() else 0.0


class _Run:
    """State of one call of `train`: optimiser, log and checkpoints."""

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        folder: Path,
        stage: str,
        evaluate: Callable[[nn.Module], dict[str, float]] | None,
        select: str | None,
        on_eval: Callable[[nn.Module, int], None] | None,
    ) -> None:
        if select is not None and evaluate is None:
            raise ValueError(f'select="{select}" needs an evaluate function that returns that metric')
        self.model, self.config, self.folder, self.stage = model, config, folder, stage
        self.evaluate, self.select, self.on_eval = evaluate, select, on_eval
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = build_optimiser(
            model,
            config.optim,
            lr=config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon,
            decay=config.weight_decay,
        )
        self.device = next(iter(self.trained.values())).device
        self.log = folder / "metrics.jsonl"
        self.tokens, self.clock_start, self.spent = 0, time.monotonic(), 0.0
        self.rank, self.processes = place()
        if self.processes > config.gradient_accumulation_steps:
            raise ConfigError(
                f"{stage}: {self.processes} processes share the micro-batches of a step, and there are "
                f"{config.gradient_accumulation_steps}. Set gradient_accumulation_steps to a multiple of the "
                "processes, or start fewer."
            )
        self.bf16 = config.bf16 and has_bf16(self.device)
        if config.bf16 and not self.bf16:
            logger.info("%s: this processor has no bfloat16 arithmetic, so float32 is used", stage)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self.spent + time.monotonic() - self.clock_start

    def optimise(
        self,
        step: int,
        batches: Callable[[int, int], Batch],
        step_fn: Callable[[nn.Module, Batch], StepOutput],
        bar: Bar,
    ) -> None:
        config = self.config
        rate = config.learning_rate * rate_factor(
            config.lr_scheduler_type, step, max_steps=config.max_steps, warmup_ratio=config.warmup_ratio
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        sums = {"loss": 0.0, "weight": 0.0, "tokens": 0.0, "lessons": 0.0}
        for micro in range(self.rank, config.gradient_accumulation_steps, self.processes):
            torch.manual_seed(derive_seed(config.seed, self.stage, step, micro))
            # Apart: weights that a batch's sampling cast without gradient must not be found by the step.
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                batch = batches(step, micro)
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                output = step_fn(self.model, batch)
            teaches = output.loss_sum.requires_grad
            if teaches:
                output.loss_sum.backward()  # type: ignore[no-untyped-call]
            found = {"loss": float(output.loss_sum.detach()), "weight": output.weight}
            _add(sums, {**output.metrics, **found, "tokens": output.num_tokens, "lessons": float(teaches)})
        if self.processes > 1:
            sums = self._add_up(sums)
        loss, weight, tokens, lessons = (sums.pop(name) for name in ("loss", "weight", "tokens", "lessons"))
        self.tokens += int(tokens)
        norm = self._scale_gradients(weight)
        if lessons:
            self.optimizer.step()
        mean = loss / max(weight, 1e-12)
        self._check_finite(mean, step)
        bar.advance(1, info=f"loss {mean:.3f}")
        if step % config.logging_steps == 0 or step + 1 == config.max_steps:
            entry = {"loss": mean, "learning_rate": rate, "grad_norm": norm}
            entry["tokens_per_s"] = self.tokens / max(time.monotonic() - self.clock_start, 1e-9)
            self.write(step, entry | {name: value / max(weight, 1e-12) for name, value in sums.items()})

    def _add_up(self, sums: dict[str, float]) -> dict[str, float]:
        """Add the gradients and sums of all processes."""
        for parameter in self.trained.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
        total: dict[str, float] = {}
        for one in gathered(sums):
            _add(total, one)
        return total

    def _scale_gradients(self, weight: float) -> float:
        gradients = [p.grad for p in self.trained.values() if p.grad is not None]
        for gradient in gradients:
            gradient.div_(max(weight, 1e-12))
        limit = self.config.max_grad_norm or math.inf
        return float(torch.nn.utils.clip_grad_norm_(self.trained.values(), limit))

    def _check_finite(self, mean: float, step: int) -> None:
        if not math.isfinite(mean):
            raise ValueError(
                f"{self.stage}: the loss is {mean} at step {step}. "
                f"Lower the learning rate (now {self.config.learning_rate}) or set max_grad_norm."
            )

    def after_step(self, state: _State) -> _State:
        config = self.config
        due = config.eval_steps is not None and state.step % config.eval_steps == 0
        if self.evaluate is not None and (due or state.step == config.max_steps):
            state = self._evaluate(state)
        if config.save_steps is not None and state.step % config.save_steps == 0:
            self.save(state)
        return state

    def _evaluate(self, state: _State) -> _State:
        assert self.evaluate is not None
        self.model.eval()
        with torch.no_grad():
            metrics = self.evaluate(self.model)
        self.write(state.step, metrics)
        if self.on_eval is not None:
            self.on_eval(self.model, state.step)
        if self.select is None:
            return state
        value = metrics[self.select]
        if state.best_metric is not None and value <= state.best_metric:
            return state._replace(stale=state.stale + 1)
        if self.rank == 0:
            save_tensors(self.folder / "best.safetensors", dict(self.trained))
        return state._replace(best_step=state.step, best_metric=value, stale=0)

    def is_stale(self, state: _State) -> bool:
        return self.config.patience is not None and state.stale >= self.config.patience

    def write(self, step: int, values: dict[str, float]) -> None:
        if self.rank > 0:
            return
        line = {"step": step} | {f"{self.stage}/{name}": round(value, 8) for name, value in values.items()}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, state: _State) -> None:
        if self.rank > 0:
            return
        with atomic_path(self.folder / CHECKPOINT) as part:
            part.mkdir()
            save_tensors(part / "model.safetensors", dict(self.trained))
            save_tensors(part / "optimizer.safetensors", self._optimizer_tensors())
            rest = {
                "log_bytes": self.log.stat().st_size if self.log.is_file() else 0,
                "seconds": self.seconds,
                "settings": fingerprint(self.config),
            }
            write_json(part / _STATE, {**state._asdict(), **rest})

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        return {
            f"{name}|{key}": value.clone()
            for name, parameter in self.trained.items()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }

    def resume(self) -> _State:
        folder = self.folder / CHECKPOINT
        wait()
        if not (folder / _STATE).is_file():
            if self.rank == 0:
                self.log.unlink(missing_ok=True)
            return _State(0, 0, None, 0)
        saved = read_json(folder / _STATE)
        if saved.pop("settings", None) != fingerprint(self.config):
            raise ConfigError(
                f"{self.stage}: {folder} is of a training with other settings and cannot be gone on from. "
                "Give another folder, or delete that one."
            )
        copy_tensors(self.trained, load_file(folder / "model.safetensors"))
        for name, value in load_file(folder / "optimizer.safetensors").items():
            parameter, key = name.rsplit("|", 1)
            # The optimiser counts its steps on the CPU, and keeps the rest beside the weights.
            where = "cpu" if key == "step" else self.trained[parameter].device
            self.optimizer.state[self.trained[parameter]][key] = value.to(where)
        # Lines written after the checkpoint are written again by the resumed run.
        log_bytes, self.spent = saved.pop("log_bytes"), saved.pop("seconds")
        if self.rank == 0:
            os.truncate(self.log, log_bytes)
        logger.info("%s: resuming at step %d", self.stage, saved["step"])
        return _State(**saved)

    def finish(self, state: _State) -> TrainingResult:
        best = self.folder / "best.safetensors"
        if self.select is not None and self.evaluate is not None:
            if state.best_metric is None:
                state = self._evaluate(state)
            wait()
            copy_tensors(self.trained, load_file(best))
        wait()
        if self.rank == 0:
            remove(self.folder / CHECKPOINT)  # first: it needs the best weights
            best.unlink(missing_ok=True)
        self.model.eval()
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.is_file() else []
        logger.info("%s: %d steps in %s", self.stage, state.step, clock(self.seconds))
        best_step = state.best_step if self.select else state.step
        return TrainingResult(state.step, best_step, state.best_metric, [json.loads(line) for line in lines])


def _add(total: dict[str, float], values: dict[str, float]) -> None:
    for name, value in values.items():
        total[name] = total.get(name, 0.0) + value


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors to a safetensors file, whole or not at all."""
    with atomic_path(path) as temporary:
        save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, temporary)


def copy_tensors(targets: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
    """Copy values into parameters, by name, wherever these are."""
    with torch.no_grad():
        for name, parameter in targets.items():
            parameter.copy_(values[name])
