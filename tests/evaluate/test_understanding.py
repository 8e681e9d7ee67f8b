"""Requests are compared by what they mean; a reader's report counts what was read wrong, and where."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from steerec.control.forms import at_least, at_most, cap, exactly, like, only, prefer, where, without
from steerec.control.request import Request
from steerec.data.catalog import Catalog
from steerec.errors import DataError
from steerec.evaluate.understanding import differing_parts, load_sentences, understand_all
from steerec.understand.keyword import KeywordReader
from tiny_shelf import TITLES, YEARS

SENTENCES = Path(__file__).parents[1] / "understand" / "sentences"
KINDS = ["Drama", "Comedy", "Horror"]
CATALOG = Catalog.from_frame(
    pl.DataFrame(
        {
            "item_id": [str(i) for i in range(8)],
            "title": TITLES,
            "year": YEARS,
            "categories": [[KINDS[i % 3]] for i in range(8)],
        }
    ),
    noun="films",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([only("Drama")], [exactly("all", "Drama")]),
        ([without(where(categories=["Drama", "Horror"]))], [without("Horror"), without("Drama")]),
        ([at_least(1, "Drama"), at_most(2, "Comedy")], [at_most(2, "Comedy"), at_least(1, "Drama")]),
        ([only(where(year={"ge": 1990, "le": 1999}))], [only(where(year={"gt": 1989, "lt": 2000}))]),
        ([at_least(1, "Drama", within=(1, 2))], [at_least(1, "Drama", within=(1, 2))]),
    ],
)
def test_other_words_for_the_same(one: list[object], other: list[object]) -> None:
    assert differing_parts(Request(count=4, controls=one), Request(count=4, controls=other), CATALOG) == ()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"count": 5}, "count"),
        ({"controls": [at_least(2, "Drama")]}, "controls"),
        ({"controls": [at_least(1, "Drama", within=(1, 2))]}, "controls"),
        ({"controls": [at_least(1, "Drama"), cap("year", 1)]}, "caps"),
        ({"prefer": [prefer("Comedy", weight=-1.0)]}, "wishes"),
        ({"prefer": [like("0")]}, "wishes"),
        ({"exclude": ["1"]}, "exclude"),
        ({"candidates": ["0", "1", "2", "3"]}, "candidates"),
        ({"allow_seen": True}, "allow_seen"),
    ],
)
def test_each_part_counts(changes: dict[str, object], part: str) -> None:
    meant = Request(count=4, controls=[at_least(1, "Drama")], prefer=[prefer("Comedy")])
    assert part in differing_parts(meant.replace(**changes), meant, CATALOG)


def test_how_strong_a_wish_is_does_not_count() -> None:
    one, other = Request(prefer=[prefer("Comedy", weight=3.0)]), Request(prefer=[prefer("Comedy")])
    assert differing_parts(one, other, CATALOG) == ()


def test_a_request_beside_the_catalogue_is_invalid() -> None:
    assert differing_parts(Request(controls=[only(where(tone="dark"))]), Request(), CATALOG) == ("invalid",)


def test_a_report_counts_by_kind_and_part(tmp_path: Path) -> None:
    path = tmp_path / "sentences.jsonl"
    rows = [
        {"sentence": "3 dramas", "request": {"count": 3, "controls": [{"where": {"categories": "Drama"},
         "at_least": "all"}]}, "kinds": ["plain", "digit"]},
        {"sentence": "3 dramas", "request": {"count": 4}, "kinds": ["plain"]},
        {"sentence": "3000 dramas", "request": {"count": 3}, "kinds": ["digit"]},
    ]  # fmt: skip
    path.write_text("\n".join(json.dumps(row) for row in rows))
    found = understand_all(KeywordReader(CATALOG), load_sentences(path), CATALOG)
    assert found.exact == pytest.approx(1 / 3)
    assert found.by_kind == {"digit": (0.5, 2), "plain": (0.5, 2)}
    assert found.mistakes == {"count": 1, "controls": 1, "invalid": 1}
    low, high = found.interval
    assert low == pytest.approx(0.0615, abs=1e-3)  # Wilson, 1 of 3, by hand
    assert high == pytest.approx(0.7923, abs=1e-3)
    path.write_text('{"sentence": "x"}')
    with pytest.raises(DataError, match="line 1, is no sentence with its request"):
        load_sentences(path)


@pytest.mark.parametrize("kind", ["places", "products"])
def test_hand_written_sentences_fit_their_catalogue(kind: str) -> None:
    """At least 200 each, all of them valid; the floor understands far more than it would by luck."""
    catalog = Catalog.from_frame(pl.read_ndjson(SENTENCES / f"{kind}.items.jsonl"), noun=kind)
    sentences = load_sentences(SENTENCES / f"{kind}.jsonl")
    assert len(sentences) >= 200
    for sentence in sentences:
        assert differing_parts(sentence.request, sentence.request, catalog) == ()
    found = understand_all(KeywordReader(catalog), sentences, catalog)
    assert found.exact > 0.4
    again = load_sentences(SENTENCES / f"{kind}.second.jsonl")
    pairs = zip(sentences, again, strict=True)
    agree = [differing_parts(two.request, one.request, catalog) == () for one, two in pairs]
    assert sum(agree) >= len(agree) - 1, "two annotators, nearly of one mind"
    silent = sum(differing_parts(Request(), one.request, catalog) == () for one in sentences)
    assert silent / len(sentences) < 0.1
