"""What is served right now: a catalogue, what of it is available, its version; swapped whole, never edited.

A request is answered by the view it was accepted under, to its end; new requests get the newest view.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from steerec.artifacts import read_json, write_json
from steerec.config import fingerprint
from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.errors import RequestError, did_you_mean
from steerec.serve.http.answering import ServedRecommender

if TYPE_CHECKING:
    from steerec.control.problem import BoolArray
    from steerec.serve.engine import Recommender

AVAILABILITY = "serve.availability.json"
_LONGEST_TEXT = 10_000


@dataclass(frozen=True, eq=False)
class View:
    """One state of the catalogue."""

    engine: ServedRecommender
    unavailable: BoolArray
    """(N,) items that are not recommended."""
    version: str
    """Names the contents: equal attributes and availability have equal versions, after a restart too."""
    names: frozenset[str]
    """Everything an item is called, folded."""

    @property
    def catalog(self) -> Catalog:
        """The items."""
        return self.engine.catalog

    def read_history(self, references: Sequence[str]) -> tuple[list[int], int]:
        """Return the item indices of a history, and how many references the catalogue does not know.

        Args:
            references: ids or titles, oldest first.
        """
        known: list[int] = []
        for reference in references:
            # asking the catalogue for what it lacks is slow: it looks for similar names
            if reference in self.names or fold(reference) in self.names:
                try:
                    known.append(self.catalog.resolve(reference))
                except RequestError:  # the title of several works
                    continue
        return known, len(references) - len(known)


def make_view(engine: Recommender, catalog: Catalog, unavailable: BoolArray) -> View:
    """Return a view with everything built that the first request would otherwise wait for.

    Args:
        engine: whose models answer.
        catalog: the same items in the same order as the engine's, attributes may differ.
        unavailable: (N,) items that are not recommended.
    """
    served = ServedRecommender.of(engine, catalog=catalog)
    served.warm_up()
    out = [catalog.item_ids[i] for i in np.flatnonzero(unavailable)]
    names = {*catalog.item_ids, *map(fold, catalog.displays), *map(fold, catalog.titles)}
    version = fingerprint({"catalogue": catalog.sha256, "unavailable": sorted(out)})[:16]
    return View(served, unavailable, version, frozenset(names))


class LiveCatalogue:
    """Holds the current view; changes are kept in a file and survive a restart."""

    def __init__(self, engine: Recommender, folder: Path) -> None:
        """Start from the engine's catalogue and the changes that the folder keeps.

        Args:
            engine: the run.
            folder: where the file of changes lies.
        """
        self._file = folder / AVAILABILITY
        self._lock = threading.Lock()
        self._base, self._engine = engine.catalog, engine
        kept = read_json(self._file) if self._file.is_file() else {}
        self._unavailable: set[str] = set(kept.get("unavailable", ()))
        self._attributes: dict[str, dict[str, Any]] = kept.get("attributes", {})
        self.view = self._made()

    def change(self, items: Mapping[str, tuple[bool | None, Mapping[str, Any]]]) -> View:
        """Apply a feed and return the new view; requests meanwhile are answered by the old one.

        Args:
            items: by item id, whether it is available (None: as before) and attributes that change.

        Raises:
            RequestError: an item or column is unknown, or a value does not fit its column; nothing changes.
        """
        with self._lock:
            unavailable = set(self._unavailable)
            attributes = {item: dict(values) for item, values in self._attributes.items()}
            for item_id, (available, values) in items.items():
                self._base.index(item_id)
                for column, value in values.items():
                    check_value(self._base, column, value)
                if values:
                    attributes.setdefault(item_id, {}).update(values)
                if available is not None:
                    (unavailable.discard if available else unavailable.add)(item_id)
            before = self._unavailable, self._attributes
            self._unavailable, self._attributes = unavailable, attributes
            try:
                view = self._made()
                write_json(
                    self._file, {"schema": 1, "unavailable": sorted(unavailable), "attributes": attributes}
                )
            except BaseException:
                self._unavailable, self._attributes = before
                raise
            self.view = view
            return view

    def swap(self, engine: Recommender) -> View:
        """Serve another run, with other items and models; what is known of items by their ids stays.

        Requests under way are answered by the view that they were accepted under.

        Args:
            engine: the run.
        """
        with self._lock:
            before = self._base, self._engine
            self._base, self._engine = engine.catalog, engine
            try:
                self.view = self._made()
            except BaseException:
                self._base, self._engine = before
                raise
            return self.view

    def _made(self) -> View:
        known = {item: values for item, values in self._attributes.items() if item in self._ids}
        catalog = with_attributes(self._base, known)
        unavailable = np.isin(np.array(catalog.item_ids), np.array(sorted(self._unavailable), dtype=str))
        return make_view(self._engine, catalog, unavailable)

    @property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._base.item_ids)


def check_value(catalog: Catalog, column: str, value: Any) -> None:
    """Refuse a value that a column cannot hold.

    Raises:
        RequestError: there is no such column, or the value is not of its type.
    """
    kind = catalog.columns.get(column)
    if kind is None:
        raise RequestError(
            f'The {catalog.noun} have no column "{column:.80}".{did_you_mean(column[:80], catalog.columns)} '
            f"Columns: {', '.join(catalog.columns) or 'none'}."
        )
    if value is None:
        return
    if kind == "number":
        # the bound comes first: it refuses NaN, infinity, and integers that no float can hold
        fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
        fits = fits and (catalog.frame[column].dtype.is_float() or value == int(value))
    elif kind in ("category", "text"):
        fits = isinstance(value, str) and len(value) <= _LONGEST_TEXT
    elif kind == "categories":
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value) and len(value) <= 1000
    else:
        raise RequestError(f'Column "{column}" is of type {kind}, which a feed cannot change.')
    if not fits:
        raise RequestError(f'Column "{column}" is of type {kind} and cannot hold {value!r:.80}.')


def with_attributes(catalog: Catalog, changes: Mapping[str, Mapping[str, Any]]) -> Catalog:
    """Return a catalogue in which some attributes of some items have other values.

    Args:
        catalog: N items; it is not changed, and is returned as it is where nothing differs.
        changes: by item id, values by column.
    """
    columns = [name for name in catalog.columns if any(name in values for values in changes.values())]
    if not columns:
        return catalog
    place = {item_id: index for index, item_id in enumerate(catalog.item_ids)}
    changed = []
    for name in columns:
        cells, is_whole = catalog.frame[name].to_list(), catalog.frame[name].dtype.is_integer()
        for item_id, values in changes.items():
            if name in values:
                value = values[name]
                cells[place[item_id]] = int(value) if is_whole and value is not None else value
        changed.append(pl.Series(name, cells, dtype=catalog.frame[name].dtype))
    frame = catalog.frame.with_columns(changed)
    made = Catalog.from_frame(frame, types=catalog.columns, noun=catalog.noun)
    return made.with_popularity(catalog.popularity)
