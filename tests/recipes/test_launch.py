"""What `steerec run NAME` does for a suite, a study, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from steerec.errors import ConfigError
from steerec.launch import launch
from steerec.recipes.catalogue import RECIPES, STUDIES, SUITES, load_any, load_paper

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
