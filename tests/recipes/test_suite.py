"""A suite: one table of several runs, nothing trained twice, test looked at only when asked."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
from toy import toy

from steerec.artifacts import read_json
from steerec.errors import SteerecError
from steerec.recipes.catalogue import load_suite
from steerec.recommend.sequences.model import SequenceModel
from steerec.run_config import SuiteConfig
from steerec.suite import evaluate_suite, run_suite


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SuiteConfig:
    """Three members of the real suite on the synthetic world."""
    suite = load_suite("all-sequential")
    members = {name: toy(suite.members[name]) for name in ("floor", "sasrec", "teacher-ensemble")}
    data = members["floor"].data
    folder = tmp_path_factory.mktemp("results")
    return suite.replace(members=members, data=data, results=folder)


@pytest.fixture(scope="module")
def folder(small: SuiteConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("suite") / "run"
    run_suite(small, place)
    return place


def test_one_table_of_all_members(small: SuiteConfig, folder: Path) -> None:
    report = run_suite(small, folder)
    names = [row.name for row in report.rows]
    assert names == ["popularity", "item-knn", "ease", "floor", "sasrec", "hstu", "bert4rec", "teacher"]
    assert {row.split for row in report.rows} == {"valid"}
    assert report.facts.looks == 0
    assert report.row("sasrec").seeds == (0, 1)
    for row in report.rows:
        assert row.metrics["hr@10:unmasked"].mean <= row.metrics["hr@10"].mean + 1e-9


def test_shared_models_are_fitted_once(folder: Path) -> None:
    shelf = folder / "fitted"
    fitted = [read_json(path / "recommender.json")["recommender"] for path in shelf.iterdir()]
    # two seeds of SASRec, one HSTU, one BERT4Rec: the ensemble took SASRec's first seed from the shelf
    assert fitted.count("sequence") == 4
    done = "recommend/sasrec-0/done.json"
    assert read_json(folder / "sasrec" / done) == read_json(folder / "teacher-ensemble" / done)


def test_known_results_train_nothing(
    small: SuiteConfig, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(SequenceModel, "fit", never)
    again = run_suite(small, tmp_path / "elsewhere")
    assert [row.name for row in again.rows] == [row.name for row in run_suite(small, folder).rows]
    changed = small.members["sasrec"].replace(seed=5)
    with pytest.raises(AssertionError, match="trained again"):
        run_suite(small.replace(members={"sasrec": changed}), tmp_path / "changed")


def test_only_some_members_may_be_run_and_known_ones_are_shown(small: SuiteConfig, tmp_path: Path) -> None:
    fresh = small.replace(results=tmp_path / "results", only=("floor",))
    names = [row.name for row in run_suite(fresh, tmp_path / "run").rows]
    assert names == ["popularity", "item-knn", "ease", "floor"]
    known = run_suite(small.replace(only=("floor",)), tmp_path / "other")
    assert [row.name for row in known.rows][-1] == "teacher"
    with pytest.raises(pydantic.ValidationError, match='no member "sasrek"'):
        small.replace(only=("sasrek",))


def test_the_test_split_is_looked_at_once_and_remembered(small: SuiteConfig, folder: Path) -> None:
    first = evaluate_suite(folder, "test")
    assert {row.split for row in first.rows} == {"test"}
    looks = [read_json(path) for path in folder.glob("*/test_looks.json")]
    assert evaluate_suite(folder, "test").rows == first.rows
    assert [read_json(path) for path in folder.glob("*/test_looks.json")] == looks
    files = sorted(path.name for path in small.results.rglob("*.json"))
    assert files == ["floor.json", "sasrec.json", "teacher-ensemble.json"]


def test_a_folder_without_a_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteerecError, match="holds no suite"):
        evaluate_suite(tmp_path, "valid")
