"""Refusals name the conflict in words and offer a change that works."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from shelf import SHELF

from steerec.control.control import Cap, Control
from steerec.control.feasibility import is_feasible
from steerec.control.forms import (
    at_least,
    at_most,
    cap,
    exactly,
    only,
    pin,
    share_about,
    share_at_most,
    share_more_than,
    start_with,
    without,
)
from steerec.control.refusal import refuse
from steerec.control.request import Request, compile_request
from steerec.control.statement import state_control
from steerec.data.catalog import Catalog
from steerec.errors import InfeasibleRequest


def refusal(
    request: Request, history: list[int] | None = None, catalog: Catalog = SHELF
) -> InfeasibleRequest:
    with pytest.raises(InfeasibleRequest) as error:
        refuse(request, catalog, compile_request(request, catalog, history or []))
    return error.value


def test_what_can_be_satisfied_is_not_refused() -> None:
    request = Request(count=3, controls=[only("Comedy")])
    assert refuse(request, SHELF, compile_request(request, SHELF)) is None


@pytest.mark.parametrize(
    ("request_", "history", "message"),
    [
        (
            Request(count=5, controls=[only("Comedy")]),
            [],
            'No list of 5 films satisfies "only Comedy films": only 4 can be recommended. '
            "The nearest request that can be satisfied: ask for at least 4 Comedy films instead of 5.",
        ),
        (
            Request(count=3, controls=[only("Comedy")]),
            [1, 4],
            'No list of 3 films satisfies "only Comedy films" when what was already seen is left out: '
            "only 2 can be recommended. "
            "The nearest request that can be satisfied: ask for at least 2 Comedy films instead of 3.",
        ),
        (
            Request(count=1, exclude=["Fargo"], controls=[pin("Fargo", 1)]),
            [],
            "No list of 1 film satisfies \"'Fargo (1996)' in position 1\" when what the request excludes is "
            "left out: none can be recommended. The nearest request that can be satisfied: do without "
            "\"'Fargo (1996)' in position 1\".",
        ),
        (
            Request(count=2, controls=[only("Comedy"), only("Sci-Fi")]),
            [],
            'In a list of 2 films, "only Comedy films" and "only Sci-Fi films" cannot both hold. The nearest '
            'request that can be satisfied: do without "only Sci-Fi films".',
        ),
        (
            Request(count=4, controls=[at_least(3, "Comedy"), at_most(1, {"not": {"year": 1}})]),
            [],
            'No list of 4 films satisfies "at most 1 film other than films whose year is 1"',
        ),
        (
            Request(count=4, controls=[at_least(2, director="Scott"), cap("director", 1)]),
            [],
            'In a list of 4 films, "at least 2 films whose director is Scott" and "at most 1 film of one '
            'director" cannot both hold. The nearest request that can be satisfied: allow 2 films of one '
            "director instead of 1.",
        ),
        (  # one film has no year, so two of the three positions go to films that have one
            Request(
                count=4,
                controls=[only("Comedy", within=(4, 4)), without(year=(1900, 2020), within=(1, 3))],
            ),
            [],
            'No list of 4 films satisfies "no films with a year between 1900 and 2020 in positions 1 to 3". '
            "The nearest request that can be satisfied: allow 2 films with a year between 1900 and 2020 "
            "instead of 0 in positions 1 to 3.",
        ),
        (
            Request(count=5, candidates=["a", "b", "c", "d"]),
            [0],
            "Only 2 films can be recommended when what was already seen is left out and only the candidates "
            "may be chosen, and the request asks for 5. The largest count that works is 2.",
        ),
        (
            Request(count=2, candidates=["a"], controls=[only("Comedy")]),
            [],
            "Only 1 film can be recommended when only the candidates may be chosen, and the request asks for "
            "2. No shorter list satisfies the controls either: let more be recommended.",
        ),
        (
            Request(count=2, candidates=["a"]),
            [0],
            "No films can be recommended when what was already seen is left out and only the candidates may "
            "be chosen, and the request asks for 2. No shorter list satisfies",
        ),
        (  # 9 works, 4 of them comedies: of k films at most floor(k / 2) are none, so k = 8 takes 4 and 4
            Request(count=12, controls=[share_at_most("1/2", {"not": {"categories": "Comedy"}})]),
            [],
            "Only 9 films can be recommended, and the request asks for 12. "
            "The largest count that works is 8.",
        ),
    ],
)
def test_messages(request_: Request, history: list[int], message: str) -> None:
    assert message in str(refusal(request_, history))


def test_the_offered_change_works() -> None:
    controls = [only("Comedy"), only(year=(1990, 1999)), at_least(2, "Sci-Fi")]
    request = Request(count=4, controls=controls)
    error = refusal(request)
    relaxed = list(controls)
    for change in error.relaxation.changes:
        assert change.bound == "lower"
        relaxed[change.control] = Control(where=controls[change.control].where, at_least=change.new)
    assert is_feasible(compile_request(request.replace(controls=relaxed), SHELF))


def test_twenty_film_noirs_of_1997_for_children_are_refused(data_dir: Path) -> None:
    frame = pl.read_parquet(data_dir / "ml-100k" / "items.parquet")
    frame = frame.with_columns(pl.col("year").cast(pl.Int64, strict=False))
    films = Catalog.from_frame(frame, noun="films")
    request = Request(count=20, controls=[only("Film-Noir"), only(year=1997), only("Children's")])
    error = refusal(request, catalog=films)
    assert error.conflict.controls == (0, 2)  # not one film is both: 20 items of slack, more than with 1997
    assert '"only Film-Noir films" and "only Children\'s films" cannot both hold' in str(error)
    assert "The nearest request that can be satisfied: " in str(error)


@pytest.mark.parametrize(
    ("control", "stated"),
    [
        (only("Comedy"), "only Comedy films"),
        (exactly("all", "Comedy"), "only Comedy films"),
        (without("Comedy"), "no Comedy films"),
        (exactly(0, "Comedy"), "no Comedy films"),
        (at_least(1, "Comedy"), "at least 1 Comedy film"),
        (exactly(2, "Comedy", "Drama"), "exactly 2 Comedy or Drama films"),
        (start_with(3, "Comedy"), "only Comedy films in positions 1 to 3"),
        (pin("a", 4), "'Alien (1979)' in position 4"),
        (share_about("1/3", "Comedy"), "a share of about 1/3 of Comedy films"),
        (share_more_than(0.5, director="Coen"), "a share of more than 1/2 of films whose director is Coen"),
        (
            Control(where={"categories": "Comedy"}, at_least="all", at_most=3),
            "at least all and at most 3 Comedy films",
        ),
        (
            Control(where={"categories": "Comedy"}, at_least=2, at_most=0),
            "at least 2 and at most 0 Comedy films",
        ),
        (cap("director", 2), "at most 2 films of one director"),
        (cap("categories", 1), "at most 1 film of one category"),
        (cap("director", share_at_most=0.2), "a share of at most 1/5 for any one director"),
    ],
)
def test_statements(control: Control | Cap, stated: str) -> None:
    assert state_control(control, SHELF) == stated


@pytest.mark.parametrize("control", [at_least(10**25, "Comedy"), exactly(10**25, "Comedy")])
def test_absurd_bounds_are_a_conflict_like_any_other(control: Control) -> None:
    request = Request(count=3, controls=[control])
    assert refusal(request).conflict.controls == (0,)


@pytest.mark.parametrize(
    ("quotes", "message"),
    [
        (
            ("nothing but comedies", "only sci-fi"),
            'You asked for "nothing but comedies" and "only sci-fi", which cannot both hold in a list of 2 '
            'films. The nearest that works: do without "only Sci-Fi films".',
        ),
        (  # what no words asked for is said in ours, without quotation marks
            (None, "only sci-fi"),
            'You asked for only Comedy films and "only sci-fi", which cannot both hold',
        ),
        ((None, None), 'In a list of 2 films, "only Comedy films" and "only Sci-Fi films" cannot both hold.'),
    ],
)
def test_a_refusal_speaks_in_the_words_that_were_said(quotes: tuple[str | None, ...], message: str) -> None:
    request = Request(count=2, controls=[only("Comedy"), only("Sci-Fi")])
    with pytest.raises(InfeasibleRequest) as error:
        refuse(request, SHELF, compile_request(request, SHELF), quotes)
    assert str(error.value).startswith(message)
    assert error.value.conflict.quotes == quotes
    assert error.value.as_data()["conflict"] == {
        "controls": [0, 1],
        "names": [],
        "slack": 2,
        "quotes": list(quotes),
    }


def test_own_words_for_a_single_control_say_what_there_is() -> None:
    request = Request(count=5, controls=[only("Comedy")])
    with pytest.raises(InfeasibleRequest) as error:
        refuse(request, SHELF, compile_request(request, SHELF), ("five comedies",))
    assert str(error.value) == (
        'You asked for "five comedies", and no list of 5 films can do that: only 4 can be recommended. '
        "The nearest that works: ask for at least 4 Comedy films instead of 5."
    )
