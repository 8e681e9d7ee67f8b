"""A dataset: the interaction log in file order, and the catalogue its items come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import polars as pl

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.data.catalog import Catalog, read_parquet
from steerec.errors import DataError

INTERACTIONS = "interactions.parquet"
_REPORT = "report.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A log and a catalogue; build one with `Dataset.build`, `load_source` or `import_dataset`.

    Attributes:
        name: the source it came from.
        interactions: user_id, item_id (strings) and timestamp (Datetime, microseconds, UTC) or position
            (Int64), maybe rating, weight, session_id; rows in file order, which breaks ties of time.
        catalog: every item that may be recommended; all items of the log are in it.
        report: what the import did, as JSON (see `ImportReport`); empty if nothing was imported.
    """

    name: str
    interactions: pl.DataFrame
    catalog: Catalog
    report: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls, name: str, interactions: pl.DataFrame, catalog: Catalog, report: dict[str, Any] | None = None
    ) -> Self:
        """Check a canonical log against its catalogue.

        Raises:
            DataError: the log is empty, has no order, nulls in a key column, or items the table lacks.
        """
        missing = [column for column in ("user_id", "item_id") if column not in interactions.columns]
        order = order_column(interactions)
        if missing or order is None:
            raise DataError(
                f"The log has the columns {', '.join(interactions.columns)}; it needs user_id, item_id and "
                "timestamp or position. Import it with `import_dataset`, which maps other names."
            )
        if interactions.height == 0:
            raise DataError("The log is empty: it needs at least one interaction.")
        for key in ("user_id", "item_id", order):
            if nulls := interactions[key].null_count():
                raise DataError(f"{nulls:,} of {interactions.height:,} rows of the log have no {key}.")
        log = interactions.with_columns(pl.col("user_id", "item_id").cast(pl.String))
        unknown = log.filter(~pl.col("item_id").is_in(catalog.frame["item_id"].implode()))
        if unknown.height:
            raise DataError(unknown_items(unknown["item_id"], catalog.noun))
        return cls(name=name, interactions=log, catalog=catalog, report=report or {})

    def save(self, folder: Path) -> None:
        """Write interactions.parquet, items.parquet, items.json and report.json."""
        self.catalog.save(Path(folder))
        write_json(Path(folder) / _REPORT, {"name": self.name, **self.report})
        # Last: a cache folder that has the log is complete.
        with atomic_path(Path(folder) / INTERACTIONS) as temporary:
            self.interactions.write_parquet(temporary)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder of canonical Parquet files.

        Raises:
            DataError: a file is missing, unreadable, or does not fit the other.
        """
        log = read_parquet(Path(folder) / INTERACTIONS)
        report = read_json(Path(folder) / _REPORT) if (Path(folder) / _REPORT).is_file() else {}
        name = report.pop("name", Path(folder).name)
        return cls.build(name, log, Catalog.load(Path(folder)), report)


def order_column(interactions: pl.DataFrame) -> str | None:
    """Return the column that orders a log: timestamp, else position, else None."""
    return next((name for name in ("timestamp", "position") if name in interactions.columns), None)


def unknown_items(item_ids: pl.Series, noun: str = "items") -> str:
    """Return the message about items that the log has and the item table lacks."""
    distinct = item_ids.unique(maintain_order=True)
    return (
        f"{len(distinct):,} {noun} of the log are not in the item table ({len(item_ids):,} interactions), "
        f"such as {', '.join(distinct.head(3).to_list())}. Add them to the table, or drop their interactions "
        "with drop_unknown_items=True."
    )
