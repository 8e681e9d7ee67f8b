"""The small parts of understanding: numbers, shares, plurals, comparisons, the lexicon, neighbours."""

from fractions import Fraction

import numpy as np
import pytest

from steerec.data.synthetic import make_world
from steerec.understand.patterns.comparison import compare
from steerec.understand.patterns.lexicon import Lexicon
from steerec.understand.patterns.marks import Marks, all_of, any_of, none_of
from steerec.understand.patterns.neighbours import Neighbours
from steerec.understand.text import expand, mark_numbers, mark_shares, normalise, read_number, stem

CATALOG = make_world(20, 40, num_categories=8).catalog


@pytest.mark.parametrize(
    ("word", "number"),
    [("7", 7), ("1,000", 1000), ("twelve", 12), ("twenty-five", 25), ("ninety nine", 99), ("few", None)],
)
def test_numbers(word, number):
    assert read_number(word) == number


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("30%", Fraction(3, 10)),
        ("12.5 percent", Fraction(1, 8)),
        ("ten per cent", Fraction(1, 10)),
        ("1/3", Fraction(1, 3)),
        ("half", Fraction(1, 2)),
        ("a quarter", Fraction(1, 4)),
        ("two thirds", Fraction(2, 3)),
        ("one in four", Fraction(1, 4)),
    ],
)
def test_shares(text, share):
    marks = Marks()
    assert marks.share(mark_shares(text, marks).strip()) == share


@pytest.mark.parametrize("text", ["140%", "5/3", "half a dozen", "the third film", "1990"])
def test_what_is_no_share(text):
    marks = Marks()
    assert mark_shares(text, marks).replace("half-", "half ") == text


def test_half_a_dozen_is_six():
    marks = Marks()
    assert marks.number(mark_numbers(mark_shares("half a dozen", marks), marks).strip()) == 6


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("Comedies", "comedy"),
        ("Thrillers", "thriller"),
        ("Children's", "children"),
        ("Bus", "bus"),
        ("boxes", "box"),
    ],
)
def test_stems(plural, singular):
    assert stem(plural) == singular


def test_contractions_and_quotes():
    assert normalise("“Don’t”  –\n x") == '"Don\'t" - x'
    assert expand("can't won't don't cannot") == "can not will not do not can not"


@pytest.mark.parametrize(
    ("phrase", "comparison"),
    [
        ("at least #", "ge"),
        ("# or more", "ge"),
        ("no fewer than #", "ge"),
        ("#+", "ge"),
        ("from # on", "ge"),
        ("not below #", "ge"),
        ("more than #", "gt"),
        ("over #", "gt"),
        ("in excess of #", "gt"),
        ("at most #", "le"),
        ("up to #", "le"),
        ("not more than #", "le"),
        ("never go over #", "le"),
        ("must not exceed #", "le"),
        ("limit it to #", "le"),
        ("less than #", "lt"),
        ("under #", "lt"),
        ("must not reach #", "lt"),
        ("exactly #", "eq"),
        ("more or less #", "about"),
        ("roughly #", "about"),
        ("# of them", None),
    ],
)
def test_comparisons(phrase, comparison):
    assert compare(phrase) == comparison


def test_sets_combine_to_the_flattest_form():
    a, b, year = {"categories": "A"}, {"categories": "B"}, {"year": {"ge": 1990}}
    assert any_of([a, b]) == {"categories": ["A", "B"]}
    assert any_of([a, year]) == {"any": [a, year]}
    assert all_of([a, b]) == {"categories": {"all_of": ["A", "B"]}}
    assert all_of([a, year]) == {**a, **year}
    assert all_of([none_of(a), none_of(b)]) == {"all": [{"not": a}, {"not": b}]}
    assert none_of(none_of(a)) == a


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("comedies", "Comedy"),
        ("scifi", "Sci-Fi"),
        ("sci fi", "Sci-Fi"),
        ("film noir", "Film-Noir"),
        ("romantic", "Romance"),
        ("documentries", "Documentary"),
        ("Lindqvist", "Bo Lindqvist"),
        ("recommend", None),
        ("purple", None),
    ],
)
def test_words_of_the_catalogue(word, value):
    marks = Marks()
    text = Lexicon(CATALOG).mark(word, marks).strip()
    found = next(iter(marks.where(text).values())) if text != word else None
    assert found == value


def test_neighbours_need_nearness_and_a_lead():
    vectors = {"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1], "near a": [0.9, 0.1, 0], "between": [1, 1, 0]}

    def embed(texts):
        return np.array([vectors[text.removesuffix(" films")] for text in texts], np.float32)

    neighbours = Neighbours(["a", "b", "c"], embed, "films")
    assert neighbours.nearest(["near a", "between"]) == {"near a": "a", "between": None}
    assert [value for value, _ in neighbours.ranked(["near a"])[0]] == ["a", "b", "c"]


def test_neighbours_of_real_words():
    vectors = pytest.importorskip("steerec.items.vectors")
    if not vectors.text_vectors_installed():
        pytest.skip("the text extra is not installed")
    genres = [
        "Action",
        "Comedy",
        "Crime",
        "Documentary",
        "Horror",
        "Musical",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
    ]
    neighbours = Neighbours(genres, vectors.TextEncoder().encode, "films")
    placed = neighbours.nearest(["scary", "humorous", "military", "singing", "tuesday"])
    assert placed == {
        "scary": "Horror",
        "humorous": "Comedy",
        "military": "War",
        "singing": "Musical",
        "tuesday": None,
    }
