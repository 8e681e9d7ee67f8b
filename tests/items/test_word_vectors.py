"""Text vectors of shared words: hand-derived likeness, nothing in common, deterministic."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.items.words import word_vectors


def test_the_likeness_of_texts_is_that_of_their_weighted_words() -> None:
    """With all columns kept the spectrum is a rotation, so cosines are those of the weights themselves.

    Six texts; a: 4 of 6, weight log(3 / 2); b, c: 2 of 6, weight log 3; "rare" stands in one text only.
    """
    texts = ["a b", "a b", "a c rare", "a c", "none", "other"]
    a, b = np.log(6 / 4), np.log(3.0)
    vectors = word_vectors(texts, width=2)
    likeness = vectors @ vectors.T
    assert vectors.shape == (6, 2)
    assert likeness[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert likeness[2, 3] == pytest.approx(1.0, abs=1e-6)
    # Two directions of three: a with (b + c), and b - c; both texts lie in their plane.
    assert likeness[0, 2] == pytest.approx(a * a / (a * a + b * b), abs=1e-6)
    assert np.array_equal(vectors[4:], np.zeros((2, 2)))


def test_repeated_words_count_by_their_logarithm_and_case_does_not() -> None:
    texts = ["Red red sea", "red SEA", "sea", "sky", "Sky red"]
    assert np.array_equal(word_vectors(texts), word_vectors([text.lower() for text in texts]))
    # x and y stand in 3 of 20 texts each, z is common and so the weakest direction, which is left out.
    vectors = word_vectors(["x x x y", "x y", "x", "y", *["z"] * 16], width=2)
    thrice = 1 + np.log(3)
    expected = (thrice + 1) / (np.hypot(thrice, 1) * np.sqrt(2))
    assert vectors[0] @ vectors[1] == pytest.approx(expected, abs=1e-6)


def test_texts_with_nothing_in_common_have_no_direction() -> None:
    assert np.array_equal(word_vectors(["one", "two", "three"], width=4), np.zeros((3, 4)))


def test_vectors_are_deterministic_and_as_wide_as_asked() -> None:
    texts = [f"word{i % 5} word{i % 7} word{i % 11}" for i in range(60)]
    first = word_vectors(texts, width=40)
    assert first.shape == (60, 40)
    assert first.dtype == np.float32
    assert np.array_equal(first, word_vectors(texts, width=40))
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-5)
