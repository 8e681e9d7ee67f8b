"""Feasibility is exact: checked against every list of small problems, by each method in turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_oracle import random_problem, wide_problem, write_out

from steerec.control import feasibility
from steerec.control.cells import build_cells, cells_of
from steerec.control.feasibility import complete, is_feasible
from steerec.control.problem import Cap, Problem, Quota

SEEDS = st.integers(0, 2**32 - 1)


def quota(mask: np.ndarray, lower: int, upper: int, first: int = 1, last: int = 10) -> Quota:
    return Quota(mask=mask, lower=lower, upper=upper, first=first, last=last, control=0)


def check_feasibility(seed: int) -> None:
    problem = random_problem(seed)
    written = write_out(problem)
    assert is_feasible(problem) == bool(len(written.satisfying))
    lists = written.lists
    for chosen in lists[:: max(1, len(lists) // 5)]:
        for length in range(1, problem.count + 1):
            begins = (written.satisfying[:, :length] == chosen[:length]).all(axis=1).any()
            assert is_feasible(problem, chosen[:length].tolist()) == begins


def check_witness(seed: int) -> None:
    problem = random_problem(seed)
    cells = cells_of(problem)
    witness = complete(cells, cells.start)
    if witness is None:
        return
    assert (witness >= 0).all()
    assert (witness.sum(axis=0) == cells.start.length).all()
    drawn = np.bincount(cells.face_cell, weights=witness.sum(axis=1), minlength=cells.start.supply.size)
    assert (drawn <= cells.start.supply).all()
    for row in range(cells.member.shape[0]):
        stretch = witness[cells.member[row], cells.first[row] : cells.last[row] + 1]
        assert cells.start.lower[row] <= stretch.sum() <= cells.start.upper[row]


@given(SEEDS)
@settings(max_examples=250, deadline=None)
def test_feasibility_equals_enumeration(seed: int) -> None:
    check_feasibility(seed)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_witness_satisfies_every_row_and_supply(seed: int) -> None:
    check_witness(seed)


@pytest.mark.parametrize("table_bits", [0, 2**60], ids=["integer programs", "tables"])
def test_every_method_equals_enumeration(table_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasibility, "TABLE_BITS", table_bits)
    for seed in range(120):
        check_feasibility(seed)
        check_witness(seed)


def test_methods_agree_on_lists_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    for table_bits in (0, 2**18):
        monkeypatch.setattr(feasibility, "TABLE_BITS", table_bits)
        answers.append([is_feasible(wide_problem(seed)) for seed in range(60)])
    assert answers[0] == answers[1]
    assert 10 < sum(answers[0]) < 55


@pytest.mark.slow
def test_feasibility_equals_enumeration_on_20000_problems() -> None:
    for seed in range(20_000):
        check_feasibility(seed)
        check_witness(seed)


def test_random_problems_are_near_the_edge() -> None:
    written = [write_out(random_problem(seed)) for seed in range(400)]
    assert np.mean([not len(one.satisfying) for one in written]) >= 0.2
    assert np.mean([len(one.satisfying) > 0 for one in written]) >= 0.3
    assert np.mean([one.is_near() for one in written]) >= 0.3
    assert np.mean([build_cells(one.problem).is_split for one in written]) >= 0.1
    assert np.mean([len(one.problem.caps) > 0 for one in written]) >= 0.2
    assert np.mean([cells_of(one.problem).start.length.size > 1 for one in written]) >= 0.2


def test_lower_bound_above_its_stretch_is_infeasible() -> None:
    everything = np.ones(20, dtype=np.bool_)
    problem = Problem(
        count=10, quotas=(quota(everything, 4, 3, 1, 3),), allowed=everything, work=np.arange(20)
    )
    assert not is_feasible(problem)


def test_split_work_gives_its_supply_once() -> None:
    # One work, two editions: one a comedy, the other a drama. It cannot be both.
    comedy, drama = np.array([True, False, False]), np.array([False, True, False])
    problem = Problem(
        count=2,
        quotas=(quota(comedy, 1, 2, 1, 2), quota(drama, 1, 2, 1, 2)),
        allowed=np.ones(3, dtype=np.bool_),
        work=np.array([0, 0, 1]),
    )
    assert not is_feasible(problem)
    apart = Problem(count=2, quotas=problem.quotas, allowed=problem.allowed, work=np.array([0, 2, 1]))
    assert is_feasible(apart)


def test_cap_values_are_found_by_their_supply() -> None:
    # Ten films by five directors, two each: a cap of one admits five, a cap of two binds nowhere.
    directors = np.arange(10) // 2
    for limit, count, expected in [(1, 5, True), (1, 6, False), (2, 10, True)]:
        cap = Cap(indptr=np.arange(11), value_ids=directors, limit=limit, control=0, labels=tuple("abcde"))
        problem = Problem(count=count, caps=(cap,), allowed=np.ones(10, dtype=np.bool_), work=np.arange(10))
        assert is_feasible(problem) == expected
        assert cells_of(problem).member.shape[0] == (5 if limit == 1 else 0)


@pytest.mark.parametrize(
    "chosen", [[3], [0, 0], [0, 1], [0, 2, 4]], ids=["blocked", "repeat", "twins", "long"]
)
def test_a_beginning_that_is_no_list_is_infeasible(chosen: list[int]) -> None:
    allowed = np.array([True, True, True, False, True])
    problem = Problem(count=2, allowed=allowed, work=np.array([0, 0, 1, 2, 3]))
    assert is_feasible(problem, [0, 2])
    assert not is_feasible(problem, chosen)
