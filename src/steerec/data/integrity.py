"""What a careful person checks before trusting a dataset: ties, order, repeats, leakage, titles, years."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from steerec.config import Config
from steerec.data.dataset import Dataset
from steerec.data.split import Split, make_split
from steerec.data.title import display_title

# UTF-8 read as Latin-1, replacement characters, control characters, HTML entities.
_ODD = re.compile(r"[ÃÂ][\u0080-\u00bf]|â[\u0080-\u0082]|\ufffd|[\u0000-\u001f\u007f-\u009f]|&(#\d+|[a-z]+);")
_SHOWN = 3
_SORTED_LENGTH = 5
"""Shorter sequences are too often in id order by chance."""


class Integrity(Config):
    """Counts and shares; 0 and null mean nothing was found, or it cannot be told (null)."""

    num_users: int
    """Users of the log."""
    num_items: int
    """Items of the catalogue."""
    num_interactions: int
    """Rows of the log."""
    cold_items: int
    """Items of the catalogue that no row has."""
    short_users: int
    """Users with fewer than 3 interactions: train only in every split."""
    duplicate_rows: int
    """Rows whose (user, item) stood in an earlier row."""
    tied_share: float | None
    """Share of rows whose (user, timestamp) another row has too: file order decides between them."""
    tied_targets: float | None
    """Share of leave-last-out test targets of the same moment as the item before: file order decided."""
    sorted_by_id_share: float
    """Share of users (5 or more items) whose items come in order of their ids: their real order is lost."""
    seen_targets: int
    """Leave-last-out test targets that the user's input already has: a miss for every masked model."""
    future_share: float | None
    """Leakage of leave-last-out: mean over users of the share of training rows newer than their target."""
    duplicate_titles: int
    """Items whose title (raw) an earlier item has."""
    duplicate_works: int
    """Items that are a twin of an earlier item: same title and year (or work_id)."""
    articles: int
    """Titles whose article stands behind a comma; they are shown with it in front."""
    odd_titles: int
    """Titles with characters that suggest a wrong encoding or leftover HTML."""
    missing_years: int | None
    """Items without a year; null when there is no year column."""
    examples: dict[str, tuple[str, ...]]
    """For each finding with items or titles, the first three."""


def check_integrity(dataset: Dataset) -> Integrity:
    """Check a dataset; nothing is changed and nothing is refused."""
    log, catalog = dataset.interactions, dataset.catalog
    split = make_split(dataset, "leave_last_out")
    numeric = all(item_id.isascii() and item_id.isdigit() for item_id in catalog.item_ids)
    rank = np.argsort(np.argsort([int(i) for i in catalog.item_ids] if numeric else list(catalog.item_ids)))
    long = [rank[sequence] for sequence in split.sequences if len(sequence) >= _SORTED_LENGTH]
    titles = _titles(dataset)
    return Integrity(
        num_users=len(split.users),
        num_items=len(catalog),
        num_interactions=log.height,
        cold_items=len(catalog) - log["item_id"].n_unique(),
        short_users=sum(len(sequence) < 3 for sequence in split.sequences),
        duplicate_rows=log.height - log.select("user_id", "item_id").n_unique(),
        sorted_by_id_share=sum(bool((np.diff(ids) >= 0).all()) for ids in long) / max(1, len(long)),
        seen_targets=sum(point.target in point.history for point in split.points("test")),
        duplicate_works=int((catalog.work != np.arange(len(catalog))).sum()),
        duplicate_titles=len(catalog) - len(set(catalog.titles)),
        articles=len(titles["articles"]),
        odd_titles=len(titles["odd_titles"]),
        missing_years=len(titles["missing_years"]) if catalog.columns.get("year") == "number" else None,
        examples={name: tuple(found[:_SHOWN]) for name, found in titles.items() if found},
        **_times(dataset, split),
    )


def _times(dataset: Dataset, split: Split) -> dict[str, float | None]:
    if "timestamp" not in dataset.interactions.columns:
        return {"tied_share": None, "tied_targets": None, "future_share": None}
    log = dataset.interactions.select("user_id", "timestamp")
    user = pl.Series("user_id", split.users)
    # Sequences are sorted by time, so a user's sorted times belong to them position by position.
    sorted_times = log.group_by("user_id").agg(pl.col("timestamp").sort().to_physical())
    by_user = dict(zip(sorted_times["user_id"], sorted_times["timestamp"], strict=True))
    times = [by_user[name].to_numpy() for name in user]
    targets = [(time[-1], time[-2]) for time, cut in zip(times, split.cut, strict=True) if cut < len(time)]
    tied_share = int(log.is_duplicated().sum()) / log.height
    if not targets:
        return {"tied_share": tied_share, "tied_targets": None, "future_share": None}
    train = np.sort(np.concatenate([time[:cut] for time, cut in zip(times, split.cut, strict=True)]))
    last = np.array([target for target, _ in targets])
    newer = 1 - np.searchsorted(train, last, side="right") / len(train)
    return {
        "tied_share": tied_share,
        "tied_targets": float(np.mean([target == before for target, before in targets])),
        "future_share": float(newer.mean()),
    }


def _titles(dataset: Dataset) -> dict[str, list[str]]:
    catalog = dataset.catalog
    titles = list(catalog.titles)
    first = {title: index for index, title in reversed(list(enumerate(titles)))}
    twins = np.flatnonzero(catalog.work != np.arange(len(catalog)))
    years = catalog.frame["year"].to_list() if catalog.columns.get("year") == "number" else []
    return {
        "duplicate_titles": [title for index, title in enumerate(titles) if first[title] != index],
        "duplicate_works": [
            f"{catalog.displays[index]}: {catalog.item_ids[catalog.work[index]]}, {catalog.item_ids[index]}"
            for index in twins
        ],
        "articles": [title for title in titles if display_title(title) != title],
        "odd_titles": [title for title in titles if _ODD.search(title)],
        "missing_years": [title for title, year in zip(titles, years, strict=False) if year is None],
    }
