"""`steerec bench parity`: are our numbers those of others, and is our SASRec as good and faster?

Metrics against RecTools and ranx on the same predictions; then RecTools' SASRec and our sequence model
trained one after the other on the same split and ranked by our evaluation, under the same number of threads.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from rich import box
from rich.console import Group
from rich.table import Table

from steerec.artifacts import provenance
from steerec.bench.errand import parity_python
from steerec.bench.metric_parity import TOLERANCE, metric_parity
from steerec.bench.outside.parcel import now
from steerec.bench.rectools import RivalConfig, RivalRun, ranks_of, run_rival
from steerec.config import Config
from steerec.data.dataset import Dataset
from steerec.data.download import cache_dir
from steerec.data.source import SOURCES, load_source
from steerec.data.split import Point, Split, make_split
from steerec.evaluate.interval import paired_difference
from steerec.evaluate.looks import count_look
from steerec.evaluate.ranking import ranks_by_scores
from steerec.metrics.names import rank_metric, ranking_summary
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.lessons import Lessons
from steerec.recommend.sequences.model import SequenceModel

logger = logging.getLogger("steerec")

OURS, RIVAL = "steerec SequenceModel", "RecTools SASRec"
_WARM_UP = 2
"""Steps that are not counted where only some are timed."""

Points = Mapping[str, Sequence[Point]]
"""Points to rank, by part."""


class MetricParityConfig(Config):
    """Random predictions for the metrics."""

    users: pydantic.PositiveInt = 1000
    items: int = pydantic.Field(300, ge=100)
    seed: pydantic.NonNegativeInt = 0


class ParityConfig(Config):
    """What is compared."""

    data: str = "ml-100k"
    """A built-in source, or a folder of canonical Parquet."""
    split: Literal["leave_last_out", "last_five", "temporal"] = "leave_last_out"
    metrics: MetricParityConfig = MetricParityConfig()
    train: bool = True
    """Whether the models are trained; False checks the metrics alone."""
    ours: SequenceConfig = SequenceConfig()
    """Our model, as it is trained everywhere else."""
    rectools: RivalConfig = RivalConfig()
    """RecTools' SASRec with full softmax. `steps` times so many steps and computes the time of all `epochs`
    from them; nothing is said of its accuracy then."""
    threads: pydantic.NonNegativeInt = 0
    """Torch threads of both; 0 takes those of this process."""


def bench_parity(config: ParityConfig, *, test: bool = False) -> dict[str, Any]:
    """Compare metrics, accuracy and time.

    Args:
        config: what is compared.
        test: look at the test points too; the look is counted.

    Returns:
        A JSON-able report: `metrics` of `metric_parity`, `models` of `side_by_side` or None, `config`, and
        where it ran.

    Raises:
        NoParityError: there is no parity environment, or it failed.
    """
    parity_python()  # before minutes are spent on our side
    if config.threads:
        torch.set_num_threads(config.threads)
    asked = config.metrics
    metrics = metric_parity(asked.users, asked.items, asked.seed)
    models = None
    if config.train:
        models = side_by_side(config, make_split(load(config.data), config.split), test=test)
    return {
        "schema": 1,
        "config": config.model_dump(mode="json"),
        "threads": torch.get_num_threads(),
        "metrics": metrics,
        "models": models,
        **provenance(),
    }


def load(data: str) -> Dataset:
    """Return a built-in source, or what is in a folder."""
    if data not in SOURCES and Path(data).is_dir():
        return load_source("folder", path=data)
    return load_source(data)


class Trained(NamedTuple):
    """One model's side."""

    seconds: float
    """Wall time of training: the whole of `fit`."""
    cpu_seconds: float
    """Processor time of it, of all threads."""
    epochs: float
    targets: float
    """Items learned to predict in it."""
    ranks: dict[str, NDArray[np.float64]] | None
    """By part; None where it was not trained to the end."""
    timed_steps: int | None = None
    """Where `seconds` is computed: from so many steps."""


