"""Rewards of our own: values by hand on a shelf of eight films, and what must always hold.

The shelf (index: id, title, year, categories, director); scores are the logs of 16, 8, 4, 2, 1, 1, 2, 4:
  0 a Alpha 1990 Comedy       Ann     4 e Epsilon 2001 Drama         Bob
  1 b Beta  1995 Comedy Drama Ann     5 f Alpha   1990 Comedy        Cy   (the same work as a)
  2 c Gamma 1999 Horror       Bob     6 g Eta     2003 Drama         Cy
  3 d Delta null (none)       null    7 h Theta   1985 Comedy Horror Bob
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import polars as pl
import pydantic
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from steerec.align.rewards.entries import usable_entries
from steerec.align.rewards.own import (
    PARTS,
    References,
    RewardConfig,
    Rewards,
    earned,
    label_matrix,
    reference_of,
    reward_lists,
)
from steerec.align.rewards.trl import answer_reader, own_rewards, published_reward
from steerec.control.admissible import Admissible
from steerec.control.feasibility import is_feasible
from steerec.control.optimum import best_list
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.data.split import Point
from steerec.errors import ConfigError, InfeasibleRequest
from steerec.evaluate.control import Case, judge
from steerec.instruct.labels import is_admissible, obeys
from steerec.items.identifier import AtomicIdentifier, TitleIdentifier

ROWS = [
    ("a", "Alpha", 1990, ["Comedy"], "Ann"),
    ("b", "Beta", 1995, ["Comedy", "Drama"], "Ann"),
    ("c", "Gamma", 1999, ["Horror"], "Bob"),
    ("d", "Delta", None, None, None),
    ("e", "Epsilon", 2001, ["Drama"], "Bob"),
    ("f", "Alpha", 1990, ["Comedy"], "Cy"),
    ("g", "Eta", 2003, ["Drama"], "Cy"),
    ("h", "Theta", 1985, ["Comedy", "Horror"], "Bob"),
]
NAMES = ["item_id", "title", "year", "categories", "director"]
SHELF = Catalog.from_frame(pl.DataFrame(ROWS, schema=NAMES, orient="row"), noun="films")
A, B, C, D, E, F, G, H = range(8)
SCORES = np.log([16.0, 8, 4, 2, 1, 1, 2, 4])
LABELS = label_matrix(SHELF, "categories")
COMEDY, DRAMA, HORROR = ({"categories": name} for name in ("Comedy", "Drama", "Horror"))
EVERYTHING = RewardConfig(diversity=0.7, place=0.9)
Items = list[int | None]


def rewards(
    lists: list[Items],
    *,
    history: tuple[int, ...] = (),
    target: int | None = None,
    config: RewardConfig = EVERYTHING,
    **request: Any,
) -> Rewards:
    asked = Request(**{"count": len(lists[0]), **request})
    problem = compile_request(asked, SHELF, history)
    reference = reference_of(problem, history=history, target=target, scores=SCORES)
    return reward_lists(lists, problem, reference, config, scores=SCORES, labels=LABELS)


def part(name: str, items: Items, **options: Any) -> float:
    return float(rewards([items], **options).parts[name][0])


# Values by hand ----------------------------------------------------------------------------------------


def test_satisfaction_and_gap_without_controls() -> None:
    def found(items: Items, **options: Any) -> tuple[float, float]:
        return part("satisfaction", items, **options), part("gap", items, **options)

    assert found([A, B, C, D]) == (1, 0)
    assert found([A, B, C], count=4) == (0, 1 / 4)  # one is missing
    assert found([A, B, C, D, E, G], count=4) == (0, 2 / 4)  # two are too many
    assert found([A, None, F, A], count=4) == (0, 3 / 4)  # no item, a twin, a repeat
    assert found([A, B, C, D], history=(A,)) == (0, 1 / 4)
    assert found([F, B, C, D], history=(A,)) == (0, 1 / 4)  # seen as its twin
    assert found([A, B], exclude=["a"]) == (0, 1 / 2)
    assert found([A, B], candidates=["b", "c"]) == (0, 1 / 2)
    assert found([], count=2) == (0, 1)
    assert found([None] * 9, count=2) == (0, 1)  # never above 1


def gap(items: Items, *controls: Any, count: int = 4) -> float:
    return part("gap", items, count=count, controls=list(controls))


def test_gap_counts_the_places_to_change() -> None:
    at_least_3 = {"where": COMEDY, "at_least": 3}
    assert gap([A, B, H, C], at_least_3) == 0
    assert gap([A, C, D, E], at_least_3) == 2 / 4
    assert gap([A, C, D], at_least_3) == 2 / 4  # the missing one can be a comedy, and one more must
    assert gap([A, None, None, None], at_least_3) == 3 / 4  # two comedies and a valid fourth
    assert gap([A, F, F, F], at_least_3) == 3 / 4  # repeats are no comedies
    no_comedy = {"where": COMEDY, "at_most": 0}
    assert gap([A, B, C, D], no_comedy) == 2 / 4
    assert gap([A, B, C, None], no_comedy) == 3 / 4
    # Two controls: the mean of 2 and 1 places.
    assert gap([A, B, D, E], no_comedy, {"where": HORROR, "at_least": 1}) == 1.5 / 4
    # No more than one of a director: Bob has three.
    assert gap([C, E, H, A], {"each": "director", "at_most": 1}) == 2 / 4
    assert gap([C, E, D, A], {"each": "director", "at_most": 2}) == 0
    # Among the first two: none is a comedy, and one of the two places is free; the fourth is free as well.
    windowed = {"where": COMEDY, "at_least": 2, "within": [1, 2]}
    assert gap([C, D, A, B], windowed) == 2 / 4
    assert gap([C, None, A, None], windowed) == 3 / 4


def test_ranking_is_the_discount_of_the_targets_place() -> None:
    assert part("ranking", [A, B, C, G], target=A) == 1
    assert part("ranking", [A, B, C, G], target=C) == pytest.approx(1 / 2)
    assert part("ranking", [A, None, C, G], target=C) == pytest.approx(1 / 2)  # invalid ones take their place
    assert part("ranking", [A, B, C, G], target=D) == 0
    assert part("ranking", [A, B, C, G], target=None) == 0
    assert part("ranking", [A, B, C], target=C, count=2) == 0  # after K
    assert part("ranking", [F, A, C], target=A) == 0  # its twin came first, so it is a repeat
    assert part("ranking", [C, G], target=C, history=(C,), allow_seen=True) == 0  # as in the metrics
    # Not admissible: no list that obeys holds it.
    assert part("ranking", [A, B, C, G], target=C, controls=[{"where": HORROR, "at_most": 0}]) == 0


def test_regret_is_the_share_of_probability_given_away() -> None:
    # The best three works: a, b and c or h, 16 + 8 + 4 = 28.
    assert part("regret", [A, B, C]) == pytest.approx(0)
    assert part("regret", [C, H, D]) == pytest.approx(1 - 10 / 28)
    assert part("regret", [E, D, G]) == pytest.approx(1 - 5 / 28)
    # No comedy: c, then d and g, 8; a list that does not satisfy earns nothing, however good its items.
    no_comedy = [{"where": COMEDY, "at_most": 0}]
    assert part("regret", [C, E, G], controls=no_comedy) == pytest.approx(1 - 7 / 8)
    assert part("regret", [A, B, C], controls=no_comedy) == 1
    assert part("regret", [A, B], count=3) == 1


def test_the_best_list_has_the_largest_probability_not_the_largest_sum_of_scores() -> None:
    # One comedy and one drama: b is both and goes with c, 10 + 1; a goes with g, 4 + 4, and log 16 > log 10.
    controls = [{"where": COMEDY, "exactly": 1}, {"where": DRAMA, "exactly": 1}]
    problem = compile_request(Request(count=2, controls=controls), SHELF)
    scores = np.log([4.0, 10, 1, 0.1, 0.1, 0.1, 4, 0.1])
    assert best_list(problem, scores) == [A, G]
    reference = reference_of(problem, scores=scores)
    found = reward_lists([[B, C], [A, G]], problem, reference, RewardConfig(), scores=scores)
    assert found.parts["regret"] == pytest.approx([0, 1 - 8 / 11])


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    assert part("diversity", [A, C]) == 1
    assert part("diversity", [A, B]) == pytest.approx(1 / 2)  # one label of two in common
    # A-B 1/2, A-H 1/2, B-H 1 - 1/3
    assert part("diversity", [A, B, H]) == pytest.approx((1 / 2 + 1 / 2 + 2 / 3) / 3)
    assert part("diversity", [A, C, D]) == pytest.approx(1 / 3)  # d has no labels
    assert part("diversity", [A, C, None]) == pytest.approx(1 / 3)
    assert part("diversity", [A, C, F]) == pytest.approx(1 / 3)  # a repeated work
    assert part("diversity", [A], count=1) == 0


def places(items: Items, count: int, *controls: Any, **request: Any) -> list[float]:
    config = RewardConfig(satisfaction=0, gap=0, ranking=0, regret=0, place=count)
    found = rewards([items], config=config, count=count, controls=list(controls), **request)
    assert found.parts["place"][0] == pytest.approx(found.places.sum() / count)
    return found.places[0].tolist()


def test_places_that_fit() -> None:
    assert places([A, None, F, B, A], 4) == [1, 0, 0, 1, 0]
    assert places([A, B], 2, history=(B,)) == [1, 0]
    assert places([C, H, A], 3, {"where": HORROR, "at_most": 1}) == [1, 0, 1]
    # Three comedies of four: the second other film leaves too few places.
    assert places([C, E, A, B], 4, {"where": COMEDY, "at_least": 3}) == [1, 0, 1, 1]
    assert places([A, C, None, B], 4, {"where": COMEDY, "at_least": 3}) == [1, 1, 0, 1]
    assert places([C, A, E, B], 4, {"where": COMEDY, "at_least": 1, "within": [2, 3]}) == [1, 1, 1, 1]
    assert places([C, E, G, B], 4, {"where": COMEDY, "at_least": 1, "within": [2, 3]}) == [1, 1, 0, 1]
    assert places([C, E, H, D], 4, {"each": "director", "at_most": 1}) == [1, 0, 0, 1]
    assert places([B, A, E], 3, {"each": "categories", "at_most": 1}) == [1, 0, 0]


def test_the_total_by_hand() -> None:
    config = RewardConfig(satisfaction=2.0, gap=1.0, ranking=3.0, regret=4.0, place=0.6)
    found = rewards([[A, C, B], [A, None, B]], target=B, config=config)
    # First: satisfied, no gap, target third (1/2), no regret, three places.
    assert found.total[0] == pytest.approx(2 + 1 + 3 / 2 + 4 + 0.6)
    assert found.places[0] == pytest.approx([4 * 16 / 28 + 0.2, 4 * 4 / 28 + 0.2, 4 * 8 / 28 + 3 / 2 + 0.2])
    # Second: a third of the places to change, target third, nothing from the teacher.
    assert found.total[1] == pytest.approx(2 / 3 + 3 / 2 + 0.4)
    assert found.places[1] == pytest.approx([0.2, 0, 3 / 2 + 0.2])
    assert found.whole == pytest.approx([3, 2 / 3])


# What must always hold ---------------------------------------------------------------------------------

WHERES = st.sampled_from([COMEDY, DRAMA, HORROR, {"year": {"ge": 1995}}, {"director": "Bob"}])


@st.composite
def requests(draw: st.DrawFn, positions: bool = True) -> Request:
    count = draw(st.integers(1, 5))
    controls: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        kinds = ["at_least", "at_most", "exactly", "each", *(["within"] if positions else [])]
        kind = draw(st.sampled_from(kinds))
        number = draw(st.integers(0, count))
        if kind == "each":
            controls.append({"each": draw(st.sampled_from(["director", "categories"])), "at_most": number})
        elif kind == "within":
            first = draw(st.integers(1, count))
            last = draw(st.integers(first, count))
            bound = draw(st.sampled_from(["at_least", "at_most"]))
            amount = draw(st.integers(0, last - first + 1))
            controls.append({"where": draw(WHERES), bound: amount, "within": [first, last]})
        else:
            controls.append({"where": draw(WHERES), kind: number})
    excluded = [SHELF.item_ids[draw(st.integers(0, 7))]] if draw(st.integers(0, 4)) == 0 else []
    return Request(count=count, controls=controls, exclude=excluded)


HISTORIES = st.lists(st.integers(0, 7), max_size=2, unique=True).map(tuple)
LISTS: st.SearchStrategy[Items] = st.one_of(
    st.permutations(range(8)).flatmap(lambda order: st.integers(0, 6).map(lambda n: list(order)[:n])),
    st.lists(st.one_of(st.none(), st.integers(0, 7)), max_size=7),
)
NATS = st.lists(st.floats(-9, 9), min_size=8, max_size=8).map(np.array)
TARGETS = st.one_of(st.none(), st.integers(0, 7))


@st.composite
def worlds(draw: st.DrawFn, positions: bool = True) -> dict[str, Any]:
    """A feasible request and everything that a list is judged by."""
    request, history = draw(requests(positions)), draw(HISTORIES)
    problem = compile_request(request, SHELF, history)
    assume(is_feasible(problem))
    target, scores = draw(TARGETS), draw(NATS)
    reference = reference_of(problem, history=history, target=target, scores=scores)
    return {
        "request": request,
        "history": history,
        "problem": problem,
        "target": target,
        "scores": scores,
        "reference": reference,
    }


def judged(world: dict[str, Any], lists: list[Items], config: RewardConfig = EVERYTHING) -> Rewards:
    return reward_lists(
        lists, world["problem"], world["reference"], config, scores=world["scores"], labels=LABELS
    )


@settings(max_examples=300, deadline=None)
@given(worlds(), st.lists(LISTS, min_size=1, max_size=4))
def test_satisfaction_and_ranking_are_those_of_the_metrics(world: dict[str, Any], lists: list[Items]) -> None:
    problem, history, target = world["problem"], world["history"], world["target"]
    aim = 0 if target is None else target
    case = Case(
        request_id="",
        kind="",
        point=Point(0, np.array(history, np.int64), aim, len(history)),
        request=world["request"],
        problem=problem,
        words={},
        target_admissible=is_admissible(problem, aim),
        random_category=False,
    )
    found = judged(world, lists)
    usable = [
        usable_entries(problem, np.array([[-1 if i is None else i for i in items]], np.int64))
        for items in lists
    ]
    for row, items in enumerate(lists):
        metrics = judge(case, items)
        assert found.parts["satisfaction"][row] == metrics["control_satisfaction@k"]
        assert found.parts["satisfaction"][row] == (None not in items and obeys(problem, items))  # type: ignore[arg-type]
        assert (found.parts["gap"][row] == 0) == (metrics["control_satisfaction@k"] == 1)
        if target is None or not case.target_admissible:
            assert found.parts["ranking"][row] == 0
        elif target not in items or usable[row][0, items.index(target)]:  # the metrics let repeats hit
            assert found.parts["ranking"][row] == pytest.approx(metrics["ndcg@10:control"])


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_no_satisfying_list_beats_the_best_one_and_the_best_has_no_regret(world: dict[str, Any]) -> None:
    problem, scores = world["problem"], world["scores"]
    probability = np.exp(scores) / np.exp(scores).sum()
    every: list[Items] = [
        list(order) for order in permutations(range(8), problem.count) if obeys(problem, order)
    ]
    assume(len(every) <= 2000)
    best = max(probability[items].sum() for items in every)  # type: ignore[index]
    found = judged(world, [best_list(problem, probability), *every])
    assert found.parts["satisfaction"].all()
    assert found.parts["regret"][0] == pytest.approx(0, abs=1e-9)
    expected = [1 - probability[items].sum() / best for items in every]  # type: ignore[index]
    assert found.parts["regret"][1:] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.integers(1, 4), st.sampled_from(["at_least", "at_most"]), WHERES, NATS, st.data())
def test_the_best_list_by_scores_has_no_regret_under_one_quota(
    history: tuple[int, ...], count: int, bound: str, where: Any, scores: Any, data: st.DataObject
) -> None:
    control = {"where": where, bound: data.draw(st.integers(0, count))}
    problem = compile_request(Request(count=count, controls=[control]), SHELF, history)
    assume(is_feasible(problem))
    reference = reference_of(problem, scores=scores)
    items = best_list(problem, scores)
    found = reward_lists([items], problem, reference, RewardConfig(), scores=scores)
    assert found.parts["regret"][0] == pytest.approx(0, abs=1e-9)
    assert found.total[0] == pytest.approx(3)  # satisfaction, gap and regret; there is no target


@settings(max_examples=300, deadline=None)
@given(worlds(), LISTS, st.data())
def test_an_invalid_item_never_raises_the_total(
    world: dict[str, Any], items: Items, data: st.DataObject
) -> None:
    problem = world["problem"]
    unusable: Items = [None]
    unusable += [
        item
        for item in range(8)
        if not problem.allowed[item]
        or any(one is not None and problem.work[one] == problem.work[item] for one in items)
    ]
    wrong = data.draw(st.sampled_from(unusable))
    found = judged(world, [items, [*items, wrong]])
    assert found.total[1] <= found.total[0] + 1e-9
    # Nor does it in the place of another, as far as the list as a whole is concerned.
    if items:
        place = data.draw(st.integers(0, len(items) - 1))
        config = EVERYTHING.replace(place=0.0)
        found = judged(world, [items, [*items[:place], None, *items[place + 1 :]]], config)
        assume(len({problem.work[item] for item in items if item is not None}) == len(items))
        assert found.total[1] <= found.total[0] + 1e-9


@settings(max_examples=200, deadline=None)
@given(worlds(positions=False), st.permutations([A, B, C, D, E, G, H]), st.data())
def test_the_order_after_the_target_changes_nothing_without_positions(
    world: dict[str, Any], order: list[int], data: st.DataObject
) -> None:
    problem = world["problem"]
    items: Items = order[: data.draw(st.integers(1, problem.count))]
    place = data.draw(st.integers(0, len(items) - 1))
    target = order[place]
    items[place + 1 :] = [data.draw(st.sampled_from([item, None])) for item in items[place + 1 :]]
    reference = reference_of(problem, history=world["history"], target=target, scores=world["scores"])
    world = {**world, "reference": reference}
    shuffled = items[: place + 1] + data.draw(st.permutations(items[place + 1 :]))
    found = judged(world, [items, shuffled, items[::-1]])
    for name in set(PARTS) - {"place"}:  # place says which entry broke a bound, so it knows the order
        assert found.parts[name][0] == pytest.approx(found.parts[name][1])
    # An order that moves the target changes the ranking alone.
    for name in set(PARTS) - {"place", "ranking"}:
        assert found.parts[name][0] == pytest.approx(found.parts[name][2])
    if reference.target is not None:
        moved = len(items) - 1 - place
        assert found.parts["ranking"][[0, 2]] == pytest.approx(1 / np.log2([place + 2, moved + 2]))


@settings(max_examples=200, deadline=None)
@given(worlds(), st.lists(LISTS, min_size=1, max_size=5))
def test_the_total_is_the_weighted_sum_and_lists_do_not_touch_each_other(
    world: dict[str, Any], lists: list[Items]
) -> None:
    found = judged(world, lists)
    assert tuple(found.parts) == PARTS
    for values in found.parts.values():
        assert ((values >= 0) & (values <= 1)).all()
    expected = sum(getattr(EVERYTHING, name) * values for name, values in earned(found.parts).items())
    assert found.total == pytest.approx(expected)
    assert found.total == pytest.approx(found.whole + found.places.sum(axis=1))
    assert found.places.shape == (len(lists), max(map(len, lists)))
    for row, items in enumerate(lists):
        assert not found.places[row, len(items) :].any()
        alone = judged(world, [items])
        assert alone.total[0] == pytest.approx(found.total[row])


@settings(max_examples=200, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_what_the_decoder_admits_fits(world: dict[str, Any], random: Any) -> None:
    problem = world["problem"]
    admissible = Admissible(problem)
    items: list[int] = []
    while len(items) < problem.count:
        items.append(random.choice(np.flatnonzero(admissible.mask(items)).tolist()))
    found = judged(world, [items])
    assert (found.parts["satisfaction"][0], found.parts["gap"][0], found.parts["place"][0]) == (1, 0, 1)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["at_least", "at_most"]), st.integers(0, 3), WHERES, st.permutations(range(8)))
def test_with_one_quota_and_supply_an_entry_fits_if_and_only_if_the_decoder_admits_it(
    bound: str, number: int, where: Any, order: list[int]
) -> None:
    problem = compile_request(Request(count=3, controls=[{"where": where, bound: number}]), SHELF)
    assume(is_feasible(problem))
    inside = len(set(problem.work[problem.quotas[0].mask].tolist()))
    assume(min(inside, 7 - inside) >= 3)  # seven works
    admissible = Admissible(problem)
    chosen: list[int] = []
    for item in order[:3]:
        fits = places([*chosen, item], 3, {"where": where, bound: number})[-1]
        assert fits == admissible.mask(chosen)[item]
        if not fits:
            return
        chosen.append(item)


# Edges -------------------------------------------------------------------------------------------------


def test_references_are_solved_once_per_problem() -> None:
    problem = compile_request(Request(count=3), SHELF)
    references = References()
    first = references.of(problem, target=B, scores=SCORES)
    assert first == (B, pytest.approx(np.log(28)))
    assert references.of(problem, target=B, scores=SCORES) is first
    assert references.of(compile_request(Request(count=3), SHELF), target=D, scores=SCORES).target == D


def test_labels_of_a_column() -> None:
    assert LABELS.shape == (8, 3)  # Comedy, Drama, Horror
    assert LABELS.astype(int).tolist()[:4] == [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_without_teacher_and_labels_their_parts_are_left_out() -> None:
    problem = compile_request(Request(count=2), SHELF)
    found = reward_lists([[A, B]], problem, reference_of(problem), RewardConfig(regret=0.0))
    assert tuple(found.parts) == ("satisfaction", "gap", "ranking", "place")
    assert found.total.tolist() == [2]


def test_what_is_missing_is_said() -> None:
    problem = compile_request(Request(count=2), SHELF)
    reference = reference_of(problem)
    with pytest.raises(ConfigError, match=r"regret has the weight 1\.0.*set the weight to 0"):
        reward_lists([[A, B]], problem, reference, RewardConfig())
    with pytest.raises(ConfigError, match=r"diversity has the weight 1\.0.*label_matrix"):
        reward_lists([[A, B]], problem, reference, RewardConfig(regret=0.0, diversity=1.0))
    with pytest.raises(pydantic.ValidationError, match="all weights are 0"):
        RewardConfig(satisfaction=0.0, gap=0.0, ranking=0.0, regret=0.0)
    impossible = compile_request(Request(count=4, controls=[{"where": HORROR, "at_least": "all"}]), SHELF)
    with pytest.raises(InfeasibleRequest):
        reference_of(impossible, scores=SCORES)


# Behind TRL's signature --------------------------------------------------------------------------------


def letters() -> Any:
    """Titles spelled letter by letter."""
    titles = [f"{title} {item_id}" for item_id, title, *_ in ROWS]

    def decode(tokens: list[int]) -> str:
        return "".join(map(chr, tokens))

    return answer_reader(
        TitleIdentifier(titles, lambda text: [*map(ord, text)]), lambda t: [*map(ord, t)], decode
    )


def written(*items: int) -> str:
    return "\n".join(f"{j}. {ROWS[item][1]} {ROWS[item][0]}" for j, item in enumerate(items, start=1))


def test_reward_functions_read_answers_and_sum_to_the_total() -> None:
    controls = [{"where": COMEDY, "at_least": 2}]
    wish = [{"where": HORROR, "weight": 1.0}]
    asked = [Request(count=3, controls=controls, prefer=wish), Request(count=2)]
    answers = [written(A, B, C), written(C, E, G), "1. Alpha a\n2. Nothing", written(B, A)]
    calls: list[int] = []

    def teacher(histories: Any) -> Any:
        calls.append(len(histories))
        return np.tile(SCORES, (len(histories), 1))

    functions = own_rewards(SHELF, letters(), EVERYTHING, teacher=teacher)
    assert tuple(functions) == PARTS
    assert [function.__name__ for function in functions.values()] == list(PARTS)
    columns: dict[str, Any] = {
        "request": [asked[0].to_json(), asked[0].to_json(), asked[1].to_json(), asked[1].to_json()],
        "history": [[D], [D], None, None],
        "target": [B, B, None, None],
        "trainer_state": None,
    }
    found = np.sum([f(prompts=["?"] * 4, completions=answers, **columns) for f in functions.values()], axis=0)
    expected = []
    for request, history, target, lists in (
        (asked[0], (D,), B, [[A, B, C], [C, E, G]]),
        (asked[1], (), None, [[A, None], [B, A]]),
    ):
        problem = compile_request(request, SHELF, history)
        scores = SCORES + (HORROR_BONUS if request.prefer else 0)
        reference = reference_of(problem, history=history, target=target, scores=scores)
        expected += reward_lists(
            lists, problem, reference, EVERYTHING, scores=scores, labels=LABELS
        ).total.tolist()
    assert found == pytest.approx(expected)
    assert calls == [2]  # once a prompt, and once for all functions
    # Conversations: the last message is the answer.
    talks = [[{"role": "assistant", "content": answer}] for answer in answers]
    once_more = functions["satisfaction"](prompts=["?"] * 4, completions=talks, **columns)
    assert once_more == [1, 0, 0, 1]


HORROR_BONUS = np.array([0.0, 0, 1, 0, 0, 0, 0, 1])


def test_the_published_reward_as_a_function() -> None:
    reward = published_reward(
        SHELF, letters(), teacher=lambda histories: np.tile(SCORES, (len(histories), 1)), column="categories"
    )
    # k = 2, Z = 1.398072. First: b is the target, c has rank 2: A = (1 + 0.630930 / log2 5) / Z, and with
    # T = min(2, 4 comedies) = 2 and one of them listed B = 1/2. Second: nothing known, target not found.
    found = reward(
        prompts=["?"] * 2,
        completions=[written(B, C), "Nothing"],
        task=["+C", "SeqRec"],
        count=[2, 2],
        history=[[A], []],
        target=[B, B],
        category=["Comedy", None],
        quota=[None, None],
    )
    first = (1 + 0.6309298 / np.log2(5)) / 1.3980724
    assert found == pytest.approx([5 * (first + 1 / 2), 5 * (-1 / 1.3980724)], rel=1e-6)


def test_atomic_answers_are_read_by_their_tokens() -> None:
    identifier = AtomicIdentifier(num_items=8, first_item_id=10, first_slot_id=0, num_slots=5)
    read = answer_reader(identifier, lambda text: [int(word) for word in text.split()], str)
    assert read("0 12 1 17 99 2 10") == [2, 7, None, 0]
