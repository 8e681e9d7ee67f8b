"""The bench of the service: what it asks, counts and catches, not how long anything takes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from steerec.bench.serve import ServeBenchConfig, Tally, make_asks, obeys, patiently, render, summary
from steerec.cli import app
from steerec.control.request import Request
from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.recommend.floor import Floor
from steerec.serve.engine import Recommender


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split(make_world(num_users=40, num_items=48, seed=2))


@pytest.fixture(scope="module")
def run_folder(split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "toy"
    split.save(folder / "data")
    Floor().fit(split).save_pretrained(folder / "floor")
    serving = {"teacher": "floor", "language_model": None, "weight": 0.0, "beam": 8}
    (folder / "serving.json").write_text(json.dumps(serving))
    return folder


@pytest.mark.slow
def test_the_command_loads_both_ways_and_writes_its_report(run_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason='the service is not installed: pip install "steerec[serve]"')
    before = sorted(run_folder.rglob("*"))
    options = [part for one in ("clients=4", "seconds=0.5", "count=5") for part in ("--set", one)]
    report_file = tmp_path / "report.json"
    done = CliRunner().invoke(app, ["bench", "serve", str(run_folder), "--out", str(report_file), *options])
    assert done.exit_code == 0, done.output
    report = json.loads(report_file.read_text())
    assert [row["batching"] for row in report["rows"]] == ["off", "on"]
    for row in report["rows"]:
        assert row["requests"] >= 4
        assert row["statuses"].get("200", 0) == row["requests"] - row["statuses"].get("422", 0)
        assert (row["server_errors"], row["no_answer"], row["violations"]) == (0, 0, 0)
        assert 0 < row["p50_s"] <= row["p95_s"] <= row["p99_s"]
    assert render(report).row_count == 2
    assert sorted(run_folder.rglob("*")) == before  # a bench leaves nothing in the run


def test_a_run_that_is_none_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "serve", str(tmp_path)])
    assert "is not a finished run" in str(done.exception)


def test_asks_are_repeatable_and_for_known_users(split: Split) -> None:
    config = ServeBenchConfig(count=6)
    asks = make_asks(split, config)
    assert asks == make_asks(split, config)
    assert {ask["user_id"] for ask in asks} == set(split.users)
    controls = [control for ask in asks for control in ask["request"]["controls"]]
    assert controls
    assert all(1 <= control["at_least"] <= 4 for control in controls)


def test_a_list_that_is_not_what_was_asked_is_caught(split: Split) -> None:
    engine = Recommender(split.catalog, Floor().fit(split), None)
    past = split.sequences[0].tolist()
    ask = {"user_id": split.users[0], "request": {"count": 3}}
    answer = engine.answer([past], [Request(count=3)])[0]
    body: dict[str, Any] = {
        "items": [item._asdict() for item in answer.items],
        "certificate": answer.certificate.model_dump(mode="json"),
    }
    assert obeys(ask, body, split, past)
    assert not obeys({**ask, "request": {"count": 4}}, body, split, past)
    assert not obeys(ask, {**body, "items": body["items"][::-1]}, split, past)
    assert not obeys(ask, body, split, [split.catalog.index(body["items"][0]["item_id"])])
    forged = {**body["certificate"], "catalogue_sha256": "0" * 64}
    assert not obeys(ask, {**body, "certificate": forged}, split, past)


class Scripted:
    """Answers with the given statuses, in turn."""

    def __init__(self, *statuses: int) -> None:
        self.left = list(statuses)

    async def post(self, path: str, record: dict[str, Any]) -> tuple[int, bytes, float]:
        del path, record
        if not self.left[0]:
            raise ConnectionResetError
        return self.left.pop(0), b"{}", 0.0

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("statuses", "final", "turned_away"),
    [
        ((200,), 200, 0),
        ((429, 429, 200), 200, 2),
        ((429, 429, 429, 429, 200), 429, 4),
        ((429, 503), 503, 1),
        ((0,), 0, 0),
    ],
)
def test_what_was_turned_away_is_repeated_three_times(
    statuses: tuple[int, ...], final: int, turned_away: int
) -> None:
    tally = Tally()
    status, _, _ = asyncio.run(patiently(Scripted(*statuses), {}, 3, tally))  # type: ignore[arg-type]
    assert (status, tally.turned_away) == (final, turned_away)


def test_the_summary_counts_what_was_final() -> None:
    tally = Tally(
        seconds=[1.0, 2.0, 3.0], statuses={200: 3, 429: 1, 503: 2, 0: 2}, turned_away=6, violations=1
    )
    row = summary("on", tally, 6.0)
    assert (row["p50_s"], row["lists_per_s"], row["share_200"]) == (2.0, 0.5, 3 / 8)
    assert (row["server_errors"], row["no_answer"], row["turned_away"], row["violations"]) == (2, 2, 6, 1)