def side_by_side(config: ParityConfig, split: Split, *, test: bool) -> dict[str, Any]:
    """Train both models, one after the other, and rank the same points.

    Returns:
        `{"rows": [...], "ratios", "difference", "split_hash", "looks", "versions"}`; ratios are RecTools'
        time over ours, `wall` and `cpu`, of the whole training and `per_target`; the difference is of
        NDCG@10, ours minus theirs, with its paired interval, by part.
    """
    points: Points = {"valid": split.points("valid")} | ({"test": split.points("test")} if test else {})
    every = [point for part in points.values() for point in part] if config.rectools.steps is None else []
    logger.info("bench parity: RecTools' SASRec on %s", split.source)
    run = run_rival("rectools", "sasrec", config.rectools, split, every, threads=torch.get_num_threads())
    theirs = _their_side(run, config.rectools, points)
    logger.info("bench parity: our model")
    ours = _our_side(config.ours, split, points)
    difference = {}
    if theirs.ranks is not None and ours.ranks is not None:
        for part in points:
            gain, reference = (rank_metric("ndcg@10", one[part]) for one in (ours.ranks, theirs.ranks))
            users = np.array([point.user for point in points[part]])
            difference[part] = paired_difference(gain, reference, users)._asdict()
    looks = count_look(cache_dir(), split.hash, "bench parity") if test else 0
    return {
        "rows": [_row(RIVAL, theirs), _row(OURS, ours)],
        "ratios": ratios(theirs, ours),
        "difference": difference,
        "split_hash": split.hash,
        "looks": looks,
        "versions": run.versions,
    }


def ratios(theirs: Trained, ours: Trained) -> dict[str, float]:
    """Return their time over ours: above 1, ours is faster."""
    wall, cpu = theirs.seconds / ours.seconds, theirs.cpu_seconds / ours.cpu_seconds
    share = ours.targets / theirs.targets
    return {"wall": wall, "cpu": cpu, "wall_per_target": wall * share, "cpu_per_target": cpu * share}


def _their_side(run: RivalRun, config: RivalConfig, points: Points) -> Trained:
    if config.steps is not None:
        return estimate(run, config.epochs)
    assert run.lists is not None
    bounds = np.cumsum([len(part) for part in points.values()])[:-1]
    lists = dict(zip(points, np.split(run.lists, bounds), strict=True))
    ranks = {part: ranks_of(lists[part], points[part]) for part in points}
    assert run.fit_seconds is not None
    seconds, cpu_seconds = run.fit_seconds.tolist()
    return Trained(seconds, cpu_seconds, config.epochs, float(run.step_targets.sum()), ranks)


def estimate(run: RivalRun, epochs: int) -> Trained:
    """Return what a training of `epochs` would take, from the mean of the steps that were timed.

    Building and preparing are added once; the first steps are left out of the mean.
    """
    begin = _WARM_UP if len(run.step_seconds) > _WARM_UP else 0
    assert run.fit_seconds is not None
    counted = run.step_seconds[begin:]
    before = run.fit_seconds - run.step_seconds.sum(axis=0)
    steps = epochs * run.steps_per_epoch
    seconds, cpu_seconds = (before + steps * counted.mean(axis=0)).tolist()
    targets = steps * float(run.step_targets[begin:].mean())
    return Trained(seconds, cpu_seconds, epochs, targets, None, len(counted))


