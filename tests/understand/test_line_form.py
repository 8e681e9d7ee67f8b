"""The line form: what is written is read back, sugar comes to plain controls, and breaks are named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_reader import shelf

from steerec.control.request import Request
from steerec.control.where import Where, mask
from steerec.errors import RequestError
from steerec.evaluate.understanding import differing_parts
from steerec.understand.lines.line_form import read_tokens, write_tokens
from steerec.understand.lines.line_request import read_request, write_request
from steerec.understand.lines.line_where import read_where, write_where

CATALOG = shelf()
GENRES = CATALOG.values("categories")

atoms = st.one_of(
    st.sampled_from(GENRES).map(lambda value: {"categories": value}),
    st.sampled_from(["Orion", "Umbra"]).map(lambda value: {"studio": value}),
    st.tuples(st.integers(1950, 2000), st.integers(0, 30)).map(
        lambda ends: {"year": {"ge": ends[0], "le": ends[0] + ends[1]}}
    ),
    st.tuples(st.sampled_from(["ge", "gt", "le", "lt"]), st.integers(1950, 2000)).map(
        lambda end: {"year": {end[0]: end[1]}}
    ),
    st.sampled_from(["1990-01-01", "1984-06-30"]).map(lambda day: {"released": {"ge": day}}),
    st.integers(1950, 2000).map(lambda year: {"year": year}),
    st.booleans().map(lambda truth: {"year": {"is_null": truth}}),
    st.just({"title": {"contains": "star"}}),
    st.just({"items": ["i3"]}),
)
literals = st.one_of(atoms, atoms.map(lambda atom: {"not": atom}))
choices = st.lists(literals, min_size=1, max_size=3).map(
    lambda parts: {"any": parts} if len(parts) > 1 else parts[0]
)
wheres = st.one_of(
    literals,
    choices,
    st.lists(choices, min_size=2, max_size=3).map(lambda parts: {"all": parts}),
    st.lists(literals, min_size=2, max_size=3).map(lambda parts: {"not": {"all": parts}}),
    st.lists(literals, min_size=2, max_size=2).map(
        lambda parts: {"any": [{"all": parts}, {"studio": "Lumen"}]}
    ),
)
shares = st.sampled_from(["1/2", "3/10", "2/3"])
bounds = st.one_of(
    st.just({"at_least": "all"}),
    st.just({"at_most": 0}),
    st.integers(1, 5).map(lambda n: {"at_least": n}),
    st.integers(1, 5).map(lambda n: {"at_most": n}),
    st.integers(1, 5).map(lambda n: {"exactly": n}),
    st.integers(1, 5).map(lambda n: {"at_least": n, "at_most": n + 1}),
    *(
        shares.map(lambda share, name=name: {name: share})
        for name in ("share_at_least", "share_at_most", "share_more_than", "share_less_than", "share_about")
    ),
    shares.map(lambda share: {"share_at_least": share, "share_at_most": share}),
)
stretches = st.one_of(
    st.just({}), st.sampled_from([[1, 1], [2, 4], [1, 6]]).map(lambda ends: {"within": ends})
)
controls = st.one_of(
    st.tuples(bounds, stretches, wheres).map(lambda parts: {**parts[0], **parts[1], "where": parts[2]}),
    st.integers(1, 3).map(lambda n: {"each": "studio", "at_most": n}),
    shares.map(lambda share: {"each": "year", "share_at_most": share}),
)
wishes = st.one_of(
    st.tuples(wheres, st.sampled_from([1.0, -1.0])).map(lambda pair: {"where": pair[0], "weight": pair[1]}),
    st.sampled_from([1.0, -1.0]).map(lambda weight: {"like": ["i3", "i4"], "weight": weight}),
)
requests = st.fixed_dictionaries(
    {
        "count": st.integers(6, 12),
        "controls": st.lists(controls, max_size=4),
        "prefer": st.lists(wishes, max_size=2),
        "candidates": st.sampled_from([None, ["i1", "i2", "i5"]]),
        "exclude": st.sampled_from([[], ["i7"], ["i7", "Fargo (1996)"]]),
        "allow_seen": st.booleans(),
    }
)


@given(record=requests, unplaced=st.lists(st.text(min_size=1, max_size=12), max_size=2))
@settings(max_examples=120, deadline=None)
def test_a_request_is_written_and_read_back(record: dict[str, object], unplaced: list[str]) -> None:
    request = Request.from_json(json.dumps(record))
    tokens = write_request(request, unplaced)
    text = write_tokens(tokens)
    assert read_tokens(text) == tokens
    lines = read_request(tokens, CATALOG.columns)
    assert differing_parts(lines.request, request, CATALOG) == ()
    assert lines.unplaced == unplaced
    assert lines.says_count
    assert write_tokens(write_request(lines.request, unplaced)) == write_tokens(
        write_request(read_request(read_tokens(text), CATALOG.columns).request, unplaced)
    )
    assert write_tokens(read_tokens(text)) == text


@given(where=wheres)
@settings(max_examples=120, deadline=None)
def test_a_set_keeps_its_items(where: dict[str, object]) -> None:
    tokens = write_where(Where.parse(where))
    found, end = read_where(tokens, 0, CATALOG.columns)
    assert end == len(tokens)
    assert np.array_equal(mask(Where.parse(found), CATALOG), mask(Where.parse(where), CATALOG))


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ('more_than 3 categories="War"', {"at_least": 4}),
        ('fewer_than 3 categories="War"', {"at_most": 2}),
        ('about 3 categories="War"', {"share_about": "3/10"}),
        ('only first 3 categories="War"', {"at_least": "all", "within": [1, 3]}),
        ('only last 3 categories="War"', {"at_least": "all", "within": [8, 10]}),
        ('only at 2 categories="War"', {"at_least": "all", "within": [2, 2]}),
        ('only first_half categories="War"', {"at_least": "all", "within": [1, 5]}),
        ('without second_half categories="War"', {"at_most": 0, "within": [6, 10]}),
        ('exactly 0 categories="War"', {"at_most": 0}),
        ('exactly all categories="War"', {"exactly": "all"}),
    ],
)
def test_sugar_comes_to_plain_controls(text: str, control: dict[str, object]) -> None:
    expected = Request.from_json(json.dumps({"controls": [{"where": {"categories": "War"}, **control}]}))
    assert read_request(read_tokens(text), CATALOG.columns).request == expected


def test_a_count_adds_up_and_a_rest_is_what_is_left() -> None:
    lines = read_request(read_tokens('count sum exactly 3 categories="War" exactly 4 studio="Orion"'), {})
    assert (lines.request.count, lines.says_count) == (7, True)
    rest = read_request(read_tokens('exactly 3 categories="War" rest studio="Orion"'), {}, count=8)
    assert rest.request.controls[1].at_least == 5
    assert not rest.says_count


def test_years_on_a_column_of_dates_are_their_days() -> None:
    text = "only released in 1990..1999 only released > 1984 only released = 1970 only released <= 1980..1989"
    wheres = [
        one.where.to_json() for one in read_request(read_tokens(text), CATALOG.columns).request.controls
    ]
    assert wheres == [
        {"released": {"ge": "1990-01-01", "le": "1999-12-31"}},
        {"released": {"gt": "1984-12-31"}},
        {"released": {"ge": "1970-01-01", "le": "1970-12-31"}},
        {"released": {"le": "1989-12-31"}},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("only %", 'does not go on with "%'),
        ("Comedy", "A line begins with one of count, only"),
        ("only and", 'needs a value, an item, a piece of title or a column here, and got "and"'),
        ("only year", "needs a comparison such as >= 1990"),
        ('only (categories="War" or studio="Orion")', "needs a closing bracket"),
        ('at_least categories="War"', "A number or a share is needed"),
        ("each studio at_least 2", "takes at_most or share_at_most"),
        ("like", "names items"),
        ("count 5000", "A list has 1 to 1,000 items"),
        ('share_at_least 3/2 categories="War"', "A share lies between 0 and 1"),
        ("unplaced", "quotes words"),
    ],
)
def test_breaks_of_the_form_are_named(text: str, message: str) -> None:
    with pytest.raises(RequestError, match="^(?s:.*)" + message.replace("(", r"\(")):
        read_request(read_tokens(text), CATALOG.columns)


@pytest.mark.parametrize(
    "where",
    [
        {"path": {"under": ["A"]}},
        {"studio": {"contains": "Or"}},
        {
            "any": [
                {"all": [{"any": [{"a": "b"}, {"c": "d"}]}, {"any": [{"e": "f"}, {"g": "h"}]}]},
                {"i": "j"},
            ]
        },
    ],
)
def test_what_has_no_line_is_refused(where: dict[str, object]) -> None:
    with pytest.raises(RequestError, match="line form"):
        write_where(Where.parse(where))
