"""`steerec bench train`: what a second of training learns, ours against RecTools and RecBole, in one run.

All learn the same log with networks of the same size, windows and batches, one after the other, under the
same number of threads. What counts is targets: items that a step was asked to predict, padding left out.
RecTools pads every sequence to the window; RecBole learns one target from each padded row. Beside it: what
attention costs by length, and many candidates behind one history.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch
from rich import box
from rich.console import Group
from rich.table import Table
from torch import nn

from steerec.artifacts import provenance
from steerec.bench.attention import AttentionBenchConfig, attention_cost, attention_table
from steerec.bench.candidates import CandidateBenchConfig, candidate_cost, candidate_table
from steerec.bench.errand import NoParityError
from steerec.bench.outside.parcel import now
from steerec.bench.parity import load
from steerec.bench.rectools import ModelName, RivalConfig, run_rival
from steerec.config import Config
from steerec.data.split import Split, make_split
from steerec.loop import StepOutput, TrainingConfig, train
from steerec.networks.sequence import EncoderConfig, HstuConfig, SequenceNetwork, TransformerConfig
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.lessons import Lessons, learn
from steerec.recommend.sequences.losses import FullSoftmax
from steerec.recommend.sequences.tasks import Lesson

logger = logging.getLogger("steerec")

OURS = "steerec"
RIVALS: tuple[tuple[Literal["rectools", "recbole"], str, ModelName], ...] = (
    ("rectools", "RecTools", "sasrec"),
    ("rectools", "RecTools", "hstu"),
    ("recbole", "RecBole", "sasrec"),
)
"""Library, its name, model; RecBole 1.2.1 has no HSTU."""


class RateConfig(Config):
    """What is trained: the same for all."""

    width: pydantic.PositiveInt = 64
    layers: pydantic.PositiveInt = 2
    heads: pydantic.PositiveInt = 2
    window: pydantic.PositiveInt = 50
    """Items of the history that a network sees."""
    batch_size: pydantic.PositiveInt = 128
    """Sequences of a step."""
    dropout: float = pydantic.Field(0.2, ge=0, lt=1)
    steps: pydantic.PositiveInt = 20
    """Counted steps of the other libraries."""
    our_steps: pydantic.PositiveInt = 60
    """Counted steps of ours: its batches are of like lengths, so it takes more of them to see all lengths."""
    warm_up: pydantic.PositiveInt = 3
    """Steps before them that are not counted."""
    bf16: bool = False
    """Run our forward passes under bfloat16 autocast."""


class TrainBenchConfig(Config):
    """What is timed."""

    data: str = "ml-100k"
    """A built-in source, or a folder of canonical Parquet."""
    models: tuple[ModelName, ...] = ("sasrec", "hstu")
    rate: RateConfig = RateConfig()
    rivals: bool = True
    """Whether other libraries are raced too."""
    attention: AttentionBenchConfig | None = AttentionBenchConfig()
    """None: left out."""
    candidates: CandidateBenchConfig | None = CandidateBenchConfig()
    """None: left out."""
    threads: pydantic.NonNegativeInt = 0
    """Torch threads of all; 0 takes those of this process."""


def bench_train(config: TrainBenchConfig) -> dict[str, Any]:
    """Time all.

    Args:
        config: what is timed.

    Returns:
        A JSON-able report: `rows`, one per model and library: `targets_per_s`, `targets_per_cpu_s`, `step_s`,
        `targets_per_step`, and ours over theirs, `ratio` and `cpu_ratio` (above 1: ours is faster);
        `skipped`: why libraries are missing; `attention`, `candidates`, `versions_theirs`, and where it ran.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    rows, skipped, versions = rates(config, make_split(load(config.data)))
    return {
        "schema": 1,
        "config": config.model_dump(mode="json"),
        "threads": torch.get_num_threads(),
        "rows": rows,
        "skipped": skipped,
        "versions_theirs": versions,
        "attention": attention_cost(config.attention) if config.attention else [],
        "candidates": candidate_cost(config.candidates) if config.candidates else [],
        **provenance(),
    }


def rates(config: TrainBenchConfig, split: Split) -> tuple[list[dict[str, Any]], list[str], dict[str, str]]:
    """Return rows, reasons why a library is missing, and versions of those that are there."""
    rows, skipped, versions = [], list[str](), dict[str, str]()
    for model in config.models:
        logger.info("bench train: ours, %s", model)
        ours = our_rate(model, split, config.rate)
        rows.append(_row(model, OURS, ours, ours))
        for library, name, theirs in RIVALS if config.rivals else ():
            if theirs != model:
                continue
            logger.info("bench train: %s, %s", name, model)
            try:
                found, seen = _their_rate(library, model, split, config.rate)
            except NoParityError as error:
                skipped.append(f"{name} {model} is left out. {error}")
                continue
            rows.append(_row(model, name, found, ours))
            versions |= seen
    return rows, skipped, versions


class Rate(NamedTuple):
    """What some steps took."""

    seconds: float
    cpu_seconds: float
    targets: int
    steps: int


