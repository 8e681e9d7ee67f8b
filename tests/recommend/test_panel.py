"""The panel: every row fitted, the best on validation teaches, what was finished is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from recommender_worlds import SMALL, hand_split, world_split

from steerec import loop as fitting_loop
from steerec.artifacts import read_json, write_json
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.loop import seconds_spent
from steerec.recommend import panel as panel_module
from steerec.recommend.floor import Floor
from steerec.recommend.panel import FILE, PanelConfig, fit_panel, load_panel
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.table import RECOMMENDERS
from steerec.recommend.validation import Validation

FEW = SMALL.replace(training=SMALL.training.replace(max_steps=6, eval_steps=3))
CONFIG = PanelConfig(rows=("popularity", "floor", "sasrec"), seeds=(0, 1), models={"sasrec": FEW})


@pytest.fixture(scope="module")
def world() -> Split:
    return world_split(num_users=60, num_items=40)


@pytest.fixture(scope="module")
def folder(world: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    fit_panel(world, CONFIG, folder)
    return folder


def test_the_teacher_is_the_best_on_validation(world: Split, folder: Path) -> None:
    panel = load_panel(folder, world.catalog)
    validation = Validation.of(world)

    def ndcg(recommender: Any) -> float:
        return validation.metrics(recommender.scores(validation.histories))["ndcg@10"]

    # The record is what the saved recommenders do, and the teacher is the best of it.
    firsts = {"popularity": "popularity", "floor": "floor", "sasrec": "sasrec-0"}
    for row, place in firsts.items():
        assert panel.validation[place] == pytest.approx(ndcg(panel.rows[row][0]))
    assert set(panel.validation) == {*firsts.values(), "ensemble"}
    assert panel.validation[panel.teacher_folder] == max(panel.validation.values())
    assert ndcg(panel.teacher) == pytest.approx(max(panel.validation.values()))
    # In this world the next item follows the last one: six steps of training do not beat the floor.
    assert panel.validation["floor"] > 2 * panel.validation["popularity"]
    assert panel.teacher_folder in ("floor", "ensemble")


def test_one_recommender_per_seed_where_seeds_matter(world: Split, folder: Path) -> None:
    panel = load_panel(folder, world.catalog)
    assert {name: len(row) for name, row in panel.rows.items()} == {"popularity": 1, "floor": 1, "sasrec": 2}
    first, second = panel.of_type(SequenceModel)
    assert [first.config.training.seed, second.config.training.seed] == [0, 1]
    histories = Validation.of(world).histories[:3]
    assert not np.array_equal(first.scores(histories), second.scores(histories))
    assert set(panel.seconds) == {"popularity", "floor", "sasrec", "ensemble"}
    done = [read_json(folder / f"sasrec-{seed}" / "done.json")["seconds"] for seed in (0, 1)]
    assert panel.seconds["sasrec"] == pytest.approx(sum(done))
    assert panel.of_type(Floor) == panel.rows["floor"]


def test_each_seed_is_timed_by_itself(world: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(panel_module.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(SequenceModel, "fit", lambda self, split, folder=None: self)
    monkeypatch.setattr(SequenceModel, "save_pretrained", lambda self, folder: folder.mkdir(parents=True))
    _, seconds = panel_module._fit_rows(world, CONFIG.replace(rows=("sasrec",)), tmp_path, None)
    assert seconds["sasrec"] == 10 + 10  # two clock readings a seed, ten seconds apart


def test_what_is_finished_is_kept_after_an_interruption(
    world: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PanelConfig(rows=("popularity", "floor", "item-knn"), ensemble=None)
    fitted: list[str] = []
    item_knn = RECOMMENDERS["item-knn"]
    real = {name: RECOMMENDERS[name].fit for name in config.rows}

    def fit(self: Any, split: Split, folder: Path | None = None) -> Any:
        fitted.append(self.name)
        if self.name == "item-knn" and fitted.count("item-knn") == 1:
            raise KeyboardInterrupt
        return real[self.name](self, split, folder)

    for name in config.rows:
        monkeypatch.setattr(RECOMMENDERS[name], "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        fit_panel(world, config, tmp_path)
    assert not (tmp_path / FILE).exists()
    saved = (tmp_path / "floor" / "recommender.safetensors").stat().st_mtime_ns
    fit_panel(world, config, tmp_path)
    assert fitted == ["popularity", "floor", "item-knn", "item-knn"]  # only what was cut off again
    assert (tmp_path / "floor" / "recommender.safetensors").stat().st_mtime_ns == saved
    panel = load_panel(tmp_path, world.catalog)
    assert set(panel.validation) == {"popularity", "floor", "item-knn"}
    assert isinstance(panel.rows["item-knn"][0], item_knn)


def test_a_wrong_panel_is_refused() -> None:
    with pytest.raises(ValueError, match=r'There is no row "flor"\. Did you mean "floor"\? Rows: popularity'):
        PanelConfig(rows=("popularity", "flor"))
    with pytest.raises(ValueError, match='There is no row "ensemble"'):  # its folder is the combination's
        PanelConfig(rows=("floor", "ensemble"))
    with pytest.raises(ValueError, match="at least one row and one seed"):
        PanelConfig(rows=())
    with pytest.raises(ValueError, match="at least one row and one seed"):
        PanelConfig(seeds=())


def test_without_validation_points_no_teacher_is_chosen(tmp_path: Path) -> None:
    split = hand_split([[0, 1], [1, 2]], num_items=4)
    with pytest.raises(DataError, match="no validation points: its 2 users have too few interactions"):
        fit_panel(split, PanelConfig(rows=("popularity",)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_shelf_gives_only_what_was_fitted_on_the_same_data(tmp_path: Path) -> None:
    split = world_split(num_users=30, num_items=40)
    assert split.times is not None
    config = PanelConfig(rows=("popularity",), ensemble=None)
    other = pl.col("title") + " again"
    frame = split.catalog.frame.with_columns(other.alias("title"))
    retitled = Catalog.from_frame(frame, types=split.catalog.columns, noun=split.catalog.noun)
    rated = tuple(np.ones(len(one), np.float32) for one in split.sequences)
    changed = [
        replace(split, catalog=retitled.with_popularity(split.catalog.popularity)),
        replace(split, times=tuple(one + 1 for one in split.times)),
        replace(split, ratings=rated),
    ]
    shelf = tmp_path / "shelf"
    for number, one in enumerate((split, *changed), start=1):
        assert one.hash == split.hash
        fit_panel(one, config, tmp_path / f"panel{number}", shelf)
        assert len(list(shelf.iterdir())) == number
    fit_panel(split, config, tmp_path / "again", shelf)
    assert len(list(shelf.iterdir())) == 4


def test_a_row_that_was_killed_counts_the_seconds_before(world: Split, tmp_path: Path) -> None:
    config = CONFIG.replace(rows=("sasrec",), seeds=(0,), ensemble=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SequenceModel, "_calibrate", _killed)
        with pytest.raises(KeyboardInterrupt):
            fit_panel(world, config, tmp_path)
    training = tmp_path / "sasrec-0" / "training"
    assert seconds_spent(training) == 0.0  # it was finished, and its checkpoint is gone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting_loop, "copy_tensors", _killed)  # before the best weights are put back
        with pytest.raises(KeyboardInterrupt):
            fit_panel(world, config, tmp_path)
    state = training / "checkpoint" / "state.json"
    assert 0 < seconds_spent(training) < 100
    write_json(state, read_json(state) | {"seconds": 1000.0})
    fit_panel(world, config, tmp_path)
    assert 1000 < load_panel(tmp_path, world.catalog).seconds["sasrec"] < 1100


def _killed(*arguments: Any) -> None:
    raise KeyboardInterrupt
