"""Amazon reviews of 2018 and 2023, from the files a user has fetched.

2018: a ratings CSV without a header (item, user, rating, seconds) or a review JSONL, and a metadata JSONL.
2023: a ratings CSV (user_id, parent_asin, rating, timestamp in ms) or a review JSONL, and a metadata JSONL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steerec.data.dataset import Dataset
from steerec.data.importing import read_dataset

_RATINGS_2018 = ("item_id", "user_id", "rating", "timestamp")


def amazon_2018(path: str | Path, items: str | Path, **options: Any) -> Dataset:
    """Return an Amazon 2018 category.

    Args:
        path: ratings CSV (item, user, rating, seconds) or review JSONL, .gz allowed.
        items: metadata JSONL, .gz allowed; its `category` list becomes a path.
        options: fields of `ImportOptions`; unlike elsewhere, unknown items are dropped.
    """
    names = _RATINGS_2018 if ".csv" in Path(path).suffixes else None
    given = {"names": names, "types": {"category": "path", "price": "number"}}
    return _amazon("amazon-2018", path, items, given, options)


def amazon_2023(path: str | Path, items: str | Path, **options: Any) -> Dataset:
    """Return an Amazon 2023 category.

    Args:
        path: ratings CSV (user_id, parent_asin, rating, timestamp) or review JSONL, .gz allowed.
        items: metadata JSONL, .gz allowed; its `categories` list becomes a path.
        options: fields of `ImportOptions`; unlike elsewhere, unknown items are dropped.
    """
    return _amazon("amazon-2023", path, items, {"types": {"categories": "path", "price": "number"}}, options)


def _amazon(
    name: str, path: str | Path, items: str | Path, given: dict[str, Any], options: dict[str, Any]
) -> Dataset:
    # Reviews of products without metadata are common, and so are products listed twice in the metadata.
    defaults = {"name": name, "drop_unknown_items": True, "repeated_items": "first"}
    return read_dataset(path, items, **{**defaults, **given, **options})
