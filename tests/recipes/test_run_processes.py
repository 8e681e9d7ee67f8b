"""A whole run in two processes that `torchrun` starts is the run of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from run_merged import merged_config

from steerec.evaluate.report import Report
from steerec.run import run


def _course(folder: Path, stage: str, name: str) -> list[float]:
    lines = map(json.loads, (folder / stage / "metrics.jsonl").read_text().splitlines())
    return [line[name] for line in lines if name in line]


def test_two_processes_make_the_run_of_one(tmp_path: Path) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    script = Path(__file__).with_name("run_merged.py")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join([str(script.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [*launch, str(script), str(two)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run(merged_config(), one)
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
