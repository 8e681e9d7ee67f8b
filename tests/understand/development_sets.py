"""The development sentences and catalogues on which they can be compared: items carry values at random."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from steerec.data.catalog import Catalog
from steerec.evaluate.understanding import Sentence
from steerec.understand.lines.line_form import read_tokens
from steerec.understand.lines.line_request import read_request

FOLDER = Path(__file__).parent / "development"


def invented(name: str, num_items: int = 400) -> Catalog:
    """Return a catalogue whose items carry the values of a record at random."""
    record = json.loads((FOLDER / f"{name}.json").read_text())
    rng = np.random.default_rng(0)
    columns: dict[str, list[object]] = {
        "item_id": [f"{name}-{i}" for i in range(num_items)],
        "title": [f"{name.title()} {i}" for i in range(num_items)],
    }
    for column, kind in record["types"].items():
        values = record[column]
        if kind == "categories":
            drawn = rng.integers(len(values), size=(num_items, 3))
            columns[column] = [sorted({values[int(i)] for i in row}) for row in drawn]
        else:
            columns[column] = [values[int(i)] for i in rng.integers(len(values), size=num_items)]
    return Catalog.from_frame(pl.DataFrame(columns, strict=False), types=record["types"], noun=record["noun"])


def sentences(name: str, catalog: Catalog) -> list[Sentence]:
    """Return the development sentences about a catalogue."""
    found = []
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        text, lines = line.split("=>")
        tokens = [token for token in read_tokens(lines) if token.kind != "words"]
        tokens = [token for token in tokens if token.value != "unplaced"]
        request = read_request(tokens, catalog.columns).request
        found.append(Sentence(text=text.strip(), request=request, kinds=()))
    return found
