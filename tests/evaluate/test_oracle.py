"""The independent oracle, judged by hand on a shelf of seven films."""

from __future__ import annotations

from typing import Any

import pytest

from steerec.evaluate.oracle import matches, violations, work_of

TABLE: dict[str, dict[str, Any]] = {
    "a": {
        "title": "Alpha",
        "year": 1990,
        "categories": ["Comedy", "Drama"],
        "director": "Ann",
        "shelf": ["x", "y"],
    },
    "b": {"title": "Beta", "year": 1995, "categories": ["Comedy"], "director": "Ann", "shelf": ["x", "z"]},
    "c": {"title": "Gamma", "year": 1999, "categories": ["Horror"], "director": "Bob", "shelf": ["w"]},
    "d": {"title": "Delta", "year": None, "categories": [], "director": None, "shelf": None},
    "e": {"title": "ALPHA", "year": 1990, "categories": ["Drama"], "director": "Cy", "shelf": ["x"]},
    "f": {"title": "Alpha", "year": 1991, "categories": ["Drama"], "director": "Ann", "shelf": ["x"]},
    "g": {"title": "Café", "year": 2001, "categories": ["Drama"], "director": "Di", "shelf": ["x"]},
}


def found(request: dict[str, Any], items: list[str], history: list[str] | None = None) -> list[str]:
    return violations({"count": len(items), **request}, items, TABLE, history or [])


def bound(items: list[str], where: dict[str, Any], **bounds: Any) -> bool:
    return not found({"controls": [{"where": where, **bounds}]}, items)


def test_counts_inventions_and_repeats() -> None:
    assert found({"count": 3}, ["a", "b"]) == ["2 items instead of 3"]
    assert found({}, ["a", "nope"]) == ["not in the catalogue: ['nope']"]
    assert found({}, ["a", "b", "c"]) == []
    assert len(found({}, ["a", "e"])) == 1  # the same title, folded, and the same year: one work
    assert found({}, ["a", "f"]) == []  # another year: another work
    assert work_of("d", TABLE["d"]) == ("item", "d")  # no year: the item itself


def test_seen_excluded_candidates_act_on_works_and_items() -> None:
    assert found({}, ["e"], ["a"]) == ["seen: e"]
    assert found({"allow_seen": True}, ["e"], ["a"]) == []
    assert found({"exclude": ["a"]}, ["e"]) == ["excluded: e"]
    assert found({"candidates": ["a", "b"]}, ["c"]) == ["not a candidate: c"]
    assert found({}, ["b"], ["gone from the table"]) == []


@pytest.mark.parametrize(
    ("bounds", "allowed"),
    [
        ({"at_least": 2}, {2, 3, 4}),
        ({"at_most": 1}, {0, 1}),
        ({"exactly": 2}, {2}),
        ({"at_least": "all"}, {4}),
        ({"share_at_least": 0.3}, {2, 3, 4}),  # ceil(1.2) = 2
        ({"share_at_most": 0.3}, {0, 1}),  # floor(1.2) = 1
        ({"share_more_than": 0.5}, {3, 4}),  # floor(2) + 1 = 3
        ({"share_less_than": 0.5}, {0, 1}),  # ceil(2) - 1 = 1
        ({"share_about": "1/2"}, {1, 2, 3}),  # 2 with tolerance ceil(4/10) = 1
        ({"share_about": 0.9}, {3}),  # 4 +- 1, clipped to at most k - 1 = 3
    ],
)
def test_bounds_over_four_places(bounds: dict[str, Any], allowed: set[int]) -> None:
    drama, other = ["a", "f", "g"], ["b", "c", "d"]
    wide = {
        **TABLE,
        "h": {"title": "Eta", "year": 2002, "categories": ["Drama"]},
        "i": {"title": "I", "year": 1},
    }
    for matched in range(5):
        items = [*drama, "h"][:matched] + [*other, "i"][: 4 - matched]
        request = {"count": 4, "controls": [{"where": {"categories": "Drama"}, **bounds}]}
        assert (violations(request, items, wide, []) == []) == (matched in allowed), (bounds, matched)


def test_where_language() -> None:
    def holds(where: dict[str, Any]) -> set[str]:
        return {item for item, row in TABLE.items() if matches(where, item, row)}

    assert holds({"categories": "comedy"}) == {"a", "b"}  # folded
    assert holds({"categories": ["Comedy", "Horror"]}) == {"a", "b", "c"}
    assert holds({"categories": {"all_of": ["Comedy", "Drama"]}}) == {"a"}
    assert holds({"year": {"ge": 1995, "lt": 2001}}) == {"b", "c"}
    assert holds({"year": {"gt": 1995}, "categories": "Drama"}) == {"g"}  # columns of one object: and
    assert holds({"not": {"categories": "Drama"}}) == {"b", "c", "d"}  # plain complement: null is in
    assert holds({"not": {"year": {"ge": 0}}}) == {"d"}
    assert holds({"any": [{"director": "Bob"}, {"items": ["d"]}]}) == {"c", "d"}
    assert holds({"all": [{"director": "ann"}, {"year": 1991}]}) == {"f"}
    assert holds({"shelf": {"under": ["x"]}}) == {"a", "b", "e", "f", "g"}
    assert holds({"shelf": {"under": ["x", "y"]}}) == {"a"}
    assert holds({"title": {"contains": "CAF"}}) == {"g"}
    assert holds({"categories": {"is_null": True}}) == {"d"}
    assert holds({"year": {"is_null": False}}) == set(TABLE) - {"d"}


def test_caps_and_positions() -> None:
    cap = {"controls": [{"each": "director", "at_most": 1}]}
    assert len(found(cap, ["a", "b"])) == 1
    assert found(cap, ["a", "c", "d"]) == []  # null is not capped
    both = {"controls": [{"each": "categories", "at_most": 1}]}
    assert len(found(both, ["a", "f"])) == 1  # Drama twice: an item counts for each value
    share = {"count": 3, "controls": [{"each": "director", "share_at_most": 0.4}]}  # floor(1.2) = 1
    assert len(found(share, ["a", "b", "c"])) == 1
    assert bound(["c", "a", "b"], {"categories": "Horror"}, at_least=1, within=[1, 1])
    assert not bound(["a", "c", "b"], {"categories": "Horror"}, at_least=1, within=[1, 1])
    assert bound(["a", "b", "c"], {"categories": "Comedy"}, at_least="all", within=[1, 2])
