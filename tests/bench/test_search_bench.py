"""The bench of searches: every way answers the same points, and differences are paired."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steerec.bench.search import bench_search
from steerec.bench.tables import search_table
from steerec.cli import app
from steerec.data.split import make_split
from steerec.data.synthetic import make_world
from steerec.llm.tiny import build_tiny
from tiny_shelf import PHRASINGS, tiny_shape


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    split = make_split(make_world(num_users=10, num_items=30, seed=1))
    split.save(tmp_path / "run" / "data")
    lm = build_tiny(split.catalog, PHRASINGS, tiny_shape(context_length=600, identifier="title"))
    lm.save_pretrained(tmp_path / "run" / "sft" / "model")
    return tmp_path / "run"


def test_every_way_is_measured_on_the_same_points(run_folder: Path) -> None:
    report = bench_search(run_folder, beams=(1, 4))
    assert list(report["ways"]) == [
        "free, invalid items dropped",
        "token by token",
        "item beam 1",
        "item beam 4",
    ]
    values = {name: way["ndcg@10"]["mean"] for name, way in report["ways"].items()}
    assert {way["ndcg@10"]["n"] for way in report["ways"].values()} == {10}
    # one spelling per item: the beam of one is greedy by token, and so is the walk
    assert values["item beam 1"] == values["token by token"]
    for pair in report["differences"]:
        expected = values[pair["way"]] - values[pair["reference"]]
        assert pair["ndcg@10"]["mean"] == pytest.approx(expected)
    assert search_table(report).row_count == 4 + len(report["differences"])


def test_the_command_writes_its_report(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    done = CliRunner().invoke(app, ["bench", "trie", "--largest", "1000", "--out", str(file)])
    assert done.exit_code == 0, done.output
    assert {row["num_items"] for row in json.loads(file.read_text())["rows"]} == {1000}
