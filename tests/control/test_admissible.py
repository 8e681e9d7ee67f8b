"""The moving mask equals the next items of all satisfying lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_oracle import random_problem, satisfies, wide_problem, write_out

from steerec.control.admissible import Admissible
from steerec.control.feasibility import is_feasible
from steerec.control.problem import Problem, Quota

SEEDS = st.integers(0, 2**32 - 1)


def check_masks(seed: int) -> None:
    problem = random_problem(seed)
    satisfying = write_out(problem).satisfying
    admissible = Admissible(problem)
    rng = np.random.default_rng(seed)
    picks = rng.permutation(len(satisfying))[:4]
    for chosen in [np.empty(0, dtype=np.int64), *satisfying[picks]]:
        for length in range(len(chosen) + 1):
            rest = satisfying[(satisfying[:, :length] == chosen[:length]).all(axis=1)]
            expected = np.zeros(problem.num_items, dtype=np.bool_)
            if length < problem.count:
                expected[rest[:, length]] = True
            np.testing.assert_array_equal(admissible.mask(tuple(chosen[:length].tolist())), expected)


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_mask_equals_enumeration(seed: int) -> None:
    check_masks(seed)


@pytest.mark.slow
def test_mask_equals_enumeration_on_20000_problems() -> None:
    for seed in range(20_000):
        check_masks(seed)


@given(SEEDS)
@settings(max_examples=50, deadline=None)
def test_walks_within_the_mask_always_end_in_a_satisfying_list(seed: int) -> None:
    problem = random_problem(seed)
    satisfying = {tuple(one) for one in write_out(problem).satisfying.tolist()}
    admissible, rng = Admissible(problem), np.random.default_rng(seed)
    for _ in range(3 if satisfying else 0):
        chosen: tuple[int, ...] = ()
        while len(chosen) < problem.count:
            chosen += (int(rng.choice(np.flatnonzero(admissible.mask(chosen)))),)
        assert chosen in satisfying


def test_walks_through_lists_of_ten_satisfy() -> None:
    ended = 0
    for seed in range(25):
        problem = wide_problem(seed)
        admissible, rng = Admissible(problem), np.random.default_rng(seed)
        chosen: tuple[int, ...] = ()
        while admissible.mask(chosen).any():
            chosen += (int(rng.choice(np.flatnonzero(admissible.mask(chosen)))),)
        assert satisfies(problem, list(chosen)) or (not chosen and not is_feasible(problem))
        ended += len(chosen) == 10
    assert ended >= 10


def test_mask_does_not_depend_on_what_was_asked_before() -> None:
    for seed in range(60):
        problem = random_problem(seed)
        satisfying = write_out(problem).satisfying[:6]
        prefixes = [tuple(one[:length].tolist()) for one in satisfying for length in range(problem.count)]
        warm = Admissible(problem)
        for chosen in prefixes[::-1]:
            warm.mask(chosen)
        for chosen in prefixes:
            np.testing.assert_array_equal(warm.mask(chosen), Admissible(problem).mask(chosen))


def test_requests_that_differ_in_their_items_only_share_their_answers() -> None:
    """A comedy first; which items are comedies, and how many, plays no part while there are enough."""
    rng, known = np.random.default_rng(0), []
    for size in (20, 30, 40):
        mask = rng.permutation(np.arange(size) < size // 2)
        quota = Quota(mask=mask, lower=1, upper=1, first=1, last=1, control=0)
        problem = Problem(count=3, quotas=(quota,), allowed=np.ones(size, np.bool_), work=np.arange(size))
        admissible = Admissible(problem)
        np.testing.assert_array_equal(admissible.mask(()), mask)
        known.append(admissible.open_faces(()))
    assert known[0] is known[1] is known[2]


def test_last_places_are_kept_for_a_rare_set() -> None:
    # Ten items, three of them documentaries; three positions, at least two documentaries.
    mask = np.arange(10) < 3
    problem = Problem(
        count=3,
        quotas=(Quota(mask=mask, lower=2, upper=3, first=1, last=3, control=0),),
        allowed=np.ones(10, dtype=np.bool_),
        work=np.arange(10),
    )
    admissible = Admissible(problem)
    assert admissible.mask(()).all()
    np.testing.assert_array_equal(admissible.mask((7,)), mask)  # both open places must be documentaries
    np.testing.assert_array_equal(admissible.mask((7, 0)), mask & (np.arange(10) != 0))
    assert not admissible.mask((7, 0, 1)).any()  # complete


def test_an_infeasible_problem_admits_nothing() -> None:
    problem = Problem(count=3, allowed=np.ones(2, dtype=np.bool_), work=np.arange(2))
    assert not Admissible(problem).mask(()).any()
