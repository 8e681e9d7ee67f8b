"""Picking instruction rows: farthest-first by hand, and what diverse means on real columns."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from steerec.instruct.selection import PickConfig, farthest_first, pick_rows


def rows(words: list[str], items: list[list[int] | None]) -> pl.DataFrame:
    kinds = {"instruction": pl.String, "answer_items": pl.List(pl.Int64)}
    return pl.DataFrame({"instruction": words, "answer_items": items}, schema=kinds)


def test_farthest_first_by_hand() -> None:
    angles = np.radians([0.0, 10.0, 90.0, 45.0, 100.0])
    features = csr_matrix(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    # From 0 degrees the farthest is 100; then the one farthest from both 0 and 100 is 45.
    assert farthest_first(features, 3, 0).tolist() == [0, 4, 3]
    assert sorted(farthest_first(features, 5, 2).tolist()) == [0, 1, 2, 3, 4]


def test_diverse_rows_are_not_alike_and_random_ones_are_the_seeds() -> None:
    table = rows(
        ["three comedies"] * 50 + ["no horror, please", "hello there"], [[1, 2, 3]] * 50 + [[7, 8], None]
    )
    diverse = pick_rows(table, PickConfig(num_rows=3), seed=0)
    assert sorted(diverse["instruction"].unique()) == ["hello there", "no horror, please", "three comedies"]
    random = PickConfig(num_rows=3, how="random")
    assert pick_rows(table, random, seed=1).equals(pick_rows(table, random, seed=1))
    assert len(pick_rows(table, random, seed=1)) == 3
    assert pick_rows(table, PickConfig(num_rows=52), seed=0).equals(table)
