"""From the item table of a file to typed columns: lists, paths, numbers, dates, years out of titles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from steerec.data.columns import IDENTITY, RESERVED, TEXT_LENGTH, ColumnType, infer_types, store
from steerec.data.title import split_year

_NONE = ("", "nan", "null", "none", "n/a", "(no genres listed)")
"""Texts that stand for "no value", compared lower-case."""
_MOST = 0.95
"""Share of a column's values that must look like a type before the column is read as that type."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_MONEY = r"^[$€£]\s?\d[\d,]*(\.\d+)?$"
_DATE = r"^\d{4}-\d{2}-\d{2}"
_DATE_LONG = r"^\d{1,2}-[A-Z][a-z]{2}-\d{4}$"
_YEARS = (1000, 2999)


class Attributes(NamedTuple):
    """A canonical item table.

    Attributes:
        frame: item_id, title, then the attributes.
        types: of the attributes.
        nulls: by column, how many values were there but could not be read (now null).
        messages: what was renamed, split, dropped.
    """

    frame: pl.DataFrame
    types: dict[str, ColumnType]
    nulls: dict[str, int]
    messages: tuple[str, ...]


def read_attributes(
    frame: pl.DataFrame,
    *,
    types: Mapping[str, ColumnType] | None = None,
    list_separators: Mapping[str, str] | None = None,
    hints: Mapping[str, str] | None = None,
) -> Attributes:
    """Type every attribute column of an item table whose item_id and title are already named so.

    Args:
        frame: item_id, title, and attributes as a file has them.
        types: types the user gives; the others are told from the values.
        list_separators: for columns that hold lists in one text, what parts them; "|" is found by itself.
        hints: RecBole column types by column name.

    Raises:
        DataError: `types` names an unknown column or type.
    """
    messages: list[str] = []
    frame = _reserved(frame, messages)
    given = dict(types or {})
    columns: dict[str, pl.Series] = {}
    for name in frame.columns:
        if name in IDENTITY:
            columns[name] = frame[name]
            continue
        separator, hint = (list_separators or {}).get(name), (hints or {}).get(name, "")
        parsed = _parse(frame[name], given.get(name), separator, hint)
        if parsed.dtype in (pl.Struct, pl.List(pl.Struct), pl.Null):
            kind = "empty" if parsed.dtype == pl.Null else "nested"
            messages.append(f'Item column "{name}" was left out: it is {kind}.')
            continue
        columns[name] = parsed
    read = pl.DataFrame(columns)
    kinds = infer_types(read, given)
    stored = read.with_columns(store(read[name], kind).alias(name) for name, kind in kinds.items())
    stored = _year(stored, kinds, messages)
    nulls = {name: _lost(frame[name], stored[name]) for name in kinds if name in frame.columns}
    return Attributes(stored, kinds, {name: lost for name, lost in nulls.items() if lost}, tuple(messages))


def _reserved(frame: pl.DataFrame, messages: list[str]) -> pl.DataFrame:
    renamed = {}
    for name in frame.columns:
        if name in RESERVED:
            free = f"{name}_"
            while free in frame.columns:
                free += "_"
            renamed[name] = free
            messages.append(
                f'Item column "{name}" is now "{free}": requests use the word "{name}" themselves.'
            )
    return frame.rename(renamed)


def _parse(values: pl.Series, given: ColumnType | None, separator: str | None, hint: str) -> pl.Series:
    if values.dtype == pl.Boolean:
        return values.cast(pl.String)
    if values.dtype == pl.List(pl.String):
        return _joined(values) if given in (None, "text") else values
    if values.dtype != pl.String:
        return values
    text = values.str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(_NONE), None)
    known = text.drop_nulls()
    if known.is_empty():
        return pl.Series(values.name, [None] * len(values), dtype=pl.Null)
    separator = separator or _separator(known, values.name, given, hint)
    if separator:
        return text.str.split(separator)
    if (given is None or given in ("categories", "path")) and known.str.contains(r"^\[.*\]$").all():
        return pl.Series(values.name, [_list(value) for value in text], dtype=pl.List(pl.String))
    if given in (None, "number") and hint in ("", "float") and not _is_code(values.name, given):
        if given or _share(text, _MONEY) >= _MOST:
            text = text.str.replace_all(r"[$€£,\s]", "")
        if given or _share(text, _NUMBER) >= _MOST or hint == "float":
            return text.cast(pl.Float64, strict=False)
    if given in (None, "date"):
        if _share(text, _DATE) >= _MOST or given:
            return text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if _share(text, _DATE_LONG) >= _MOST:
            return text.str.to_date("%d-%b-%Y", strict=False)
    return text


def _joined(values: pl.Series) -> pl.Series:
    """Join lists of paragraphs to one text; lists of short values stay lists."""
    length = values.explode().str.len_chars().mean()
    return values.list.join(" ") if isinstance(length, float) and length > TEXT_LENGTH else values


def _separator(known: pl.Series, name: str, given: ColumnType | None, hint: str) -> str | None:
    if hint in ("token_seq", "float_seq"):
        return " "
    if given not in (None, "categories", "path"):
        return None
    for separator in (" > ", "|") if given != "path" and not name.endswith("path") else (" > ", "|", "/"):
        if known.str.contains(separator, literal=True).any() and not known.str.contains(r"^\[").any():
            return separator
    return None


def _is_code(name: str, given: ColumnType | None) -> bool:
    """Tell ids and codes, whose digits are names and not amounts."""
    return given is None and name.casefold().endswith(("id", "code", "zip", "sku", "isbn"))


def _share(text: pl.Series, pattern: str) -> float:
    share = text.drop_nulls().str.contains(pattern).mean()
    return share if isinstance(share, float) else 0.0


def _list(text: str | None) -> list[str] | None:
    if text is None:
        return None
    try:
        values = json.loads(text.replace("'", '"') if '"' not in text else text)
    except json.JSONDecodeError:
        # Unquoted: "[[Clothing, Shoes & Jewelry,Women],..]": a comma parts names unless a space follows.
        first = text.lstrip("[").split("]", 1)[0].replace(", ", "\0")
        return [name.replace("\0", ", ") for name in first.split(",")]
    while values and isinstance(values[0], list):
        values = values[0]
    return [str(value) for value in values]


def _year(frame: pl.DataFrame, kinds: dict[str, ColumnType], messages: list[str]) -> pl.DataFrame:
    if kinds.get("year") == "number":
        low, high = _YEARS
        year = pl.col("year")
        return frame.with_columns(pl.when(year.is_between(low, high)).then(year).alias("year"))
    years = [split_year(title)[1] if title else None for title in frame["title"]]
    found = sum(year is not None for year in years)
    if "year" in kinds or found * 2 < frame.height:
        return frame
    kinds["year"] = "number"
    messages.append(
        f'{found:,} of {frame.height:,} titles end in a year: it is now the number column "year" too.'
    )
    return frame.with_columns(pl.Series("year", years, dtype=pl.Int64))


def _lost(raw: pl.Series, stored: pl.Series) -> int:
    if raw.dtype == pl.String:
        present = ~raw.str.strip_chars().str.to_lowercase().is_in(_NONE)
    elif isinstance(raw.dtype, pl.List):
        present = raw.list.len() > 0
    else:
        present = raw.is_not_null()
    return int((present.fill_null(False) & stored.is_null()).sum())
