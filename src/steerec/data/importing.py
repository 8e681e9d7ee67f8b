"""Import: from the files people have to a checked dataset, with a report of everything that was decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from steerec.artifacts import atomic_path, file_sha256
from steerec.data import field, movielens
from steerec.data.attribute import Attributes, read_attributes
from steerec.data.catalog import Catalog
from steerec.data.dataset import INTERACTIONS, Dataset
from steerec.data.filter import frequent_labels, run_funnel
from steerec.data.import_report import ImportOptions, ImportReport, import_options
from steerec.data.integrity import check_integrity
from steerec.data.moment import read_moments
from steerec.data.table_file import TableFile, read_table
from steerec.errors import DataError

_NO_ID = ("", "nan", "null", "none")
_SHOWN = 3


@dataclass(frozen=True)
class Log:
    """A log with canonical columns, not yet checked: ids may be null, times unread or negative.

    Attributes:
        frame: user_id, item_id, timestamp or position, and what else was found, in file order.
        columns: the file's column of each field.
        time_unit: unit the timestamps came in.
        nulls: by column, how many values could not be read.
        messages: what was assumed.
    """

    frame: pl.DataFrame
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_unit: str = ""
    nulls: Mapping[str, int] = dataclasses.field(default_factory=dict)
    messages: tuple[str, ...] = ()


def import_dataset(
    interactions_path: str | Path, items_path: str | Path | None, out: str | Path, **options: Any
) -> ImportReport:
    """Import a log and an item table into a folder of canonical Parquet files.

    Args:
        interactions_path: the log: CSV, TSV, Parquet, JSONL, RecBole .inter, MovieLens u.data, .dat or .csv.
        items_path: the item table in any of these; None: items are what the log names.
        out: folder to write, whole or not at all (interactions.parquet, items.parquet and two .json).
        options: fields of `ImportOptions`.

    Returns:
        What was found and decided; `steerec.data.report` shows it.

    Raises:
        DataError: a file, a column or a row cannot be used; `out` holds other files; an option is wrong.
    """
    out = Path(out)
    _check_out(out)
    dataset = read_dataset(interactions_path, items_path, **{"name": out.name, **options})
    with atomic_path(out) as temporary:
        temporary.mkdir()
        dataset.save(temporary)
    return ImportReport(**dataset.report)


def read_dataset(interactions_path: str | Path, items_path: str | Path | None, **options: Any) -> Dataset:
    """Do what `import_dataset` does without writing; the report is in `Dataset.report`."""
    chosen = import_options(options)
    log_path = Path(interactions_path)
    log_file = _open(log_path, chosen.names, chosen)
    log = read_log(log_file, chosen)
    if items_path is None:
        items, item_columns = _items_of_log(log, log_file), dict[str, str]()
        files = {log_path: log_file}
    else:
        items_path = Path(items_path)
        item_file = _open(items_path, chosen.item_names, chosen)
        items, item_columns = read_items(item_file, chosen)
        files = {log_path: log_file, items_path: item_file}
    movie_like = any("movie" in name.casefold() for file in files.values() for name in file.frame.columns)
    if not chosen.noun:
        chosen = chosen.replace(noun="films" if movie_like else "items")
    messages = tuple(message for file in files.values() for message in file.messages)
    found = {
        "origin": ", ".join(str(path) for path in files),
        "files": {path.name: file.format for path, file in files.items()},
        "sha256": {path.name: file_sha256(path) for path in files},
        "item_columns": item_columns,
    }
    return assemble(log, items, chosen, messages=messages, **found)


def _check_out(out: Path) -> None:
    ours = {INTERACTIONS, "items.parquet", "items.json", "report.json"}
    if out.is_file():
        raise DataError(f"{out} is a file; the import writes a folder. Give another path.")
    if out.is_dir() and (others := sorted(path.name for path in out.iterdir() if path.name not in ours)):
        raise DataError(
            f"{out} holds files that are not an import's ({', '.join(others[:_SHOWN])}); it would be "
            "replaced. Give a new or empty folder."
        )


def _open(path: Path, names: tuple[str, ...] | None, options: ImportOptions) -> TableFile:
    if path.name == "u.item":
        frame = movielens.items_100k(path.read_bytes()) if path.is_file() else pl.DataFrame()
        if frame.height:
            return TableFile(frame, "MovieLens u.item (bars, Latin-1)", {}, ())
    return read_table(path, names=names, separator=options.separator, encoding=options.encoding)


def read_log(file: TableFile, options: ImportOptions) -> Log:
    """Name, clean and type the columns of a log; file order is kept.

    Raises:
        DataError: user or item cannot be told, or an option names what is not there.
    """
    raw = file.frame
    messages: list[str] = []
    nulls: dict[str, int] = {}
    mapped = field.map_columns(
        raw.columns,
        field.LOG_FIELDS,
        options.columns,
        required=field.LOG_REQUIRED,
        option="columns",
        table="log",
    )
    columns = {name: clean_ids(raw[mapped[name]]).alias(name) for name in field.LOG_REQUIRED}
    unit = ""
    if "timestamp" in mapped:
        moments = read_moments(raw[mapped["timestamp"]], options.time_unit)
        columns["timestamp"], unit = moments.values.alias("timestamp"), moments.unit
    elif "position" in mapped:
        columns["position"] = raw[mapped["position"]].cast(pl.Int64, strict=False).alias("position")
    else:
        columns["position"] = pl.int_range(raw.height, eager=True).alias("position")
        messages.append("The log has neither time nor position: a user's rows are taken in file order.")
    for name in ("rating", "weight"):
        if name in mapped:
            source = raw[mapped[name]]
            columns[name] = source.cast(pl.Float64, strict=False).alias(name)
            if lost := columns[name].null_count() - source.null_count():
                nulls[name] = lost
    if "session_id" in mapped:
        columns["session_id"] = raw[mapped["session_id"]].cast(pl.String).alias("session_id")
    if unused := [name for name in raw.columns if name not in mapped.values()]:
        messages.append(f"Columns of the log that are not used: {', '.join(unused)}.")
    return Log(pl.DataFrame(columns), mapped, unit, nulls, tuple(messages))


def clean_ids(values: pl.Series) -> pl.Series:
    """Return ids as strings: "7.0" of a float column is "7"; empty, NaN and null are null."""
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        if (whole.cast(values.dtype) == values).drop_nulls().all():
            values = whole
        values = values.set(values.is_nan(), None) if values.dtype.is_float() else values
    text = values.cast(pl.String).str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(_NO_ID), None)
    if text.drop_nulls().str.contains(r"^\d+\.0$").all():
        text = text.str.strip_suffix(".0")
    return text


def read_items(file: TableFile, options: ImportOptions) -> tuple[Attributes, dict[str, str]]:
    """Name, clean and type the columns of an item table; also return the column each field came from.

    Raises:
        DataError: id or title cannot be told, an id is missing, or an option names what is not there.
    """
    raw = file.frame
    mapped = field.map_columns(
        raw.columns,
        field.ITEM_FIELDS,
        options.item_columns,
        required=field.ITEMS_REQUIRED,
        option="item_columns",
        table="item table",
    )
    renamed, messages = _renamed(raw.columns, mapped)
    frame = raw.rename(renamed)
    first = [name for name in ("item_id", "title", "work_id") if name in frame.columns]
    frame = frame.select(*first, pl.exclude(first)).with_columns(clean_ids(frame["item_id"]).alias("item_id"))
    if missing := frame["item_id"].null_count():
        raise DataError(
            f"{missing:,} of {frame.height:,} rows of the item table have no item id. Give every item an id, "
            "or remove these rows."
        )
    distinct = _distinct_items(frame, options)
    if repeated := frame.height - distinct.height:
        messages.append(f"{repeated:,} rows of the item table repeat another: left out.")
    frame = distinct
    title = frame["title"].cast(pl.String).str.strip_chars()
    untitled = title.is_null() | (title == "")
    if count := int(untitled.sum()):
        title = title.zip_with(~untitled, frame["item_id"])
        messages.append(f"{count:,} items have no title: their id stands in for it.")
    hints = {renamed.get(column, column): hint for column, hint in file.hints.items()}
    read = read_attributes(
        frame.with_columns(title.alias("title")),
        types=options.types,
        list_separators=options.list_separators,
        hints=hints,
    )
    return read._replace(messages=(*messages, *read.messages)), mapped


def _renamed(columns: Sequence[str], mapped: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the new name of each column that gets one, and what is to be said of it.

    A column that is called like a field which comes from another column moves aside.
    """
    renamed, messages = {column: name for name, column in mapped.items()}, []
    for name, column in mapped.items():
        if name in columns and name not in renamed:
            free = f"{name}_"
            while free in columns:
                free += "_"
            renamed[name] = free
            messages.append(
                f'Item column "{name}" is now "{free}": the {name} is taken from the column "{column}".'
            )
    return renamed, messages


