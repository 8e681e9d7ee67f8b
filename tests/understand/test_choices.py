"""What a sentence offers: numbers in many spellings, values with slips, titles with and without marks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from tiny_reader import shelf

from steerec.understand.lines.choices import Offering
from steerec.understand.lines.line_form import Token
from steerec.understand.lines.number_words import find_numbers
from steerec.understand.lines.schema import Schema, value_forms

OFFERING = Offering(Schema.of(shelf()))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("a dozen", "number", 12),
        ("half a dozen films", "number", 6),
        ("two dozen", "number", 24),
        ("twenty-five", "number", 25),
        ("forty two", "number", 42),
        ("nineteen ninety-four", "number", 1994),
        ("1,000 films", "number", 1000),
        ("rated 4.5", "number", 4.5),
        ("$20", "number", 20),
        ("fünf filme", "number", 5),
        ("dix films", "number", 10),
        ("ocho", "number", 8),
        ("'94", "number", 1994),
        ("the third one", "number", 3),
        ("on 1994-05-06", "number", "1994-05-06"),
        ("30%", "share", Fraction(3, 10)),
        ("thirty percent", "share", Fraction(3, 10)),
        ("20 prozent", "share", Fraction(1, 5)),
        ("two thirds", "share", Fraction(2, 3)),
        ("three-quarters", "share", Fraction(3, 4)),
        ("one in five", "share", Fraction(1, 5)),
        ("3 out of every 4", "share", Fraction(3, 4)),
        ("la moitié", "share", Fraction(1, 2)),
        ("2/5", "share", Fraction(2, 5)),
        ("the 90s", "span", (1990, 1999)),
        ("the '80s", "span", (1980, 1989)),
        ("the 2010s", "span", (2010, 2019)),
        ("the seventies", "span", (1970, 1979)),
        ("années 60", "span", (1960, 1969)),
        ("aus den 80ern", "span", (1980, 1989)),
        ("1985-1989", "span", (1985, 1989)),
    ],
)
def test_numbers_are_found(text: str, kind: Any, value: object) -> None:
    found = {mention.token for mention in find_numbers(text)}
    assert Token(kind, value) in found


@pytest.mark.parametrize(
    ("sentence", "token", "words"),
    [
        ("ten comedies", Token("value", ("categories", "Comedy")), "comedies"),
        ("ten comdies please", Token("value", ("categories", "Comedy")), "comdies"),
        ("some scifi", Token("value", ("categories", "Sci-Fi")), "scifi"),
        ("by orion", Token("value", ("studio", "Orion")), "orion"),
        ("no Star Trek", Token("series", "star trek"), "Star Trek"),
        ("like Fargo", Token("title", "Fargo (1996)"), "Fargo"),
        ("like 'heat'", Token("title", "Heat (1995)"), "heat"),
        ("like the third man", Token("title", "The Third Man (1949)"), "the third man"),
        ("like Batmn Returns", Token("title", "Batman Returns (1992)"), "Batmn Returns"),
        ("Emma (1996)", Token("title", "Emma (1996)"), "Emma (1996)"),
        ("none per studio", Token("column", "studio"), "studio"),
    ],
)
def test_names_are_found_where_they_stand(sentence: str, token: Token, words: str) -> None:
    offer = OFFERING.offer(sentence)
    spans = {choice.token: choice.spans for choice in offer.choices}
    assert words in [offer.sentence[a:b] for a, b in spans[token]]


def test_every_word_can_be_left_unplaced_and_long_texts_are_cut() -> None:
    offer = OFFERING.offer("with subtitles")
    assert [offer.sentence[a:b] for a, b in offer.spots] == ["with", "subtitles"]
    assert len(OFFERING.offer("word " * 500).spots) == 60


def test_value_forms_say_how_sure_they_are() -> None:
    assert dict(value_forms("Coffee & Tea")) == {
        "coffee & tea": 1.0,
        "coffee and tea": 1.0,
        "coffee": 0.7,
        "tea": 0.7,
    }
    assert dict(value_forms("Film-Noir"))["filmnoir"] == 1.0
