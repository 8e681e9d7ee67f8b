"""Row files: every list obeys by the independent oracle, nothing leaks, everything repeats bit by bit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from toy_rows import bare_split, films_split, found_by_oracle, teacher, world_split

from steerec.artifacts import read_json
from steerec.control.request import Request
from steerec.control.templates import PHRASES
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.instruct.mixture import TASK_WEIGHTS, UNSEEN_COUNTS, MixtureConfig
from steerec.instruct.row_file import SCHEMA, RowsReport
from steerec.instruct.rows import build_rows

EVERY_TASK_ALIKE = dict.fromkeys(TASK_WEIGHTS, 1.0)
CONFIG = MixtureConfig(num_rows=900, num_valid_rows=150, weights=EVERY_TASK_ALIKE, top_size=8, chunk_rows=128)


@pytest.fixture(scope="module")
def split() -> Split:
    return world_split()


@pytest.fixture(scope="module")
def folder(split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    for part in ("train", "valid"):
        build_rows(
            split, teacher(split), CONFIG, folder, part=part, teacher="toy", memorisation={"hr@10:train": 0.5}
        )
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "train.parquet")


@pytest.fixture(scope="module")
def valid(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "valid.parquet")


def test_file_has_the_documented_columns_and_one_answer_per_row(rows: pl.DataFrame) -> None:
    assert rows.schema == pl.Schema(SCHEMA)
    assert rows.height == 900
    assert rows["row"].to_list() == list(range(900))
    both = rows.select(pl.col("answer_items").is_null() == pl.col("answer_text").is_null()).to_series()
    assert not both.any()
    assert set(rows["label_rule"]) == {
        "teacher's best list; the true next item in it whenever possible, at its earliest position"
    }


def test_every_task_is_drawn(rows: pl.DataFrame) -> None:
    assert set(rows["task"]) == set(TASK_WEIGHTS)


def test_every_list_obeys_its_request_by_the_oracle(split: Split, folder: Path) -> None:
    for part in ("train", "valid"):
        table = pl.read_parquet(folder / f"{part}.parquet").filter(pl.col("answer_items").is_not_null())
        for row in table.iter_rows(named=True):
            assert found_by_oracle(split, row["request"], row["answer_items"], row["history"]) == [], row


def test_requests_read_back(split: Split, rows: pl.DataFrame) -> None:
    for text in rows["request"].drop_nulls().unique(maintain_order=True)[:100]:
        assert Request.from_json(text).to_json() == text


def test_histories_are_whole_prefixes_of_the_training_sequence(split: Split, rows: pl.DataFrame) -> None:
    for row in rows.filter(pl.col("user").is_not_null()).iter_rows(named=True):
        train = split.train[row["user"]].tolist()
        assert row["history"] == train[: len(row["history"])]
        assert row["target"] == train[len(row["history"])]


def test_validation_rows_ask_at_the_validation_points(split: Split, valid: pl.DataFrame) -> None:
    points = {(point.user, point.target): point.history.tolist() for point in split.points("valid")}
    asked = valid.filter(pl.col("user").is_not_null())
    assert asked.height > 100
    for row in asked.iter_rows(named=True):
        assert points[row["user"], row["target"]] == row["history"]


def test_counts_kept_for_the_evaluation_are_never_asked(folder: Path) -> None:
    for part in ("train", "valid"):
        report = RowsReport.model_validate(read_json(folder / f"{part}.json"))
        counts = {int(count) for count in report.counts}
        assert not counts & set(UNSEEN_COUNTS)
        assert {1, 10} <= counts
        assert len(counts & set(range(16, 51))) >= 3


def test_instructions_use_the_phrasings_of_their_part_only(folder: Path) -> None:
    for part, words in (("train", "train"), ("valid", "validation")):
        table = pl.read_parquet(folder / f"{part}.parquet").filter(pl.col("task").is_in(["item_count"]))
        patterns = [_pattern(t) for kind in ("count", "count_default") for t in PHRASES[words][kind]]
        assert set(table["phrasing"]) == {words}
        for sentence in table["instruction"]:
            assert any(pattern.fullmatch(sentence) for pattern in patterns), sentence


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(
        "".join(".+" if part[:1] == "{" else re.escape(part) for part in re.split(r"(\{\w+\})", template))
    )


def test_late_targets_have_their_share(split: Split, tmp_path: Path) -> None:
    config = CONFIG.replace(late_share=1.0, late_positions=1, weights={"next_items": 1.0}, num_rows=50)
    build_rows(split, teacher(split), config, tmp_path)
    for row in pl.read_parquet(tmp_path / "train.parquet").iter_rows(named=True):
        assert len(row["history"]) == len(split.train[row["user"]]) - 1


def test_users_take_turns(rows: pl.DataFrame, split: Split, tmp_path: Path) -> None:
    config = CONFIG.replace(weights={"next_items": 1.0}, num_rows=2 * len(split.users))
    build_rows(split, teacher(split), config, tmp_path)
    turns = pl.read_parquet(tmp_path / "train.parquet")["user"].value_counts()["count"]
    assert set(turns) == {2}


def test_text_form_says_the_same_as_the_columns(split: Split, rows: pl.DataFrame) -> None:
    for row in rows.head(200).iter_rows(named=True):
        assert row["prompt"].endswith(row["instruction"])
        shown = (
            [line[2:] for line in row["prompt"].split("\n\n")[0].splitlines()[1:]] if row["history"] else []
        )
        assert shown == [split.catalog.displays[i] for i in row["history"]]
        if row["answer_items"] is None:
            assert row["completion"] == row["answer_text"]
        else:
            listed = [split.catalog.displays[i] for i in row["answer_items"]]
            assert row["completion"].splitlines() == [f"{n}. {title}" for n, title in enumerate(listed, 1)]


def test_teacher_top_is_the_best_of_what_may_be_recommended(split: Split, rows: pl.DataFrame) -> None:
    score = teacher(split)
    excluded = rows.filter(pl.col("task") == "exclude_category").head(30)
    for row in excluded.iter_rows(named=True):
        scores = score([np.array(row["history"])])[0]
        (column, value), *_ = json.loads(row["request"])["controls"][0]["where"].items()
        seen = {split.catalog.work[i] for i in row["history"]}
        fine = [
            i
            for i in range(len(split.catalog))
            if split.catalog.work[i] not in seen and not _carries(split, i, column, value)
        ]
        expected, works = [], set()
        for i in sorted(fine, key=lambda i: (-scores[i], i)):
            if split.catalog.work[i] not in works:
                works.add(split.catalog.work[i])
                expected.append(i)
        assert row["teacher_top"] == expected[:8]
        assert row["teacher_top_scores"] == scores[expected[:8]].tolist()


def _carries(split: Split, item: int, column: str, value: object) -> bool:
    cell = split.catalog.frame[column][item]
    if isinstance(value, dict):
        return cell is not None and cell.to_list()[: len(value["under"])] == value["under"]
    return cell is not None and value in (cell if isinstance(cell, str) is False else [cell])


def test_distillation_columns_can_be_left_empty(split: Split, tmp_path: Path) -> None:
    build_rows(split, teacher(split), CONFIG.replace(top_size=0, num_rows=40), tmp_path)
    assert pl.read_parquet(tmp_path / "train.parquet")["teacher_top"].null_count() == 40


def test_rows_repeat_bit_by_bit_and_do_not_depend_on_chunks(
    split: Split, folder: Path, tmp_path: Path
) -> None:
    build_rows(
        split, teacher(split), CONFIG, tmp_path / "again", teacher="toy", memorisation={"hr@10:train": 0.5}
    )
    for name in ("train.parquet", "train.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    build_rows(split, teacher(split), CONFIG.replace(chunk_rows=7, num_rows=100), tmp_path / "chunks")
    fewer = pl.read_parquet(tmp_path / "chunks" / "train.parquet").drop("teacher")
    assert fewer.equals(pl.read_parquet(folder / "train.parquet").head(100).drop("teacher"))


def test_other_seeds_give_other_rows(split: Split, rows: pl.DataFrame, tmp_path: Path) -> None:
    build_rows(split, teacher(split), CONFIG.replace(seed=1, num_rows=100), tmp_path)
    assert not pl.read_parquet(tmp_path / "train.parquet")["target"].equals(rows["target"][:100])


def test_crossfit_scores_are_asked_with_their_users_in_training_only(split: Split, tmp_path: Path) -> None:
    asked: list[tuple[int, list[int]]] = []
    plain = teacher(split)

    def crossfit(histories: list[np.ndarray], users: list[int]) -> np.ndarray:
        asked.extend(zip(users, (history.tolist() for history in histories), strict=True))
        return plain(histories)

    config = CONFIG.replace(weights={"next_items": 1.0}, num_rows=30, num_valid_rows=10)
    build_rows(split, plain, config, tmp_path, part="valid", crossfit_scores=crossfit)
    assert asked == []
    build_rows(split, plain, config, tmp_path, crossfit_scores=crossfit)
    assert len(asked) == 30
    for user, history in asked:
        assert split.train[user][: len(history)].tolist() == history


def test_report_counts_what_the_file_holds(folder: Path, rows: pl.DataFrame) -> None:
    report = RowsReport.model_validate(read_json(folder / "train.json"))
    assert report.rows == rows.height
    assert sum(report.tasks.values()) == rows.height
    assert report.violations == report.dropped == 0
    assert sum(report.with_target.values()) == rows["has_target"].sum()
    assert report.memorisation == {"hr@10:train": 0.5}
    assert report.with_target["share_at_most"] >= 0.9 * report.tasks["share_at_most"]


def test_a_catalogue_without_attributes_gets_the_tasks_it_can_serve(tmp_path: Path) -> None:
    split = bare_split()
    config = CONFIG.replace(num_rows=150)
    report = build_rows(split, teacher(split), config, tmp_path)
    assert set(report.tasks) == {"next_items", "item_count", "candidates", "general_chat"}
    for row in pl.read_parquet(tmp_path / "train.parquet").iter_rows(named=True):
        if row["answer_items"] is not None:
            assert found_by_oracle(split, row["request"], row["answer_items"], row["history"]) == []


def test_a_catalogue_that_can_serve_no_task_is_refused(tmp_path: Path) -> None:
    split = bare_split()
    with pytest.raises(DataError, match="no columns for any of the tasks include_category"):
        build_rows(split, teacher(split), CONFIG.replace(weights={"include_category": 1.0}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_over_real_films_obey_by_the_oracle(data_dir: Path, tmp_path: Path) -> None:
    split = films_split(data_dir)
    report = build_rows(split, teacher(split), CONFIG.replace(num_rows=400), tmp_path)
    assert report.rows == 400
    for row in pl.read_parquet(tmp_path / "train.parquet").iter_rows(named=True):
        if row["answer_items"] is not None:
            assert found_by_oracle(split, row["request"], row["answer_items"], row["history"]) == [], row
