"""Reading a table of any usual format into strings and types as the file has them."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from steerec.data.catalog import read_parquet
from steerec.errors import DataError

FORMATS = (
    "CSV, TSV, Parquet, JSONL, RecBole atomic files (.inter, .item), MovieLens u.data and .dat; .gz of text"
)
_DELIMITED = (".csv", ".tsv", ".txt", ".data", ".dat", ".inter", ".item", ".user", "")
_SEPARATORS = ("::", "\t", ",", ";", "|")
_UNIT_SEPARATOR = "\x1f"  # polars takes one byte, "::" has two
_RATINGS = ("user_id", "item_id", "rating", "timestamp")
_RECBOLE_TYPES = ("token", "token_seq", "float", "float_seq")
# Files without a header whose columns are known by the file's name.
_KNOWN_NAMES = {
    "u.data": _RATINGS,
    "ratings.dat": _RATINGS,
    "movies.dat": ("movieId", "title", "genres"),
}


class TableFile(NamedTuple):
    """A table as its file has it.

    Attributes:
        frame: text formats: all columns strings; Parquet, JSONL: the types of the file.
        format: what was read, for the report: "CSV (comma, UTF-8)".
        hints: RecBole's column types (token, token_seq, float, float_seq) by column name.
        messages: what was assumed.
    """

    frame: pl.DataFrame
    format: str
    hints: dict[str, str]
    messages: tuple[str, ...]


def read_table(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> TableFile:
    """Read a file by its extension and first line.

    Args:
        path: the file; text formats may be gzipped.
        names: column names of a text file without a header.
        separator: of a text file; default: found in its first line.
        encoding: of a text file; default: UTF-8, else Latin-1 (said in the messages).

    Raises:
        DataError: the file is absent, empty, damaged, or of no known format; or it has no header and its
            columns cannot be told.
    """
    path = Path(path)
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if not path.is_file():
        raise DataError(f"There is no file {path}. Give the path of an existing file: {FORMATS}.")
    if suffix == ".parquet":
        return TableFile(_filled(read_parquet(path), path), "Parquet", {}, ())
    if suffix not in (".jsonl", ".ndjson", ".json", *_DELIMITED):
        raise DataError(f'{path.name} has the extension "{suffix}", which is not known. Formats: {FORMATS}.')
    data = _bytes(path)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return TableFile(_filled(_json_lines(data, path), path), "JSONL", {}, ())
    return _delimited(path, data, suffix, names, separator, encoding)


def _bytes(path: Path) -> bytes:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}. Copy or download it again.") from None
    if not data.strip():
        raise DataError(f"{path} is empty. Give a file with at least one row.")
    return data.removeprefix(b"\xef\xbb\xbf")


def _filled(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    if frame.height == 0:
        columns = ", ".join(frame.columns)
        raise DataError(f"{path} has columns ({columns}) but no rows. Give a file with at least one row.")
    return frame


def _json_lines(data: bytes, path: Path) -> pl.DataFrame:
    try:
        return pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
    except pl.exceptions.PolarsError:
        pass  # lines whose types differ, as in Amazon's metadata: read them one by one
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise DataError(
                f"Line {number} of {path} is no JSON ({error.msg}): {line[:60]!r}. JSONL has one object on "
                "each line; mend or remove the line."
            ) from None
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} has lines that are no JSON objects. JSONL has one object on each line.")
    return pl.DataFrame(
        {name: _column(name, rows) for name in dict.fromkeys(key for row in rows for key in row)}
    )


def _column(name: str, rows: list[dict[str, object]]) -> pl.Series:
    values = [row.get(name) for row in rows]
    for dtype in (None, pl.List(pl.String)):
        try:
            return pl.Series(name, values, dtype=dtype, strict=True)
        except (TypeError, pl.exceptions.PolarsError):
            continue
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _delimited(
    path: Path,
    data: bytes,
    suffix: str,
    names: Sequence[str] | None,
    separator: str | None,
    encoding: str | None,
) -> TableFile:
    first = data[:65536].split(b"\n", 1)[0].decode("latin-1").rstrip("\r")
    separator = separator or _sniff(first, suffix)
    fields = [field.strip().strip('"') for field in first.split(separator)]
    names = names or _KNOWN_NAMES.get(path.name.removesuffix(".gz"))
    messages: list[str] = []
    if names is None and _is_number(fields[0]) and all(map(_is_number, fields)):
        names = _guess_names(path, fields)
        messages.append(f"{path.name} has no header: its columns were taken as {', '.join(names)}.")
    text, encoding = _utf8(data, encoding)
    if encoding.lower() not in ("utf-8", "utf8"):
        messages.append(f"{path.name} is not UTF-8: it was read as {encoding}.")
    frame = _parse(text, path, separator, names)
    hints = {}
    if names is None:
        typed = [name.rpartition(":") for name in frame.columns]
        hints = {name: kind for name, _, kind in typed if kind in _RECBOLE_TYPES}
        if len(hints) == frame.width:
            frame = frame.rename({f"{name}:{kind}": name for name, kind in hints.items()})
        else:
            hints = {}
    kind = "RecBole atomic file" if hints else "text"
    return TableFile(
        _filled(frame, path), f"{kind} ({_spoken(separator)}, {encoding})", hints, tuple(messages)
    )


def _utf8(data: bytes, encoding: str | None) -> tuple[bytes, str]:
    for name in [encoding] if encoding else ["UTF-8", "Latin-1"]:
        try:
            return data.decode(name).encode() if name != "UTF-8" else _checked(data), name
        except (UnicodeDecodeError, LookupError) as error:
            problem = error
    raise DataError(
        f'The file is not in the encoding "{encoding}": {problem}. Leave encoding out, or correct it.'
    )


def _checked(data: bytes) -> bytes:
    if not data.isascii():
        data.decode()
    return data


def _sniff(line: str, suffix: str) -> str:
    if suffix in (".inter", ".item", ".user", ".tsv"):
        return "\t"
    return max(_SEPARATORS, key=lambda separator: line.count(separator) * len(separator))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _guess_names(path: Path, fields: list[str]) -> Sequence[str]:
    if len(fields) == len(_RATINGS):
        return _RATINGS
    raise DataError(
        f"{path.name} has no header and {len(fields)} columns, so it cannot be told which is which: its "
        f"first row is {', '.join(fields)}. Name them: names=[...] for the log, item_names=[...] for items."
    )


def _parse(data: bytes, path: Path, separator: str, names: Sequence[str] | None) -> pl.DataFrame:
    if len(separator) > 1:
        data, separator = data.replace(separator.encode(), _UNIT_SEPARATOR.encode()), _UNIT_SEPARATOR
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            has_header=names is None,
            infer_schema=False,
            quote_char='"' if separator in ",;" else None,
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{path} cannot be read as a table: {str(error).splitlines()[0]}. Check that every row has the "
            "same number of fields and that quotes are closed, or give separator=."
        ) from None
    if names is None:
        stripped = [name.strip() for name in frame.columns]
        if twice := sorted({name for name in stripped if stripped.count(name) > 1}):
            raise DataError(
                f'{path} has more than one column called "{twice[0]}" (spaces around names do not count). '
                "Give every column a name of its own."
            )
        return frame.rename(dict(zip(frame.columns, stripped, strict=True)))
    if frame.width != len(names):
        raise DataError(
            f"{path} has {frame.width} columns, but {len(names)} names: {', '.join(names)}. Its first row is "
            f"{', '.join(str(value) for value in frame.row(0))}. Give one name for each column."
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _spoken(separator: str) -> str:
    names = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", "::": "double colons"}
    return names.get(separator, f'"{separator}"')
