"""The label rule by hand on eight items, and its fast paths against their slow definitions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.control.certificate import certify
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.instruct.labels import (
    best_items,
    individually_allowed,
    is_admissible,
    label_plain,
    label_request,
    obeys,
    seen_mask,
)

# item      0    1    2    3    4    5    6    7(twin of 6)
GENRES = ["A", "B", "A", "B", "A", "B", "AB", "AB"]
SCORES = np.array([8, 7, 6, 5, 4, 3, 2, 1], dtype=np.float32)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    frame = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(8)],
            "title": [*(f"T{n}" for n in range(6)), "Same", "Same"],
            "year": [2000] * 8,
            "genres": [list(g) for g in GENRES],
        }
    )
    return Catalog.from_frame(frame, types={"genres": "categories", "year": "number"})


def label(
    catalog: Catalog,
    controls: list[object],
    target: int | None,
    count: int = 4,
    history: tuple[int, ...] = (),
) -> list[int] | None:
    request = Request.model_validate({"count": count, "controls": controls})
    return label_request(compile_request(request, catalog, history), SCORES, target)


def test_without_controls_the_target_comes_first_and_the_rest_by_score(catalog: Catalog) -> None:
    assert label(catalog, [], 4) == [4, 0, 1, 2]
    assert label(catalog, [], None) == [0, 1, 2, 3]


def test_a_seen_target_is_no_part_of_the_label(catalog: Catalog) -> None:
    assert label(catalog, [], 0, history=(0,)) == [1, 2, 3, 4]
    assert label(catalog, [], 7, history=(6,)) == [0, 1, 2, 3]  # its twin was seen


def test_the_target_is_in_whenever_some_satisfying_list_holds_it(catalog: Catalog) -> None:
    at_most_one_b = [{"where": {"genres": "B"}, "at_most": 1}]
    assert label(catalog, at_most_one_b, 5) == [5, 0, 2, 4]  # the one B is the target, not the better item 1
    only_a = [{"where": {"genres": "A"}, "at_least": "all"}]
    assert label(catalog, only_a, 5) == [0, 2, 4, 6]  # no list of A holds a B


def test_the_target_stands_at_the_earliest_position_it_may_take(catalog: Catalog) -> None:
    starts_with_two_b = [{"where": {"genres": "B"}, "at_least": "all", "within": [1, 2]}]
    assert label(catalog, starts_with_two_b, 4) == [1, 3, 4, 0]  # item 4 is no B: third at the earliest
    assert label(catalog, starts_with_two_b, 5) == [5, 1, 0, 2]
    no_a_at_first = [{"where": {"genres": "A"}, "at_most": 0, "within": [1, 1]}]
    assert label(catalog, no_a_at_first, 2) == [1, 2, 0, 3]


def test_an_impossible_request_has_no_label(catalog: Catalog) -> None:
    assert (
        label(catalog, [{"where": {"genres": "B"}, "at_least": 5}], 1, count=5) is None
    )  # 1, 3, 5, and a twin
    both = [{"where": {"genres": "A"}, "at_most": 0}, {"where": {"genres": "B"}, "at_most": 1}]
    assert label(catalog, both, 1) is None


def test_admissible_means_that_some_satisfying_list_contains_it(catalog: Catalog) -> None:
    request = Request.model_validate(
        {
            "count": 3,
            "controls": [{"where": {"genres": "B"}, "at_most": 1}, {"where": {"genres": "A"}, "at_most": 2}],
        }
    )
    problem = compile_request(request, catalog, ())
    assert is_admissible(problem, 5)
    assert not is_admissible(problem, 6)  # it is an A and a B: two A and one B leave no room for it
    assert not is_admissible(compile_request(request, catalog, (5,)), 5)


def test_individually_allowed_drops_what_one_control_rules_out(catalog: Catalog) -> None:
    controls = [
        {"where": {"genres": "B"}, "at_most": 0},
        {"where": {"items": ["i0", "i2"]}, "at_least": "all", "within": [1, 1]},
    ]
    problem = compile_request(Request.model_validate({"count": 2, "controls": controls}), catalog, (4,))
    assert np.flatnonzero(individually_allowed(problem)).tolist() == [0, 2]


def test_obeys_agrees_with_the_certificate(catalog: Catalog) -> None:
    controls = [{"where": {"genres": "A"}, "exactly": 2}, {"each": "genres", "at_most": 2}]
    request = Request.model_validate({"count": 3, "controls": controls})
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(200):
        items = rng.integers(8, size=int(rng.integers(2, 5))).tolist()
        history = rng.integers(8, size=1).tolist()
        answers.append(obeys(compile_request(request, catalog, history), items))
        assert answers[-1] == certify(request, catalog, items, history).satisfied
    assert any(answers)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.booleans())
def test_plain_label_is_the_label_of_a_request_that_asks_for_nothing_else(
    seed: int, count: int, has_target: bool
) -> None:
    rng = np.random.default_rng(seed)
    work = np.array([0, 1, 2, 3, 4, 5, 6, 6, 8, 8])
    names = [f"w{w}" for w in work]
    frame = pl.DataFrame({"item_id": [f"i{n}" for n in range(10)], "title": names, "work_id": names})
    catalog = Catalog.from_frame(frame)
    scores = rng.integers(4, size=10).astype(np.float32)  # with ties
    history = rng.integers(10, size=2)
    target = int(rng.integers(10)) if has_target else None
    unseen = ~seen_mask(history, catalog.work)
    problem = compile_request(Request.model_validate({"count": count}), catalog, history.tolist())
    best = best_items(scores, unseen, catalog.work, 8)
    kept = target if target is not None and unseen[target] else None
    assert label_plain(best, kept, count, catalog.work) == label_request(problem, scores, target)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40))
def test_best_items_is_the_sorted_order_without_twins(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(6, size=40).astype(np.float32)
    allowed = rng.random(40) < 0.8
    work = np.arange(40)
    work[1:30:3] = work[0:29:3]
    expected: list[int] = []
    for item in sorted(np.flatnonzero(allowed).tolist(), key=lambda i: (-scores[i], i)):
        if work[item] not in work[expected]:
            expected.append(item)
    assert best_items(scores, allowed, work, size).tolist() == expected[:size]
    alone = np.arange(40)
    assert (
        best_items(scores, allowed, alone, size, has_twins=False).tolist()
        == best_items(scores, allowed, alone, size).tolist()
    )


def test_bounds_that_cross_have_no_label(catalog: Catalog) -> None:
    crossed = [{"where": {"genres": "A"}, "at_least": 3, "at_most": 2}]
    assert label(catalog, crossed, None) is None
