"""Rows whose places and numbers move alike: the rule "end where the number says" stays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.align.places import Places
from steerec.errors import ConfigError
from steerec.llm.packing import Example
from tiny_shelf import tiny

WORD, ITEM, END, FIRST, NUMBER = 1, 30, 2, 100, 20


def row(count: int, other: int) -> tuple[Example, int]:
    """Return "count films, other of them ..." and its list, and where the list begins."""
    prompt = [ITEM, WORD, FIRST + count - 1, WORD, FIRST + other - 1, WORD]
    answer = [token for place in range(count) for token in (FIRST + place, ITEM + place)] + [END]
    weights = [0.0] * len(prompt) + [1.0] * len(answer)
    return Example((*prompt, *answer), tuple(weights)), len(prompt)


@given(count=st.integers(1, 10), other=st.integers(1, 10), seed=st.integers(0, 999))
def test_one_offset_moves_every_number_and_every_place(count: int, other: int, seed: int) -> None:
    example, answer = row(count, other)
    places = Places(first=FIRST, number=NUMBER, share=1.0)
    shifted = places.shift(example, answer, np.random.default_rng(seed))
    moved = np.array(shifted.tokens) - np.array(example.tokens)
    is_place = np.array(example.tokens) >= FIRST
    assert set(moved[~is_place]) == {0}
    (offset,) = set(moved[is_place])
    assert 1 <= offset <= NUMBER - max(count, other)
    # The list still ends right after the place that the request names.
    assert shifted.tokens[-3] == shifted.tokens[2]


def test_every_offset_that_fits_is_drawn() -> None:
    example, answer = row(10, 3)
    rng = np.random.default_rng(0)
    places = Places(first=FIRST, number=14, share=1.0)
    offsets = {places.shift(example, answer, rng).tokens[2] - example.tokens[2] for _ in range(100)}
    assert offsets == {1, 2, 3, 4}


def test_nothing_is_learned_from_the_first_place_of_a_shifted_list_alone() -> None:
    example, answer = row(4, 2)
    shifted = Places(first=FIRST, number=NUMBER, share=1.0).shift(example, answer, np.random.default_rng(0))
    assert [i for i, (a, b) in enumerate(zip(example.weights, shifted.weights, strict=True)) if a != b] == [
        answer
    ]


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_is_the_share_of_lists_shifted(share: float) -> None:
    example, answer = row(5, 2)
    places, rng = Places(first=FIRST, number=NUMBER, share=share), np.random.default_rng(0)
    changed = [places.shift(example, answer, rng) is not example for _ in range(4000)]
    assert np.mean(changed) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))


def test_talk_and_lists_without_room_stay_as_they_are() -> None:
    places, rng = Places(first=FIRST, number=10, share=1.0), np.random.default_rng(0)
    talk = Example((WORD, FIRST + 3, WORD, END), (0.0, 0.0, 1.0, 1.0))
    assert places.shift(talk, 2, rng) is talk
    full, answer = row(10, 1)
    assert places.shift(full, answer, rng) is full


def test_a_prompt_begins_its_list_where_its_numbers_went() -> None:
    example, answer = row(5, 2)
    prompt = example.tokens[:answer]
    begun = Places(first=FIRST, number=NUMBER, share=1.0).begin(prompt, np.random.default_rng(0))
    offset = begun[2] - prompt[2]
    assert offset > 0
    assert begun[-1] == FIRST + offset
    assert begun[4] - prompt[4] == offset
    assert Places(first=FIRST, number=NUMBER, share=0.0).begin(prompt, np.random.default_rng(0)) == prompt


def test_a_model_that_spells_numbers_cannot_shift_them() -> None:
    lm = tiny(identifier="title")
    assert Places.of(lm, 0.0) is None
    with pytest.raises(ConfigError, match="place_shift_share needs one token per item"):
        Places.of(lm, 0.5)
    with pytest.raises(ConfigError, match="numbers read as places"):
        Places.of(dataclasses.replace(tiny(), reads_numbers=False), 0.5)
