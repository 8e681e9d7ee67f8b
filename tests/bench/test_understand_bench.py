"""The bench of readers: rows, intervals, kinds and confusion of a file of sentences."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from steerec.bench.understand import bench_understand, readers, render
from steerec.data.catalog import Catalog
from steerec.errors import DataError

CATALOG = Catalog.from_frame(
    pl.DataFrame(
        {
            "item_id": ["a", "b", "c", "d"],
            "title": ["One", "Two", "Three", "Four"],
            "categories": [["Comedy"], ["Drama"], ["Comedy", "Drama"], ["Horror"]],
        }
    ),
    noun="films",
)
ROWS = [
    (
        "three comedies",
        {"count": 3, "controls": [{"where": {"categories": "Comedy"}, "at_least": "all"}]},
        ["only"],
    ),
    ("no horror", {"controls": [{"where": {"categories": "Horror"}, "at_most": 0}]}, ["without"]),
    ("no dramas", {"controls": [{"where": {"categories": "Drama"}, "at_least": "all"}]}, ["without"]),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    CATALOG.save(tmp_path / "data")
    lines = [
        json.dumps({"sentence": text, "request": request, "kinds": kinds}) for text, request, kinds in ROWS
    ]
    (tmp_path / "sentences.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_the_floor_alone_is_measured_where_no_reader_lies(run: Path) -> None:
    report = bench_understand(run, [run / "sentences.jsonl"])
    (row,) = report["rows"]
    assert (row["reader"], row["sentences"], row["exact"], row["invalid"]) == (
        "floor",
        3,
        pytest.approx(2 / 3),
        0,
    )
    assert row["low"] < row["exact"] < row["high"]
    assert row["kinds"]["without"] == {"exact": 0.5, "sentences": 2}
    assert row["confusion"] == [{"meant": "only", "read": "without", "times": 1}]
    console = Console(record=True, width=100)
    console.print(render(report))
    text = console.export_text()
    assert "66.7 %" in text
    assert "read by floor" in text


def test_a_folder_without_a_reader_is_refused(run: Path) -> None:
    with pytest.raises(DataError, match="holds no reader"):
        bench_understand(run, [run / "sentences.jsonl"], reader=run)
    assert list(readers(CATALOG, None)) == ["floor"]
