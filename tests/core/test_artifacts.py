"""Whole-or-absent files, and stages that are skipped exactly when they may be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from steerec.artifacts import (
    adopt_stages,
    atomic_path,
    content_sha256,
    file_sha256,
    read_json,
    remove,
    run_stage,
    source_sha256,
    write_json,
)
from steerec.errors import DataError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"x": 1})
    with pytest.raises(RuntimeError), atomic_path(target) as part:
        part.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with atomic_path(tmp_path / "folder") as part:
            part.mkdir()
            (part / name).write_text(name)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["two"]


def _killed_on_the_way(folder: str | Path, *_: object, **__: object) -> None:
    """Stands for `shutil.rmtree`: the process is killed when the first file is gone."""
    next(one for one in sorted(Path(folder).rglob("*")) if one.is_file()).unlink()
    raise KeyboardInterrupt


def test_a_kill_while_a_folder_is_removed_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"

    def write(value: str) -> None:
        with atomic_path(folder) as part:
            part.mkdir()
            for name in ("model", "state"):
                (part / name).write_text(value)

    def held() -> list[str]:
        return [path.read_text() for path in sorted(folder.iterdir())]

    def kill(what: Callable[[], None]) -> None:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(shutil, "rmtree", _killed_on_the_way)
            what()

    write("old")
    kill(lambda: write("new"))
    assert held() == ["new", "new"]
    write("newer")
    assert held() == ["newer", "newer"]
    kill(lambda: remove(folder))
    assert not folder.exists()
    write("again")
    remove(folder)
    assert not list(tmp_path.iterdir())


def test_a_stage_clears_away_what_killed_processes_left(tmp_path: Path) -> None:
    stage = _Stage(tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        stage(seed=1, fails=True)
    for name in (".s.77.old/model", "s/.checkpoint.77.part/model", "s/.state.json.77.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    stage(seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"manifest.json", "out.txt", "partial.txt"}


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert (
        file_sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


class _Stage:
    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0

    def __call__(self, *, fails: bool = False, **inputs: object) -> bool:
        def build(folder: Path) -> None:
            self.runs += 1
            (folder / "partial.txt").write_text("kept for resuming")
            if fails:
                raise KeyboardInterrupt
            (folder / "out.txt").write_text(str(self.runs))

        return run_stage(self.folder, module="steerec.seeding", inputs=inputs, build=build).skipped


def test_a_finished_stage_is_skipped_until_an_input_changes(tmp_path: Path) -> None:
    stage = _Stage(tmp_path / "s")
    assert [stage(seed=1), stage(seed=1), stage(seed=2), stage(seed=2)] == [False, True, False, True]
    assert stage.runs == 2
    assert (tmp_path / "s" / "out.txt").read_text() == "2"
    manifest = read_json(tmp_path / "s" / "manifest.json")
    assert {"key", "inputs", "seconds", "versions", "commit"} <= set(manifest)


def test_a_killed_stage_keeps_its_files_for_the_same_inputs_only(tmp_path: Path) -> None:
    stage = _Stage(tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        stage(seed=1, fails=True)
    assert not (tmp_path / "s" / "manifest.json").exists()
    kept: list[bool] = []

    def build(folder: Path) -> None:
        kept.append((folder / "partial.txt").exists())

    run_stage(tmp_path / "s", module="steerec.seeding", inputs={"seed": 1}, build=build)
    with pytest.raises(KeyboardInterrupt):
        stage(seed=3, fails=True)
    run_stage(tmp_path / "s", module="steerec.seeding", inputs={"seed": 4}, build=build)
    assert kept == [True, False]


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    (tmp_path / "one" / "deep").mkdir(parents=True)
    (tmp_path / "one" / "deep" / "a").write_text("1")
    first = content_sha256(tmp_path / "one")
    assert content_sha256(tmp_path / "one") == first
    (tmp_path / "one" / "deep" / "a").write_text("2")
    assert content_sha256(tmp_path / "one") != first
    assert content_sha256(tmp_path / "one" / "deep" / "a") == file_sha256(tmp_path / "one" / "deep" / "a")


def test_source_hash_follows_imports() -> None:
    both = source_sha256("steerec.seeding", "steerec.artifacts")
    assert both not in (source_sha256("steerec.seeding"), source_sha256("steerec.artifacts"))
    assert source_sha256("steerec.seeding") != source_sha256("steerec.artifacts")
    assert source_sha256("steerec.seeding") == source_sha256("steerec.seeding")


def test_a_run_takes_the_finished_stages_of_another_and_leaves_its_own(tmp_path: Path) -> None:
    for name in ("data", "sft"):
        (tmp_path / "one" / name).mkdir(parents=True)
        (tmp_path / "one" / name / "weights").write_text(name)
    write_json(tmp_path / "one" / "data" / "manifest.json", {"key": "k"})  # sft is unfinished
    adopt_stages(tmp_path / "one", tmp_path / "two")
    assert [p.name for p in (tmp_path / "two").iterdir()] == ["data"]
    write_json(tmp_path / "two" / "data" / "manifest.json", {"key": "changed"})
    assert read_json(tmp_path / "one" / "data" / "manifest.json") == {"key": "k"}
    adopt_stages(tmp_path / "one", tmp_path / "two")
    assert read_json(tmp_path / "two" / "data" / "manifest.json") == {"key": "changed"}
    with pytest.raises(DataError, match="no finished stage"):
        adopt_stages(tmp_path / "nowhere", tmp_path / "three")