def _our_side(config: SequenceConfig, split: Split, points: Points) -> Trained:
    """Our model is trained as it always is, evaluations on validation and all."""
    with tempfile.TemporaryDirectory() as name:
        begin = now()
        model = SequenceModel(config).fit(split, Path(name))
        seconds, cpu_seconds = np.subtract(now(), begin).tolist()
        lines = (Path(name) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = max(json.loads(line)["step"] for line in lines)
    epochs = steps / Lessons(split, config).steps_per_epoch
    ranks = {part: ranks_by_scores(model.scores, points[part]) for part in points}
    targets = epochs * sum(max(len(items) - 1, 0) for items in split.train)
    return Trained(seconds, cpu_seconds, epochs, targets, ranks)


def _row(name: str, side: Trained) -> dict[str, Any]:
    metrics = None
    if side.ranks is not None:
        metrics = {part: ranking_summary(ranks) for part, ranks in side.ranks.items()}
    return {
        "model": name,
        "seconds": side.seconds,
        "cpu_seconds": side.cpu_seconds,
        "epochs": side.epochs,
        "targets": side.targets,
        "timed_steps": side.timed_steps,
        "metrics": metrics,
    }


def render(report: dict[str, Any]) -> Group:
    """Return a report as tables for people."""
    parts: list[Any] = [metric_table(report)]
    if report["models"] is not None:
        parts.append(model_table(report))
    return Group(*parts)


def metric_table(report: dict[str, Any]) -> Table:
    """Return the table of metrics: ours, and the largest difference of a user from each referee."""
    found = report["metrics"]
    referees = list(dict.fromkeys(row["referee"] for row in found["rows"]))
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    table = Table(
        header_style="bold",
        pad_edge=False,
        box=box.SIMPLE_HEAD,
        caption=f"{versions}; {100 * found['tied_targets']:.0f} % of the targets are tied\n"
        f"largest difference {found['largest']:.1e}, allowed {TOLERANCE:.0e}: "
        f"{'all agree' if found['agrees'] else 'THEY DIFFER'}",
        caption_justify="left",
    )
    table.add_column("metric")
    table.add_column("of")
    for heading in ("ours", *(f"from\n{referee}" for referee in referees)):
        table.add_column(heading, justify="right")
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in found["rows"]:
        line = cells.setdefault((row["metric"], row["predictions"]), {"": f"{row['ours']:.6f}"})
        line[row["referee"]] = f"{row['difference']:.1e}"
    for (metric, predictions), line in cells.items():
        table.add_row(metric, predictions, line[""], *(line.get(referee, "") for referee in referees))
    return table


def model_table(report: dict[str, Any]) -> Table:
    """Return the table of the two models; what was not measured is said to be computed."""
    found = report["models"]
    parts = list(next(row["metrics"] for row in reversed(found["rows"])))
    table = Table(
        header_style="bold",
        pad_edge=False,
        box=box.SIMPLE_HEAD,
        caption=_caption(report),
        caption_justify="left",
    )
    table.add_column("model")
    for heading in (
        "training\nwall s",
        "CPU s",
        "epochs",
        "million\ntargets",
        *(f"{part}\nNDCG@10 / HR@10" for part in parts),
    ):
        table.add_column(heading, justify="right")
    for row in found["rows"]:
        metrics = row["metrics"] or {}
        table.add_row(
            row["model"],
            f"{row['seconds']:,.1f}" + ("*" if row["timed_steps"] else ""),
            f"{row['cpu_seconds']:,.1f}" + ("*" if row["timed_steps"] else ""),
            f"{row['epochs']:.3g}",
            f"{row['targets'] / 1e6:.2f}",
            *(
                f"{metrics[part]['ndcg@10']:.4f} / {metrics[part]['hr@10']:.4f}" if metrics else "-"
                for part in parts
            ),
        )
    return table


def _caption(report: dict[str, Any]) -> str:
    found, config = report["models"], report["config"]
    ratio = {name: f"{value:.2f}" for name, value in found["ratios"].items()}
    lines = [
        f"their time over ours: wall {ratio['wall']} x, CPU {ratio['cpu']} x; "
        f"per target {ratio['wall_per_target']} x and {ratio['cpu_per_target']} x"
    ]
    lines += [
        f"NDCG@10 {part}, ours minus theirs: {one['mean']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]"
        for part, one in found["difference"].items()
    ]
    lines += [
        f"* {row['model']} was not trained to the end: computed from {row['timed_steps']} steps"
        for row in found["rows"]
        if row["timed_steps"]
    ]
    if found["looks"]:
        lines.append(f"looks at this test split so far: {found['looks']}")
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    lines += [
        f"{Path(config['data']).name}, {config['split']}, split {found['split_hash'][:12]}; history masked, "
        "full ranking; theirs in their order, ours with ties against us",
        f"theirs: {versions}; {report['machine']}, {report['threads']} threads, {report['written']}, "
        f"commit {report['commit']}",
    ]
    return "\n".join(lines)
