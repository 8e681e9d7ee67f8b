"""MovieLens in all its spellings: u.data, ratings.dat, ratings.csv, and RecBole's copy of ml-100k."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from steerec.errors import DataError, SourceError

# The order of the 0/1 columns of u.item.
GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *(
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)
_LAST_BRACKETS = r"^(.*\S)\s*\(([^()]*)\)\s*$"
_LOG = ("user_id", "item_id", "rating", "timestamp")
_NO_GENRES = "(no genres listed)"

Opener = Callable[[str], bytes]


class Tables(NamedTuple):
    """A log (user_id, item_id, rating, timestamp) and items (item_id, title, year, categories), unchecked.

    `bad_years` counts items whose year is there but is none; `messages` names the first of those without.
    """

    log: pl.DataFrame
    items: pl.DataFrame
    bad_years: int
    messages: tuple[str, ...]


def opener(path: Path) -> Opener:
    """Return a function that reads a file by its base name from a folder or a zip archive.

    Raises:
        SourceError: (also from the returned function) the path, the archive or the file is not there.
    """
    if path.is_dir():

        def from_folder(name: str) -> bytes:
            found = sorted(path.rglob(name))
            if not found:
                raise SourceError(_lacks(path, name, [file.name for file in path.iterdir()]))
            return found[0].read_bytes()

        return from_folder
    if not zipfile.is_zipfile(path):
        raise SourceError(
            f"{path} is neither a folder nor a zip archive. Give the unpacked folder or the zip."
        )

    def from_archive(name: str) -> bytes:
        with zipfile.ZipFile(path) as archive:
            found = [member for member in archive.namelist() if member.rsplit("/", 1)[-1] == name]
            if not found:
                raise SourceError(_lacks(path, name, archive.namelist()))
            return archive.read(min(found, key=len))

    return from_archive


def _lacks(path: Path, name: str, present: list[str]) -> str:
    return (
        f"{path} holds no {name}. It holds {', '.join(sorted(present)[:6]) or 'nothing'}. Give the folder or "
        "zip that does."
    )


def read_100k(read: Opener) -> Tables:
    """Read u.data and u.item."""
    log = _log(_table(read("u.data"), "\t", _LOG))
    return Tables(log, *_years(raw_items_100k(read("u.item"))))


def items_100k(data: bytes) -> pl.DataFrame:
    """Read u.item: item_id, title without its year, year (null where there is none), categories."""
    return _years(raw_items_100k(data))[0]


def raw_items_100k(data: bytes) -> pl.DataFrame:
    """Read u.item (Latin-1) with what stands in the title's last brackets as the year, a text."""
    names = ("item_id", "title", "released", "video", "url", *GENRES_100K)
    raw = _table(data.decode("latin-1").encode(), "|", names)
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in GENRES_100K]
    title = pl.col("title").str.strip_chars()
    return raw.select(
        "item_id",
        title.str.replace(_LAST_BRACKETS, "${1}"),
        title.str.extract(_LAST_BRACKETS, 2).alias("year"),
        pl.concat_list(flags).list.drop_nulls().alias("categories"),
    )


def read_100k_recbole(read: Opener) -> Tables:
    """Read RecBole's ml-100k.inter (the rows of u.data, in its order) and ml-100k.item (UTF-8)."""
    log = _log(_table(read("ml-100k.inter"), "\t", _LOG, header=True))
    raw = _table(read("ml-100k.item"), "\t", ("item_id", "title", "year", "categories"), header=True)
    items = raw.with_columns(
        # RecBole misspells the one item that GroupLens calls "unknown".
        pl.col("title").replace("unkonwn", "unknown").str.strip_chars(),
        pl.col("categories").str.split(" "),
    )
    return Tables(log, *_years(items))


def read_dat(read: Opener) -> Tables:
    """Read ratings.dat and movies.dat (ml-1m: "::" between fields, Latin-1)."""
    log = _log(_table(read("ratings.dat").replace(b"::", b"\t"), "\t", _LOG))
    movies = read("movies.dat").decode("latin-1").replace("::", "\t").encode()
    return Tables(log, *_split_titles(_table(movies, "\t", ("item_id", "title", "categories"))))


def read_csv(read: Opener) -> Tables:
    """Read ratings.csv and movies.csv (ml-latest-small, ml-20m, ml-32m: UTF-8, quoted)."""
    log = _log(_table(read("ratings.csv"), ",", _LOG, header=True))
    movies = _table(read("movies.csv"), ",", ("item_id", "title", "categories"), header=True)
    return Tables(log, *_split_titles(movies))


def _table(data: bytes, separator: str, names: Sequence[str], *, header: bool = False) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            has_header=header,
            infer_schema=False,
            quote_char='"' if separator == "," else None,
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"A MovieLens file is empty or damaged: {reason}. Download it again.") from None
    if frame.width != len(names):
        raise DataError(
            f"A MovieLens file has {frame.width} columns, it should have {len(names)} "
            f"({', '.join(names[:5])}). Give the unchanged GroupLens file."
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _log(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.with_columns(
        pl.col("rating").cast(pl.Float64, strict=False),
        pl.from_epoch(pl.col("timestamp").cast(pl.Float64).cast(pl.Int64), time_unit="s").cast(
            pl.Datetime("us")
        ),
    )


def _split_titles(movies: pl.DataFrame) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    title = pl.col("title").str.strip_chars()
    genres = pl.col("categories").str.split("|").list.filter(pl.element() != _NO_GENRES)
    year = title.str.extract(r"\((\d{4})\)\s*$", 1)
    return _years(movies.select("item_id", title, year.alias("year"), genres))


def _years(items: pl.DataFrame) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    typed = items.with_columns(pl.col("year").str.extract(r"^(\d{4})$", 1).cast(pl.Int64))
    bad = items.filter(typed["year"].is_null())
    if bad.height == 0:
        return typed, 0, ()
    shown = ", ".join(
        f"{item} ({year or 'none'})" for item, year in bad.select("item_id", "year").head(3).rows()
    )
    message = f"{bad.height:,} items have no year that can be read, such as {shown}: it is null."
    return typed, bad["year"].count(), (message,)
