"""What is taken for what: controls of two requests are paired by their items, then by their kind."""

from __future__ import annotations

import pytest
from test_understanding import CATALOG

from steerec.control.forms import at_least, at_most, cap, exactly, like, only, prefer, share_at_least, without
from steerec.control.request import Request
from steerec.evaluate.understanding import bound_kind, confusions


@pytest.mark.parametrize(
    ("control", "kind"),
    [
        (only("Drama"), "only"),
        (exactly("all", "Drama"), "only"),
        (without("Drama"), "without"),
        (exactly(2, "Drama"), "exactly"),
        (at_least(2, "Drama", within=(1, 3)), "at_least in a stretch"),
        (share_at_least("1/2", "Drama"), "share_at_least"),
        (cap("year", 1), "cap"),
        (cap("year", share_at_most="1/2"), "share cap"),
    ],
)
def test_controls_have_kinds(control: object, kind: str) -> None:
    assert bound_kind(control) == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("meant", "read", "pairs"),
    [
        ([only("Drama")], [only("Drama")], []),
        ([at_least(2, "Drama")], [exactly(2, "Drama")], [("at_least", "exactly")]),
        ([only("Drama")], [only("Comedy")], [("only", "only, of other items")]),
        ([only("Drama"), at_most(1, "Horror")], [only("Drama")], [("at_most", "missed")]),
        ([only("Drama")], [only("Drama"), without("Horror")], [("invented", "without")]),
        (
            [at_least(1, "Drama"), without("Horror")],
            [without("Drama")],
            [("at_least", "without"), ("without", "missed")],
        ),
        ([cap("year", 1)], [cap("year", 2)], [("cap", "cap")]),
    ],
)
def test_differing_controls_are_paired(meant: list[object], read: list[object], pairs: list[object]) -> None:
    assert confusions(Request(count=4, controls=read), Request(count=4, controls=meant), CATALOG) == pairs


def test_counts_and_wishes_are_parts_too() -> None:
    meant = Request(count=3, prefer=[prefer("Drama"), like("0")], exclude=["1"], allow_seen=True)
    read = Request(count=4, prefer=[prefer("Drama", weight=-1.0)])
    assert confusions(read, meant, CATALOG) == [
        ("count", "count"),
        ("wish", "wish"),
        ("like", "missed"),
        ("exclude", "missed"),
        ("allow_seen", "missed"),
    ]
