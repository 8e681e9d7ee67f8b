"""`steerec bench align`: our training loops against TRL's trainers, same model, data and machine, in one run.

Every repeat runs all methods one after the other from the same weights, so ratios are of paired runs; figures
are medians over the repeats. The model is the tiny one without its copy head, which TRL cannot train; its
weights are random, so that nearly every sampled list gets as long as it may be, on both sides. TRL pads, and
without Triton, as on a CPU, it scores every position of a row and not only those with a loss.
"""

from __future__ import annotations

import copy
import logging
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pydantic
import torch
from rich.table import Table

from steerec.align.credit import Judged
from steerec.align.objectives import Objective
from steerec.align.rl import rl_step
from steerec.align.rl_batches import RlBatches
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, read_asks, roll_free
from steerec.align.sft import SftBatches, SftConfig, sft_step
from steerec.align.trl import trl_grpo, trl_sft
from steerec.artifacts import provenance
from steerec.config import Config
from steerec.data.source import load_source
from steerec.data.split import make_split
from steerec.errors import ConfigError
from steerec.instruct.mixture import MixtureConfig
from steerec.instruct.rows import build_rows
from steerec.llm.language_model import LanguageModel
from steerec.llm.tiny import TinyConfig, build_tiny
from steerec.loop import TrainingConfig, train
from steerec.recommend.popularity import Popularity

logger = logging.getLogger("steerec")

OURS = "steerec"
SFT_RIVAL = "TRL SFTTrainer"
SORTED_RIVAL = "TRL SFTTrainer, by length"
RL_RIVAL = "TRL GRPOTrainer"
ADAPTER = "TRL, our rollouts"
_COUNT = 10
"""Items of every list that is sampled, so that all have the same limit of tokens."""

Figures = dict[str, float]
"""What one run of a method measures; names that end in `_per_s` are compared."""
Method = Callable[[], Figures]


class AlignBenchConfig(Config):
    """What is timed."""

    data: str = "ml-100k"
    """Source of the catalogue, the instruction rows and the prompts."""
    model: TinyConfig = TinyConfig(copy_dim=0)
    """The model; it must be without a copy head."""
    rows: pydantic.PositiveInt = 1000
    """Instruction rows."""
    sft_steps: pydantic.PositiveInt = 12
    """Optimiser steps of a run of fine-tuning; as many batches as TRL sorts by length at a time (`rows` over
    four times the rows of a batch) show it rows of all lengths."""
    tokens_per_batch: pydantic.PositiveInt = 2048
    """Tokens of a step of fine-tuning, about; TRL gets as many rows as that makes on average."""
    rl_steps: pydantic.PositiveInt = 1
    """Optimiser steps of a run of reinforcement learning."""
    prompts: pydantic.PositiveInt = 64
    """Prompts of a step of reinforcement learning; a multiple of the micro-batches."""
    samples: int = pydantic.Field(8, ge=2)
    """Lists sampled for each."""
    micro_batches: pydantic.PositiveInt = 4
    """Parts that a step of reinforcement learning is computed in."""
    max_prompt_tokens: pydantic.PositiveInt = 128
    """Longest prompt of reinforcement learning."""
    kl_weight: pydantic.NonNegativeFloat = 0.02
    """Of the divergence from a frozen reference; above 0 both sides run the reference."""
    bf16: bool = False
    """Run the forward passes of training under bfloat16 autocast."""
    repeats: pydantic.PositiveInt = 3
    """Paired runs of all methods, after one that is not counted."""
    threads: pydantic.NonNegativeInt = 0
    """Torch threads; 0 leaves them as they are."""


