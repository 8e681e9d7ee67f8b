"""A teacher of fixed random scores, small worlds, and the oracle's view of a row file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.data.catalog import Catalog
from steerec.data.dataset import Dataset
from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.evaluate.oracle import violations


def world_split() -> Split:
    return make_split(make_world(num_users=60, num_items=120, seed=3), "leave_last_out")


def bare_split() -> Split:
    """Users and titles, no attribute at all."""
    items = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(40)], "title": [f"Thing {n}" for n in range(40)]}
    )
    rng = np.random.default_rng(0)
    log = [(f"u{u}", f"i{i}", t) for u in range(12) for t, i in enumerate(rng.permutation(40)[:8])]
    frame = pl.DataFrame(log, schema=["user_id", "item_id", "position"], orient="row")
    return make_split(Dataset.build("bare", frame, Catalog.from_frame(items)), "leave_last_out")


def films_split(folder: Path) -> Split:
    """MovieLens-100K: 18 pairs of twins, 19 genres, years."""
    items = pl.read_parquet(folder / "ml-100k" / "items.parquet")
    log = pl.read_parquet(folder / "ml-100k" / "interactions.parquet")
    catalog = Catalog.from_frame(items, types={"year": "number"}, noun="films")
    return make_split(Dataset.build("ml-100k", log, catalog), "leave_last_out")


def teacher(split: Split) -> Any:
    """A teacher whose scores depend on the last item of the history alone."""
    table = np.random.default_rng(1).normal(size=(len(split.catalog), len(split.catalog))).astype(np.float32)

    def scores(histories: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        return table[[int(history[-1]) for history in histories]]

    return scores


def found_by_oracle(split: Split, request: str, items: Sequence[int], history: Sequence[int]) -> list[str]:
    """What the independent oracle says against a list, from raw rows of the item table."""
    ids = split.catalog.item_ids
    table = {row["item_id"]: row for row in split.catalog.frame.to_dicts()}
    return violations(json.loads(request), [ids[i] for i in items], table, [ids[i] for i in history])
