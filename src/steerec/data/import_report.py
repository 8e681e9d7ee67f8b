"""What a person may decide about an import, and what the import reports back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from steerec.config import Config
from steerec.data.columns import ColumnType
from steerec.data.funnel import FunnelStep
from steerec.data.integrity import Integrity
from steerec.data.moment import TimeUnit
from steerec.errors import DataError


class ImportOptions(Config):
    """What a person may decide about an import; the defaults keep everything and refuse what is doubtful."""

    name: str = ""
    """Name of the dataset; default: the name of the folder written to."""
    noun: str = ""
    """What items are called, in the plural; default: "films" for MovieLens files, else "items"."""
    columns: dict[str, str] = pydantic.Field(default_factory=dict)
    """Column of the log for a field: `{"user_id": "customer"}`."""
    item_columns: dict[str, str] = pydantic.Field(default_factory=dict)
    """Column of the item table for a field: `{"title": "headline"}`."""
    names: tuple[str, ...] | None = None
    """Column names of a log without a header."""
    item_names: tuple[str, ...] | None = None
    """Column names of an item table without a header."""
    types: dict[str, ColumnType] = pydantic.Field(default_factory=dict)
    """Types of attribute columns: `{"brand": "category"}`; the others are told from their values."""
    list_separators: dict[str, str] = pydantic.Field(default_factory=dict)
    """What parts the values of a list column: `{"tags": ","}`; "|" and " > " are found by themselves."""
    time_unit: TimeUnit | None = None
    """Unit of the timestamps: s, ms, us, ns or iso; default: told from their size."""
    separator: str | None = None
    """Separator of text files; default: found in the first line."""
    encoding: str | None = None
    """Encoding of text files; default: UTF-8, else Latin-1."""
    drop_invalid: bool = False
    """Drop rows without an id or with an unreadable or negative time, rather than refuse the log."""
    drop_unknown_items: bool = False
    """Drop interactions with items that the item table lacks, rather than refuse the log."""
    duplicates: Literal["keep", "first", "last"] = "keep"
    """Of several rows with one (user, item): keep all, the first or the last in order of time."""
    repeated_items: Literal["refuse", "first"] = "refuse"
    """Of several different rows of the item table with one id: refuse the table, or take the first."""
    min_rating: float | None = None
    """Drop rows rated lower than this; rows without a rating too."""
    num_users: int | None = pydantic.Field(default=None, ge=1)
    """Keep that many users, always the same ones: those whose ids have the lowest SHA-256."""
    user_core: int = pydantic.Field(default=0, ge=0)
    """Least interactions of a user (iterative core)."""
    item_core: int = pydantic.Field(default=0, ge=0)
    """Least interactions of an item (iterative core)."""
    only_items_in_log: bool = False
    """Leave items without any interaction out of the catalogue."""
    least_label_items: int = pydantic.Field(default=0, ge=0)
    """Drop labels of list columns (categories) that fewer items of the whole table carry."""


class ImportReport(Config):
    """Everything an import found and decided."""

    source: str
    """Name of the dataset."""
    origin: str
    """Where it came from."""
    files: dict[str, str] = pydantic.Field(default_factory=dict)
    """Format of each file read, by name."""
    sha256: dict[str, str] = pydantic.Field(default_factory=dict)
    """Hash of each file read, by name."""
    columns: dict[str, str] = pydantic.Field(default_factory=dict)
    """Field of the log and the column it was read from."""
    item_columns: dict[str, str] = pydantic.Field(default_factory=dict)
    """Field of the item table and the column it was read from."""
    types: dict[str, ColumnType] = pydantic.Field(default_factory=dict)
    """Type of each attribute."""
    time_unit: str = ""
    """Unit the timestamps came in; empty when there are none."""
    nulls: dict[str, int] = pydantic.Field(default_factory=dict)
    """Values that were there but could not be read, by column; they are null now."""
    messages: tuple[str, ...] = ()
    """What was assumed, renamed, split or dropped."""
    funnel: tuple[FunnelStep, ...] = ()
    """Rows, users and items after each step."""
    core_rounds: int = 0
    """Rounds of the iterative core that dropped something (users first, then items)."""
    integrity: Integrity
    """What a careful person checks."""


def import_options(options: Mapping[str, Any]) -> ImportOptions:
    """Check options.

    Raises:
        DataError: one does not exist or its value is not allowed.
    """
    try:
        return ImportOptions(**options)
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise DataError(
            f'Import option "{where}" = {problem["input"]!r}: {problem["msg"]}. '
            f"Options: {', '.join(ImportOptions.model_fields)}."
        ) from None
