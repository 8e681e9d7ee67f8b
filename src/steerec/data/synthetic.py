"""A small world whose right answers are known: every user has a taste, every item a successor.

Items of one main category form a ring in a hidden order. A user likes one category and walks along its ring,
with now and then a stray item of another category. So the best next item is the successor of the user's last
item of their taste, and it is right with probability `World.certainty`. The table has what real tables have:
twins (one work), equal titles of different years, articles behind a comma, letters beyond ASCII, titles that
begin other titles, an item without a year, items without a director.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.data.catalog import Catalog
from steerec.data.dataset import Dataset
from steerec.errors import DataError
from steerec.seeding import numpy_rng

CATEGORIES = ("Comedy", "Drama", "Horror", "Romance", "Sci-Fi", "Western", "Documentary", "Film-Noir")
_DIRECTORS = (
    "Ada Quill",
    "Bo Lindqvist",
    "Chiara Vento",
    "Dario Søe",
    "Esi Mensah",
    "Farid Aziz",
    "Gro Øyen",
)
_FIRST = (
    *("Silver", "Distant", "Quiet", "Burning", "Paper", "Winter", "Hollow"),
    *("Golden", "Broken", "Velvet", "Crimson", "Northern", "Secret", "Late"),
)
_LAST = (
    *("River", "Garden", "Letter", "Mirror", "Harbour", "Station", "Orchard"),
    *("Signal", "Island", "Carnival", "Bridge", "Lantern", "Clock"),
)
_PLAIN = (
    *("{first} {last}", "{last}", "{last} of the {first} House"),
    *("Été {first} {last}", "{first} {last}: Señales"),
)
_WITH_ARTICLE = "{first} {last}, The", "{last}, A"
_START = 1_000_000_000  # 2001-09-09, in seconds
_FIRST_YEAR, _NUM_YEARS = 1960, 60


@dataclass(frozen=True, kw_only=True, eq=False)
class World(Dataset):
    """A synthetic dataset with its truth.

    Attributes:
        taste: the category each user likes, by user id.
        successor: (N,) index of the item that follows each item on the ring of its main category.
        main: (N,) index into `categories` of each item's main category (the first it is listed under).
        categories: the main categories.
        certainty: probability that a user's next item is the successor of their last item of their taste.
    """

    taste: dict[str, str] = field(repr=False)
    successor: NDArray[np.int64] = field(repr=False)
    main: NDArray[np.int64] = field(repr=False)
    categories: tuple[str, ...]
    certainty: float

    def answer(self, user_id: str, history: NDArray[np.int64]) -> int | None:
        """Return the likeliest next item of a user, or None while the history has no item of their taste."""
        taste = self.categories.index(self.taste[user_id])
        liked = [int(item) for item in history if self.main[item] == taste]
        return int(self.successor[liked[-1]]) if liked else None


def make_world(
    num_users: int = 200,
    num_items: int = 120,
    seed: int = 0,
    *,
    num_categories: int = 6,
    certainty: float = 0.9,
    min_length: int = 8,
    max_length: int = 16,
) -> World:
    """Make a world; the same arguments give the same world.

    Args:
        num_users: U.
        num_items: N, at least 4 for each category.
        seed: of all randomness.
        num_categories: rings, 2 to 8.
        certainty: probability of going on along the ring rather than straying, in (0, 1].
        min_length: least interactions of a user.
        max_length: most interactions of a user; a ring is never walked round twice.

    Raises:
        DataError: a number is out of its range.
    """
    _check(num_users, num_items, num_categories, certainty, min_length, max_length)
    main = np.arange(num_items) % num_categories
    successor = _rings(main, num_categories, numpy_rng(seed, "world", "rings"))
    catalog = Catalog.from_frame(
        _items(main, seed),
        types={"categories": "categories", "year": "number", "director": "category", "path": "path"},
        noun="films",
    )
    walker = _Walker(main, successor, num_categories, certainty, (min_length, max_length), seed)
    rows: list[tuple[str, int, int]] = []
    taste = {}
    for user in range(num_users):
        user_id = f"u{user + 1}"
        taste[user_id] = CATEGORIES[user % num_categories]
        rows += [(user_id, item, time) for item, time in walker.walk(user)]
    return World(
        name="synthetic",
        interactions=_log(rows, catalog),
        catalog=catalog,
        report={"source": "synthetic", "origin": "made here", "messages": []},
        taste=taste,
        successor=successor,
        main=main,
        categories=CATEGORIES[:num_categories],
        certainty=certainty,
    )


def _check(
    num_users: int, num_items: int, num_categories: int, certainty: float, min_length: int, max_length: int
) -> None:
    allowed = [
        ("num_users", num_users, num_users >= 1, "at least 1"),
        ("num_categories", num_categories, 2 <= num_categories <= len(CATEGORIES), f"2 to {len(CATEGORIES)}"),
        ("num_items", num_items, num_items >= 4 * num_categories, f"at least {4 * num_categories}"),
        ("certainty", certainty, 0 < certainty <= 1, "above 0, at most 1"),
        ("min_length", min_length, 1 <= min_length <= max_length, f"1 to max_length = {max_length}"),
    ]
    for name, value, fine, range_ in allowed:
        if not fine:
            raise DataError(f"A world cannot have {name} = {value}: allowed is {range_}. Change {name}.")


def _rings(main: NDArray[np.int64], num_categories: int, rng: np.random.Generator) -> NDArray[np.int64]:
    successor = np.empty(len(main), np.int64)
    for category in range(num_categories):
        ring = rng.permutation(np.flatnonzero(main == category))
        successor[ring] = np.roll(ring, -1)
    return successor


def _items(main: NDArray[np.int64], seed: int) -> pl.DataFrame:
    rng = numpy_rng(seed, "world", "items")
    num_items, num_categories = len(main), int(main.max()) + 1
    titles = _titles(num_items, rng)
    years: list[int | None] = (_FIRST_YEAR + rng.integers(_NUM_YEARS, size=num_items)).tolist()
    directors = [_DIRECTORS[i] if i < len(_DIRECTORS) else None for i in rng.integers(8, size=num_items)]
    side = rng.integers(num_categories, size=num_items)
    both = (rng.random(num_items) < 0.4) & (side != main)
    categories = [
        [CATEGORIES[main[i]], CATEGORIES[side[i]]] if both[i] else [CATEGORIES[main[i]]]
        for i in range(num_items)
    ]
    # The third item of category 0 is a twin of its first: one work. That of category 1 only shares the title.
    for item, other, same_year in ((num_categories * 2, 0, True), (num_categories * 2 + 1, 1, False)):
        titles[item] = titles[other]
        years[item] = years[other] if same_year else (years[other] or 0) + 7
    years[num_items - 1] = None
    paths = [
        ["Films", names[0], f"{year // 10 * 10}s" if year else "Undated"]
        for names, year in zip(categories, years, strict=True)
    ]
    columns = {"title": titles, "year": years, "categories": categories, "director": directors, "path": paths}
    return pl.DataFrame({"item_id": [f"i{index + 1}" for index in range(num_items)], **columns})


def _titles(num_items: int, rng: np.random.Generator) -> list[str]:
    titles: dict[str, None] = {}
    # Every seventh title has its article behind a comma; a used-up form gets a number.
    for index in range(num_items):
        forms = _WITH_ARTICLE if index % 7 == 3 else _PLAIN
        form = forms[int(rng.integers(len(forms)))]
        words = {
            "first": _FIRST[int(rng.integers(len(_FIRST)))],
            "last": _LAST[int(rng.integers(len(_LAST)))],
        }
        title, number = form.format(**words), 2
        while title in titles:
            title = form.format(first=words["first"], last=f"{words['last']} {number}")
            number += 1
        titles[title] = None
    return list(titles)


@dataclass(frozen=True)
class _Walker:
    main: NDArray[np.int64]
    successor: NDArray[np.int64]
    num_categories: int
    certainty: float
    lengths: tuple[int, int]
    seed: int

    def walk(self, user: int) -> list[tuple[int, int]]:
        """Return a user's (item, seconds): along the ring of their taste, without repeats."""
        rng = numpy_rng(self.seed, "world", "user", user)
        ring = np.flatnonzero(self.main == user % self.num_categories)
        strays = rng.permutation(np.flatnonzero(self.main != user % self.num_categories)).tolist()
        length = int(rng.integers(self.lengths[0], self.lengths[1] + 1))
        liked = int(rng.choice(ring))
        walk, on_ring = [(liked, _START + int(rng.integers(10_000_000)))], 1
        while len(walk) < length:
            # One step in ten happens in the same second as the one before: file order decides.
            time = walk[-1][1] + int(rng.integers(1, 90_000)) * int(rng.random() < 0.9)
            if on_ring < len(ring) and rng.random() < self.certainty:
                liked, on_ring = int(self.successor[liked]), on_ring + 1
                walk.append((liked, time))
            elif strays:
                walk.append((strays.pop(), time))
            else:
                break
        return walk


def _log(rows: list[tuple[str, int, int]], catalog: Catalog) -> pl.DataFrame:
    ordered = sorted(rows, key=lambda row: row[2])  # stable: one user's ties keep their order
    time = pl.from_epoch(pl.Series("timestamp", [row[2] for row in ordered]), time_unit="s")
    return pl.DataFrame(
        {
            "user_id": [row[0] for row in ordered],
            "item_id": [catalog.item_ids[row[1]] for row in ordered],
            "timestamp": time.cast(pl.Datetime("us")),
        }
    )
