"""The file of instruction rows: its columns, how rows become a table, and the report beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.config import Config
from steerec.control.request import Request
from steerec.control.templates import phrase_hash
from steerec.data.split import Split
from steerec.instruct.attributes import Ints
from steerec.instruct.labels import LABEL_RULE
from steerec.instruct.mixture import MixtureConfig
from steerec.instruct.moment import Moment, Part
from steerec.instruct.text import completion_text, prompt_text

PHRASING: Mapping[Part, str] = {"train": "train", "valid": "validation"}
"""Phrasings of the sentences of each part."""

SCHEMA: dict[str, Any] = {
    "row": pl.Int64,
    "task": pl.String,
    "user": pl.Int64,
    "history": pl.List(pl.Int32),
    "request": pl.String,
    "instruction": pl.String,
    "answer_items": pl.List(pl.Int32),
    "answer_text": pl.String,
    "target": pl.Int32,
    "has_target": pl.Boolean,
    "prompt": pl.String,
    "completion": pl.String,
    "teacher_top": pl.List(pl.Int32),
    "teacher_top_scores": pl.List(pl.Float32),
    "phrasing": pl.String,
    "split": pl.String,
    "seed": pl.Int64,
    "teacher": pl.String,
    "label_rule": pl.String,
}
"""Columns of a row file. Items are catalogue indices; a row has answer_items or answer_text, never both."""


@dataclass
class Tally:
    """What went wrong and was mended while rows were drawn."""

    redrawn: int = 0
    fallen_back: int = 0
    dropped: int = 0
    violations: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A finished row, before it becomes text and columns."""

    moment: Moment
    task: str
    request: Request | None
    instruction: str
    items: list[int] | None = None
    text: str | None = None
    top: Ints | None = None
    top_scores: NDArray[np.float32] | None = None


class RowsReport(Config):
    """What was written, and what had to be drawn again."""

    part: Part
    rows: int
    """Rows written."""
    tasks: dict[str, int]
    """Rows of each task."""
    with_target: dict[str, int]
    """Rows of each task whose label contains the true next item."""
    target_first: int
    """Labels that begin with it."""
    counts: dict[str, int]
    """Rows of each list length."""
    redrawn: int
    """Requests that could not be satisfied or drawn, and were drawn again."""
    fallen_back: int
    """Rows that became plain next-item rows after too many draws."""
    dropped: int
    """Rows left out, because every draw failed."""
    violations: int
    """Labels that broke their request and were not written; anything but 0 is a defect of the solver."""
    teacher: str
    label_rule: str
    phrasing: str
    phrasing_sha256: str
    seed: int
    split_hash: str
    catalogue_sha256: str
    memorisation: dict[str, float] | None
    """What was measured of the teacher's memory, such as its HR@10 on training prefixes and on validation."""


def row_frame(
    rows: Sequence[Row], split: Split, config: MixtureConfig, part: Part, teacher: str, phrasing: str
) -> pl.DataFrame:
    """Return finished rows as a table with the columns of `SCHEMA`."""
    catalog = split.catalog
    constants: dict[str, Any] = {
        "phrasing": Path(phrasing).name,
        "split": part,
        "seed": config.seed,
        "teacher": teacher,
        "label_rule": LABEL_RULE,
    }
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA}
    for row in rows:
        history = row.moment.history.tolist()
        values: dict[str, Any] = {
            "row": row.moment.number,
            "task": row.task,
            "user": row.moment.user,
            "history": history,
            "request": None if row.request is None else row.request.to_json(),
            "instruction": row.instruction,
            "answer_items": row.items,
            "answer_text": row.text,
            "target": row.moment.target,
            "has_target": None if row.items is None else row.moment.target in row.items,
            "prompt": prompt_text(history, row.instruction, catalog, config.prompt_history),
            "completion": row.text if row.items is None else completion_text(row.items, catalog),
            "teacher_top": None if row.top is None else row.top.tolist(),
            "teacher_top_scores": None if row.top_scores is None else row.top_scores.tolist(),
            **constants,
        }
        for name, value in values.items():
            columns[name].append(value)
    return pl.DataFrame([pl.Series(name, values, dtype=SCHEMA[name]) for name, values in columns.items()])


def rows_report(
    rows: pl.DataFrame,
    tally: Tally,
    split: Split,
    config: MixtureConfig,
    part: Part,
    teacher: str,
    memorisation: Mapping[str, float] | None,
    phrasing: str,
) -> RowsReport:
    """Return the report on a finished file; arguments as in `build_rows`; phrasing: a split or a file."""
    lists = rows.filter(pl.col("answer_items").is_not_null())
    first = lists.filter(pl.col("answer_items").list.first() == pl.col("target"))
    lengths = Counter(lists["answer_items"].list.len().to_list())
    return RowsReport(
        part=part,
        rows=rows.height,
        tasks=dict(sorted(Counter(rows["task"].to_list()).items())),
        with_target=dict(sorted(Counter(lists.filter(pl.col("has_target"))["task"].to_list()).items())),
        target_first=first.height,
        counts={str(length): lengths[length] for length in sorted(lengths)},
        redrawn=tally.redrawn,
        fallen_back=tally.fallen_back,
        dropped=tally.dropped,
        violations=tally.violations,
        teacher=teacher,
        label_rule=LABEL_RULE,
        phrasing=Path(phrasing).name,
        phrasing_sha256=phrase_hash(phrasing),
        seed=config.seed,
        split_hash=split.hash,
        catalogue_sha256=split.catalog.sha256,
        memorisation=None if memorisation is None else dict(memorisation),
    )
