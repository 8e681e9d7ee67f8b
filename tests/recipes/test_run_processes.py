"""A whole run in two processes, as `torchrun` starts them, is the run of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from toy import toy

from steerec.align.merging import MergeConfig
from steerec.evaluate.report import Report
from steerec.processes import alone, is_first, place
from steerec.recipes.catalogue import load_recipe
from steerec.run import run
from steerec.run_config import RunConfig


def _config() -> RunConfig:
    config = toy(load_recipe("controllable-tiny-merged"), steps=4, rows=80)
    assert config.sft is not None
    assert isinstance(config.align, MergeConfig)
    parts = {
        name: part.replace(training=part.training.replace(gradient_accumulation_steps=2))
        for name, part in config.align.parts.items()
    }
    return config.replace(
        crossfit_folds=0,
        sft=config.sft.replace(
            training=config.sft.training.replace(gradient_accumulation_steps=2), tokens_per_batch=512
        ),
        align=config.align.replace(parts=parts),
    )


def _distributed(rank: int, rendezvous: str, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    torch.set_num_threads(1)
    assert place() == (rank, 2)
    with alone():
        assert is_first()
    run(_config(), Path(folder))
    torch.distributed.destroy_process_group()


def _course(folder: Path, stage: str, name: str) -> list[float]:
    lines = map(json.loads, (folder / stage / "metrics.jsonl").read_text().splitlines())
    return [line[name] for line in lines if name in line]


def test_two_processes_make_the_run_of_one(tmp_path: Path) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    torch.multiprocessing.spawn(_distributed, (f"file://{tmp_path}/rendezvous", str(two)), nprocs=2)
    run(_config(), one)
    assert _course(two, "sft", "sft/loss") == pytest.approx(_course(one, "sft", "sft/loss"), rel=1e-4)
    for part in ("align/ranking", "align/obeying"):
        assert _course(two, part, "rl/loss") == pytest.approx(
            _course(one, part, "rl/loss"), rel=1e-3, abs=1e-4
        )
    found = {path.relative_to(two) for path in two.rglob("*") if path.is_file()}
    assert found == {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    samples = (two / "align" / "ranking" / "samples.jsonl").read_text().splitlines()
    assert len(samples) == len((one / "align" / "ranking" / "samples.jsonl").read_text().splitlines())
    reports = [Report.load(folder / "report.json") for folder in (one, two)]
    for row in ("teacher", "lm-constrained"):
        ours, theirs = (report.row(row).metrics["ndcg@10"].mean for report in reports)
        assert theirs == pytest.approx(ours, abs=0.05)
