"""Examples for training: a composed sentence, what may be written about it, and the places of its lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from steerec.errors import RequestError
from steerec.seeding import numpy_rng
from steerec.understand.lines.choices import KEYWORDS, MOST_WORDS
from steerec.understand.lines.form import read_form
from steerec.understand.lines.grammar import Grammar
from steerec.understand.lines.line_form import END, Token, word
from steerec.understand.model.batches import Written, places_of
from steerec.understand.model.examples import CLOSE, OPEN, Composer
from steerec.understand.model.misspelling import misspell
from steerec.understand.model.phrasebook import LANGUAGES
from steerec.understand.model.worlds import World


class Sentence(NamedTuple):
    """A sentence and the lines it means."""

    world: int
    """Place of the catalogue among the worlds."""
    text: str
    tokens: tuple[Token, ...]
    """Without the end."""


def write_example(
    worlds: Sequence[World], seed: int, number: int, grown: Sequence[Sentence] = (), share: float = 0.0
) -> tuple[World, Written]:
    """Return example `number` of a seed: a world, and a sentence with the places of its lines.

    The same arguments give the same example. Sentences that lost a word on the way are written anew.

    Args:
        worlds: catalogues to write about.
        seed: of all examples.
        number: of this one.
        grown: sentences that were written elsewhere, such as paraphrases.
        share: probability that the example is one of them, 0..1.
    """
    chances = np.array([world.weight for world in worlds])
    for attempt in range(1000):
        rng = numpy_rng(seed, "example", number, attempt)
        try:
            if grown and rng.random() < share:
                one = grown[int(rng.integers(len(grown)))]
                world = worlds[one.world]
                return world, example(world, misspell(one.text, rng), one.tokens, rng)
            world = worlds[int(rng.choice(len(worlds), p=chances / chances.sum()))]
            language = "en" if rng.random() < 0.82 else str(rng.choice(LANGUAGES[1:]))
            return world, _write(world, rng, language)
        except (RequestError, KeyError):
            continue
    raise AssertionError("no sentence in a thousand attempts")


def compose_sentence(worlds: Sequence[World], seed: int, number: int) -> Sentence:
    """Return plain English sentence `number` of a seed, all of whose words are said by its lines."""
    chances = np.array([world.weight for world in worlds])
    for attempt in range(1000):
        rng = numpy_rng(seed, "sentence", number, attempt)
        place = int(rng.choice(len(worlds), p=chances / chances.sum()))
        try:
            text, tokens = Composer(worlds[place], rng).compose()
            if OPEN not in text:
                example(worlds[place], text, tokens, rng)
                return Sentence(place, re.sub(r" {2,}", " ", text).strip(), tuple(tokens))
        except (RequestError, KeyError):
            continue
    raise AssertionError("no sentence in a thousand attempts")


def _write(world: World, rng: np.random.Generator, language: str) -> Written:
    text, tokens = Composer(world, rng, language).compose()
    return example(world, misspell(text, rng), tokens, rng)


def example(world: World, text: str, tokens: Sequence[Token], rng: np.random.Generator) -> Written:
    """Return a sentence and its lines as the network sees them.

    Args:
        world: what it is about.
        text: with OPEN and CLOSE around words that nothing says.
        tokens: its lines, without those words and without the end.
        rng: draws the values that are offered beside the wanted ones.

    Raises:
        RequestError: the sentence does not offer a token, or the lines make no valid request.
    """
    clean = re.sub(f"[{OPEN}{CLOSE}]", "", text)
    numbers = {Token("value", value): place for place, value in enumerate(world.schema.values)}
    wanted = list(dict.fromkeys(numbers[token] for token in tokens if token.kind == "value"))
    offer = world.offering.offer(clean, world.offered(wanted, rng))
    if len(offer.spots) >= MOST_WORDS:
        raise RequestError("too long")
    full = [*tokens, *_unplaced_lines(text, offer.spots), END]
    written = Written(offer, places_of(full, offer))
    grammar = Grammar(world.schema, [*KEYWORDS, *(choice.token for choice in offer.choices)])
    state = grammar.first
    for token in full:
        if not getattr(grammar, f"may_{state.needs}")(state, token):
            raise RequestError(f"{token} may not stand there")
        state = grammar.step(state, token)
    read_form(full, offer, world.schema)
    return written


def _unplaced_lines(text: str, spots: Sequence[tuple[int, int]]) -> list[Token]:
    tokens: list[Token] = []
    for found in re.finditer(f"{OPEN}([^{CLOSE}]*){CLOSE}", text):
        removed = len(re.findall(f"[{OPEN}{CLOSE}]", text[: found.start()]))
        start = found.start() - removed
        end = start + len(found[1])
        inside = [i for i, (a, b) in enumerate(spots) if a >= start and b <= end]
        if inside:
            tokens += [word("unplaced"), Token("spot", inside[0]), Token("spot", inside[-1])]
    return tokens
