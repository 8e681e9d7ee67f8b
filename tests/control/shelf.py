"""A shelf of ten films whose every attribute can be read off the table below; N = 10."""

from __future__ import annotations

from datetime import date

import polars as pl

from steerec.data.catalog import Catalog

ROWS = [
    # id, title, year, categories, director, path, released, score
    ("a", "Alien", 1979, ["Horror", "Sci-Fi"], "Scott", ["Film", "Space"], date(1979, 5, 25), 8.5),
    ("b", "Airplane!", 1980, ["Comedy"], "Zucker", ["Film", "Air"], date(1980, 7, 2), 7.7),
    ("c", "Blade Runner", 1982, ["Sci-Fi", "Thriller"], "Scott", ["Film", "Earth", "City"], None, 8.1),
    ("d", "Blade Runner", 1982, ["Sci-Fi", "Thriller"], "Scott", ["Film", "Earth", "City"], None, 8.1),
    ("e", "Clue", 1985, ["Comedy", "Thriller"], None, ["Film", "Earth"], date(1985, 12, 13), None),
    ("f", "Nobody Knows", None, ["Drama"], "Koreeda", None, date(2004, 8, 7), 8.0),
    ("g", "Amélie", 2001, ["Comedy", "Romance"], "Jeunet", ["Film", "Earth", "City"], None, 8.3),
    ("h", "Usual Suspects, The", 1995, ["Crime", "Thriller"], "Singer", [], None, 8.5),
    ("i", "Fargo", 1996, ["Comedy", "Crime"], "Coen", ["Series", "Earth"], date(1996, 3, 8), 8.1),
    ("j", "Untagged", 1990, None, "SCOTT ", None, None, 5.0),
]
NAMES = ["item_id", "title", "year", "categories", "director", "path", "released", "score"]


def shelf() -> Catalog:
    """Return the shelf; items c and d are one work."""
    return Catalog.from_frame(pl.DataFrame(ROWS, schema=NAMES, orient="row"), noun="films")


SHELF = shelf()


def ids(mask: object) -> str:
    """Return the ids of a mask (N,) as one word: "abc"."""
    return "".join(item_id for item_id, chosen in zip(SHELF.item_ids, mask, strict=True) if chosen)
