"""The grammar: every walk through it ends in a request that the catalogue accepts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_reader import shelf

from steerec.control.request import compile_request
from steerec.data.catalog import Catalog
from steerec.data.synthetic import make_world
from steerec.errors import RequestError
from steerec.understand.lines.choices import KEYWORDS, Offer, Offering
from steerec.understand.lines.form import left_out, read_form, spell_spots
from steerec.understand.lines.grammar import Grammar
from steerec.understand.lines.line_form import END, Token, read_tokens, word, write_tokens
from steerec.understand.lines.schema import Schema

SHELF = shelf()
BARE = Catalog.from_frame(SHELF.frame.select("item_id", "title"), noun="things")
DATED = Catalog.from_frame(SHELF.frame.select("item_id", "title", "released"), noun="films")
CATALOGS = {"shelf": SHELF, "bare": BARE, "dated": DATED, "world": make_world(20, 60).catalog}
SCHEMAS = {name: Schema.of(catalog) for name, catalog in CATALOGS.items()}
OFFERINGS = {name: Offering(schema) for name, schema in SCHEMAS.items()}
PIECES = (
    *(
        "ten",
        "5000",
        "0",
        "1",
        "comedies",
        "no",
        "Star Trek",
        "'Fargo'",
        "from the 90s",
        "1994",
        "half",
        "30%",
    ),
    *(
        "2001-05-06",
        "studio",
        "year",
        "Emma",
        "4.5",
        "two thirds",
        "blorp",
        "like",
        "with subtitles",
        "'Heat",
    ),
)


def offer_of(name: str, sentence: str) -> tuple[Offer, list[Token]]:
    schema = SCHEMAS[name]
    offer = OFFERINGS[name].offer(sentence, range(min(len(schema.values), 6)))
    return offer, [*KEYWORDS, *(choice.token for choice in offer.choices)]


def random_form(grammar: Grammar, choices: list[Token], rng: np.random.Generator) -> list[Token]:
    state, tokens = grammar.first, list[Token]()
    while state.needs != "nothing":
        may = grammar.may_follow(state)
        assert may.any(), write_tokens(tokens)
        token = choices[int(rng.choice(np.flatnonzero(may)))]
        tokens.append(token)
        state = grammar.step(state, token)
    return tokens


@given(
    name=st.sampled_from(sorted(CATALOGS)),
    pieces=st.lists(st.sampled_from(PIECES), max_size=8),
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([1, 3, 10, 1000]),
)
@settings(max_examples=200, deadline=None)
def test_every_walk_ends_in_a_valid_request(name: str, pieces: list[str], seed: int, count: int) -> None:
    offer, choices = offer_of(name, " ".join(pieces))
    grammar = Grammar(SCHEMAS[name], choices, count=count)
    tokens = random_form(grammar, choices, np.random.default_rng(seed))
    lines = read_form(tokens, offer, SCHEMAS[name], count=count)
    compile_request(lines.request, CATALOGS[name])
    spelled = spell_spots(tokens, offer)
    assert read_tokens(write_tokens(spelled)) == spelled
    assert all(words in offer.sentence for words in lines.unplaced)


def test_a_count_out_of_range_can_be_written_so_that_it_is_refused() -> None:
    offer, choices = offer_of("shelf", "5000 films")
    tokens = [word("count"), Token("number", 5000), END]
    assert not Grammar(SCHEMAS["shelf"], choices).may_follow(
        Grammar(SCHEMAS["shelf"], choices).step(Grammar(SCHEMAS["shelf"], choices).first, tokens[0])
    )[choices.index(tokens[1])]
    grammar = Grammar(SCHEMAS["shelf"], choices, any_count=True)
    assert grammar.may_follow(grammar.step(grammar.first, tokens[0]))[choices.index(tokens[1])]
    with pytest.raises(RequestError, match="1 to 1,000 items, and the text asks for 5,000"):
        read_form(tokens, offer, SCHEMAS["shelf"])


@pytest.mark.parametrize(
    ("sentence", "before", "token", "may"),
    [
        ("5 films, the first 12", "count 5 only first", Token("number", 12), False),
        ("5 films, the first 3", "count 5 only first", Token("number", 3), True),
        ("all", "share_more_than", Token("share", 1), False),
        ("Fargo and Heat", 'like item "Fargo (1996)"', Token("title", "Fargo (1996)"), False),
        ("Fargo and Heat", 'like item "Fargo (1996)"', Token("title", "Heat (1995)"), True),
        ("3 to 5", "at_least 5 at_most", Token("number", 3), False),
        ("3 to 5", "at_least 3 at_most", Token("number", 5), True),
        ("in 1994", "only released >", Token("number", 1994), True),
        ("in 7", "only released >", Token("number", 7), False),
        ("the rest", "", word("rest"), False),
        ("3 and the rest", 'exactly 3 categories="War"', word("rest"), True),
        ("3", "count sum", END, False),
    ],
)
def test_what_may_follow(sentence: str, before: str, token: Token, may: bool) -> None:
    _, choices = offer_of("shelf", sentence)
    choices = [
        *choices,
        *(one for one in (token, Token("value", ("categories", "War"))) if one not in choices),
    ]
    grammar = Grammar(SCHEMAS["shelf"], choices)
    state = grammar.first
    for one in read_tokens(before):
        state = grammar.step(state, one)
    assert grammar.may_follow(state)[choices.index(token)] == may


def test_what_was_spelled_and_not_said_is_left_out() -> None:
    offer, _ = offer_of("shelf", "ten comedies from 1994, half of them like 'Fargo', with subtitles")
    said = [word("count"), Token("number", 10), word("only"), Token("value", ("categories", "Comedy")), END]
    assert left_out(said, offer) == ["1994", "half", "Fargo"]
    spots = [i for i, (a, b) in enumerate(offer.spots) if offer.sentence[a:b] in ("half", "subtitles")]
    rest = [word("unplaced"), *(Token("spot", spot) for spot in spots), END]
    assert left_out([*said[:-1], *rest], offer) == ["1994"]
