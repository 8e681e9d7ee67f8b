"""A few instruction rows out of many: diverse ones, or any (LIMA, Zhou et al. 2023, arXiv 2305.11206).

Legend: R rows, W words and items, P picked rows.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import pydantic
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from steerec.config import Config
from steerec.seeding import numpy_rng


class PickConfig(Config):
    """Which rows are kept."""

    num_rows: pydantic.PositiveInt = 1000
    """P, at most."""
    how: Literal["diverse", "random"] = "diverse"
    """diverse: each row is the one least like those picked before (farthest-first, Gonzalez 1985) by
    the words of its instruction and the items of its answer; random: any."""


def pick_rows(rows: pl.DataFrame, config: PickConfig, seed: int) -> pl.DataFrame:
    """Return the picked rows in their order; all of them where there are no more than are wanted.

    Args:
        rows: R instruction rows, see `row_file.SCHEMA`.
        config: how many, and which.
        seed: of the random ones, and of the first diverse one.
    """
    if len(rows) <= config.num_rows:
        return rows
    rng = numpy_rng(seed, "pick", config.how)
    if config.how == "random":
        chosen = rng.choice(len(rows), size=config.num_rows, replace=False)
    else:
        chosen = farthest_first(_features(rows), config.num_rows, int(rng.integers(len(rows))))
    return rows[np.sort(chosen)]


def farthest_first(features: csr_matrix, number: int, first: int) -> NDArray[np.int64]:
    """Return rows that are far from each other by cosine distance, each the farthest from those before it.

    Args:
        features: (R, W) with rows of length 1, or 0 where a row says nothing.
        number: P <= R.
        first: the row to start from.
    """
    chosen = np.empty(number, np.int64)
    nearest = np.full(features.shape[0], -1.0)  # similarity to the nearest picked row
    chosen[0] = first
    for at in range(1, number):
        similar = features @ features[chosen[at - 1]].toarray().ravel()
        nearest = np.maximum(nearest, similar)
        nearest[chosen[:at]] = np.inf
        chosen[at] = int(np.argmin(nearest))
    return chosen


def _features(rows: pl.DataFrame) -> csr_matrix:
    """Return (R, W) words and answered items, weighted by rarity (tf-idf), every row of length 1."""
    terms = rows.select(
        pl.concat_list(
            pl.col("instruction").str.to_lowercase().str.extract_all(r"\w+"),
            pl.col("answer_items").cast(pl.List(pl.String)).fill_null([]).list.eval("item:" + pl.element()),
        ).alias("term")
    ).with_row_index("row")
    counted = terms.explode("term").drop_nulls().group_by("row", "term").len(name="times")
    spread = counted.group_by("term").len(name="rows").sort("term").with_row_index("column")
    entries = counted.join(spread, on="term").sort("row", "column")
    weights = entries["times"].to_numpy() * np.log(len(rows) / entries["rows"].to_numpy())
    places = (entries["row"].to_numpy(), entries["column"].to_numpy())
    matrix = csr_matrix((weights, places), shape=(len(rows), len(spread)))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return csr_matrix(matrix.multiply(scale[:, None]))
