"""One fitted engine and its run folder, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from served_world import served_split, write_run

from steerec.data.split import Split
from steerec.recommend.floor import Floor
from steerec.serve.engine import Recommender


@pytest.fixture(scope="session")
def split() -> Split:
    return served_split()


@pytest.fixture(scope="session")
def teacher(split: Split) -> Floor:
    return Floor().fit(split)


@pytest.fixture(scope="session")
def run_folder(split: Split, teacher: Floor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "toy", split, teacher)


@pytest.fixture
def engine(split: Split, teacher: Floor) -> Recommender:
    return Recommender(split.catalog, teacher, None)


@pytest.fixture(autouse=True)
def _no_text_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Understand words by keywords alone: the sentence encoder takes seconds to load."""
    monkeypatch.setattr("steerec.understand.hybrid.installed_embedder", lambda: None)
