"""What was understood, as one JSON object: read, refused, or impossible."""

from __future__ import annotations

import json

import pytest

from steerec.control.request import Request
from steerec.data.synthetic import make_world
from steerec.understand.keyword import KeywordReader
from steerec.understand.record import understood

CATALOG = make_world(30, 60, num_categories=6).catalog
READER = KeywordReader(CATALOG)
FIRST, SECOND = CATALOG.values("categories")[:2]


def test_a_plain_sentence() -> None:
    record = json.loads(json.dumps(understood(READER, f"3 {FIRST} films, no quantum films", CATALOG)))
    assert Request.from_json(json.dumps(record["request"])).count == 3
    assert record["unplaced"] == ["quantum"]
    assert record["conflict"] is None


@pytest.mark.parametrize("number", ["0", "5000"])
def test_a_count_that_no_list_has(number: str) -> None:
    record = understood(READER, f"{number} films", CATALOG)
    assert record["request"] is None
    assert "A list has 1 to 1,000 films" in record["conflict"]["message"]


def test_a_contradiction_names_its_parts_and_what_would_work() -> None:
    text = f"4 films, at least 3 {FIRST} films, at most 1 {FIRST} film, at least 1 {SECOND} film"
    record = json.loads(json.dumps(understood(READER, text, CATALOG)))
    assert record["request"]["count"] == 4
    assert record["conflict"]["controls"] == [0, 1]
    assert f"at least 3 {FIRST}" in record["conflict"]["message"]
    assert record["conflict"]["relaxation"]["changes"]


def test_what_was_seen_counts() -> None:
    everything = list(range(len(CATALOG)))
    record = understood(READER, "two films", CATALOG, everything)
    assert record["conflict"]["names"] == ["seen", "count"]
    assert understood(READER, "two films", CATALOG)["conflict"] is None
