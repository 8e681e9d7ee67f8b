"""Bounds of controls and limits of caps, worked out by hand, and the exact reading of shares."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.control.control import Cap, Control, Wish, read_control, read_share
from steerec.errors import RequestError

COMEDY = {"categories": "Comedy"}


def bounds(count: int, **fields: object) -> tuple[int, int]:
    return Control(where=COMEDY, **fields).bounds(count)


@pytest.mark.parametrize(
    ("fields", "count", "expected"),
    [
        ({"at_least": 5}, 10, (5, 10)),
        ({"at_least": 0}, 10, (0, 10)),
        ({"at_least": "all"}, 10, (10, 10)),
        ({"at_least": 12}, 10, (12, 10)),  # above k: a conflict for the solver, no error here
        ({"at_most": 3}, 10, (0, 3)),
        ({"at_most": 0}, 10, (0, 0)),
        ({"at_most": 30}, 10, (0, 10)),  # above k: does nothing
        ({"exactly": 4}, 10, (4, 4)),
        ({"exactly": "all"}, 10, (10, 10)),
        ({"exactly": 12}, 10, (12, 10)),
        ({"at_least": 2, "at_most": 5}, 10, (2, 5)),
        ({"at_least": 2, "share_at_most": 0.55}, 10, (2, 5)),
        # within: k and "all" mean the length of the stretch
        ({"at_least": "all", "within": [2, 4]}, 10, (3, 3)),
        ({"at_least": 1, "within": [1, 3]}, 10, (1, 3)),
        ({"at_most": 9, "within": [1, 3]}, 10, (0, 3)),
        ({"share_at_least": "1/2", "within": [1, 3]}, 10, (2, 3)),
    ],
)
def test_counts(fields: dict[str, object], count: int, expected: tuple[int, int]) -> None:
    assert bounds(count, **fields) == expected


@pytest.mark.parametrize(
    ("share", "count", "at_least", "at_most", "more_than", "less_than"),
    [
        # pk = 3: lower ceil 3, upper floor 3, more than 3 is 4, less than 3 is 2
        (0.3, 10, 3, 3, 4, 2),
        # pk = 2.1
        (0.3, 7, 3, 2, 3, 2),
        # pk = 10/3
        ("1/3", 10, 4, 3, 4, 3),
        # pk = 3 exactly: a float third would give 2.9999... or 3.0000...1 somewhere
        ("1/3", 9, 3, 3, 4, 2),
        # pk = 0.07 * 100 = 7; in floats 7.000000000000001, whose ceiling is 8
        (0.07, 100, 7, 7, 8, 6),
        # pk = 0.29 * 100 = 29; in floats 28.999999999999996, whose floor is 28
        (0.29, 100, 29, 29, 30, 28),
        (0.5, 1, 1, 0, 1, 0),
        (0.5, 2, 1, 1, 2, 0),
        (0.01, 1000, 10, 10, 11, 9),
    ],
)
def test_shares(
    share: object, count: int, at_least: int, at_most: int, more_than: int, less_than: int
) -> None:
    assert bounds(count, share_at_least=share) == (at_least, count)
    assert bounds(count, share_at_most=share) == (0, at_most)
    assert bounds(count, share_more_than=share) == (more_than, count)
    assert bounds(count, share_less_than=share) == (0, less_than)


def test_shares_at_the_ends() -> None:
    assert bounds(10, share_at_least=0) == (0, 10)
    assert bounds(10, share_at_least=1) == (10, 10)
    assert bounds(10, share_at_most=0) == (0, 0)
    assert bounds(10, share_at_most=1) == (0, 10)
    assert bounds(10, share_more_than=0) == (1, 10)
    assert bounds(10, share_less_than=1) == (0, 9)


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [
        (0.3, 10, (2, 4)),  # r = 3, tolerance 1
        (0.3, 11, (1, 5)),  # pk = 3.3, r = 3, tolerance ceil(1.1) = 2
        (0.25, 10, (2, 4)),  # pk = 2.5 rounds up to 3, tolerance 1
        (0.3, 50, (10, 20)),  # r = 15, tolerance 5
        (0.05, 10, (1, 2)),  # pk = .5, r = 1, tolerance 1: lower 0 is lifted to 1 since p > 0
        (0.01, 10, (1, 1)),  # r = 0, upper 1, lower lifted to 1
        (0.95, 10, (9, 9)),  # pk = 9.5, r = 10, upper 10 is cut to 9 since p < 1
        (0, 10, (0, 1)),  # p = 0: nothing lifts the lower bound
        (1, 10, (9, 10)),  # p = 1: nothing cuts the upper bound
        (0.5, 1, (0, 1)),  # pk + 1/2 = 1, r = 1; k = 1: no lifting, no cutting
        (0.3, 1, (0, 1)),  # r = 0, tolerance 1
        (0.5, 2, (1, 1)),  # r = 1, tolerance 1: 0..2, then lifted and cut
        ("1/3", 3, (1, 2)),  # r = 1, tolerance 1: 0..2, then lifted
    ],
)
def test_about(share: object, count: int, expected: tuple[int, int]) -> None:
    assert bounds(count, share_about=share) == expected


@given(st.fractions(0, 1), st.integers(1, 1000))
def test_about_always_admits_a_count_near_the_share(share: Fraction, count: int) -> None:
    lower, upper = bounds(count, share_about=share)
    assert 0 <= lower <= upper <= count
    nearest = floor(share * count + Fraction(1, 2))
    tolerance = ceil(Fraction(count, 10))
    assert lower >= nearest - tolerance
    assert upper <= nearest + tolerance


@given(st.fractions(0, 1), st.integers(1, 1000))
def test_strict_and_plain_shares_are_complements(share: Fraction, count: int) -> None:
    if share < 1:
        assert bounds(count, share_more_than=share)[0] == bounds(count, share_at_most=share)[1] + 1
    if share > 0:
        assert bounds(count, share_less_than=share)[1] == bounds(count, share_at_least=share)[0] - 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0.3, Fraction(3, 10)),
        (0.1, Fraction(1, 10)),
        (0.1 + 0.2, Fraction(30000000000000004, 10**17)),  # the text that Python prints, not the binary value
        (Decimal("0.30"), Fraction(3, 10)),
        (Decimal("0.3333333333333333333333"), Fraction("0.3333333333333333333333")),
        ("1/3", Fraction(1, 3)),
        (" 2 / 6 ", Fraction(1, 3)),
        ("0.125", Fraction(1, 8)),
        ("5e-1", Fraction(1, 2)),
        (Fraction(2, 7), Fraction(2, 7)),
        (1, Fraction(1)),
        ("0", Fraction(0)),
        (None, None),
    ],
)
def test_shares_are_read_by_their_text(written: object, expected: Fraction | None) -> None:
    assert read_share(written) == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("a third", "a share is a number like 0.3 or a string like \"1/3\", and got 'a third'"),
        ("30%", "and got '30%'"),
        ("1/0", "and got '1/0'"),
        (True, "and got True"),
        (float("nan"), "and got nan"),
        ([0.3], "and got [0.3]"),
        ("1e-999999999", "and got '1e-999999999'"),  # would be a number of a thousand million digits
        (30, "a share lies between 0 and 1 (three tenths is 0.3), and got 30"),
        (-0.1, "a share lies between 0 and 1 (three tenths is 0.3), and got -0.1"),
        ("4/3", "a share lies between 0 and 1 (three tenths is 0.3), and got 4/3"),
    ],
)
def test_what_is_no_share_is_refused(written: object, message: str) -> None:
    with pytest.raises(RequestError) as error:
        read_share(written)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "a control needs a bound; add one of at_least, exactly, share_at_least"),
        (
            {"at_least": 1, "share_at_least": 0.1},
            "one lower bound, and got at_least and share_at_least; keep",
        ),
        ({"at_most": 1, "exactly": 1}, "one upper bound, and got at_most and exactly"),
        ({"at_least": 1, "exactly": 1}, "one lower bound, and got at_least and exactly"),
        ({"at_most": 1, "share_about": 0.1}, "one upper bound, and got at_most and share_about"),
        ({"at_most": "all"}, 'at_most: "all" is no upper bound: it allows everything'),
        ({"at_least": -1}, "at_least: a whole number from 0 up is needed, and got -1."),
        ({"at_least": "5"}, "at_least: a whole number from 0 up is needed, and got '5'."),
        ({"exactly": 2.5}, "exactly: a whole number from 0 up is needed, and got 2.5."),
        ({"at_most": True}, "at_most: a whole number from 0 up is needed, and got True."),
        ({"share_more_than": 1}, "no list can hold a share of more than 1; write at_least: all"),
        ({"share_less_than": 0}, "no list can hold a share of less than 0; write at_most: 0"),
        ({"share_at_least": 3}, "share_at_least: a share lies between 0 and 1"),
        ({"at_least": 1, "within": 3}, "within: two positions such as [1, 3] are needed, and got 3."),
        ({"at_least": 1, "within": [1, 2, 3]}, "within: two positions such as [1, 3] are needed"),
        ({"at_least": 1, "within": [1, 2.5]}, "within: two positions such as [1, 3] are needed"),
        ({"at_least": 1, "within": [0, 3]}, "within: positions count from 1 and the first is not after the"),
        ({"at_least": 1, "within": [3, 2]}, "and got [3, 2]"),
        ({"at_lest": 1}, 'A control has no field "at_lest". Did you mean "at_least"'),
    ],
)
def test_what_is_no_control_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        Control(where=COMEDY, **fields)
    assert message in str(error.value)


def test_a_control_without_where_is_refused() -> None:
    with pytest.raises(RequestError, match=r"^where: is missing\.$"):
        Control(at_least=1)


def test_the_order_of_bounds_is_no_matter_for_validation() -> None:
    # contradictory bounds are a conflict that the solver names, as a lower bound above k is
    assert bounds(10, at_least=7, at_most=5) == (7, 5)


@pytest.mark.parametrize(
    ("fields", "count", "expected"),
    [
        ({"at_most": 2}, 10, 2),
        ({"at_most": 20}, 10, 10),
        ({"at_most": 0}, 10, 0),
        ({"share_at_most": "1/3"}, 10, 3),
        ({"share_at_most": 0.07}, 100, 7),
    ],
)
def test_limits_of_caps(fields: dict[str, object], count: int, expected: int) -> None:
    assert Cap(each="director", **fields).limit(count) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"each": "director"}, "a cap takes either at_most or share_at_most, and got neither"),
        ({"each": "d", "at_most": 1, "share_at_most": 0.1}, "and got at_most and share_at_most"),
        ({"each": "d", "at_most": "all"}, 'at_most: "all" is no upper bound'),
        (
            {"each": "d", "at_least": 1},
            'A cap has no field "at_least". Fields: each, at_most, share_at_most.',
        ),
        ({"each": "d", "at_most": 1, "within": [1, 2]}, 'A cap has no field "within".'),
        ({"each": 3, "at_most": 1}, 'each: a column name such as "director" is needed, and got 3.'),
        ({"each": "", "at_most": 1}, "each: a column name such as"),
    ],
)
def test_what_is_no_cap_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        Cap(**fields)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "a wish takes either where or like; write two wishes for both"),
        ({"where": COMEDY, "like": ["a"]}, "a wish takes either where or like"),
        ({"like": "Fargo"}, "like: items are given as a list such as"),
        ({"like": []}, "like: the list of items is empty"),
        ({"like": [["a"]]}, "like: items are named by id or title"),
        ({"where": COMEDY, "weight": "1"}, "weight: a weight is a number, and got '1'."),
        ({"where": COMEDY, "weight": float("inf")}, "weight: a weight is a finite number, and got inf."),
        ({"where": COMEDY, "weight": 10**400}, "weight: a weight is a finite number, and got 1000"),
    ],
)
def test_what_is_no_wish_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        Wish(**fields)
    assert message in str(error.value)


def test_weights_default_to_one_and_may_be_negative() -> None:
    assert Wish(where=COMEDY).weight == 1.0
    assert Wish(like=["a", 7], weight=-2).model_dump() == {"like": ("a", "7"), "weight": -2.0}


def test_each_makes_a_cap() -> None:
    assert isinstance(read_control({"each": "director", "at_most": 1}), Cap)
    assert isinstance(read_control({"where": COMEDY, "at_most": 1}), Control)
    with pytest.raises(RequestError, match="a control is an object with where or each, and got 3"):
        read_control(3)


def test_parts_are_frozen_hashable_and_replaceable() -> None:
    control = Control(where=COMEDY, share_at_least=0.3)
    with pytest.raises(ValueError, match="frozen"):
        control.at_most = 3
    assert hash(control) == hash(Control(where=COMEDY, share_at_least="3/10"))
    assert control.replace(at_most=4).bounds(10) == (3, 4)
