"""Refusals in the user's own words: every control knows the words it came from, or that it has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_reader import TinyEncoder, embed, shelf, small_config

from steerec.control.control import Cap, Control
from steerec.control.request import Request
from steerec.understand.conversation import Conversation, take_turn
from steerec.understand.hybrid import HybridReader
from steerec.understand.keyword import KeywordReader
from steerec.understand.lines.choices import Offering
from steerec.understand.lines.line_form import read_tokens
from steerec.understand.lines.line_request import read_request
from steerec.understand.lines.pointing import quoted_spans
from steerec.understand.lines.schema import Schema
from steerec.understand.model.training import build_network
from steerec.understand.model_reader import ModelReader
from steerec.understand.quotes import Trail, trimmed
from steerec.understand.reading import Reading
from steerec.understand.record import understood

SHELF = shelf()
READER = KeywordReader(SHELF)


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        (
            "ten comedies but no more than three comedies please",
            ["ten comedies", "no more than three comedies"],
        ),
        (
            "I'd like 5 films, at least 4 dramas and at least 3 comedies. Don't give me anything from 1990!",
            ["at least 4 dramas", "at least 3 comedies", "Don't give me anything from 1990"],
        ),
        (
            "Only comedies; nothing by Orion; at most two per studio, thanks",
            ["Only comedies", "nothing by Orion", "at most two per studio"],
        ),
        ("Give me six films with at least 7 sci-fi films", ["at least 7 sci-fi films"]),
        ("mostly comedies, less than half comedies", ["mostly comedies", "less than half comedies"]),
        (
            "start with a war film, and no war films in the first three",
            ["start with a war film", "no war films in the first three"],
        ),
        ("ten films: 3 comedies, 4 dramas, the rest horror", ["3 comedies", "4 dramas", "the rest horror"]),
        # as it was typed, though it is read with the ligature undone and in one line
        ("ﬁve  comedies\n but NOT a single comedy", ["ﬁve  comedies", "NOT a single comedy"]),
        ("anything", []),
    ],
)
def test_the_keyword_reader_quotes_the_clause_of_each_control(text: str, quotes: list[str]) -> None:
    reading = READER.reading(text)
    assert list(reading.quotes) == quotes
    assert len(reading.request.controls) == len(quotes)
    assert all(quote in text for quote in quotes)


WORDS = (
    "ten",
    "3",
    "comedies",
    "dramas",
    "no",
    "at least",
    "from 1990",
    ",",
    "and",
    "Heat",
    "films",
    "½",
    "“x”",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_a_quote_is_never_invented(words: list[str]) -> None:
    text = " ".join(words)
    reading = READER.reading(text)
    assert len(reading.quotes) == len(reading.request.controls)
    assert all(quote is None or quote in text for quote in reading.quotes)


@pytest.mark.parametrize(
    ("words", "quote"),
    [
        ("but no more than three comedies, please.", "no more than three comedies"),
        ("I want ten comedies if possible", "ten comedies"),
        ("start with a comedy", "start with a comedy"),
        ("please", None),
        ("x" * 161, None),
    ],
)
def test_joining_words_and_courtesies_are_left_out(words: str, quote: str | None) -> None:
    assert trimmed(words) == quote


def test_a_trail_finds_the_way_back_through_every_step() -> None:
    trail = Trail("Won't you show me two “odd” films?")
    trail.follow('won\'t you show me two "odd" films?')
    trail.follow("will not you show me two \uf000 films?")
    trail.follow("will not you show me \ue800 \uf000 films?")
    assert trail.quote("me \ue800 \uf000 films", "\ue800") == "two “odd” films"
    assert trail.quote("me \ue801 films", "\ue801") is None
    assert trail.at(0, len("will not")) == "Won't"


LINES = [
    (
        "ten comedies but no more than three comedies please",
        'count 10 only categories="Comedy" at_most 3 categories="Comedy"',
        ["ten comedies ", " no more than three comedies please"],
    ),
    (  # one "half" cannot speak for two lines; the values do
        "mostly comedies, less than half comedies",
        'share_more_than 1/2 categories="Comedy" share_less_than 1/2 categories="Comedy"',
        ["mostly comedies", " less than half comedies"],
    ),
    (  # what no word spells came from the clause that is nearest and that no other control accounts for
        "four tearjerkers, no war films and something scary",
        'count 4 only categories="Drama" without categories="War" only categories="Horror"',
        ["four tearjerkers", " no war films ", " something scary"],
    ),
    (
        "at most one per studio, and films before 1990",
        "each studio at_most 1 only year < 1990",
        ["at most one per studio", " films before 1990"],
    ),
    ("surprise me", 'only categories="Drama"', ["surprise me"]),
    ("surprise me, or not", 'only categories="Drama" only categories="War"', [None, None]),
]
NEAR = {
    ("Drama", "four tearjerkers"): 0.6,
    ("Horror", " something scary"): 0.5,
    ("Drama", " something scary"): 0.55,
}


def nearness(values: Any, pieces: Any) -> Any:
    return np.array([[NEAR.get((value, piece), 0.0) for piece in pieces] for value in values], np.float32)


@pytest.mark.parametrize(("sentence", "lines", "expected"), LINES)
def test_a_line_is_quoted_by_the_clause_that_it_points_at(
    sentence: str, lines: str, expected: list[str | None]
) -> None:
    schema = Schema.of(SHELF)
    offer = Offering(schema).offer(sentence, range(len(schema.values)))
    written = read_request(read_tokens(lines), schema.kinds).written
    spans = quoted_spans(written, offer, nearness)
    assert [None if span is None else offer.sentence[slice(*span)] for span in spans] == expected


def test_the_model_quotes_what_was_said_whatever_it_writes(tmp_path: Path) -> None:
    encoder = TinyEncoder(tmp_path / "encoder")
    network = build_network(encoder.folder, small_config(1).network)
    reader = ModelReader(network, encoder.folder / "tokenizer.json", SHELF, embed)
    text = "ﬁve films,  at least “two” comedies & three dramas"
    reading = reader.reading(text)
    assert len(reading.quotes) == len(reading.request.controls)
    assert all(quote is None or quote in text for quote in reading.quotes)


def test_the_hybrid_lends_the_floor_s_quote_to_an_equal_control() -> None:
    comedies, war = (Control(where={"categories": name}, at_most=2) for name in ("Comedy", "War"))
    plain = Reading(Request(controls=(comedies,)), ["x"], False, ("two comedies at most",))
    bare = Reading(Request(controls=(war, comedies)), [], False, (None, None))

    class Said:
        def reading(self, sentence: str, *, count: int = 10) -> Reading:
            return plain

        def scored(self, sentence: str, *, count: int = 10) -> Any:
            return type("Scored", (), {"reading": bare, "form": type("Form", (), {"least": 1.0})})

    hybrid = HybridReader(Said(), Said())  # type: ignore[arg-type]
    assert hybrid.reading("two comedies at most, x").quotes == (None, "two comedies at most")


def test_what_is_understood_says_the_conflict_in_own_words() -> None:
    record = understood(READER, "ten comedies but no more than three comedies please", SHELF)
    assert record["conflict"]["quotes"] == ["ten comedies"]  # alone: the shelf has five
    assert record["conflict"]["message"].startswith(
        'You asked for "ten comedies", and no list of 10 films can do that: only 5 can be recommended. '
    )
    few = understood(READER, "four comedies but no more than three comedies please", SHELF)["conflict"]
    assert few["controls"] == [0, 1]
    assert few["quotes"] == ["four comedies", "no more than three comedies"]
    assert few["message"] == (
        'You asked for "four comedies" and "no more than three comedies", which cannot both hold in a list '
        "of 4 films. The nearest that works: allow 4 Comedy films instead of 3."
    )


def test_a_conversation_quotes_the_turn_that_asked() -> None:
    talk = Conversation()
    for text in ("four films, please", "at least three comedies", "at most two comedies"):
        talk = take_turn(talk, text, READER, SHELF)
    assert talk.quotes == ("at most two comedies",)  # it took the place of the other
    talk = take_turn(talk, "no horror but only films by Orion", READER, SHELF)
    assert talk.quotes == ("at most two comedies", "no horror", "only films by Orion")
    edited = talk.replace(
        standing=talk.standing.replace(controls=(Cap(each="studio", at_most=1), *talk.standing.controls[1:]))
    )
    assert edited.quotes == (None, "no horror", "only films by Orion")
    again = Conversation.model_validate_json(edited.model_dump_json())
    assert again.quotes == edited.quotes
    fewer = take_turn(talk.show(["i0", "i5"]), "Fewer comedies, please", READER, SHELF)
    assert fewer.turns[-1].did == "fewer"
    assert fewer.quotes[-1] == "Fewer comedies"