def _distinct_items(frame: pl.DataFrame, options: ImportOptions) -> pl.DataFrame:
    if options.repeated_items == "first":
        return frame.unique("item_id", keep="first", maintain_order=True)
    return frame if any(dtype.is_nested() for dtype in frame.dtypes) else frame.unique(maintain_order=True)


def _items_of_log(log: Log, file: TableFile) -> Attributes:
    ids = log.frame["item_id"]
    titles = [name for name in file.frame.columns if name.lower() == "title"]
    title = file.frame[titles[0]].cast(pl.String).str.strip_chars() if titles else ids
    named = pl.DataFrame({"item_id": ids, "title": title.set(title == "", None)}).drop_nulls("item_id")
    # Rows differ in what they call an item: its first title counts, and its id where there is none.
    first = named.group_by("item_id", maintain_order=True).agg(pl.col("title").drop_nulls().first())
    frame = first.with_columns(pl.col("title").fill_null(pl.col("item_id")))
    message = "There is no item table: items are what the log names, without attributes."
    return Attributes(frame, {}, {}, (message,))


def assemble(
    log: Log, items: Attributes, options: ImportOptions, *, messages: tuple[str, ...] = (), **found: Any
) -> Dataset:
    """Filter and check a log and an item table and make a dataset with its report.

    Args:
        log: canonical columns, unchecked.
        items: canonical columns, unchecked.
        options: which filters to apply.
        messages: what was assumed before.
        found: further fields of `ImportReport` (origin, files, sha256, item_columns).

    Raises:
        DataError: the log or the table cannot be used as it is, or nothing is left of the log.
    """
    noun = options.noun or "items"
    table = items.frame
    if options.least_label_items:
        table = frequent_labels(table, options.least_label_items)
    catalog = Catalog.from_frame(table, types=items.types, noun=noun)
    frame, funnel, rounds = run_funnel(log.frame, catalog, options)
    if options.only_items_in_log:
        kept = catalog.frame.filter(pl.col("item_id").is_in(frame["item_id"].unique().implode()))
        catalog = Catalog.from_frame(kept, types=catalog.columns, noun=noun)
    dataset = Dataset.build(options.name, frame, catalog)
    report = ImportReport(
        source=options.name,
        columns=dict(log.columns),
        types=dict(catalog.columns),
        time_unit=log.time_unit,
        nulls={**log.nulls, **items.nulls},
        messages=(*messages, *log.messages, *items.messages),
        funnel=funnel,
        core_rounds=rounds,
        integrity=check_integrity(dataset),
        **found,
    )
    return Dataset.build(options.name, frame, catalog, report.model_dump(mode="json"))
