"""What a reader must know of a catalogue: its noun, columns and values, and what its items are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.understand.lines.title_index import TitleIndex
from steerec.understand.text import stem

CLOSED = ("category", "categories", "path")
"""Types of columns with a vocabulary."""
ORDERED = ("number", "date")
"""Types of columns with ranges."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    """A catalogue as a reader sees it."""

    noun: str
    singular: str
    kinds: Mapping[str, str]
    """Column -> type."""
    values: tuple[tuple[str, str], ...]
    """(column, value) of every column with a vocabulary."""
    ranges: Mapping[str, tuple[float, float]]
    """Column -> least and greatest number, or year of a date."""
    titles: TitleIndex

    @classmethod
    def of(cls, catalog: Catalog) -> Schema:
        """Return the schema of a catalogue of N items."""
        values = tuple(
            (column, value)
            for column, kind in catalog.columns.items()
            if kind in CLOSED
            for value in catalog.values(column)
        )
        ranges = {}
        for column, kind in catalog.columns.items():
            if kind in ORDERED and (known := catalog.frame[column].drop_nulls()).len():
                years = known.dt.year() if kind == "date" else known
                ranges[column] = (float(years.min()), float(years.max()))  # type: ignore[arg-type]
        return cls(
            noun=catalog.noun,
            singular=catalog.singular,
            kinds=dict(catalog.columns),
            values=values,
            ranges=ranges,
            titles=TitleIndex(
                catalog.displays, lambda index: float(catalog.popularity[index]), _references(catalog)
            ),
        )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns that a line can name: with a vocabulary or with ranges."""
        return tuple(name for name, kind in self.kinds.items() if kind in (*CLOSED, *ORDERED))

    def spoken(self, column: str) -> str:
        """Return what one value of a column is called: "categories" is "category"."""
        name = column.replace("_", " ")
        if name.endswith("ies"):
            return name[:-3] + "y"
        if self.kinds.get(column) == "categories" and name.endswith("s") and not name.endswith("ss"):
            return name[:-1]
        return name


def _references(catalog: Catalog) -> list[str]:
    """Return a name of each item that leads back to it: as people see it, or else its id."""
    unique = Counter(fold(name) for names in (catalog.displays, catalog.titles) for name in set(names))
    many = Counter(map(fold, catalog.displays))
    return [
        display if many[fold(display)] == 1 and unique[fold(display)] <= 2 else item_id
        for display, item_id in zip(catalog.displays, catalog.item_ids, strict=True)
    ]


def value_forms(value: str) -> list[tuple[str, float]]:
    """Return the ways a value is spelled in a sentence and how surely each means it.

    Example:
        >>> value_forms("Coffee & Tea")
        [('coffee & tea', 1.0), ('coffee and tea', 1.0), ('coffee', 0.7), ('tea', 0.7)]
    """
    whole = value.lower()
    forms = [(whole, 1.0)]
    if "&" in whole:
        forms.append((whole.replace("&", "and"), 1.0))
    if re.search(r"[-/]", whole):
        forms += [(re.sub(r"[-/]+", " ", whole), 1.0), (re.sub(r"[-/ ]+", "", whole), 1.0)]
    parts = [part.strip() for part in re.split(r"\s*(?:[&/,()]|\band\b|\bor\b)\s*", whole) if part.strip()]
    forms += [(part, 0.7) for part in parts if len(parts) > 1]
    words = re.findall(r"[^\W\d_]{4,}", whole)
    forms += [(word, 0.4) for word in words if len(words) > 1 and word not in parts]
    seen: dict[str, float] = {}
    for form, strength in forms:
        seen.setdefault(form, strength)
    return list(seen.items())


def stems(words: Sequence[str]) -> tuple[str, ...]:
    """Return words in the form in which values are compared with sentences."""
    return tuple(stem(one) for one in words)
