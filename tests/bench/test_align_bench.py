"""The bench of alignment: what it measures and compares, not how long it takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from steerec.align.rollouts import Rollout
from steerec.bench.align import (
    ADAPTER,
    OURS,
    RL_RIVAL,
    SFT_RIVAL,
    SORTED_RIVAL,
    AlignBenchConfig,
    bench_align,
    compare,
    even_share,
    render,
)
from steerec.cli import app
from steerec.errors import ConfigError

SMALL = {"data": "synthetic", "rows": 60, "sft_steps": 1, "prompts": 4, "samples": 2, "micro_batches": 2}
SHAPE = {"num_words": 400, "hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 24}


def test_the_command_races_every_method_and_writes_its_report(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason='TRL is not installed: pip install "steerec[train]"')
    file = tmp_path / "report.json"
    settings = {**SMALL, "repeats": 1, **{f"model.{name}": value for name, value in SHAPE.items()}}
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    done = CliRunner().invoke(app, ["bench", "align", "--out", str(file), *options])
    assert done.exit_code == 0, done.output
    report = json.loads(file.read_text())
    rows = {(row["part"], row["method"]): row for row in report["rows"]}
    sft, rl = (SFT_RIVAL, SORTED_RIVAL, OURS), (RL_RIVAL, ADAPTER, OURS)
    assert list(rows) == [*(("sft", name) for name in sft), *(("rl", name) for name in rl)]
    assert rows["sft", SFT_RIVAL]["tokens_ratio"] == 1
    assert all(rows["sft", name]["tokens_per_s"] > 0 for name in sft)
    for name in rl:
        row = rows["rl", name]
        assert min(row["rollouts_per_s"], row["updates_per_s"], row["rollouts_ratio"]) > 0
        assert row["tokens_per_list"] == pytest.approx(rows["rl", OURS]["tokens_per_list"], rel=0.25)
    assert rows["rl", RL_RIVAL]["updates_ratio"] == rows["rl", RL_RIVAL]["rollouts_ratio"] == 1
    assert render(report).row_count == 6


def test_ratios_are_medians_of_paired_runs() -> None:
    slow = [{"updates_per_s": rate, "tokens_per_list": 5.0} for rate in (1.0, 2.0, 4.0)]
    fast = [{"updates_per_s": rate, "tokens_per_list": 6.0} for rate in (3.0, 4.0, 40.0)]
    plain, ours = compare("rl", {"plain": slow, "ours": fast}, "plain")
    assert plain["updates_ratio"] == 1
    assert ours == {
        "part": "rl",
        "method": "ours",
        "updates_per_s": 4.0,
        "updates_ratio": 3.0,  # of 3, 2 and 10
        "tokens_per_list": 6.0,
    }


def test_the_judge_counts_even_tokens() -> None:
    rollout = Rollout(
        items=(1, None), tokens=(2, 3, 4, 6), ends=np.array([1, 3]), decided=np.arange(4), allowed=None
    )
    ((judged,),) = even_share([], [[rollout]])
    assert (judged.total, judged.items.tolist()) == (0.75, [0.0, 0.0])


def test_too_few_prompts_are_named() -> None:
    with pytest.raises(ConfigError, match="a step has 4000 prompts. Raise rows, or lower prompts"):
        bench_align(AlignBenchConfig(**{**SMALL, "prompts": 4000}))
