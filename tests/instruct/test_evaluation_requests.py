"""Evaluation request files: satisfiable, fixed by the seed, honest about what was drawn at random."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from toy_rows import bare_split, found_by_oracle, teacher, world_split

from steerec.control.optimum import best_list
from steerec.control.request import Request, compile_request
from steerec.data.split import Split
from steerec.instruct.evaluation_requests import (
    KINDS,
    SCHEMA,
    RequestsConfig,
    build_requests,
    write_requests,
)
from steerec.instruct.mixture import UNSEEN_COUNTS

CONFIG = RequestsConfig(num_requests=210)


@pytest.fixture(scope="module")
def split() -> Split:
    return world_split()


@pytest.fixture(scope="module")
def frame(split: Split) -> pl.DataFrame:
    return build_requests(split, split.points("test"), teacher(split), CONFIG)


def test_every_kind_has_its_share(frame: pl.DataFrame) -> None:
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame.height == 210
    assert frame["request_id"].n_unique() == 210
    counts = Counter(frame["kind"])
    assert set(counts) == {kind for kind, _ in KINDS.values()}
    assert min(counts.values()) >= 6
    assert (
        frame.filter("random_category")["kind"].value_counts().sort("count")["kind"][-1] == "include_category"
    )


def test_every_request_can_be_satisfied_and_says_truly_whether_with_the_target(
    split: Split, frame: pl.DataFrame
) -> None:
    points = {(point.user, point.position): point for point in split.points("test")}
    for row in frame.iter_rows(named=True):
        point = points[row["user"], row["position"]]
        problem = compile_request(Request.from_json(row["request"]), split.catalog, point.history.tolist())
        # A list that wants the target above all holds it if any list does.
        scores = np.zeros(len(split.catalog), dtype=np.float32)
        scores[point.target] = 1
        items = best_list(problem, scores)
        assert found_by_oracle(split, row["request"], items, point.history.tolist()) == [], row
        assert (point.target in items) == row["target_admissible"], row


def test_included_categories_are_the_targets_or_marked(split: Split, frame: pl.DataFrame) -> None:
    own = frame.filter((pl.col("kind") == "include_category") & ~pl.col("random_category"))
    assert own.height >= 6
    unseen_target = own.filter(pl.col("target_admissible"))
    assert unseen_target.height == own.height


def test_lengths_never_trained_are_asked(frame: pl.DataFrame) -> None:
    counts = [json.loads(request)["count"] for request in frame.filter(kind="item_count_unseen")["request"]]
    assert set(counts) <= set(UNSEEN_COUNTS)
    others = [
        json.loads(text)["count"] for text in frame.filter(pl.col("kind") != "item_count_unseen")["request"]
    ]
    assert max(others) <= 10


def test_sentences_come_in_seen_and_other_phrasings(split: Split, frame: pl.DataFrame) -> None:
    assert (frame["sentence_seen"] != frame["sentence_unseen"]).mean() > 0.95
    assert set(frame["phrasing"]) == {"unseen"}
    config = RequestsConfig(num_requests=20)
    other = build_requests(split, split.points("valid"), teacher(split), config, phrasing="validation")
    assert set(other["phrasing"]) == {"validation"}
    assert not set(other["request_id"]) & set(frame["request_id"])


def test_the_file_is_fixed_by_the_seed(split: Split, frame: pl.DataFrame, tmp_path: Path) -> None:
    again = build_requests(split, split.points("test"), teacher(split), CONFIG)
    assert again.equals(frame)
    write_requests(frame, tmp_path / "one.parquet")
    write_requests(again, tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    other = build_requests(split, split.points("test"), teacher(split), CONFIG.replace(seed=1))
    assert not other["request"].equals(frame["request"])


def test_a_catalogue_without_attributes_is_asked_for_what_it_has() -> None:
    split = bare_split()
    frame = build_requests(split, split.points("test"), teacher(split), RequestsConfig(num_requests=40))
    assert frame.height == 40
    assert set(frame["kind"]) == {"item_count", "item_count_unseen", "candidates"}
    assert build_requests(split, [], teacher(split), CONFIG).height == 0
