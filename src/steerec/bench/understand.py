"""How well, and how fast, the readers understand a file of sentences: floor, model and both together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from steerec.artifacts import provenance
from steerec.data.catalog import Catalog
from steerec.evaluate.understanding import Sentence, Understanding, load_sentences, understand_all
from steerec.serve.engine import find_reader
from steerec.understand.hybrid import HybridReader, open_reader
from steerec.understand.reading import Reader

_MOST_CONFUSIONS = 12


def bench_understand(
    run: Path, files: Sequence[Path], reader: Path | None = None, catalog: Path | None = None
) -> dict[str, Any]:
    """Return a report of how the readers understand sentences.

    Args:
        run: a finished run, whose catalogue the sentences are about.
        files: JSON lines with `sentence`, `request` and perhaps `kinds`.
        reader: folder of a trained reader; None: the run's own, or the floor alone.
        catalog: folder or file of another item table; None: the run's.

    Raises:
        DataError: a file holds no sentences, or the folder no reader.
    """
    table = Catalog.load(catalog or run / "data")
    sentences = [sentence for file in files for sentence in load_sentences(file)]
    rows = [
        _row(name, one, sentences, table) for name, one in readers(table, find_reader(run, reader)).items()
    ]
    return {"schema": 1, "files": [str(file) for file in files], "rows": rows, "provenance": provenance()}


def readers(catalog: Catalog, folder: Path | None) -> dict[str, Reader]:
    """Return the readers to compare, by name."""
    best = open_reader(catalog, folder)
    if isinstance(best, HybridReader):
        return {"floor": best.floor, "model": best.model, "hybrid": best}
    return {"floor": best}


def _row(name: str, reader: Reader, sentences: Sequence[Sentence], catalog: Catalog) -> dict[str, Any]:
    found: Understanding = understand_all(reader, sentences, catalog)
    low, high = found.interval
    seconds = np.array(found.seconds)
    return {
        "reader": name,
        "sentences": len(sentences),
        "exact": found.exact,
        "low": low,
        "high": high,
        "invalid": found.mistakes.get("invalid", 0),
        "median_s": float(np.median(seconds)),
        "p95_s": float(np.quantile(seconds, 0.95)),
        "kinds": {kind: {"exact": share, "sentences": n} for kind, (share, n) in found.by_kind.items()},
        "mistakes": dict(found.mistakes),
        "confusion": [
            {"meant": meant, "read": read, "times": times}
            for (meant, read), times in Counter(found.confusion).most_common()
        ],
    }


def render(report: dict[str, Any]) -> RenderableType:
    """Return the report as tables: the readers, the kinds of sentences, what is taken for what."""
    table = Table(header_style="bold", pad_edge=False)
    for heading in ("reader", "sentences", "exact", "95 %", "not valid", "median s", "95 % s"):
        table.add_column(heading, justify="left" if heading == "reader" else "right")
    for row in report["rows"]:
        interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
        seconds = (f"{row['median_s']:.3f}", f"{row['p95_s']:.3f}")
        exact = f"{100 * row['exact']:.1f} %"
        table.add_row(row["reader"], str(row["sentences"]), exact, interval, str(row["invalid"]), *seconds)
    return Group(table, *_kinds(report), *(_confusion(row) for row in report["rows"][-1:]))


def _kinds(report: dict[str, Any]) -> list[Table]:
    kinds = report["rows"][0]["kinds"]
    if not kinds:
        return []
    table = Table(header_style="bold", pad_edge=False)
    table.add_column("kind of sentence")
    table.add_column("sentences", justify="right")
    for row in report["rows"]:
        table.add_column(row["reader"], justify="right")
    for kind, first in kinds.items():
        shares = [f"{100 * row['kinds'][kind]['exact']:.0f} %" for row in report["rows"]]
        table.add_row(kind, str(first["sentences"]), *shares)
    return [table]


def _confusion(row: dict[str, Any]) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    table.add_column("control meant")
    table.add_column(f"read by {row['reader']}")
    table.add_column("times", justify="right")
    for entry in row["confusion"][:_MOST_CONFUSIONS]:
        table.add_row(entry["meant"], entry["read"], str(entry["times"]))
    return table
