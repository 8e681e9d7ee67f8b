"""The best list equals the best of all satisfying lists, in the order that the rules give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_oracle import random_problem, random_scores, satisfies, wide_problem, write_out

from steerec.control import selection
from steerec.control.feasibility import is_feasible
from steerec.control.optimum import best_list
from steerec.control.problem import Problem, Quota
from steerec.errors import InfeasibleRequest, RequestError

SEEDS = st.integers(0, 2**32 - 1)


def value(items: np.ndarray, scores: np.ndarray) -> tuple[int, float, int]:
    """What a best list maximises: few last resorts, a high total, low indices."""
    own = scores[items]
    finite = np.isfinite(own)
    return -int((~finite).sum()), round(float(own[finite].sum()), 9), -int(items.sum())


def check_best_list(seed: int, *, forced: bool) -> None:
    problem = random_problem(seed)
    scores = random_scores(seed, problem.num_items)
    satisfying = write_out(problem).satisfying
    must = int(np.random.default_rng(seed).integers(problem.num_items)) if forced else None
    if not len(satisfying):
        with pytest.raises(InfeasibleRequest):
            best_list(problem, scores, must_include=must)
        return
    listed = best_list(problem, scores, must_include=must)
    order = np.lexsort((np.arange(problem.num_items), -scores))
    assert listed == best_list(problem, scores, must_include=must, order=order)
    holding = satisfying[(satisfying == must).any(axis=1)]
    held = forced and len(holding) > 0
    candidates = holding if held else satisfying
    assert any((one == listed).all() for one in candidates)
    assert value(np.array(listed), scores) == max(value(one, scores) for one in candidates)
    same = candidates[(np.sort(candidates, axis=1) == np.sort(listed)).all(axis=1)]
    rank = np.argsort(order)

    def key(one: np.ndarray) -> tuple[int, ...]:
        place = int(np.argmax(one == must)) if held else -1
        return (place, *(int(rank[item]) for item in one if not (held and item == must)))

    assert min(same, key=key).tolist() == listed


@given(SEEDS, st.booleans())
@settings(max_examples=350, deadline=None)
def test_best_list_equals_enumeration(seed: int, forced: bool) -> None:
    check_best_list(seed, forced=forced)


@pytest.mark.parametrize("steps", [0, 2**60], ids=["integer programs", "tables"])
def test_every_method_equals_enumeration(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "TABLE_STEPS", steps)
    for seed in range(150):
        check_best_list(seed, forced=bool(seed % 2))


def check_methods_agree(seed: int) -> None:
    problem = wide_problem(seed)
    scores = random_scores(seed, problem.num_items)
    found = []
    for steps in (0, 2**22):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selection, "TABLE_STEPS", steps)
            try:
                found.append(best_list(problem, scores))
            except InfeasibleRequest:
                found.append([])
    if found[0] == found[1] == []:
        assert not is_feasible(problem)
        return
    assert value(np.array(found[0]), scores) == value(np.array(found[1]), scores)
    assert all(satisfies(problem, listed) for listed in found)


def test_methods_agree_on_lists_of_ten() -> None:
    for seed in range(80):
        check_methods_agree(seed)


@pytest.mark.slow
def test_methods_agree_on_2000_lists_of_ten() -> None:
    for seed in range(2000):
        check_methods_agree(seed)


@pytest.mark.slow
def test_best_list_equals_enumeration_on_20000_problems() -> None:
    for seed in range(20_000):
        check_best_list(seed, forced=bool(seed % 2))


@pytest.fixture
def films() -> Problem:
    # 0-3 comedies, 4-7 dramas; two of three must be dramas, the first a comedy.
    return Problem(
        count=3,
        quotas=(
            Quota(mask=np.arange(8) >= 4, lower=2, upper=3, first=1, last=3, control=0),
            Quota(mask=np.arange(8) < 4, lower=1, upper=1, first=1, last=1, control=1),
        ),
        allowed=np.ones(8, dtype=np.bool_),
        work=np.arange(8),
    )


def test_positions_win_over_scores(films: Problem) -> None:
    scores = np.array([1.0, 3.0, 2.0, 0.0, 9.0, 8.0, 7.0, 6.0])
    assert best_list(films, scores) == [1, 4, 5]


def test_the_true_next_item_comes_as_early_as_it_may(films: Problem) -> None:
    scores = np.array([1.0, 3.0, 2.0, 0.0, 9.0, 8.0, 7.0, 6.0])
    assert best_list(films, scores, must_include=3) == [3, 4, 5]
    assert best_list(films, scores, must_include=7) == [1, 7, 4]  # position 1 is for a comedy


def test_a_next_item_that_no_list_holds_is_left_out(films: Problem) -> None:
    scores = np.zeros(8)
    blocked = np.ones(8, dtype=np.bool_)
    blocked[7] = False
    problem = Problem(count=3, quotas=films.quotas, allowed=blocked, work=films.work)
    assert best_list(problem, scores, must_include=7) == [0, 4, 5]


def test_ties_go_to_lower_indices_in_large_catalogues() -> None:
    problem = Problem(count=5, allowed=np.ones(5000, dtype=np.bool_), work=np.arange(5000))
    assert best_list(problem, np.zeros(5000)) == [0, 1, 2, 3, 4]
    scores = np.zeros(5000)
    scores[[4000, 3000]] = 1.0
    assert best_list(problem, scores) == [3000, 4000, 0, 1, 2]


def test_minus_infinity_is_a_last_resort(films: Problem) -> None:
    scores = np.full(8, -np.inf)
    scores[[2, 6]] = -1e6
    assert best_list(films, scores) == [2, 6, 4]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(films: Problem, bad: float) -> None:
    scores = np.zeros(8)
    scores[5] = bad
    with pytest.raises(RequestError, match=f"score of item 5 is {bad}"):
        best_list(films, scores)


def test_scores_of_another_catalogue_are_refused(films: Problem) -> None:
    with pytest.raises(RequestError, match=r"shape \(7,\)"):
        best_list(films, np.zeros(7))