def our_rate(model: ModelName, split: Split, config: RateConfig) -> Rate:
    """Train our network for some steps as `SequenceModel` does, without looking at validation.

    Args:
        model: "sasrec" or "hstu".
        split: its training part is used.
        config: what is trained.
    """
    settings = SequenceConfig(
        width=config.width,
        window=config.window,
        batch_size=config.batch_size,
        encoder=_encoder(model, config),
        training=TrainingConfig(
            max_steps=config.warm_up + config.our_steps,
            learning_rate=1e-3,
            bf16=config.bf16,
            logging_steps=10_000,
        ),
    )
    lessons = Lessons(split, settings)
    torch.manual_seed(0)
    network = SequenceNetwork(
        settings.encoder, num_items=len(split.catalog), width=config.width, window=config.window
    ).to(lessons(0).targets.device)
    popularity = torch.ones(len(split.catalog), device=network.item_bias.device)
    clock = _Clock(learn(FullSoftmax(), popularity))
    with tempfile.TemporaryDirectory() as folder:
        train(network, lessons, clock, settings.training, Path(folder), stage="bench")
        end = now()
    counted = clock.targets[config.warm_up :]
    seconds, cpu_seconds = np.subtract(end, clock.begins[config.warm_up]).tolist()
    return Rate(seconds, cpu_seconds, sum(counted), len(counted))


class _Clock:
    """A step function that notes when each step begins; the end of one is the beginning of the next."""

    def __init__(self, step: Callable[[nn.Module, Lesson], StepOutput]) -> None:
        self._step = step
        self.begins: list[tuple[float, float]] = []
        self.targets: list[int] = []

    def __call__(self, network: nn.Module, given: Lesson) -> StepOutput:
        self.begins.append(now())
        self.targets.append(len(given.targets))
        return self._step(network, given)


def _encoder(model: ModelName, config: RateConfig) -> EncoderConfig:
    shape: dict[str, Any] = {
        "num_layers": config.layers,
        "num_heads": config.heads,
        "dropout": config.dropout,
    }
    return HstuConfig(**shape) if model == "hstu" else TransformerConfig(**shape)


def _their_rate(
    library: Literal["rectools", "recbole"], model: ModelName, split: Split, config: RateConfig
) -> tuple[Rate, dict[str, str]]:
    size = {
        name: getattr(config, name)
        for name in ("width", "layers", "heads", "window", "batch_size", "dropout")
    }
    asked = RivalConfig(**size, steps=config.warm_up + config.steps)
    run = run_rival(library, model, asked, split, threads=torch.get_num_threads())
    seconds, targets = run.step_seconds[config.warm_up :], run.step_targets[config.warm_up :]
    wall, cpu = seconds.sum(axis=0).tolist()
    return Rate(wall, cpu, int(np.sum(targets)), len(seconds)), run.versions


def _row(model: str, library: str, found: Rate, ours: Rate) -> dict[str, Any]:
    return {
        "model": model,
        "library": library,
        "targets_per_s": found.targets / found.seconds,
        "targets_per_cpu_s": found.targets / found.cpu_seconds,
        "step_s": found.seconds / found.steps,
        "targets_per_step": found.targets / found.steps,
        "ratio": (ours.targets / ours.seconds) / (found.targets / found.seconds),
        "cpu_ratio": (ours.targets / ours.cpu_seconds) / (found.targets / found.cpu_seconds),
    }


def render(report: dict[str, Any]) -> Group:
    """Return a report as tables for people."""
    parts: list[Any] = [rate_table(report), *report["skipped"]]
    if report["attention"]:
        parts.append(attention_table(report))
    if report["candidates"]:
        parts.append(candidate_table(report))
    return Group(*parts)


def rate_table(report: dict[str, Any]) -> Table:
    """Return the table of rates."""
    config = report["config"]
    rate = config["rate"]
    versions = ", ".join(f"{name} {number}" for name, number in report["versions_theirs"].items())
    table = Table(
        header_style="bold",
        pad_edge=False,
        box=box.SIMPLE_HEAD,
        caption=f"{Path(config['data']).name}; full softmax, width {rate['width']}, {rate['layers']} layers, "
        f"window {rate['window']}, {rate['batch_size']} sequences a step; {rate['our_steps']} steps of ours, "
        f"{rate['steps']} of theirs\n{versions}\n"
        f"{report['machine']}, {report['threads']} threads, {report['written']}, commit {report['commit']}",
        caption_justify="left",
    )
    table.add_column("model")
    table.add_column("library")
    for heading in (
        "targets\nper s",
        "ours is\nfaster by",
        "targets\nper CPU s",
        "ours is\nfaster by",
        "targets\na step",
    ):
        table.add_column(heading, justify="right")
    for row in report["rows"]:
        table.add_row(
            row["model"],
            row["library"],
            f"{row['targets_per_s']:,.0f}",
            "" if row["library"] == OURS else f"{row['ratio']:.2f} x",
            f"{row['targets_per_cpu_s']:,.0f}",
            "" if row["library"] == OURS else f"{row['cpu_ratio']:.2f} x",
            f"{row['targets_per_step']:,.0f}",
        )
    return table
