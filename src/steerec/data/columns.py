"""Attribute columns of the item table: the six types, how they are inferred, how they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import polars as pl

from steerec.errors import DataError, did_you_mean

ColumnType = Literal["category", "categories", "path", "number", "date", "text"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)

# Words of the request language: a column of that name could not be told from an operator.
RESERVED = ("any", "all", "not", "items")
# Identity columns; every other column of the item table is an attribute a control may name.
IDENTITY = ("item_id", "title", "work_id")

TEXT_LENGTH = 60
"""Strings longer than this on average are text: nobody asks for one by its value."""

_INT64 = 2.0**63
"""Whole numbers below it, in absolute value, fit in 64 bits."""


def infer_types(frame: pl.DataFrame, given: Mapping[str, ColumnType] | None = None) -> dict[str, ColumnType]:
    """Return the type of each attribute column, from what was given, else from its dtype and values.

    Raises:
        DataError: `given` names an unknown column or type.
    """
    given = dict(given or {})
    attributes = [name for name in frame.columns if name not in IDENTITY]
    for name, kind in given.items():
        if name not in attributes:
            raise DataError(
                f'A type is given for "{name}", which is no attribute column.{did_you_mean(name, attributes)}'
                f" Attribute columns: {', '.join(attributes) or 'none'}."
            )
        if kind not in COLUMN_TYPES:
            raise DataError(
                f'Column "{name}" has the type "{kind}", which does not exist. '
                f"Types: {', '.join(COLUMN_TYPES)}."
            )
    return {name: given.get(name) or _infer(frame[name]) for name in attributes}


def _infer(values: pl.Series) -> ColumnType:
    dtype = values.dtype
    if dtype.is_nested():
        is_path = values.name.endswith("path") or dtype == pl.List(pl.List(pl.String))
        return "path" if is_path else "categories"
    if dtype.is_numeric():
        return "number"
    if dtype.is_temporal():
        return "date"
    if dtype == pl.String:
        length = values.str.len_chars().mean()
        if isinstance(length, float) and length > TEXT_LENGTH:
            return "text"
    return "category"


def store(values: pl.Series, kind: ColumnType) -> pl.Series:
    """Return the column in the one dtype of its type; what cannot be read becomes null.

    category, text: String; categories, path: List(String) (null when empty or missing); number: Int64
    when every value is whole and fits in it, else Float64; date: Date.
    """
    if kind in ("categories", "path"):
        return _lists(values, keep_order=kind == "path")
    if kind == "number":
        return _number(values)
    if kind == "date":
        if values.dtype == pl.String:
            return values.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        return values.cast(pl.Date, strict=False)
    text = values.cast(pl.String, strict=False).str.strip_chars()
    return text.set(text == "", None)


def _number(values: pl.Series) -> pl.Series:
    if values.dtype.is_integer():
        narrow = values.cast(pl.Int64, strict=False)
        return narrow if narrow.null_count() == values.null_count() else values.cast(pl.Float64)
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    number = values.cast(pl.Float64, strict=False)
    number = number.set(~number.is_finite(), None)
    known = number.drop_nulls()
    whole = len(known) and bool((known % 1 == 0).all() and (known.abs() < _INT64).all())
    return number.cast(pl.Int64) if whole else number


def _lists(values: pl.Series, *, keep_order: bool) -> pl.Series:
    if values.dtype == pl.List(pl.List(pl.String)):  # several paths: the first is the item's place
        values = values.list.first()
    if not isinstance(values.dtype, pl.List):
        text = values.cast(pl.String, strict=False)
        values = pl.select(pl.when(text.is_not_null()).then(pl.concat_list(text))).to_series()
    clean = values.cast(pl.List(pl.String), strict=False).list.eval(pl.element().str.strip_chars())
    clean = clean.list.eval(pl.element().filter(pl.element().is_not_null() & (pl.element() != "")))
    if not keep_order:
        clean = clean.list.unique(maintain_order=True)
    clean = clean.set(clean.list.len().fill_null(0) == 0, None)
    return clean.rename(values.name)
