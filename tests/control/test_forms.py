"""Each Python form equals the control that people would write in JSON."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from steerec.control import forms
from steerec.control.control import Cap, Control, Wish
from steerec.control.where import Where
from steerec.errors import RequestError

COMEDY = {"categories": "Comedy"}
NINETIES = {"year": {"ge": 1990, "le": 1999}}


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (forms.at_least(5, "Comedy"), {"where": COMEDY, "at_least": 5}),
        (forms.at_least("all", "Comedy"), {"where": COMEDY, "at_least": "all"}),
        (forms.at_most(2, "Comedy"), {"where": COMEDY, "at_most": 2}),
        (forms.exactly(2, "Comedy"), {"where": COMEDY, "exactly": 2}),
        (forms.without("Comedy"), {"where": COMEDY, "at_most": 0}),
        (forms.only("Comedy"), {"where": COMEDY, "at_least": "all"}),
        (forms.only(year=(1990, 1999)), {"where": NINETIES, "at_least": "all"}),
        (forms.only(year=1997), {"where": {"year": 1997}, "at_least": "all"}),
        (forms.only("Comedy", within=(1, 3)), {"where": COMEDY, "at_least": "all", "within": [1, 3]}),
        (forms.start_with(3, "Comedy"), {"where": COMEDY, "at_least": "all", "within": [1, 3]}),
        (forms.pin("Fargo", 2), {"where": {"items": ["Fargo"]}, "at_least": "all", "within": [2, 2]}),
        (forms.share_about(Fraction(3, 10), "Comedy"), {"where": COMEDY, "share_about": 0.3}),
        (forms.share_at_least("1/3", "Comedy"), {"where": COMEDY, "share_at_least": "1/3"}),
        (forms.share_at_most(0.3, "Comedy"), {"where": COMEDY, "share_at_most": 0.3}),
        (forms.share_more_than(0.5, "Comedy"), {"where": COMEDY, "share_more_than": 0.5}),
        (forms.share_less_than(0.5, "Comedy", within=(1, 4)),
         {"where": COMEDY, "share_less_than": 0.5, "within": [1, 4]}),
    ],
)  # fmt: skip
def test_controls(form: Control, written: dict[str, object]) -> None:
    assert form == Control(**written)


def test_caps_and_wishes() -> None:
    assert forms.cap("director", 2) == Cap(each="director", at_most=2)
    assert forms.cap("director", share_at_most="1/5") == Cap(each="director", share_at_most=0.2)
    assert forms.prefer("Comedy", weight=0.5) == Wish(where=COMEDY, weight=0.5)
    assert forms.prefer(year=(1995, None)) == Wish(where={"year": {"ge": 1995}}, weight=1.0)
    assert forms.like("Fargo") == forms.like(["Fargo"]) == Wish(like=["Fargo"])
    assert forms.like("Fargo", "Alien", weight=2).like == ("Fargo", "Alien")


@pytest.mark.parametrize(
    ("where", "written"),
    [
        (forms.where("Action", "Thriller"), {"categories": ["Action", "Thriller"]}),
        (forms.where("Action", director="Scott"), {"categories": "Action", "director": "Scott"}),
        (forms.where(director=["Scott", "Coen"]), {"director": ["Scott", "Coen"]}),
        (forms.where(year={"gt": 1990}), {"year": {"gt": 1990}}),
        (forms.where(year=(None, 1999)), {"year": {"le": 1999}}),
        (forms.where(released=("1990-01-01", None)), {"released": {"ge": "1990-01-01"}}),
        (forms.where(released=(None, date(1990, 1, 1))), {"released": {"le": "1990-01-01"}}),
        (forms.where({"any": [COMEDY, NINETIES]}), {"any": [COMEDY, NINETIES]}),
        (forms.where(Where.parse(COMEDY)), COMEDY),
        (forms.where("Action", {"not": COMEDY}), {"all": [{"categories": "Action"}, {"not": COMEDY}]}),
    ],
)
def test_what_is_meant(where: Where, written: dict[str, object]) -> None:
    assert where == Where.parse(written)


@pytest.mark.parametrize(
    ("arguments", "columns", "message"),
    [
        ((), {}, 'Say which items are meant, such as "Comedy" or year=(1990, 1999).'),
        (("Comedy",), {"categories": "Drama"}, '"Comedy" and categories= both speak of categories; use one.'),
        ((), {"year": (1, 2, 3)}, "A tuple is a range like (1990, 1999), and got (1, 2, 3)"),
        ((), {"year": (None, None)}, "A tuple is a range like (1990, 1999)"),
        ((), {"director": ("Scott", "Coen")}, "has no order; a list means any of."),
        ((), {"year": None}, 'write {"is_null": true}'),
    ],
)
def test_what_says_nothing_is_refused(
    arguments: tuple[str, ...], columns: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError) as error:
        forms.where(*arguments, **columns)
    assert message in str(error.value)