def bench_align(config: AlignBenchConfig) -> dict[str, Any]:
    """Time all methods.

    Args:
        config: what is timed.

    Returns:
        A JSON-able report: `{"config", "machine", "date", "commit", "versions", "rows": [one object per part
        and method]}`. Every rate `x_per_s` comes with `x_ratio`, ours or TRL's variant over plain TRL.

    Raises:
        ConfigError: TRL is not installed, the model has a copy head, or there are too few prompts.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TRL, on options that it sets itself
        bench = _Material.make(config, Path(name))
        sft = _race(_sft_methods(bench), config.repeats)
        rl = _race(_rl_methods(bench), config.repeats)
    return {
        "config": config.model_dump(mode="json"),
        "machine": f"{os.cpu_count()} cores {platform.machine()}, {torch.get_num_threads()} threads",
        "date": time.strftime("%Y-%m-%d"),
        "commit": provenance()["commit"],
        "versions": {package: version(package) for package in ("torch", "transformers", "trl")},
        "schema": 1,
        "rows": [*compare("sft", sft, SFT_RIVAL), *compare("rl", rl, RL_RIVAL)],
    }


class _Material(NamedTuple):
    """What all methods share."""

    config: AlignBenchConfig
    folder: Path
    lm: LanguageModel
    rows: pl.DataFrame
    asks: list[Ask]

    @classmethod
    def make(cls, config: AlignBenchConfig, folder: Path) -> _Material:
        """Write instruction rows of the usual mixture; what their labels are does not change speed."""
        split = make_split(load_source(config.data))
        teacher, mixture = Popularity().fit(split), MixtureConfig(num_rows=config.rows, top_size=0)
        build_rows(split, teacher.scores, mixture, folder)
        rows = pl.read_parquet(folder / "train.parquet")
        lm = build_tiny(split.catalog, rows["instruction"], config.model)
        asks = read_asks(lm, rows, split.catalog, max_prompt_tokens=config.max_prompt_tokens)
        asks = [ask for ask in asks if ask.problem.count == _COUNT]
        if len(asks) < config.prompts:
            raise ConfigError(
                f"Only {len(asks)} of {config.rows} instruction rows ask for {_COUNT} items, and a step has "
                f"{config.prompts} prompts. Raise rows, or lower prompts."
            )
        return cls(config, folder, lm, rows, asks)

    def fresh(self) -> LanguageModel:
        """Return the model as it was built."""
        return self.lm.with_model(copy.deepcopy(self.lm.model))

    def training(self, steps: int, micro_batches: int = 1) -> TrainingConfig:
        """Return the same optimisation for all."""
        return TrainingConfig(
            max_steps=steps,
            learning_rate=1e-4,
            gradient_accumulation_steps=micro_batches,
            logging_steps=steps,
            bf16=self.config.bf16,
        )


def _sft_methods(bench: _Material) -> dict[str, Method]:
    config = SftConfig(
        training=bench.training(bench.config.sft_steps), tokens_per_batch=bench.config.tokens_per_batch
    )

    def ours() -> Figures:
        lm, start = bench.fresh(), time.perf_counter()
        batches = SftBatches(lm, bench.rows, config)
        ready = time.perf_counter()
        train(lm.model, batches, sft_step(config, 0), config.training, bench.folder / "sft", stage="sft")
        done = time.perf_counter()
        tokens = sum(batches(step, 0).packed.num_tokens for step in range(config.training.max_steps))
        return _sft_figures(tokens, start, ready, done)

    def theirs(**options: Any) -> Figures:
        lm, start = bench.fresh(), time.perf_counter()
        trainer = trl_sft(
            lm, bench.rows, config, bench.folder / "trl", rows_per_batch=rows_per_batch, **options
        )
        ready = time.perf_counter()
        trainer.train()
        done = time.perf_counter()
        tokens = next(line["num_tokens"] for line in trainer.state.log_history if "num_tokens" in line)
        return _sft_figures(tokens, start, ready, done)

    lengths = SftBatches(bench.lm, bench.rows, config).encoded.lengths
    rows_per_batch = max(1, round(config.tokens_per_batch / float(lengths.mean())))
    return {
        SFT_RIVAL: theirs,
        SORTED_RIVAL: lambda: theirs(train_sampling_strategy="group_by_length"),
        OURS: ours,
    }


def _sft_figures(tokens: float, start: float, ready: float, done: float) -> Figures:
    """Return figures of fine-tuning on tokens that are not padding, from three moments in seconds."""
    return {"tokens_per_s": tokens / (done - ready), "setup_seconds": ready - start}


def _rl_methods(bench: _Material) -> dict[str, Method]:
    settings = bench.config
    config = RlConfig(
        training=bench.training(settings.rl_steps, settings.micro_batches),
        objective=Objective(aggregation="sequence", kl_weight=settings.kl_weight),
        prompts_per_step=settings.prompts,
        samples=settings.samples,
        free_share=1.0,
    )
    asks = bench.asks[: settings.prompts]

    def ours() -> Figures:
        lm = bench.fresh()
        start = time.perf_counter()
        groups = roll_free(lm, asks, samples=config.samples, temperature=config.temperature, seed=0)
        sampled = time.perf_counter()
        reference = copy.deepcopy(lm.model).requires_grad_(False) if settings.kl_weight else None
        batches = RlBatches(lm, bench.asks, config, free=even_share, constrained=even_share)
        ready = time.perf_counter()
        train(lm.model, batches, rl_step(config, reference), config.training, bench.folder / "rl", stage="rl")
        done = time.perf_counter()
        lengths = [len(rollout.tokens) for group in groups for rollout in group]
        return _rl_figures(lengths, sampled - start, (done - ready) / settings.rl_steps)

    def theirs(generate: bool) -> Figures:
        judges: dict[str, Any] = {"free": even_share, "constrained": even_share}
        trainer = trl_grpo(
            bench.fresh(), bench.asks, config, bench.folder / "trl", generate=generate, **judges
        )
        prompts = [
            prompt for prompt in trainer.train_dataset["prompt"][: len(asks)] for _ in range(config.samples)
        ]
        trainer.model.train()
        start = time.perf_counter()
        lists = trainer._generate(prompts)[1]  # what its own loop calls; nothing public samples alone
        sampled = time.perf_counter()
        trainer.train()
        done = time.perf_counter()
        return _rl_figures(list(map(len, lists)), sampled - start, (done - sampled) / settings.rl_steps)

    return {RL_RIVAL: lambda: theirs(True), ADAPTER: lambda: theirs(False), OURS: ours}


def _rl_figures(lengths: Sequence[int], sampling_seconds: float, step_seconds: float) -> Figures:
    """Return figures of lists that were sampled alone, and of whole steps: sampling, judging, updating."""
    return {
        "rollouts_per_s": len(lengths) / sampling_seconds,
        "updates_per_s": 1.0 / step_seconds,
        "tokens_per_list": float(np.mean(lengths)),
    }


def even_share(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    """Judge lists by the share of even tokens: it costs nothing, and hardly two lists of a group tie."""
    return [
        [
            Judged(np.zeros(len(rollout.items)), float(np.mean(np.array(rollout.tokens) % 2 == 0)), {})
            for rollout in group
        ]
        for group in groups
    ]


def _race(methods: Mapping[str, Method], repeats: int) -> dict[str, list[Figures]]:
    """Run all methods in turn, `repeats` times after a warm-up."""
    found: dict[str, list[Figures]] = {name: [] for name in methods}
    for repeat in range(repeats + 1):
        for name, method in methods.items():
            logger.info("bench align: %s, %s", name, f"run {repeat} of {repeats}" if repeat else "warm-up")
            figures = method()
            if repeat:
                found[name].append(figures)
    return found


def compare(part: str, runs: Mapping[str, Sequence[Figures]], reference: str) -> list[dict[str, Any]]:
    """Return a row for each method: medians of its figures, and of the ratios of its rates, run by run.

    Args:
        part: name in the report.
        runs: figures of each method, paired by place.
        reference: the method that rates are divided by; above 1, a method is faster.

    Example:
        >>> compare("sft", {"a": [{"tokens_per_s": 2.0}], "b": [{"tokens_per_s": 3.0}]}, "a")[1]
        {'part': 'sft', 'method': 'b', 'tokens_per_s': 3.0, 'tokens_ratio': 1.5}
    """
    rows = []
    for name, figures in runs.items():
        row: dict[str, Any] = {"part": part, "method": name}
        for figure in figures[0]:
            row[figure] = median(one[figure] for one in figures)
            if figure.endswith("_per_s"):
                pairs = zip(figures, runs[reference], strict=True)
                row[figure.replace("_per_s", "_ratio")] = median(a[figure] / b[figure] for a, b in pairs)
        rows.append(row)
    return rows


def render(report: dict[str, Any]) -> Table:
    """Return a report as a table for people; the numbers are those of `bench_align`."""
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    table = Table(
        header_style="bold",
        pad_edge=False,
        caption=f"{report['machine']}; {versions}; {report['date']}, commit {report['commit']}; "
        "ratios against TRL's run",
        caption_justify="left",
    )
    table.add_column("method")
    for heading in ("tokens/s", "ratio", "rollouts/s", "ratio", "updates/s", "ratio"):
        table.add_column(heading, justify="right")
    for row in report["rows"]:
        cells = []
        for name, digits in (("tokens", 0), ("rollouts", 1), ("updates", 3)):
            rate, ratio = row.get(f"{name}_per_s"), row.get(f"{name}_ratio")
            cells += ["", ""] if rate is None else [f"{rate:,.{digits}f}", f"{ratio:.2f} x"]
        table.add_row(row["method"], *cells)
    return table
