"""What is left of a problem has exactly the completions of what was chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_oracle import random_problem, write_out

from steerec.control.cells import build_cells
from steerec.control.feasibility import is_feasible
from steerec.control.optimum import best_list
from steerec.control.problem import Cap, Problem, Quota
from steerec.control.remainder import remainder

SEEDS = st.integers(0, 2**32 - 1)


def completions(rest: Problem) -> np.ndarray:
    """Every list of a remainder: works that were shown are not allowed, though nothing blocks them."""
    written = write_out(rest)
    return written.lists[rest.allowed[written.lists].all(axis=1) & (written.excess == 0).all(axis=1)]


def check_completions(seed: int) -> None:
    problem = random_problem(seed)
    satisfying = write_out(problem).satisfying
    picks = np.random.default_rng(seed).permutation(len(satisfying))[:3]
    for length in range(problem.count):
        for chosen in {tuple(satisfying[pick][:length].tolist()) for pick in picks}:
            rest = remainder(problem, chosen)
            assert rest.count == problem.count - length
            begins = (satisfying[:, :length] == np.array(chosen, dtype=np.int64)).all(axis=1)
            expected = {tuple(one) for one in satisfying[begins, length:].tolist()}
            assert {tuple(one) for one in completions(rest).tolist()} == expected
            assert is_feasible(rest)
            scores = np.random.default_rng([seed, length]).standard_normal(problem.num_items)
            best = best_list(rest, scores)
            assert tuple(best) in expected
            totals = [scores[list(one)].sum() for one in expected]
            assert scores[best].sum() == pytest.approx(max(totals))


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_completions_equal_enumeration(seed: int) -> None:
    check_completions(seed)


@pytest.mark.slow
def test_completions_equal_enumeration_on_5000_problems() -> None:
    for seed in range(5000):
        check_completions(seed)


def test_a_step_at_a_time_is_the_same_as_all_at_once() -> None:
    for seed in range(150):
        problem = random_problem(seed)
        satisfying = write_out(problem).satisfying
        if problem.count < 3 or not len(satisfying):
            continue
        first, second = satisfying[seed % len(satisfying)][:2].tolist()
        stepwise = completions(remainder(remainder(problem, [first]), [second]))
        np.testing.assert_array_equal(stepwise, completions(remainder(problem, [first, second])))


def test_the_problems_have_windows_caps_on_list_columns_and_twins() -> None:
    problems = [random_problem(seed) for seed in range(300)]
    problems = [problem for problem in problems if len(write_out(problem).satisfying) and problem.count > 1]
    windows = [any((q.first, q.last) != (1, p.count) for q in p.quotas) for p in problems]
    lists = [any(np.diff(cap.indptr).max() > 1 for cap in p.caps) for p in problems]
    twins = [build_cells(p).start.supply.sum() < p.allowed.sum() for p in problems]
    for kind in (windows, lists, twins):
        assert np.mean(kind) > 0.1


# Six films: 0-2 comedies; 0 and 3 by Varda, 1 by Varda and Akerman, 4 by Akerman, 2 and 5 by nobody.
COMEDY = np.arange(6) < 3
DIRECTORS = Cap(
    indptr=np.array([0, 1, 3, 3, 4, 5, 5]),
    value_ids=np.array([0, 0, 1, 0, 1]),
    limit=1,
    control=1,
    labels=("Varda", "Akerman"),
)


def films(*quotas: Quota, caps: tuple[Cap, ...] = ()) -> Problem:
    return Problem(
        count=4, quotas=quotas, caps=caps, allowed=np.ones(6, np.bool_), work=np.array([0, 1, 2, 3, 4, 4])
    )


def test_bounds_give_what_was_shown_and_windows_move_to_the_front() -> None:
    window = Quota(mask=COMEDY, lower=1, upper=1, first=2, last=3, control=0)
    one = remainder(films(window), [0]).quotas  # position 1 lies before the window
    assert [(q.lower, q.upper, q.first, q.last) for q in one] == [(1, 1, 1, 2)]
    two = remainder(films(window), [0, 1]).quotas
    assert [(q.lower, q.upper, q.first, q.last) for q in two] == [(0, 0, 1, 1)]
    assert remainder(films(window), [0, 1, 3]).quotas == ()  # passed
    whole = replace(window, lower=3, upper=4, first=1, last=4)
    rest = remainder(films(whole), [3, 0]).quotas
    assert [(q.lower, q.upper, q.first, q.last) for q in rest] == [(2, 2, 1, 2)]


def test_works_that_were_shown_leave_with_their_twins() -> None:
    assert np.flatnonzero(remainder(films(), [4, 0]).allowed).tolist() == [1, 2, 3]


def test_a_cap_keeps_counting_every_value_of_what_was_shown() -> None:
    # After film 1, by both directors, only films by nobody may follow; after film 4, no Akerman.
    both = completions(remainder(films(caps=(DIRECTORS,)), [1]))
    assert both.size == 0  # 2 and 5 are two films, and three are missing
    rest = remainder(replace(films(caps=(DIRECTORS,)), count=3), [4])
    assert {tuple(sorted(one)) for one in completions(rest).tolist()} == {(0, 2), (2, 3)}
