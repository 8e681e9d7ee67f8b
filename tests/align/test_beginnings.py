"""Rows read as beginnings of longer lists: the number and the places move, what else was asked stays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.align.beginnings import Beginnings
from steerec.errors import ConfigError
from steerec.llm.packing import Example
from tiny_shelf import tiny

WORD, ITEM, END, FIRST, NUMBER = 1, 30, 2, 100, 20
ALWAYS = Beginnings(first=FIRST, number=NUMBER, items=range(ITEM, ITEM + 20), share=1.0)


def row(count: int, other: int) -> tuple[Example, int]:
    """Return "count films, other of them ..." and its list, which counts down, and where the list begins."""
    prompt = [ITEM, WORD, FIRST + count - 1, WORD, FIRST + other - 1, WORD]
    answer = [token for left in range(count, 0, -1) for token in (FIRST + left - 1, ITEM + left)] + [END]
    weights = [0.0] * len(prompt) + [1.0] * len(answer)
    return Example((*prompt, *answer), tuple(weights)), len(prompt)


@given(count=st.integers(2, 10), other=st.integers(1, 10), seed=st.integers(0, 999))
def test_the_number_and_the_places_move_together(count: int, other: int, seed: int) -> None:
    example, answer = row(count, other)
    longer = ALWAYS.of_longer(example, answer, np.random.default_rng(seed))
    if other == count:  # which of the two numbers is that of the list?
        assert longer is example
        return
    assert END not in longer.tokens, "that the list ends here is not learned"
    assert len(longer.tokens) == len(longer.weights) == len(example.tokens) - 1
    moved = np.array(longer.tokens) - np.array(example.tokens[:-1])
    offset = moved[2]
    assert 1 <= offset <= NUMBER - count
    places = np.arange(answer, len(longer.tokens), 2)
    assert set(moved[places]) == {offset}
    assert moved[4] == 0
    kept = np.setdiff1d(np.arange(len(moved)), [2, 4, *places])
    assert not moved[kept].any()


def test_every_length_that_has_a_token_is_drawn() -> None:
    example, answer = row(10, 3)
    rng = np.random.default_rng(0)
    few = dataclasses.replace(ALWAYS, number=14)
    offsets = {few.of_longer(example, answer, rng).tokens[2] - example.tokens[2] for _ in range(100)}
    assert offsets == {1, 2, 3, 4}


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_is_the_share_of_lists_turned(share: float) -> None:
    example, answer = row(5, 2)
    some, rng = dataclasses.replace(ALWAYS, share=share), np.random.default_rng(0)
    changed = [some.of_longer(example, answer, rng) is not example for _ in range(4000)]
    assert np.mean(changed) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))


def test_talk_unsaid_numbers_and_the_longest_lists_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    talk = Example((WORD, FIRST + 3, WORD, END), (0.0, 0.0, 1.0, 1.0))
    assert ALWAYS.of_longer(talk, 2, rng) is talk
    sum_ = Example((WORD, FIRST + 6, WORD, FIRST + 6, WORD, END), (0.0, 0.0, 0.0, 1.0, 1.0, 1.0))
    assert ALWAYS.of_longer(sum_, 3, rng) is sum_, '"14 minus 7?" "7." is no list'
    unsaid = Example((WORD, FIRST + 1, ITEM, FIRST, ITEM + 1, END), (0.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    assert ALWAYS.of_longer(unsaid, 1, rng) is unsaid
    example, answer = row(10, 1)
    assert dataclasses.replace(ALWAYS, number=10).of_longer(example, answer, rng) is example


def test_a_model_that_spells_numbers_has_no_beginnings() -> None:
    assert Beginnings.of(tiny(identifier="title"), 0.0) is None
    with pytest.raises(ConfigError, match="beginnings_share needs one token per item"):
        Beginnings.of(tiny(identifier="title"), 0.5)
    with pytest.raises(ConfigError, match="numbers read as places"):
        Beginnings.of(dataclasses.replace(tiny(), reads_numbers=False), 0.5)
