"""What of a catalogue can be asked for: its category values and its number columns, found by type alone.

Legend: N items, V values of a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.data.catalog import Catalog

Ints = NDArray[np.int64]

_TOPIC_SUPPORT = 5
"""Works that a value needs, so that people would ask for it by name as a topic."""
_TOPIC_COVERAGE = 0.5
"""Share of items with such a value that makes a column one of topics (genres), not of names (directors)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CategoryColumn:
    """A column whose values can be asked for: category, categories, or path (every prefix is a value)."""

    name: str
    kind: Literal["category", "categories", "path"]
    values: tuple[str | tuple[str, ...], ...]
    """V values; a tuple of names is a prefix of a path."""
    indptr: Ints
    """(N + 1,) row pointers: item i has `value_ids[indptr[i]:indptr[i + 1]]`."""
    value_ids: Ints
    """Value indices of all items, those of one item in the order of the table."""
    support: Ints
    """(V,) number of works that carry the value."""

    def of(self, item: int) -> list[int]:
        """Return the value indices of an item."""
        return cast(list[int], self.value_ids[self.indptr[item] : self.indptr[item + 1]].tolist())

    @cached_property
    def topics(self) -> frozenset[int]:
        """Values carried by enough works to be asked for as a topic."""
        return frozenset(np.flatnonzero(self.support >= _TOPIC_SUPPORT).tolist())

    @cached_property
    def topic_list(self) -> tuple[int, ...]:
        """`topics`, sorted."""
        return tuple(sorted(self.topics))

    @cached_property
    def is_topical(self) -> bool:
        """Whether topics cover the better part of the items that have a value at all."""
        filled = np.diff(self.indptr) > 0
        return bool(self.topics and self._with_topic.sum() >= _TOPIC_COVERAGE * filled.sum())

    @cached_property
    def _with_topic(self) -> NDArray[np.bool_]:
        owner = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        has = np.zeros(len(self.indptr) - 1, dtype=np.bool_)
        has[owner[self.support[self.value_ids] >= _TOPIC_SUPPORT]] = True
        return has

    def where(self, value: int) -> dict[str, Any]:
        """Return the `where` of the items that carry a value, as JSON."""
        named = self.values[value]
        return {self.name: {"under": list(named)} if isinstance(named, tuple) else named}

    def spoken(self, value: int) -> str:
        """Return the value as an answer names it."""
        named = self.values[value]
        return " > ".join(named) if isinstance(named, tuple) else named


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberColumn:
    """A column of numbers that ranges can be asked of."""

    name: str
    numbers: NDArray[np.float64]
    """(N,) value of each item, NaN where it has none."""
    is_whole: bool

    @cached_property
    def known(self) -> NDArray[np.float64]:
        """Sorted values of the items that have one."""
        return np.sort(self.numbers[~np.isnan(self.numbers)])

    @cached_property
    def is_calendar(self) -> bool:
        """Whether the numbers look like years, for which people say decades."""
        return self.is_whole and bool(self.known[0] >= 1000 and self.known[-1] <= 2200)

    def rounded(self, number: float) -> int | float:
        """Return a number as a person would say it: whole, or with three digits."""
        return int(number) if self.is_whole else float(f"{number:.3g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Attributes:
    """Everything of a catalogue that tasks may ask for."""

    catalog: Catalog
    categories: tuple[CategoryColumn, ...]
    """Every category column with at least two values."""
    numbers: tuple[NumberColumn, ...]
    """Every number column with at least two different values."""

    @classmethod
    def of(cls, catalog: Catalog) -> Attributes:
        """Read the attributes of a catalogue.

        Args:
            catalog: N items; date and text columns are left alone.
        """
        categories, numbers = [], []
        for name, kind in catalog.columns.items():
            if kind in ("category", "categories", "path"):
                column = _category_column(catalog, name, kind)
                if len(column.values) >= 2:
                    categories.append(column)
            elif kind == "number":
                values = catalog.frame[name]
                number = NumberColumn(
                    name=name,
                    numbers=values.cast(pl.Float64).fill_null(float("nan")).to_numpy(),
                    is_whole=values.dtype.is_integer(),
                )
                if len(number.known) and number.known[0] < number.known[-1]:
                    numbers.append(number)
        return cls(catalog=catalog, categories=tuple(categories), numbers=tuple(numbers))

    @cached_property
    def topical(self) -> tuple[CategoryColumn, ...]:
        """Columns of topics, what requests are mostly about; those with several values an item first."""
        order = {"categories": 0, "category": 1, "path": 2}
        return tuple(sorted((c for c in self.categories if c.is_topical), key=lambda c: order[c.kind]))

    def topic_table(self, *, most: int = 256) -> NDArray[np.float32]:
        """Return which topics items carry: (N, T) of 0 and 1, the best supported of all topical columns."""
        topics = [(column, value) for column in self.topical for value in column.topic_list]
        kept = sorted(topics, key=lambda one: -one[0].support[one[1]])[:most]
        table = np.zeros((len(self.catalog), len(kept)), np.float32)
        for place, (column, value) in enumerate(kept):
            owner = np.repeat(np.arange(len(table)), np.diff(column.indptr))
            table[owner[column.value_ids == value], place] = 1.0
        return table

    @cached_property
    def has_twins(self) -> bool:
        """Whether two items are one work."""
        return bool((self.catalog.work != np.arange(len(self.catalog))).any())

    @cached_property
    def capped(self) -> tuple[CategoryColumn, ...]:
        """Columns a cap can be put on."""
        return tuple(column for column in self.categories if column.kind != "path")


def _category_column(
    catalog: Catalog, name: str, kind: Literal["category", "categories", "path"]
) -> CategoryColumn:
    rows: list[list[str | tuple[str, ...]]] = []
    for cell in catalog.frame[name].to_list():
        if cell is None:
            rows.append([])
        elif kind == "category":
            rows.append([cell])
        elif kind == "categories":
            rows.append(list(cell))
        else:
            rows.append([tuple(cell[: depth + 1]) for depth in range(len(cell))])
    values = sorted({value for row in rows for value in row})
    number = {value: index for index, value in enumerate(values)}
    value_ids = np.array([number[value] for row in rows for value in row], dtype=np.int64)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    owner = np.repeat(catalog.work, lengths)
    pairs = np.unique(np.stack([value_ids, owner]), axis=1) if len(value_ids) else np.zeros((2, 0), np.int64)
    return CategoryColumn(
        name=name,
        kind=kind,
        values=tuple(values),
        indptr=np.concatenate([[0], np.cumsum(lengths)]),
        value_ids=value_ids,
        support=np.bincount(pairs[0], minlength=len(values)),
    )
