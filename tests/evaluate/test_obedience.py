"""Metrics of control: every value derived by hand on a shelf of eight films, and agreement with the oracle.

The shelf (index: id, title, year, categories, director):
  0 a Alpha 1990 Comedy       Ann     4 e Epsilon 2001 Drama         Bob
  1 b Beta  1995 Comedy Drama Ann     5 f Alpha   1990 Comedy        Cy   (the same work as a)
  2 c Gamma 1999 Horror       Bob     6 g Eta     2003 Drama         Cy
  3 d Delta null Drama        null    7 h Theta   1985 Comedy Horror Bob
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from steerec.control.feasibility import is_feasible
from steerec.control.optimum import best_list
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.data.split import Point
from steerec.data.synthetic import make_world
from steerec.evaluate.control import Case, control_metrics, judge
from steerec.evaluate.oracle import violations

ROWS = [
    ("a", "Alpha", 1990, ["Comedy"], "Ann"),
    ("b", "Beta", 1995, ["Comedy", "Drama"], "Ann"),
    ("c", "Gamma", 1999, ["Horror"], "Bob"),
    ("d", "Delta", None, ["Drama"], None),
    ("e", "Epsilon", 2001, ["Drama"], "Bob"),
    ("f", "Alpha", 1990, ["Comedy"], "Cy"),
    ("g", "Eta", 2003, ["Drama"], "Cy"),
    ("h", "Theta", 1985, ["Comedy", "Horror"], "Bob"),
]
NAMES = ["item_id", "title", "year", "categories", "director"]
SHELF = Catalog.from_frame(pl.DataFrame(ROWS, schema=NAMES, orient="row"), noun="films")
A, B, C, D, E, F, G, H = range(8)
COMEDY, HORROR = {"categories": "Comedy"}, {"categories": "Horror"}


def case(
    request: Request,
    *,
    catalog: Catalog = SHELF,
    history: tuple[int, ...] = (),
    target: int = G,
    user: int = 0,
    kind: str = "include",
    target_admissible: bool = True,
    random_category: bool = False,
) -> Case:
    return Case(
        request_id=f"{kind}-{user}",
        kind=kind,
        point=Point(user, np.array(history, np.int64), target, len(history)),
        request=request,
        problem=compile_request(request, catalog, history),
        words={},
        target_admissible=target_admissible,
        random_category=random_category,
    )


def judged(items: list[int | None], history: tuple[int, ...] = (), **request: Any) -> dict[str, float]:
    """Judge a list under a request for as many items as `count` says (default: as the list has)."""
    asked = Request(**{"count": len(items), **request})
    return judge(case(asked, history=history), items)


def errors(found: dict[str, float]) -> dict[str, float]:
    names = ("catalogue", "repeat", "history", "forbidden", "invalid", "count")
    return {name: found[f"error_{name}@k"] for name in names if found[f"error_{name}@k"]}


def test_a_list_that_obeys() -> None:
    found = judged([A, C, E, B], controls=[{"where": COMEDY, "at_least": 2}])
    assert found["control_satisfaction@k"] == 1
    assert found["share@k"] == 2 / 4
    assert found["gap@k"] == 0
    assert errors(found) == {}


def test_a_wrong_count_never_obeys() -> None:
    control = [{"where": COMEDY, "at_least": 1}]
    short = judged([A, B], count=4, controls=control)
    assert (short["control_satisfaction@k"], short["share@k"]) == (0, 2 / 4)  # over the requested k
    assert errors(short) == {"count": 1}
    # Entries beyond k are not looked at, except that the count is wrong.
    long = judged([A, C, C, None], count=2, controls=control)
    assert (long["control_satisfaction@k"], long["share@k"]) == (0, 1 / 2)
    assert errors(long) == {"count": 1}
    nothing = judged([], count=2, controls=control)
    assert (nothing["control_satisfaction@k"], nothing["share@k"], nothing["gap@k"]) == (0, 0, 1 / 2)


def test_each_invalid_entry_is_counted_once_under_its_first_error() -> None:
    assert errors(judged([A, None, None, C])) == {"catalogue": 2 / 4, "invalid": 2 / 4}
    assert errors(judged([A, C, F, C])) == {"repeat": 2 / 4, "invalid": 2 / 4}  # f is the twin of a
    assert errors(judged([B, E], history=(E,))) == {"history": 1 / 2, "invalid": 1 / 2}
    assert errors(judged([B, F], history=(A,))) == {"history": 1 / 2, "invalid": 1 / 2}  # seen as a twin
    assert errors(judged([B, E], history=(E,), allow_seen=True)) == {}
    assert errors(judged([F, B, C], exclude=["a"])) == {"forbidden": 1 / 3, "invalid": 1 / 3}
    assert errors(judged([A, B, C], candidates=["b", "c"])) == {"forbidden": 1 / 3, "invalid": 1 / 3}
    # A seen item that is shown twice is once seen and once a repeat; an excluded seen one is seen.
    assert errors(judged([E, E, C], history=(E, C), exclude=["c"])) == {
        "repeat": 1 / 3,
        "history": 2 / 3,
        "invalid": 3 / 3,
    }
    for items, request in (([A, F], {}), ([A, None], {}), ([A, B], {"exclude": ["b"]})):
        assert judged(items, **request)["control_satisfaction@k"] == 0


@pytest.mark.parametrize(
    ("items", "control", "obeys", "share", "gap"),
    [
        ([A, C, E, G], {"where": COMEDY, "at_least": 3}, 0, 1 / 4, 2 / 4),
        ([A, B, H, E], {"where": COMEDY, "at_most": 1}, 0, 3 / 4, 2 / 4),
        ([A, B, H, E], {"where": HORROR, "at_most": 0}, 0, 1 / 4, 1 / 4),
        ([A, B, H, E], {"where": COMEDY, "exactly": 3}, 1, 3 / 4, 0),
        ([A, B, H, E], {"where": {"year": {"ge": 1990}}, "at_least": "all"}, 0, 3 / 4, 1 / 4),
        ([A, D, E, G], {"where": {"year": {"ge": 1990}}, "at_least": 3}, 1, 3 / 4, 0),  # null does not match
        ([A, C, E, G], {"where": COMEDY, "share_at_least": 0.3}, 0, 1 / 4, 1 / 4),  # ceil(1.2) = 2
        ([A, C, E, G], {"where": COMEDY, "share_less_than": 0.3}, 1, 1 / 4, 0),  # ceil(1.2) - 1 = 1
        # A window: shares and gaps are of its length.
        ([A, C, E, G], {"where": COMEDY, "at_least": "all", "within": [1, 2]}, 0, 1 / 2, 1 / 2),
        ([C, E, A, B], {"where": COMEDY, "at_most": 0, "within": [1, 2]}, 1, 0, 0),
        ([C, E, A, B], {"where": COMEDY, "at_most": 0, "within": [3, 3]}, 0, 1, 1),
        # Caps: the value that stands most often counts; null is free.
        ([C, E, H, D], {"each": "director", "at_most": 1}, 0, 3 / 4, 2 / 4),
        ([A, B, E, D], {"each": "director", "at_most": 2}, 1, 2 / 4, 0),
        ([D, A, C, G], {"each": "director", "share_at_most": 0.25}, 1, 1 / 4, 0),
        ([A, B, H, E], {"each": "categories", "at_most": 2}, 0, 3 / 4, 1 / 4),  # each of several labels
    ],
)
def test_quotas_windows_and_caps_by_hand(
    items: list[int | None], control: dict[str, Any], obeys: int, share: float, gap: float
) -> None:
    found = judged(items, controls=[control])
    assert found["control_satisfaction@k"] == obeys
    assert found["share@k"] == pytest.approx(share)
    assert found["gap@k"] == pytest.approx(gap)


def test_several_controls_are_averaged_and_all_must_hold() -> None:
    controls = [{"where": COMEDY, "at_least": 3}, {"where": HORROR, "at_most": 1}]
    found = judged([A, C, E, B], controls=controls)
    assert found["share@k"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found["gap@k"] == pytest.approx((1 / 4 + 0) / 2)
    assert found["control_satisfaction@k"] == 0
    without = judged([A, C])
    assert np.isnan(without["share@k"])  # no control, no share: it does not drag means down
    assert np.isnan(without["gap@k"])
    assert without["control_satisfaction@k"] == 1


def test_accuracy_counts_places_and_only_admissible_targets() -> None:
    request = Request(count=3)
    assert judge(case(request), [G, A, B])["ndcg@10:control"] == 1
    assert judge(case(request), [A, None, G])["ndcg@10:control"] == pytest.approx(1 / 2)  # log2(4) = 2
    assert judge(case(request), [A, B, C])["ndcg@10:control"] == 0
    assert judge(case(request), [A, B, C, G])["ndcg@10:control"] == 0  # beyond the three that were asked for
    assert judge(case(request, history=(G,)), [G, A, B])["ndcg@10:control"] == 0  # already in the input
    found = judge(case(request, target_admissible=False), [G, A, B])
    assert np.isnan(found["ndcg@10:control"])


def test_metrics_have_names_suffixes_and_kinds() -> None:
    request = Request(count=1, controls=[{"where": COMEDY, "at_least": 1}])
    cases = [
        case(request, user=0),
        case(request, user=1, random_category=True, target_admissible=False),
        case(request, user=2, kind="exclude"),
    ]
    metrics = control_metrics(cases, [[A], [C], [C]], suffix=":unseen")
    # The request for a random category is apart: it counts under its kind only.
    assert metrics["control_satisfaction@k:unseen"].mean == pytest.approx(1 / 2)
    kind = "control_satisfaction@k:kind:"
    assert {name: one.mean for name, one in metrics.items() if name.startswith(kind)} == {
        f"{kind}include:unseen": 1,
        f"{kind}include, random category:unseen": 0,
        f"{kind}exclude:unseen": 0,
    }
    assert all(name.endswith(":unseen") for name in metrics)
    assert metrics["ndcg@10:control:unseen"].n == 2  # not the user whose target is not admissible
    assert "accuracy_cost@10:unseen" not in metrics
    assert "ndcg@10:control" not in control_metrics(cases[1:2], [[A]])  # undefined for all: left out


def test_accuracy_cost_is_what_obeying_loses_over_admissible_targets() -> None:
    request = Request(count=1)
    cases = [
        case(request, user=0),  # plain 1, obeying 0: costs 1
        case(request, user=1),  # plain 0, obeying 1: gains 1
        case(request, user=2),  # plain 1, obeying 0: costs 1
        case(request, user=3, target_admissible=False),  # left out, however good the plain list is
    ]
    metrics = control_metrics(cases, [[A], [G], [A], [A]], np.array([1.0, 0.0, 1.0, 1.0]))
    assert metrics["accuracy_cost@10"].mean == pytest.approx((1 - 1 + 1) / 3)
    assert metrics["accuracy_cost@10"].n == 3


def test_a_users_requests_are_averaged_before_users_are() -> None:
    request = Request(count=1, controls=[{"where": COMEDY, "at_least": 1}])
    cases = [case(request, user=user) for user in (0, 0, 0, 1)]
    metrics = control_metrics(cases, [[A], [A], [A], [C]])
    assert metrics["control_satisfaction@k"].mean == pytest.approx((1 + 0) / 2)  # not 3 / 4
    assert metrics["control_satisfaction@k"].n == 2


def test_one_answer_per_request_is_needed() -> None:
    with pytest.raises(ValueError):
        control_metrics([case(Request(count=1))], [])


# The judge and the independent oracle, which share no code, on a world with twins and nulls.

WORLD = make_world(num_users=4, num_items=30, seed=5).catalog
TABLE = {row["item_id"]: row for row in WORLD.frame.to_dicts()}
ITEMS = st.integers(0, len(WORLD) - 1)
YEARS = st.integers(1958, 2022)
BRANCHES = sorted({path[1] for path in WORLD.frame["path"].to_list()})
SHARES = st.sampled_from(["0", "1/3", "0.3", "0.5", "2/3", "0.9"])


def _wheres() -> st.SearchStrategy[dict[str, Any]]:
    categories = st.sampled_from(WORLD.values("categories"))
    spelled = categories.flatmap(lambda name: st.sampled_from([name, name.upper(), f" {name.lower()} "]))
    plain = st.one_of(
        st.builds(lambda name: {"categories": name}, spelled),
        st.builds(lambda names: {"categories": names}, st.lists(categories, min_size=1, max_size=3)),
        st.builds(
            lambda names: {"categories": {"all_of": names}}, st.lists(categories, min_size=1, max_size=2)
        ),
        st.builds(lambda low, width: {"year": {"ge": low, "le": low + width}}, YEARS, st.integers(0, 30)),
        st.builds(lambda year: {"year": {"gt": year}}, YEARS),
        st.builds(lambda year: {"year": {"lt": year}, "categories": {"is_null": False}}, YEARS),
        st.builds(lambda name: {"director": name}, st.sampled_from(WORLD.values("director"))),
        st.builds(lambda yes: {"director": {"is_null": yes}}, st.booleans()),
        st.builds(lambda name: {"path": {"under": ["Films", name]}}, st.sampled_from(BRANCHES)),
        st.builds(lambda text: {"title": {"contains": text}}, st.sampled_from(["er", "THE", "été", " o"])),
        st.builds(lambda items: {"items": items}, st.lists(st.sampled_from(WORLD.item_ids), min_size=1)),
    )
    return st.recursive(
        plain,
        lambda inner: st.one_of(
            st.builds(lambda part: {"not": part}, inner),
            st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=2)),
            st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=2)),
        ),
        max_leaves=3,
    )


WHERES = _wheres()
SOME = st.lists(st.sampled_from(WORLD.item_ids), min_size=1, max_size=4, unique=True)
MANY = st.lists(st.sampled_from(WORLD.item_ids), min_size=22, unique=True)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    count = draw(st.integers(1, 7))
    controls: list[dict[str, Any]] = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        if draw(st.integers(0, 3)) == 0:
            limit = draw(st.one_of(st.integers(0, 3), SHARES))
            name = "share_at_most" if isinstance(limit, str) else "at_most"
            controls.append({"each": draw(st.sampled_from(["director", "categories", "path"])), name: limit})
            continue
        control: dict[str, Any] = {"where": draw(WHERES)}
        bounds = draw(st.sampled_from(["least", "most", "both", "exactly", "shares", "more", "about"]))
        if bounds in ("least", "both"):
            control["at_least"] = draw(st.sampled_from(["all", 0, 1, 2, 3]))
        if bounds in ("most", "both"):
            control["at_most"] = draw(st.integers(0, 4))
        if bounds == "exactly":
            control["exactly"] = draw(st.sampled_from(["all", 0, 1, 2]))
        if bounds == "shares":
            control |= {"share_at_least": draw(SHARES), "share_at_most": draw(SHARES)}
        if bounds == "more":
            control |= {"share_more_than": draw(SHARES), "share_less_than": "2/3"}
        if bounds == "about":
            control["share_about"] = draw(SHARES)
        if draw(st.booleans()):
            ends = sorted(draw(st.tuples(st.integers(1, count), st.integers(1, count))))
            control["within"] = ends
        controls.append(control)
    # Most requests are about their controls alone: a list that fails for something else tests no control.
    rarely = st.sampled_from([False] * 5 + [True])
    return Request(
        count=count,
        controls=controls,
        exclude=draw(SOME) if draw(rarely) else [],
        candidates=draw(MANY) if draw(rarely) else None,
        allow_seen=draw(st.booleans()),
    )


def _drawn(request: Request, history: tuple[int, ...], seed: int, *, is_valid: bool) -> list[int | None]:
    """Draw a list at random; a valid one has the right count, and no work twice or seen."""
    rng = np.random.default_rng(seed)
    if not is_valid:
        length = int(rng.integers(0, request.count + 3))
        return [None if item < 0 else int(item) for item in rng.integers(-1, len(WORLD), size=length)]
    works = rng.permutation(np.setdiff1d(WORLD.work, WORLD.work[list(history)]))
    return [int(work) for work in works[: request.count]]  # a work is named by its first item


@settings(max_examples=400, deadline=None)
@given(
    request=requests(),
    history=st.lists(ITEMS, max_size=4).map(tuple),
    seed=st.integers(0, 2**32 - 1),
    is_valid=st.sampled_from([True] * 4 + [False]),
)
def test_the_judge_and_the_oracle_agree(
    request: Request, history: tuple[int, ...], seed: int, is_valid: bool
) -> None:
    items = _drawn(request, history, seed, is_valid=is_valid)
    obeys = judge(case(request, catalog=WORLD, history=history), items)["control_satisfaction@k"] == 1
    served = ["" if item is None else WORLD.item_ids[item] for item in items]
    asked = json.loads(request.to_json())
    found = violations(asked, served, TABLE, [WORLD.item_ids[item] for item in history])
    assert obeys == (not found), found


def test_judge_and_oracle_spell_and_bound_alike() -> None:
    rows = {row["item_id"]: row for row in SHELF.frame.to_dicts()}
    for spelling in ("comedy", "COMEDY", "  Comedy "):
        for matched in range(5):
            items = [A, B, H, F][:matched] + [C, D, E, G][: 4 - matched]
            for bound in (
                {"share_about": 0.5},
                {"share_about": 0.9},
                {"share_more_than": 0.5},
                {"exactly": 2},
            ):
                asked = Request(count=4, controls=[{"where": {"categories": spelling}, **bound}])
                obeys = judge(case(asked), items)["control_satisfaction@k"] == 1
                served = [SHELF.item_ids[item] for item in items]
                assert obeys == (not violations(json.loads(asked.to_json()), served, rows, [])), (
                    bound,
                    items,
                )


def test_judge_and_oracle_know_works_as_the_table_says() -> None:
    """A `work_id` column decides; without one, a year that is no number makes no twins."""
    frame = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "title": ["X", "X", "Y", "Z"], "year": [1990] * 4})
    given = frame.with_columns(work_id=pl.Series(["1", "2", "2", None]))
    wordy = frame.with_columns(year=pl.Series(["early", "early", "late", "late"]))
    for table, twins in ((frame, {0, 1}), (given, {1, 2}), (wordy, set())):
        catalog = Catalog.from_frame(table)
        rows = {row["item_id"]: row for row in catalog.frame.to_dicts()}
        for pair in ([0, 1], [1, 2], [2, 3]):
            obeys = (
                judge(case(Request(count=2), catalog=catalog, target=3), pair)["control_satisfaction@k"] == 1
            )
            found = violations({"count": 2}, [catalog.item_ids[item] for item in pair], rows, [])
            assert obeys == (not found) == (set(pair) != twins), (table, pair)


@settings(max_examples=60, deadline=None)
@given(request=requests(), history=st.lists(ITEMS, max_size=3).map(tuple))
def test_lists_the_solver_makes_please_both(request: Request, history: tuple[int, ...]) -> None:
    """Random lists obey hard requests rarely; these always do."""
    asked = case(request, catalog=WORLD, history=history)
    assume(is_feasible(asked.problem))
    items = best_list(asked.problem, np.linspace(1, 0, len(WORLD)))
    assert judge(asked, items)["control_satisfaction@k"] == 1
    served = [WORLD.item_ids[item] for item in items]
    past = [WORLD.item_ids[item] for item in history]
    assert violations(json.loads(request.to_json()), served, TABLE, past) == []
