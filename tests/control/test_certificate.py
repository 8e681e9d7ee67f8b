"""Certificates state counts that can be read off the shelf, survive JSON, and expose any tampering."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import SHELF
from test_request import REQUESTS

from steerec.control.certificate import Certificate, certify, verify
from steerec.control.forms import at_least, cap, only, share_about, without
from steerec.control.request import Request
from steerec.errors import DataError, RequestError

# at least one comedy among the first two, no horror, about a third from 1990 on, two films a director
REQUEST = Request(
    count=4,
    controls=[
        at_least(1, "Comedy", within=(1, 2)),
        without("Horror"),
        share_about("1/3", year=(1990, None)),
        cap("director", 2),
    ],
)
GOOD = [7, 1, 5, 2]  # h: 1995 Singer; b: comedy, Zucker; f: no year, Koreeda; c: Scott


def test_counts_of_a_good_list() -> None:
    certificate = certify(REQUEST, SHELF, GOOD, [8], unplaced=["cheap"])
    assert certificate.satisfied
    assert verify(certificate, SHELF, [8])
    assert json.loads(certificate.to_json()) == {
        "schema": 1,
        "catalogue_sha256": SHELF.sha256,
        "request": json.loads(REQUEST.to_json()),
        "items": ["h", "b", "f", "c"],
        "controls": [
            {"index": 0, "lower": 1, "upper": 2, "matched": 1, "null_items": [], "satisfied": True},
            {"index": 1, "lower": 0, "upper": 0, "matched": 0, "null_items": [], "satisfied": True},
            # p k = 4/3: r = 1, tolerance 1; f has no year
            {"index": 2, "lower": 1, "upper": 2, "matched": 1, "null_items": ["f"], "satisfied": True},
            {"index": 3, "lower": 0, "upper": 2, "matched": 1, "null_items": [], "satisfied": True},
        ],
        "seen_items": [],
        "fallback_from": None,
        "unplaced": ["cheap"],
    }


def test_counts_of_a_bad_list() -> None:
    # a: horror, Scott; c: Scott; j: "SCOTT "; e: comedy, no director, in position 4 only
    certificate = certify(REQUEST, SHELF, [0, 2, 9, 4])
    results = [(r.lower, r.upper, r.matched, r.null_items, r.satisfied) for r in certificate.controls]
    assert results == [
        (1, 2, 0, (), False),  # j has no categories, but stands outside the stretch
        (0, 0, 1, ("j",), False),
        (1, 2, 1, (), True),
        (0, 2, 3, ("e",), False),
    ]
    assert certificate.broken_rules == ()
    assert not certificate.satisfied
    assert verify(certificate, SHELF)  # true, and a certificate of failure


@pytest.mark.parametrize(
    ("fields", "items", "history", "broken"),
    [
        ({}, [0, 1], [], ()),
        ({}, [0], [], ("count",)),
        ({}, [], [], ("count",)),
        ({}, [0, 1, 2], [], ("count",)),
        ({}, [0, 0], [], ("repeat",)),
        ({}, [2, 3], [], ("repeat",)),  # twins
        ({}, [0, 3], [2], ("seen",)),  # the twin of a seen film
        ({"allow_seen": True}, [0, 3], [2], ()),
        ({"exclude": ["c"]}, [0, 3], [], ("exclude",)),
        ({"candidates": ["a", "c"]}, [0, 3], [], ("candidates",)),
        (
            {"exclude": ["a"], "candidates": ["b"]},
            [0, 0, 2],
            [2],
            ("count", "repeat", "seen", "exclude", "candidates"),
        ),
    ],
)
def test_rules_beside_the_controls(
    fields: dict[str, object], items: list[int], history: list[int], broken: tuple[str, ...]
) -> None:
    certificate = certify(Request(count=2, **fields), SHELF, items, history)
    assert certificate.broken_rules == broken
    assert certificate.satisfied == (not broken)
    assert ("broken_rules" in json.loads(certificate.to_json())) == bool(broken)
    assert verify(Certificate.from_json(certificate.to_json()), SHELF, history)


def test_seen_items_are_shown_when_they_are_allowed() -> None:
    certificate = certify(Request(count=3, allow_seen=True), SHELF, [0, 3, 5], [2, 5, 8])
    assert certificate.seen_items == ("d", "f")
    assert certificate.satisfied


def test_a_short_list_has_fewer_positions() -> None:
    request = Request(count=4, controls=[only("Comedy", within=(3, 4))])
    result = certify(request, SHELF, [0, 2, 1]).controls[0]
    assert (result.lower, result.upper, result.matched, result.satisfied) == (2, 2, 1, False)


@given(
    REQUESTS,
    st.lists(st.integers(0, 9), max_size=12),
    st.lists(st.integers(0, 9), max_size=4),
)
def test_certificates_survive_json_and_verify(
    request_: Request, items: list[int], history: list[int]
) -> None:
    certificate = certify(request_, SHELF, items, history, fallback_from="beam")
    again = Certificate.from_json(certificate.to_json())
    assert again == certificate
    assert again.to_json() == certificate.to_json()
    assert verify(again, SHELF, history)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("items",), ["h", "b", "f", "a"]),
        (("items",), ["h", "b", "f", "nothing"]),
        (("controls", 0, "matched"), 2),
        (("controls", 1, "upper"), 4),
        (("controls", 2, "null_items"), []),
        (("controls", 0, "satisfied"), False),
        (("controls",), []),
        (("seen_items",), ["h"]),
        (("request", "count"), 5),
        (("request", "exclude"), ["h"]),
        (("request", "exclude"), ["no such film"]),
        (("catalogue_sha256",), "0" * 64),
        (("broken_rules",), ["seen"]),
    ],
)
def test_tampering_is_found(path: tuple[str | int, ...], value: object) -> None:
    record = json.loads(certify(REQUEST, SHELF, GOOD, [8]).to_json())
    inner = record
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert not verify(Certificate.from_json(json.dumps(record)), SHELF, [8])


def test_an_omitted_history_is_taken_on_trust_but_a_given_one_is_not() -> None:
    certificate = certify(REQUEST, SHELF, GOOD, [8])
    assert verify(certificate, SHELF)
    assert not verify(certificate, SHELF, [7])


def test_a_list_of_foreign_indices_is_an_error() -> None:
    for items in ([10], [-1]):
        with pytest.raises(RequestError, match=r"A list holds indices of the 10 films, and got \["):
            certify(Request(count=1), SHELF, items)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "The certificate cannot be read. The text is no JSON"),
        ("{}", "The certificate cannot be read. catalogue_sha256: is missing."),
        ('{"schema": 2}', "schema: Input should be 1, and got 2."),
        ('{"request": {"cuont": 1}}', 'request: A request has no field "cuont".'),
    ],
)
def test_what_is_no_certificate_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        Certificate.from_json(text)
    assert message in str(error.value)
