"""Titles short enough to spell: a year or a name is added only where two titles would be the same."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.errors import DataError
from steerec.items.text import value_text

_TELLING = ("year", "director", "artist", "author", "brand", "manufacturer", "city")
"""Columns that people use to tell namesakes apart, in this order; other category columns come after them."""
_MAX_ATTRIBUTE_CHARACTERS = 40
_NUMBERED = re.compile(r"^\s*[0-9]+[.)](\s+|$)")


def title_texts(catalog: Catalog) -> tuple[str, ...]:
    """Return N distinct titles: the display form without its year, told apart where two would be the same.

    Namesakes get " (value)" of the first attributes that separate them (the year, a person or a brand, then
    other categories); those that no attribute separates, such as the same film under two ids, get " [id]".
    Two titles count as the same when they differ only in case, in compatible characters (NFKC) or in blanks.

    Raises:
        DataError: an id is spelled so that even adding it leaves two titles the same.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"item_id": ["1", "2", "3"], "title": ["Heat", "Heat", "Alien"],
        ...                       "year": [1986, 1995, 1979]})
        >>> title_texts(Catalog.from_frame(frame))
        ('Heat (1986)', 'Heat (1995)', 'Alien')
    """
    texts = [normalise(text) for text in _without_years(catalog)]
    texts = [text or f"[{item_id}]" for text, item_id in zip(texts, catalog.item_ids, strict=True)]
    for column in _telling_columns(catalog):
        if not _clashing(texts):
            break
        _add_attribute(texts, [value_text(value) for value in catalog.frame[column].to_list()])
    for i in _clashing(texts):
        texts[i] = normalise(f"{texts[i]} [{catalog.item_ids[i]}]")
    if clashing := _clashing(texts):
        ids = ", ".join(f'"{catalog.item_ids[i]}" ("{texts[i]}")' for i in clashing[:4])
        raise DataError(
            f"{len(clashing)} items would be spelled the same even with their ids: {ids}. "
            "Give them titles or ids that differ in more than case and blanks."
        )
    return tuple(texts)


def normalise(text: str) -> str:
    """Return the form in which spelled and written titles are compared: NFKC, single blanks, trimmed."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def strip_number(line: str) -> str:
    """Remove one leading "3. " or "3) " from a line of a list.

    Example:
        >>> strip_number("3. 12 Angry Men"), strip_number("12 Angry Men")
        ('12 Angry Men', '12 Angry Men')
    """
    return _NUMBERED.sub("", line, count=1)


def _without_years(catalog: Catalog) -> list[str]:
    if catalog.columns.get("year") != "number":
        return list(catalog.displays)
    years = catalog.frame["year"].to_list()
    pairs = zip(catalog.displays, years, strict=True)
    return [text if year is None else text.removesuffix(f"({int(year)})") for text, year in pairs]


def _telling_columns(catalog: Catalog) -> list[str]:
    named = [name for name in _TELLING if name in catalog.columns]
    others = [name for name, kind in catalog.columns.items() if kind == "category" and name not in named]
    return named + others


def _clashing(texts: list[str]) -> list[int]:
    keys = [fold(text) for text in texts]
    sizes = Counter(keys)
    return [i for i, key in enumerate(keys) if sizes[key] > 1]


def _add_attribute(texts: list[str], values: list[str]) -> None:
    """Append " (value)" to namesakes whose values are not all the same; in place."""
    groups: dict[str, list[int]] = {}
    for i in _clashing(texts):
        groups.setdefault(fold(texts[i]), []).append(i)
    for members in groups.values():
        if len({fold(values[i]) for i in members}) > 1:
            for i in members:
                if values[i]:
                    texts[i] = normalise(f"{texts[i]} ({values[i][:_MAX_ATTRIBUTE_CHARACTERS]})")
