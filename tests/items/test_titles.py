from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.errors import DataError
from steerec.items.text import item_texts
from steerec.items.titles import normalise, strip_number, title_texts


def catalog(titles: list[str], **columns: list[object]) -> Catalog:
    ids = [str(100 + i) for i in range(len(titles))]
    return Catalog.from_frame(pl.DataFrame({"item_id": ids, "title": titles, **columns}))


def test_years_are_dropped_unless_they_tell_films_apart() -> None:
    films = catalog(
        ["Usual Suspects, The (1995)", "Sabrina", "Sabrina", "Se7en"], year=[1995, 1954, 1995, 1995]
    )
    assert title_texts(films) == ("The Usual Suspects", "Sabrina (1954)", "Sabrina (1995)", "Se7en")


def test_what_the_year_leaves_the_same_the_director_and_then_the_id_tells_apart() -> None:
    films = catalog(
        ["Heat", "Heat", "Heat", "heat", "Alien"],
        year=[1995, 1995, None, 1995, 1979],
        director=["Mann", "Morrissey", None, "Mann", "Scott"],
    )
    assert title_texts(films) == (
        "Heat (1995) (Mann) [100]",
        "Heat (1995) (Morrissey)",
        "Heat",
        "heat (1995) (Mann) [103]",
        "Alien",
    )


def test_a_title_that_looks_like_a_told_apart_one_gets_its_id() -> None:
    films = catalog(["Heat", "Heat", "Heat (Mann)"], director=["Mann", "Scott", "Mann"])
    assert title_texts(films) == ("Heat (Mann) [100]", "Heat (Scott)", "Heat (Mann) [102]")


def test_line_breaks_odd_blanks_and_empty_titles() -> None:
    assert title_texts(catalog(["A\nB", " \t ", "C  D", "Ⅳ"])) == ("A B", "[101]", "C D", "IV")


def test_ids_that_differ_only_in_case_cannot_help() -> None:
    frame = pl.DataFrame({"item_id": ["a", "A"], "title": ["Heat", "Heat"]})
    with pytest.raises(DataError, match='2 items would be spelled the same even with their ids: "a"'):
        title_texts(Catalog.from_frame(frame))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["Heat", "heat", "Heat (1990)", "Ｈeat", "Up"]), min_size=1, max_size=8))
def test_texts_are_distinct_and_normal(titles: list[str]) -> None:
    texts = title_texts(catalog(titles, year=[1990 + i // 3 for i in range(len(titles))]))
    assert len({fold(text) for text in texts}) == len(texts)
    assert all(text == normalise(text) for text in texts)


def test_real_titles(data_dir: Path) -> None:
    films = Catalog.load(data_dir / "ml-100k")
    texts = title_texts(films)
    assert len({fold(text) for text in texts}) == len(films)
    assert texts[0] == "Toy Story"
    with_id = sum(text.endswith(f"[{item_id}]") for text, item_id in zip(texts, films.item_ids, strict=True))
    assert with_id == 36, "18 true duplicates and their twins"


def test_leading_numbers() -> None:
    assert strip_number(" 10) Heat") == "Heat"
    assert strip_number("1.5 Nights") == "1.5 Nights"
    assert strip_number("2001: A Space Odyssey") == "2001: A Space Odyssey"
    assert strip_number("3.") == ""


def test_item_text_says_every_known_attribute_once() -> None:
    films = catalog(
        ["Toy Story", "Heat (1995)"],
        year=[1995, None],
        categories=[["Animation", "Comedy"], []],
        running_time=[81.0, 170.5],
        director=["John Lasseter", None],
    )
    assert item_texts(films) == (
        "Toy Story (1995). categories: Animation, Comedy. running time: 81. director: John Lasseter",
        "Heat (1995). running time: 170.5",
    )
