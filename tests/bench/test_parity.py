"""Parity with other libraries: what is compared, how it is printed; the libraries where they are."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import steerec.bench.outside
from steerec.bench.errand import NoParityError, parity_python, send
from steerec.bench.metric_parity import (
    CUTOFFS,
    LISTS,
    SCORES,
    Predictions,
    compare,
    metric_parity,
    random_predictions,
    ranked_lists,
    slow_rank,
)
from steerec.bench.outside.parcel import Parcel, read_parcel, write_parcel
from steerec.bench.parity import OURS, RIVAL, ParityConfig, Trained, estimate, ratios, render, side_by_side
from steerec.bench.rectools import RivalConfig, RivalRun, ranks_of, run_rival
from steerec.cli import app
from steerec.data.split import Point, make_split
from steerec.data.synthetic import make_world
from steerec.loop import TrainingConfig
from steerec.metrics.ranking import rank_of_targets
from steerec.networks.sequence import TransformerConfig
from steerec.recommend.sequences.config import SequenceConfig

OUTSIDE = Path(steerec.bench.outside.__file__).parent
SMALL = SequenceConfig(
    width=8,
    encoder=TransformerConfig(num_layers=1),
    window=8,
    epochs=2,
    training=TrainingConfig(max_steps=4, learning_rate=1e-2),
)
EQUALS = Predictions(
    scores=np.array([[0.5, 0.9, 0.5, 0.1, 0.5]]),
    targets=np.array([2]),
    masked=np.array([[False, False, False, False, False]]),
)


def _text(*tables: object) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    for table in tables:
        console.print(table)
    return console.export_text()


# Metrics ----------------------------------------------------------------------------------------------


def test_the_target_stands_behind_its_equals() -> None:
    assert ranked_lists(EQUALS, 6, against_us=True).tolist() == [[1, 0, 4, 2, 3, -1]]
    assert ranked_lists(EQUALS, 2, against_us=False).tolist() == [[1, 0]]
    masked = EQUALS._replace(masked=np.array([[True, False, False, False, False]]))
    assert ranked_lists(masked, 3, against_us=True).tolist() == [[1, 4, 2]]


def test_the_slow_rank_is_the_rule() -> None:
    assert slow_rank(EQUALS.scores[0], 2, EQUALS.masked[0]) == 4
    assert slow_rank(EQUALS.scores[0], 2, np.array([True, False, True, False, False])) == np.inf
    assert slow_rank(np.array([np.nan, 1.0]), 1, np.array([False, False])) == 2  # a NaN counts against us


def test_predictions_are_tied_at_all_ranks() -> None:
    given = random_predictions(400, 120, seed=1)
    ranks = rank_of_targets(given.scores, given.targets, given.masked)
    rows = np.arange(400)
    own = given.scores[rows, given.targets][:, None]
    assert np.mean((given.scores == own).sum(axis=1) > 1) > 0.5
    assert np.isinf(ranks).any()
    assert {1, 2, 5, 10} <= set(ranks[np.isfinite(ranks)].astype(int).tolist())


@pytest.mark.usefixtures("parity_stub")
def test_all_metrics_agree_with_referees_by_definition() -> None:
    report = metric_parity(60, 120, seed=0)
    assert report["agrees"]
    assert report["largest"] <= 1e-12
    assert report["rows"][0]["referee"] == "slow definition"
    found = {(row["referee"], row["metric"], row["predictions"]) for row in report["rows"][1:]}
    names = ("hr", "recall", "ndcg", "mrr")
    wanted = {
        (r, f"{m}@{k}", p)
        for r in ("RecTools", "ranx")
        for m in names
        for k in CUTOFFS
        for p in (SCORES, LISTS)
    }
    assert found == wanted


@pytest.mark.usefixtures("parity_stub")
def test_a_metric_that_differs_fails_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STUB_FAULT", "ideal")
    file = tmp_path / "report.json"
    options = ["--set", "train=false", "--set", "metrics.users=60", "--set", "metrics.items=100"]
    done = CliRunner().invoke(app, ["bench", "parity", "--out", str(file), *options])
    assert done.exit_code == 1
    assert "THEY DIFFER" in done.output
    rows = json.loads(file.read_text())["metrics"]["rows"]
    assert {row["metric"].partition("@")[0] for row in rows if row["difference"] > 1e-9} == {"ndcg"}


def test_a_metric_without_a_referee_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"No referee judged mrr, ndcg\."):
        compare(np.array([1.0]), {"ranx hr@1": np.array([1.0])}, LISTS)


# Models -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("parity_stub")
def test_both_models_rank_the_same_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEEREC_CACHE", str(tmp_path))
    split = make_split(make_world(num_users=30, num_items=40, seed=1))
    config = ParityConfig(ours=SMALL, rectools=RivalConfig(epochs=4))
    found = side_by_side(config, split, test=True)
    theirs, ours = found["rows"]
    assert (theirs["model"], ours["model"]) == (RIVAL, OURS)
    assert theirs["seconds"] == 7.0  # of the stub: 8 steps of 0.5 s, and 3 s
    assert (theirs["cpu_seconds"], theirs["targets"]) == (4.0, 800)
    assert ours["targets"] == pytest.approx(ours["epochs"] * sum(len(items) - 1 for items in split.train))
    assert ours["epochs"] == pytest.approx(2, abs=0.5)
    assert found["ratios"]["wall"] == pytest.approx(7.0 / ours["seconds"])
    assert found["ratios"]["cpu"] == pytest.approx(4.0 / ours["cpu_seconds"])
    for part in ("valid", "test"):
        points = split.points(part)  # type: ignore[arg-type]
        hits = [point.target in _first_unseen(point) for point in points]
        assert theirs["metrics"][part]["hr@10"] == pytest.approx(np.mean(hits))
        gap = ours["metrics"][part]["ndcg@10"] - theirs["metrics"][part]["ndcg@10"]
        assert found["difference"][part]["mean"] == pytest.approx(gap)
    assert found["looks"] == 1
    assert side_by_side(config, split, test=False)["looks"] == 0


def _first_unseen(point: Point) -> list[int]:
    return [item for item in range(40) if item not in set(point.history.tolist())][:10]


@pytest.mark.usefixtures("parity_stub")
def test_what_was_not_trained_to_the_end_says_so() -> None:
    settings = {"data": "synthetic", "ours": SMALL, "rectools": RivalConfig(epochs=10, steps=6)}
    split = make_split(make_world(num_users=30, num_items=40, seed=1))
    models = side_by_side(ParityConfig(**settings), split, test=False)
    report = {
        "metrics": metric_parity(20, 100, seed=0),
        "models": models,
        "config": ParityConfig(**settings).model_dump(mode="json"),
        "threads": 1,
        **dict.fromkeys(("machine", "written", "commit"), "x"),
    }
    text = _text(render(report))
    assert models["rows"][0]["metrics"] is None
    assert "13.0*" in text  # 3 s before, 10 epochs of 2 steps of 0.5 s
    assert "* RecTools SASRec was not trained to the end: computed from 4 steps" in text
    assert models["difference"] == {}


def test_an_estimate_adds_what_comes_before_once() -> None:
    seconds = np.array([9.0, 5.0, 2.0, 2.0, 2.0])[:, None] * [1.0, 0.5]
    run = RivalRun(seconds, np.array([9, 9, 4, 5, 6]), 7, {}, fit_seconds=np.array([24.0, 11.0]))
    side = estimate(run, epochs=3)
    assert (side.seconds, side.cpu_seconds) == (4.0 + 3 * 7 * 2.0, 1.0 + 3 * 7 * 1.0)
    assert (side.targets, side.timed_steps) == (3 * 7 * 5, 3)


def test_ratios_are_theirs_over_ours() -> None:
    found = ratios(Trained(60.0, 40.0, 10, 200.0, None), Trained(20.0, 10.0, 2, 100.0, None))
    assert found == {"wall": 3.0, "cpu": 4.0, "wall_per_target": 1.5, "cpu_per_target": 2.0}


def test_places_in_their_lists_are_ranks() -> None:
    points = [Point(0, np.array([5]), 7, 1), Point(1, np.array([7]), 7, 1), Point(2, np.array([1]), 9, 1)]
    lists = np.array([[4, 7, -1], [7, 1, 2], [3, -1, -1]])
    assert ranks_of(lists, points).tolist() == [2, np.inf, np.inf]


# The other Python -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_parity")
def test_without_an_environment_the_message_says_how_to_make_it() -> None:
    with pytest.raises(NoParityError, match="make parity-environment"):
        parity_python()
    done = CliRunner().invoke(app, ["bench", "parity"])
    assert done.exit_code != 0


@pytest.mark.usefixtures("parity_stub")
def test_what_the_other_python_said_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_FAULT", "crash")
    with pytest.raises(NoParityError, match="(?s)could not do \"judge\".*No module named 'rectools'"):
        send("judge", Parcel({}, {}), threads=1)


def test_parcels_come_back_whole(tmp_path: Path) -> None:
    write_parcel(tmp_path, "job", Parcel({"k": 3, "steps": None}, {"items": np.arange(4)}))
    facts, arrays = read_parcel(tmp_path, "job")
    assert facts == {"k": 3, "steps": None}
    assert arrays["items"].tolist() == [0, 1, 2, 3]


def test_outside_imports_nothing_that_is_not_there() -> None:
    for path in OUTSIDE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("steerec"):
                assert (node.module or "").startswith("steerec.bench.outside"), path.name


@pytest.mark.slow
def test_the_libraries_themselves() -> None:
    try:
        parity_python()
    except NoParityError as error:
        pytest.skip(str(error))
    assert metric_parity(50, 120, seed=2)["agrees"]
    split = make_split(make_world(num_users=60, num_items=40, seed=1))
    points = split.points("valid")
    config = RivalConfig(width=8, layers=1, window=10, batch_size=16, epochs=2)
    run = run_rival("rectools", "sasrec", config, split, points, threads=1)
    assert len(run.step_seconds) == 2 * run.steps_per_epoch
    targets = sum(min(len(items) - 1, 10) for items in split.train if len(items) > 1)
    assert run.step_targets.sum() == 2 * targets
    assert run.lists is not None
    for row, point in zip(run.lists, points, strict=True):
        assert not set(row.tolist()) & set(point.history.tolist())
    run = run_rival("recbole", "sasrec", config.replace(steps=3), split, threads=1)
    assert run.step_targets.tolist() == [16, 16, 16]
