"""The item table as everything else sees it: N items in row order, their attributes, works and names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.config import canonical_json
from steerec.data.columns import IDENTITY, RESERVED, ColumnType, infer_types, store
from steerec.data.title import display_title, fold
from steerec.errors import DataError, RequestError, did_you_mean

ITEMS = "items.parquet"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalog:
    """N items in the row order of the item table; build one with `Catalog.from_frame`.

    Attributes:
        frame: item_id and title (strings), then one column per attribute in the dtype of its type.
        columns: the type of each attribute column (category, categories, path, number, date, text).
        popularity: (N,) int64, interactions of each item in the training data; 0 where unknown.
        noun: what items are called, in the plural: "films", "items".
    """

    frame: pl.DataFrame
    columns: Mapping[str, ColumnType]
    popularity: NDArray[np.int64] = field(repr=False)
    noun: str = "items"

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, *, types: Mapping[str, ColumnType] | None = None, noun: str = "items"
    ) -> Self:
        """Check an item table and bring it to its canonical form.

        Args:
            frame: item_id, title, optionally work_id, and any attributes.
            types: types of attribute columns; those not given are inferred from dtype and values.
            noun: what items are called, in the plural.

        Raises:
            DataError: item_id or title is missing, null or (item_id) repeated, the table is empty, or an
                attribute has a name that the request language reserves.
        """
        _check(frame)
        kinds = infer_types(frame, types)
        identity = [pl.col(name).cast(pl.String) for name in IDENTITY if name in frame.columns]
        attributes = [store(frame[name], kind).alias(name) for name, kind in kinds.items()]
        canonical = frame.select(identity).with_columns(attributes).rechunk()
        return cls(frame=canonical, columns=kinds, popularity=np.zeros(len(frame), np.int64), noun=noun)

    def with_popularity(self, popularity: NDArray[np.int64]) -> Self:
        """Return the same catalogue with other interaction counts, (N,) int."""
        assert popularity.shape == (len(self),)
        return replace(self, popularity=popularity.astype(np.int64))

    def __len__(self) -> int:
        return self.frame.height

    @property
    def singular(self) -> str:
        """What one item is called: "film", "item"."""
        return self.noun.removesuffix("s")

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """The N item ids, in index order."""
        return tuple(self.frame["item_id"].to_list())

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """The N titles as the source spells them."""
        return tuple(self.frame["title"].to_list())

    @cached_property
    def displays(self) -> tuple[str, ...]:
        """The N names that people see: "The Usual Suspects (1995)". Not necessarily distinct."""
        years = self._years or [None] * len(self)
        return tuple(display_title(title, year) for title, year in zip(self.titles, years, strict=True))

    @cached_property
    def work(self) -> NDArray[np.int64]:
        """(N,) int64 work of each item: the index of its first twin (itself if it has none).

        Twins share the `work_id` column where the table has one (null: the item itself), else the title
        (compared folded) and the year, both known.
        """
        keys: list[object]
        if "work_id" in self.frame.columns:
            keys = self.frame["work_id"].to_list()
        elif self._years is not None:
            named = zip(self.titles, self._years, strict=True)
            keys = [None if year is None else (fold(title), year) for title, year in named]
        else:
            keys = [None] * len(self)
        first: dict[object, int] = {}
        twins = (i if key is None else first.setdefault(key, i) for i, key in enumerate(keys))
        return np.fromiter(twins, np.int64, len(self))

    @cached_property
    def _years(self) -> list[int | None] | None:
        if self.columns.get("year") != "number":
            return None
        return [None if year is None else int(year) for year in self.frame["year"].to_list()]

    @cached_property
    def sha256(self) -> str:
        """Hash (hex) of ids, titles, attributes and their types; popularity is no part of it."""
        digest = hashlib.sha256(canonical_json([self.noun, list(self.columns.items())]).encode())
        digest.update(self.frame.write_ndjson().encode())
        return digest.hexdigest()

    @cached_property
    def _index(self) -> dict[str, int]:
        return {item_id: index for index, item_id in enumerate(self.item_ids)}

    def index(self, item_id: str) -> int:
        """Return the index of an item id.

        Raises:
            RequestError: the catalogue has no such id.
        """
        found = self._index.get(str(item_id))
        if found is None:
            hint = did_you_mean(str(item_id), self.item_ids) if len(self) <= 100_000 else ""
            raise RequestError(
                f'The catalogue of {len(self):,} {self.noun} has no item id "{item_id}".{hint} '
                f"Ids look like {', '.join(self.item_ids[:3])}."
            )
        return found

    def resolve(self, reference: str) -> int:
        """Return the index of the item a person means: by id, display form, raw title, or either casefolded.

        A name that several items of one work share is its most-interacted item (ties: the lower index).

        Raises:
            RequestError: nothing is called that, or items of different works are.
        """
        reference = str(reference)
        if reference in self._index:
            return self._index[reference]
        for names, key in ((self._by_display, reference), (self._by_title, reference)):
            if key in names:
                return self._one_work(reference, names[key])
        if found := self._by_fold.get(fold(reference)):
            return self._one_work(reference, found)
        hint = did_you_mean(reference, dict.fromkeys(self.displays))
        raise RequestError(
            f'The catalogue of {len(self):,} {self.noun} has nothing called "{reference}".{hint} '
            f'Give an item id, or a title such as "{self.displays[0]}".'
        )

    def _one_work(self, reference: str, found: Sequence[int]) -> int:
        if len({int(self.work[index]) for index in found}) == 1:
            return max(found, key=lambda index: (self.popularity[index], -index))
        forms = [f'"{self.displays[index]}" (id {self.item_ids[index]})' for index in found]
        more = f" and {len(forms) - _SHOWN} more" if len(forms) > _SHOWN else ""
        raise RequestError(
            f'"{reference}" names {len(found)} different {self.noun}: {", ".join(forms[:_SHOWN])}{more}. '
            "Give the id of the one you mean."
        )

    @cached_property
    def _by_display(self) -> dict[str, list[int]]:
        return _grouped(self.displays)

    @cached_property
    def _by_title(self) -> dict[str, list[int]]:
        return _grouped(self.titles)

    @cached_property
    def _by_fold(self) -> dict[str, list[int]]:
        folded = _grouped([fold(name) for name in self.displays])
        for name, found in _grouped([fold(name) for name in self.titles]).items():
            folded[name] = sorted({*folded.get(name, ()), *found})
        return folded

    def values(self, column: str) -> list[str]:
        """Return the sorted distinct values of a category, categories or path column (its segments).

        Raises:
            RequestError: there is no such column, or its values are not categories.
        """
        kind = self.columns.get(column)
        if kind is None:
            raise RequestError(
                f'The {self.noun} have no column "{column}".{did_you_mean(column, self.columns)} '
                f"Columns: {', '.join(self.columns) or 'none'}."
            )
        if kind not in ("category", "categories", "path"):
            raise RequestError(
                f'Column "{column}" is of type {kind}: only category, categories and path columns have values'
                " to choose from."
            )
        values = self.frame[column]
        distinct = (values.explode() if isinstance(values.dtype, pl.List) else values).drop_nulls().unique()
        return sorted(distinct.to_list())

    def save(self, path: Path) -> None:
        """Write the item table and its metadata: `path` is a folder, or a file ending in .parquet."""
        table = _table(Path(path))
        with atomic_path(table) as temporary:
            self.frame.write_parquet(temporary)
        meta = {"schema": 1, "noun": self.noun, "columns": dict(self.columns), "sha256": self.sha256}
        write_json(table.with_suffix(".json"), meta | {"popularity": self.popularity.tolist()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; without the metadata beside it, column types are inferred.

        Raises:
            DataError: there is no such file, it is no readable Parquet, or it is not the table that the
                metadata beside it describes.
        """
        table = _table(Path(path))
        frame = read_parquet(table)
        sidecar = table.with_suffix(".json")
        if not sidecar.is_file():
            return cls.from_frame(frame)
        meta = read_json(sidecar)
        catalog = cls.from_frame(frame, types=meta["columns"], noun=meta["noun"])
        if catalog.sha256 != meta["sha256"]:
            raise DataError(
                f"{table} has the hash {catalog.sha256[:12]}, but {sidecar.name} describes "
                f"{meta['sha256'][:12]}: one of the two was changed. Import the data again, or delete the "
                ".json to infer types anew."
            )
        return catalog.with_popularity(np.array(meta["popularity"], np.int64))


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file.

    Raises:
        DataError: the file is absent, truncated or no Parquet.
    """
    if not path.is_file():
        raise DataError(
            f"There is no file {path}. Give the path of a Parquet file, or import the data first."
        )
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path} ({path.stat().st_size:,} bytes) is no readable Parquet file; it may be truncated: "
            f"{str(error).splitlines()[0]}. Copy or download it again."
        ) from None


def _table(path: Path) -> Path:
    return path if path.suffix == ".parquet" else path / ITEMS


def _grouped(names: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name, []).append(index)
    return groups


def _check(frame: pl.DataFrame) -> None:
    for name in ("item_id", "title"):
        if name not in frame.columns:
            raise DataError(
                f'The item table has no column "{name}". Its columns: {", ".join(frame.columns) or "none"}. '
                "It needs item_id and title; say which columns they are."
            )
    if frame.height == 0:
        raise DataError("The item table is empty: it needs at least one row.")
    for name in ("item_id", "title"):
        if missing := frame[name].null_count():
            raise DataError(f"{missing:,} of {frame.height:,} rows of the item table have no {name}.")
    ids = frame["item_id"].cast(pl.String)
    if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
        raise DataError(
            f"{len(repeated):,} item ids stand in more than one row of the item table, such as "
            f"{', '.join(repeated[:3])}. Keep one row for each item, or import with "
            'repeated_items="first".'
        )
    if reserved := [name for name in frame.columns if name in RESERVED]:
        raise DataError(
            f"Item columns may not be called {', '.join(reserved)}: requests use these words. Rename them."
        )
