"""One column of a catalogue, indexed for look-ups: which items carry a value, lie in a range, have none.

Legend: N items, V distinct values of the column.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from steerec.control.problem import BoolArray, IntArray
from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from steerec.control.where import Where

LIST_KINDS = ("categories", "path")
WORD_KINDS = ("category", "categories", "path", "text")
CLOSED_KINDS = ("category", "categories", "path")
"""Columns whose values form a vocabulary: naming a value outside it is a mistake."""
ORDERED_KINDS = ("number", "date")

_MASK_BYTES = 64 * 2**20
"""Memory that the masks of one catalogue may keep."""
_SHOWN = 20


class Attribute:
    """A column with its values folded (NFKC, casefold) and indexed.

    Args:
        name: column name.
        kind: column type of the catalogue; `text` for the title.
        values: (N,) the column as the catalogue stores it.
    """

    def __init__(self, name: str, kind: str, values: pl.Series) -> None:
        self.name = name
        self.kind = kind
        self._values = values

    @cached_property
    def null(self) -> BoolArray:
        """(N,) items without a value; an empty list is no value."""
        null = self._values.is_null()
        if isinstance(self._values.dtype, pl.List):
            null = null | (self._values.list.len() == 0).fill_null(True)
        return _frozen(null.to_numpy())

    @cached_property
    def _coded(self) -> tuple[tuple[str, ...], dict[str, int], IntArray, IntArray]:
        """Labels (V,), folded label -> code, and the (item, code) pairs, distinct and in item order."""
        pairs = pl.DataFrame({"item": pl.int_range(len(self._values), eager=True), "value": self._values})
        if isinstance(self._values.dtype, pl.List):
            pairs = pairs.explode("value")
        pairs = pairs.with_columns(pl.col("value").cast(pl.String)).drop_nulls()
        labels: list[str] = []
        codes: dict[str, int] = {}
        spelled: dict[str, int] = {}
        for label in pairs["value"].unique(maintain_order=True).to_list():
            spelled[label] = codes.setdefault(fold(label), len(labels))
            if spelled[label] == len(labels):
                labels.append(label)
        code = np.fromiter((spelled[label] for label in pairs["value"].to_list()), np.int64, pairs.height)
        item = pairs["item"].to_numpy().astype(np.int64)
        distinct = np.unique(np.stack([item, code]), axis=1) if len(item) else np.empty((2, 0), np.int64)
        return tuple(labels), codes, distinct[0], distinct[1]

    @property
    def labels(self) -> tuple[str, ...]:
        """(V,) distinct values as first spelled, in order of first appearance."""
        return self._coded[0]

    @property
    def value_ids(self) -> IntArray:
        """(nnz,) value codes of the items in index order; rows are cut by `indptr`."""
        return self._coded[3]

    @cached_property
    def indptr(self) -> IntArray:
        """(N + 1,) row pointers into `value_ids`."""
        counts = np.bincount(self._coded[2], minlength=len(self._values))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def _carriers(self) -> list[IntArray]:
        """For each value the items that carry it."""
        _, _, item, code = self._coded
        order = np.argsort(code, kind="stable")
        ends = np.cumsum(np.bincount(code, minlength=len(self.labels)))
        return np.split(item[order], ends[:-1]) if len(ends) else []

    def carrying(self, value: str) -> BoolArray:
        """Return (N,) the items that equal the value or have it as a member.

        Raises:
            RequestError: the column has a closed vocabulary without this value.
        """
        code = self._coded[1].get(fold(value))
        found = np.zeros(len(self._values), np.bool_)
        if code is not None:
            found[self._carriers[code]] = True
        elif self.kind in CLOSED_KINDS:
            raise RequestError(
                f'"{value}" is no value of the column "{self.name}".{did_you_mean(value, self.labels)}'
                f" {listing(sorted(self.labels), 'Values')}"
            )
        return found

    def containing(self, text: str) -> BoolArray:
        """Return (N,) the items whose value, or a member of it, holds the text."""
        needle = fold(text)
        found = np.zeros(len(self._values), np.bool_)
        for code, label in enumerate(self.labels):
            if needle in fold(label):
                found[self._carriers[code]] = True
        # spellings that fold alike share a code, so one look per distinct folded value is enough
        return found

    def under(self, prefix: Sequence[str]) -> BoolArray:
        """Return (N,) the items whose path starts with these names.

        Raises:
            RequestError: no path of the column starts so.
        """
        found = np.zeros(len(self._values), np.bool_)
        items = self._branches.get(tuple(fold(name) for name in prefix))
        if items is None:
            known = {" > ".join(branch): branch for branch in self._spelled_branches}
            asked = " > ".join(prefix)
            inside = [text for text, branch in known.items() if fold(branch[-1]) == fold(prefix[-1])][:3]
            hint = f" Did you mean {' or '.join(inside)}?" if inside else did_you_mean(asked, known)
            roots = sorted({branch[0] for branch in known.values()})
            raise RequestError(
                f'No path of the column "{self.name}" starts with {asked}.{hint}'
                f" {listing(roots, 'Paths start with')}"
            )
        found[items] = True
        return found

    @cached_property
    def _branches(self) -> dict[tuple[str, ...], list[int]]:
        branches: dict[tuple[str, ...], list[int]] = {}
        for item, path in enumerate(self._values.to_list()):
            names = tuple(fold(name) for name in path or ())
            for length in range(1, len(names) + 1):
                branches.setdefault(names[:length], []).append(item)
        return branches

    @cached_property
    def _spelled_branches(self) -> tuple[tuple[str, ...], ...]:
        paths = self._values.drop_nulls().to_list()
        return tuple(dict.fromkeys(tuple(path[:end]) for path in paths for end in range(1, len(path) + 1)))

    @cached_property
    def ordered(self) -> np.ndarray[Any, Any]:
        """(N,) numbers, or days since 1970-01-01; 0 where null."""
        values = self._values.cast(pl.Int32) if self.kind == "date" else self._values
        return values.fill_null(0).to_numpy()

    def point(self, value: object) -> int | float:
        """Return what a written number or ISO date compares as.

        Raises:
            RequestError: the value is not of the column's type.
        """
        if self.kind == "number":
            if isinstance(value, int | float):
                return value
            raise RequestError(
                f'The column "{self.name}" holds numbers, and got "{value}". Write a number without quotes.'
            )
        try:
            if not isinstance(value, str) or len(value) != len("1997-01-31"):
                raise ValueError
            return (date.fromisoformat(value) - date(1970, 1, 1)).days
        except ValueError:
            raise RequestError(
                f'The column "{self.name}" holds dates, and got {value!r}. Write one such as "1997-01-31".'
            ) from None


class AttributeIndex:
    """The attributes of one catalogue, indexed on first use, and the masks that were asked for."""

    def __init__(self, catalog: Catalog) -> None:
        # A weak reference: the index is kept beside the catalogue and must not keep it alive.
        self._catalog = weakref.ref(catalog)
        self._attributes: dict[str, Attribute] = {}
        size = max(64, _MASK_BYTES // max(len(catalog), 1))
        self.masks = lru_cache(maxsize=min(size, 65_536))(self._mask)

    def _mask(self, where: Where) -> BoolArray:
        from steerec.control.matching import evaluate

        catalog = self._catalog()
        assert catalog is not None
        return _frozen(evaluate(where, catalog))

    def attribute(self, column: str) -> Attribute:
        """Return a column's index; `categories` and `category` stand for each other where one is absent.

        Raises:
            RequestError: the catalogue has no such column.
        """
        if column not in self._attributes:
            catalog = self._catalog()
            assert catalog is not None
            name = column_name(column, catalog)
            kind = "text" if name == "title" else catalog.columns[name]
            self._attributes[column] = Attribute(name, kind, catalog.frame[name])
        return self._attributes[column]


_INDEXES: weakref.WeakKeyDictionary[Catalog, AttributeIndex] = weakref.WeakKeyDictionary()


def attribute_index(catalog: Catalog) -> AttributeIndex:
    """Return the index of a catalogue, built once and dropped with it."""
    found = _INDEXES.get(catalog)
    if found is None:
        found = _INDEXES[catalog] = AttributeIndex(catalog)
    return found


def column_name(column: str, catalog: Catalog) -> str:
    """Return the catalogue's name of a column that a request names.

    Raises:
        RequestError: there is none, with the nearest names, or with the column that has it as a value.
    """
    twin = {"categories": "category", "category": "categories"}.get(column)
    if column in catalog.columns or column == "title":
        return column
    if twin in catalog.columns:
        assert twin is not None
        return twin
    if column == "item_id":
        raise RequestError('Items are named with {"items": ["..."]}, not by the column "item_id".')
    hint = did_you_mean(column, [*catalog.columns, "title"])
    for name, kind in catalog.columns.items():
        labels = catalog.values(name) if kind in CLOSED_KINDS else []
        spelled = next((label for label in labels if fold(label) == fold(column)), None)
        if spelled is not None:
            hint = f' "{spelled}" is a value: write {{"{name}": "{spelled}"}}.'
            break
    names = listing([*catalog.columns, "title"], "Columns")
    raise RequestError(f'The {catalog.noun} have no column "{column}".{hint} {names}')


def listing(values: Sequence[str], head: str) -> str:
    """Return "Values: a, b, ... (31 in all)." for an error message."""
    if not values:
        return f"{head}: none."
    more = f", ... ({len(values)} in all)" if len(values) > _SHOWN else ""
    return f"{head}: {', '.join(values[:_SHOWN])}{more}."


def _frozen(mask: BoolArray) -> BoolArray:
    """Return the array read-only: it is shared by everyone who asks again."""
    mask = np.array(mask, dtype=np.bool_)
    mask.flags.writeable = False
    return mask
