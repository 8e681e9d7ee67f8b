"""Catalogues to practise on: invented columns, values, ranges and titles, and the schema of a real one.

A reader must take values from what it is offered and not from memory: every world has its own selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.seeding import numpy_rng
from steerec.understand.lines.choices import Offering
from steerec.understand.lines.schema import Schema
from steerec.understand.lines.title_index import TitleIndex
from steerec.understand.model.batches import TextVectors
from steerec.understand.model.phrasebook import lexicon, load

FEW_VALUES = 40
"""Catalogues with no more values have all of them offered."""
_NEIGHBOURS = 12
_OTHERS = 12


class World(NamedTuple):
    """A catalogue to write sentences about."""

    schema: Schema
    offering: Offering
    spoken: dict[str, str]
    """Column -> entry of `phrasebook/columns.json` that speaks of it."""
    main: str
    """The column of the values that people ask for most."""
    near: NDArray[np.int64] | None
    """(V, 12) values that are most alike, where not all are offered."""
    displays: tuple[str, ...]
    weight: float

    def offered(self, wanted: Sequence[int], rng: np.random.Generator) -> list[int]:
        """Return values to offer: the wanted ones, some that are alike, some others."""
        size = len(self.schema.values)
        if self.near is None:
            return list(range(size))
        chosen = list(wanted)
        for value in wanted:
            chosen += [int(other) for other in self.near[value][: int(rng.integers(2, _NEIGHBOURS))]]
        chosen += [int(other) for other in rng.integers(size, size=_OTHERS)]
        return [int(value) for value in rng.permutation(list(dict.fromkeys(chosen)))]


def make_world(record: dict[str, Any], vectors: TextVectors, rng: np.random.Generator) -> World:
    """Return a random version of a record of `phrasebook/worlds.json`."""
    columns, spoken, ranges = {}, {}, {}
    keep = rng.random(len(record["values"])) < rng.choice([0.6, 0.85, 1.0])
    main_values = [v for v, kept in zip(record["values"], keep, strict=True) if kept] or record["values"]
    values = [(record["main"], value) for value in sorted(main_values)]
    columns[record["main"]] = record["main_kind"]
    for name, (kind, *ends) in record["columns"].items():
        if rng.random() < 0.15 and len(record["columns"]) > 1:
            continue
        spoken[name] = kind
        if ends:
            columns[name] = "date" if kind == "date" else "number"
            ranges[name] = (float(ends[0]), float(ends[1]))
            continue
        columns[name] = "category"
        names = load("columns")["names"][kind]
        size = int(rng.integers(3, min(len(names), 14) + 1))
        values += [(name, names[int(i)]) for i in sorted(rng.permutation(len(names))[:size])]
    displays = _titles(record["titles"], "year" in columns, rng)
    schema = Schema(
        noun=record["noun"], singular=record["noun"].removesuffix("s"), kinds=columns, values=tuple(values),
        ranges=ranges, titles=TitleIndex(displays),
    )  # fmt: skip
    return _world(schema, spoken, record["main"], displays, float(record["weight"]), vectors)


def world_of(schema: Schema, displays: Sequence[str], vectors: TextVectors, weight: float) -> World:
    """Return a real catalogue as a world; its columns are spoken of by their names."""
    closed = [column for column in schema.kinds if schema.kinds[column] in ("categories", "category")]
    known = load("columns")
    spoken = {}
    for column, kind in schema.kinds.items():
        if kind == "date":
            spoken[column] = "date"
        elif kind == "number":
            spoken[column] = column if column in known and column != "names" else "number"
        elif kind in ("category", "categories"):
            spoken[column] = "by"
    main = next((name for name in ("categories", "category", "genre") if name in closed), *closed[:1])
    return _world(schema, spoken, main, displays, weight, vectors)


def _world(
    schema: Schema,
    spoken: dict[str, str],
    main: str,
    displays: Sequence[str],
    weight: float,
    vectors: TextVectors,
) -> World:
    near = None
    names = [value.lower() for _, value in schema.values]
    vectors.add([*names, *(column.replace("_", " ").lower() for column in schema.kinds)])
    if len(names) > FEW_VALUES:
        table = np.stack([vectors[name] for name in names])  # (V, D)
        near = np.argsort(-(table @ table.T), axis=1)[:, 1 : _NEIGHBOURS + 1]
    return World(schema, Offering(schema), spoken, main, near, tuple(displays), weight)


def _titles(kind: str, years: bool, rng: np.random.Generator) -> tuple[str, ...]:
    parts = load("columns")["titles"]
    found: dict[str, None] = {}
    for _ in range(int(rng.integers(40, 160))):
        words = {name: str(rng.choice(parts[name])) for name in ("first", "last")}
        words["last2"] = str(rng.choice(parts["last"]))
        title = str(rng.choice(parts[kind])).format(**words)
        found[f"{title} ({int(rng.integers(1930, 2021))})" if years else title] = None
    return tuple(found)


def make_worlds(vectors: TextVectors, seed: int, copies: int = 4) -> list[World]:
    """Return `copies` versions of every invented catalogue."""
    records = load("worlds")
    return [
        make_world(record, vectors, numpy_rng(seed, "world", number, copy))
        for number, record in enumerate(records)
        for copy in range(copies)
    ]


def called(value: str) -> dict[str, Any]:
    """Return what people call a value: the lexicon's entry, or its name alone."""
    return dict(lexicon().get(value.lower(), {}))
