"""What `steerec run NAME` does for a suite, a study, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from steerec.artifacts import read_json, write_json
from steerec.data.synthetic import make_world
from steerec.errors import ConfigError
from steerec.evaluate.looks import count_look
from steerec.launch import launch
from steerec.recipes.catalogue import RECIPES, STUDIES, SUITES, load_any, load_paper
from steerec.run import prepare_data
from steerec.run_config import DataConfig
from steerec.serve.engine import find_reader

WORLD = ("data.source=synthetic", 'data.options={"num_users": 40, "num_items": 30}')


def test_names_are_unique_over_recipes_studies_and_suites() -> None:
    names = [*RECIPES, *STUDIES, *SUITES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", STUDIES)
def test_studies_have_records(name: str) -> None:
    paper = load_paper(name)
    assert paper.systems
    assert load_any(name).recipe == name


def test_a_suite_prints_the_rows_of_its_members(tmp_path: Path) -> None:
    settings = [*WORLD, 'only=["floor"]', f"results={tmp_path / 'results'}"]
    console = Console(width=200, record=True)
    console.print(launch("all-sequential", settings, tmp_path / "run", None))
    text = console.export_text()
    assert "popularity" in text
    assert "HR@10 unmasked" in text.replace("\n", " ") or "unmasked" in text
    assert "--test" in text


@pytest.mark.parametrize("name", ["all-sequential", "unigrf"])
def test_only_recipes_take_over_stages(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Leave --from out"):
        launch(name, [], tmp_path, tmp_path)


def test_an_unknown_name_lists_all_kinds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean .*unigrf.*recgpt.*Suites: all-sequential"):
        launch("unigrff", [], tmp_path, None)


def test_a_log_that_was_imported_again_is_read_again(tmp_path: Path) -> None:
    make_world(num_users=40, num_items=30, seed=1).save(tmp_path / "mine")
    config = DataConfig(source=str(tmp_path / "mine"))
    first = prepare_data(config, tmp_path / "run")
    assert prepare_data(config, tmp_path / "run").skipped
    count_look(tmp_path / "run", "hash", "a run")
    make_world(num_users=40, num_items=30, seed=2).save(tmp_path / "mine")
    second = prepare_data(config, tmp_path / "run")
    assert not second.skipped
    assert second.key != first.key
    assert count_look(tmp_path / "run", "hash", "a run") == 2, "what was counted stays"


def test_stages_of_another_configuration_are_not_taken_for_the_runs_own(tmp_path: Path) -> None:
    settings = [*WORLD, 'panel.rows=["popularity"]', "evaluation.num_valid_requests=4"]
    launch("floor", settings, tmp_path / "run", None)
    stale = tmp_path / "run" / "sft"
    stale.mkdir()
    write_json(stale / "manifest.json", {"key": "of another run"})
    before = read_json(tmp_path / "run" / "evaluate-valid" / "manifest.json")["key"]
    launch("floor", settings, tmp_path / "run", None)
    assert read_json(tmp_path / "run" / "evaluate-valid" / "manifest.json")["key"] == before
    (tmp_path / "run" / "reader" / "model").mkdir(parents=True)
    assert find_reader(tmp_path / "run") is None, "the run is configured without a reader"
