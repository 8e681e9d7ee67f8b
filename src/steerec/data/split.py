"""Splits of a log into training, validation and test: leave-last-out, last-five, temporal.

Legend: U users, N items.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.config import canonical_json
from steerec.data.catalog import Catalog, read_parquet
from steerec.data.dataset import Dataset, order_column
from steerec.errors import DataError, did_you_mean

Part = Literal["valid", "test"]
Ints = NDArray[np.int64]

HISTORY_POLICY = "everything before the target, validation items included at test; history masked"
_MICROSECONDS = 1_000_000
_TENTH = 10
"""Temporal: the last 1/10 of the log is test, the 1/10 before it validation."""


class Point(NamedTuple):
    """One prediction to make: the item at `position` of a user's sequence, from all items before it."""

    user: int
    history: Ints
    target: int
    position: int
    times: Ints | None = None
    """Seconds of the history's interactions; None where the log has no moments."""


def times_of(points: Sequence[Point]) -> list[Ints] | None:
    """Return the times of each point's history; None where the log has no moments."""
    times = [point.times for point in points if point.times is not None]
    return times if points and len(times) == len(points) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """A user's sequence is train up to `cut`, validation up to `test_start`, then test.

    Attributes:
        name: leave_last_out, last_five or temporal.
        catalog: N items; popularity counted on the training part only.
        users: U user ids, in order of first appearance in the log.
        sequences: U arrays of item indices, ordered by (timestamp or position, file row).
        cut: (U,) number of training items of each user.
        test_start: (U,) position of each user's first test item.
        times: U arrays of seconds, one of each interaction; None where the log has positions only.
        ratings: U float32 arrays; None where the log has none.
        source: name of the dataset.
        history_policy: what a prediction may see, for the foot of every table.
    """

    name: str
    catalog: Catalog
    users: tuple[str, ...]
    sequences: tuple[Ints, ...] = field(repr=False)
    cut: Ints = field(repr=False)
    test_start: Ints = field(repr=False)
    times: tuple[Ints, ...] | None = field(default=None, repr=False)
    ratings: tuple[NDArray[np.float32], ...] | None = field(default=None, repr=False)
    source: str = ""
    history_policy: str = HISTORY_POLICY

    @cached_property
    def train(self) -> list[Ints]:
        """U arrays: each user's training items, oldest first; empty for a user without any."""
        return [sequence[:cut] for sequence, cut in zip(self.sequences, self.cut, strict=True)]

    def points(self, part: Part) -> list[Point]:
        """Return the predictions of a part, by user, then position; positions without a history are left out.

        Args:
            part: "valid" or "test".
        """
        if part not in ("valid", "test"):
            raise DataError(f'A split has no part "{part}". Parts: valid, test.')
        start = self.cut if part == "valid" else self.test_start
        points = []
        for user, sequence in enumerate(self.sequences):
            end = int(self.test_start[user]) if part == "valid" else len(sequence)
            times = None if self.times is None else self.times[user]
            points += [
                Point(
                    user,
                    sequence[:position],
                    int(sequence[position]),
                    position,
                    None if times is None else times[:position],
                )
                for position in range(max(1, int(start[user])), end)
            ]
        return points

    @cached_property
    def hash(self) -> str:
        """Hash (hex) of the split: its name, and by user id the item ids and both cuts.

        It depends on ids alone, so every source of the same data gives the same hash.
        """
        ids = np.array(self.catalog.item_ids, dtype=object)
        digest = hashlib.sha256(self.name.encode())
        for user in sorted(range(len(self.users)), key=self.users.__getitem__):
            items = ids[self.sequences[user]].tolist()
            row = [self.users[user], items, int(self.cut[user]), int(self.test_start[user])]
            digest.update(b"\n" + canonical_json(row).encode())
        return digest.hexdigest()

    @cached_property
    def content_hash(self) -> str:
        """Hash (hex) of all that a model can learn from: `hash`, the catalogue's, moments and ratings."""
        digest = hashlib.sha256(f"{self.hash} {self.catalog.sha256}".encode())
        for name, values in (("times", self.times), ("ratings", self.ratings)):
            if values is not None:
                digest.update(name.encode())
                for user in sorted(range(len(self.users)), key=self.users.__getitem__):
                    digest.update(np.ascontiguousarray(values[user]).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the catalogue, sequences.parquet and split.json."""
        self.catalog.save(Path(folder))
        rows = {
            "user_id": pl.Series(self.users, dtype=pl.String),
            "items": _lists(self.sequences, pl.Int64),
            "cut": self.cut,
            "test_start": self.test_start,
        }
        if self.times is not None:
            rows["times"] = _lists(self.times, pl.Int64)
        if self.ratings is not None:
            rows["ratings"] = _lists(self.ratings, pl.Float32)
        with atomic_path(Path(folder) / "sequences.parquet") as temporary:
            pl.DataFrame(rows).write_parquet(temporary)
        meta = {"name": self.name, "source": self.source, "history_policy": self.history_policy}
        write_json(Path(folder) / "split.json", meta | {"hash": self.hash})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: a file is missing or unreadable, or the data is not what the stored hash says.
        """
        folder = Path(folder)
        if not (folder / "split.json").is_file():
            raise DataError(f"{folder} holds no split: it has no split.json. Make one with `make_split`.")
        meta = read_json(folder / "split.json")
        rows = read_parquet(folder / "sequences.parquet")
        split = cls(
            name=meta["name"],
            catalog=Catalog.load(folder),
            users=tuple(rows["user_id"].to_list()),
            sequences=tuple(items.to_numpy() for items in rows["items"]),
            cut=rows["cut"].to_numpy(),
            test_start=rows["test_start"].to_numpy(),
            times=_arrays(rows, "times"),
            ratings=_arrays(rows, "ratings"),
            source=meta["source"],
            history_policy=meta["history_policy"],
        )
        if split.hash != meta["hash"]:
            raise DataError(
                f"The split in {folder} has the hash {split.hash[:12]}, but split.json says "
                f"{meta['hash'][:12]}: a file was changed. Make the split again."
            )
        return split


def _lists(arrays: Sequence[NDArray[Any]], dtype: Any) -> pl.Series:
    return pl.Series([array.tolist() for array in arrays], dtype=pl.List(dtype))


def _arrays(rows: pl.DataFrame, column: str) -> tuple[NDArray[Any], ...] | None:
    return tuple(values.to_numpy() for values in rows[column]) if column in rows.columns else None


class _Sequences(NamedTuple):
    users: tuple[str, ...]
    items: tuple[Ints, ...]
    order: tuple[Ints, ...]
    """Timestamps, or positions where the log has no timestamps."""
    ratings: tuple[NDArray[np.float32], ...] | None


def make_split(dataset: Dataset, name: str = "leave_last_out") -> Split:
    """Split a dataset.

    Args:
        dataset: a checked dataset.
        name: "leave_last_out" (last item test, one before it validation; users with fewer than 3 items
            train only), "last_five" (last five positions test, sixth-last validation; fewer than 7: train
            only), or "temporal" (one moment for all users: the last 10 % of the log is test, the 10 %
            before it validation; interactions of one moment are never parted).

    Raises:
        DataError: the name is unknown, or a temporal split is asked of a log without timestamps.
    """
    if name not in SPLITS:
        raise DataError(
            f'There is no split "{name}".{did_you_mean(name, SPLITS)} Splits: {", ".join(SPLITS)}.'
        )
    if name == "temporal" and "timestamp" not in dataset.interactions.columns:
        raise DataError(
            f"A temporal split needs timestamps; {dataset.name} has only positions. Use leave_last_out or "
            "last_five, or import the log with its timestamp column."
        )
    users, items, order, ratings = _sequences(dataset)
    cut, test_start = SPLITS[name](order)
    train = [sequence[:end] for sequence, end in zip(items, cut, strict=True)]
    popularity = np.bincount(np.concatenate(train), minlength=len(dataset.catalog))
    return Split(
        name=name,
        catalog=dataset.catalog.with_popularity(popularity),
        users=users,
        sequences=items,
        cut=cut,
        test_start=test_start,
        times=_seconds(order) if "timestamp" in dataset.interactions.columns else None,
        ratings=ratings,
        source=dataset.name,
    )


def _sequences(dataset: Dataset) -> _Sequences:
    log = dataset.interactions
    column = order_column(log)
    assert column is not None, "Dataset.build checks this"
    users = log["user_id"].unique(maintain_order=True)
    user = log["user_id"].replace_strict(users, np.arange(len(users)), return_dtype=pl.Int64).to_numpy()
    ids = dataset.catalog.frame["item_id"]
    item = log["item_id"].replace_strict(ids, np.arange(len(ids)), return_dtype=pl.Int64).to_numpy()
    time = log[column].cast(pl.Int64).to_numpy()
    order = np.lexsort((np.arange(log.height), time, user))
    bounds = np.cumsum(np.bincount(user, minlength=len(users)))[:-1]
    ratings = None
    if "rating" in log.columns:
        ratings = tuple(np.split(log["rating"].cast(pl.Float32).to_numpy()[order], bounds))
    return _Sequences(
        tuple(users.to_list()),
        tuple(np.split(item[order], bounds)),
        tuple(np.split(time[order], bounds)),
        ratings,
    )


def _seconds(moments: tuple[Ints, ...]) -> tuple[Ints, ...]:
    return tuple(moment // _MICROSECONDS for moment in moments)


def _last(num_valid: int, num_test: int, times: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    lengths = np.array([len(time) for time in times], np.int64)
    long_enough = lengths > num_valid + num_test
    cut = np.where(long_enough, lengths - num_valid - num_test, lengths)
    return cut, np.where(long_enough, lengths - num_test, lengths)


def leave_last_out(times: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """Return cut and test_start, (U,) each: the last item is test, the one before it validation."""
    return _last(1, 1, times)


def last_five(times: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """Return cut and test_start, (U,) each: the last five items are test, the sixth-last validation."""
    return _last(1, 5, times)


def temporal(times: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """Return cut and test_start, (U,) each: the same two moments for all users."""
    every = np.sort(np.concatenate(times))
    valid_from, test_from = (
        every[min(len(every) - tail * len(every) // _TENTH, len(every) - 1)] for tail in (2, 1)
    )
    cut = np.array([np.searchsorted(time, valid_from, side="left") for time in times], np.int64)
    return cut, np.array([np.searchsorted(time, test_from, side="left") for time in times], np.int64)


SPLITS: dict[str, Callable[[tuple[Ints, ...]], tuple[Ints, Ints]]] = {
    "leave_last_out": leave_last_out,
    "last_five": last_five,
    "temporal": temporal,
}
