"""Which category values each item has, as one table: what networks read or predict of items.

Legend: N items, A values.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from steerec.data.catalog import Catalog

_LEAST = 2
"""Items that a value needs: one that is alone links no items."""


def attribute_tables(catalog: Catalog) -> dict[str, NDArray[np.float32]]:
    """Return 1 where an item has a value, by column: category, categories and path columns.

    Each segment of a path is a value. Values of a single item, or of all, are left out, and columns without
    any other.

    Args:
        catalog: N items.

    Returns:
        Column -> (N, A) float32, values in sorted order.

    Example:
        >>> import polars as pl
        >>> genres = [["War"], ["War", "Drama"], ["Drama"], ["Noir"], []]
        >>> frame = pl.DataFrame({"item_id": list("abcde"), "title": list("abcde"), "genres": genres})
        >>> attribute_tables(Catalog.from_frame(frame, types={"genres": "categories"}))["genres"].tolist()
        [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    tables = {}
    for column, kind in catalog.columns.items():
        if kind in ("category", "categories", "path"):
            table = _table([sorted(set(_values(value))) for value in catalog.frame[column].to_list()])
            if table.shape[1]:
                tables[column] = table
    return tables


def _values(value: str | list[str] | None) -> Iterator[str]:
    """Return the values of a cell: none of null, the entries of a list."""
    if value is not None:
        yield from [value] if isinstance(value, str) else value


def _table(rows: list[list[str]]) -> NDArray[np.float32]:
    counts: dict[str, int] = {}
    for row in rows:
        for value in row:
            counts[value] = counts.get(value, 0) + 1
    kept = sorted(value for value, count in counts.items() if _LEAST <= count < len(rows))
    place = {value: index for index, value in enumerate(kept)}
    table = np.zeros((len(rows), len(kept)), np.float32)
    for item, row in enumerate(rows):
        table[item, [place[value] for value in row if value in place]] = 1.0
    return table
