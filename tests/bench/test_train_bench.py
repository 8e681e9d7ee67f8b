"""The bench of training: what it counts and compares, not how long anything takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from steerec.bench.attention import (
    HSTU,
    METHODS,
    SOFTMAX,
    STOCHASTIC,
    AttentionBenchConfig,
    attention_cost,
    one_layer,
    thinning,
)
from steerec.bench.candidates import CandidateBenchConfig, candidate_cost, one_by_one
from steerec.bench.training import RateConfig, TrainBenchConfig, our_rate, rates
from steerec.cli import app
from steerec.data.split import make_split
from steerec.data.synthetic import make_world
from steerec.networks.attention import Sequences
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import HstuConfig, SequenceNetwork
from steerec.recommend.sequences.windows import thin

TINY = RateConfig(width=8, layers=1, window=8, batch_size=16, steps=3, our_steps=3, warm_up=1)
OPTIONS = (
    "data=synthetic",
    *(
        f"rate.{name}={getattr(TINY, name)}"
        for name in ("width", "layers", "window", "steps", "our_steps", "warm_up")
    ),
    "attention.lengths=[6, 20]",
    "attention.items=40",
    "attention.width=8",
    "attention.repeats=1",
    "candidates.candidates=9",
    "candidates.history=7",
    "candidates.width=8",
    "candidates.repeats=1",
)


def _run(tmp_path: Path) -> tuple[dict, str]:
    file, plot = tmp_path / "report.json", tmp_path / "attention.png"
    options = [part for setting in OPTIONS for part in ("--set", setting)]
    done = CliRunner().invoke(app, ["bench", "train", "--out", str(file), "--plot", str(plot), *options])
    assert done.exit_code == 0, done.output
    assert plot.read_bytes().startswith(b"\x89PNG")
    return json.loads(file.read_text()), done.output


@pytest.mark.usefixtures("parity_stub")
def test_the_command_races_all_and_writes_its_report(tmp_path: Path) -> None:
    report, _ = _run(tmp_path)
    rows = {(row["model"], row["library"]): row for row in report["rows"]}
    theirs = [("sasrec", "RecTools"), ("sasrec", "RecBole"), ("hstu", "RecTools")]
    assert sorted(rows) == sorted([("sasrec", "steerec"), ("hstu", "steerec"), *theirs])
    assert report["skipped"] == []
    for model, library in theirs:
        row, ours = rows[model, library], rows[model, "steerec"]
        assert row["targets_per_s"] == 200  # of the stub: 100 targets in half a second
        assert row["ratio"] == pytest.approx(ours["targets_per_s"] / 200)
        assert row["cpu_ratio"] == pytest.approx(ours["targets_per_cpu_s"] / 400)
        assert (ours["ratio"], ours["cpu_ratio"]) == (1, 1)
    assert [row["length"] for row in report["attention"]] == [6, 20]
    assert [row["network"] for row in report["candidates"]] == ["softmax", "hstu"]
    assert all(row["difference"] < 1e-5 for row in report["candidates"])


@pytest.mark.usefixtures("no_parity")
def test_without_the_others_ours_is_measured_and_the_message_says_what_is_missing(tmp_path: Path) -> None:
    report, output = _run(tmp_path)
    assert {row["library"] for row in report["rows"]} == {"steerec"}
    assert len(report["skipped"]) == 3
    assert "RecTools sasrec is left out. There is no parity environment" in report["skipped"][0]
    assert "make parity-environment" in " ".join(output.split())


def test_rivals_can_be_left_out() -> None:
    split = make_split(make_world(num_users=30, num_items=40, seed=1))
    config = TrainBenchConfig(models=("sasrec",), rate=TINY, rivals=False)
    rows, skipped, versions = rates(config, split)
    assert [row["library"] for row in rows] == ["steerec"]
    assert (skipped, versions) == ([], {})


@pytest.mark.parametrize("model", ["sasrec", "hstu"])
def test_targets_of_counted_steps_are_all_transitions_of_their_epochs(model: str) -> None:
    split = make_split(make_world(num_users=30, num_items=40, seed=1))
    longest = max(len(items) for items in split.train)
    config = TINY.replace(window=longest, batch_size=1000, our_steps=2)  # one batch is an epoch
    found = our_rate(model, split, config)  # type: ignore[arg-type]
    transitions = sum(max(len(items) - 1, 0) for items in split.train)
    assert (found.targets, found.steps) == (2 * transitions, 2)
    assert min(found.seconds, found.cpu_seconds) > 0


def test_thinning_is_what_training_does() -> None:
    rng = np.random.default_rng(0)
    for length in (50, 400):
        expected = thinning(length, 1.7)
        sizes = [len(thin(np.arange(length), length, 1.7, rng)) for _ in range(2000)]
        assert set(sizes) == {length, expected.kept}
        assert np.mean(np.array(sizes) == expected.kept) == pytest.approx(expected.chance, abs=0.04)
    assert thinning(400, 2.0) == (400, 0.0)


def test_costs_of_attention_mix_what_was_measured() -> None:
    config = AttentionBenchConfig(lengths=(4, 30), items=60, width=8, repeats=1)
    for row, sequences in zip(attention_cost(config), (15, 2), strict=True):
        assert row["sequences"] == sequences
        times = row["microseconds"]
        assert set(times) == set(METHODS)
        assert row["ratio"][SOFTMAX] == 1
        assert row["ratio"][HSTU] == times[HSTU] / times[SOFTMAX]
        assert times[STOCHASTIC] > (1 - row["chance"]) * times[HSTU]


@pytest.mark.parametrize("bias", ["none", "distance", "distance_and_time"])
def test_the_layer_that_is_timed_runs_on_all_sequences(bias: str) -> None:
    config = AttentionBenchConfig(width=8, bias=bias)  # type: ignore[arg-type]
    for method in (SOFTMAX, HSTU):
        output = one_layer(method, 5, 9, 3, config)()
        assert output.shape == (15, 8)
        assert output.requires_grad


def test_lengths_are_checked() -> None:
    with pytest.raises(ValueError, match="each 2 or more"):
        AttentionBenchConfig(lengths=(1, 50))


def test_one_by_one_is_each_alone() -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(HstuConfig(num_layers=1), num_items=20, width=8, window=5).eval()
    history, times, now = torch.tensor([3, 1, 4, 1]), torch.arange(4) * 100, 900
    found = one_by_one(network, history, torch.arange(7), times, now, batch=3)
    for candidate in range(7):
        items = torch.cat([history, torch.tensor([candidate])])
        moments = torch.cat([times, torch.tensor([now])])
        alone = network(Sequences(items, torch.arange(5), plan_flat([5]), moments))[-1]
        assert torch.allclose(found[candidate], alone, atol=1e-6)


def test_ratios_of_candidates_are_of_pairs() -> None:
    config = CandidateBenchConfig(candidates=5, history=6, width=8, layers=1, repeats=1)
    for row in candidate_cost(config):
        assert row["ratio"] == pytest.approx(row["one_by_one"] / row["together"])
        assert row["difference"] <= 1e-5 < row["scale"]
