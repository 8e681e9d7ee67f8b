"""Conflicts and relaxations equal those found by trying everything."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_oracle import PSEUDO, Lists, random_problem, write_out

from steerec.control import conflict, relaxation
from steerec.control.conflict import Change, Conflict, Relaxation, explain, infeasible, largest_count
from steerec.control.feasibility import is_feasible
from steerec.control.problem import Cap, Problem, Quota

SEEDS = st.integers(0, 2**32 - 1)


def owners(problem: Problem) -> np.ndarray:
    return np.array([part.control for part in (*problem.quotas, *problem.caps)], dtype=np.int64)


def least_slack(written: Lists, controls: tuple[int, ...], names: tuple[str, ...] = PSEUDO) -> int | None:
    """Least total excess over the given controls; None where no list of allowed items exists."""
    blocked = written.blocked[:, [PSEUDO.index(name) for name in names]].any(axis=1)
    excess = written.excess[~blocked][:, np.isin(owners(written.problem), controls)].sum(axis=1)
    return int(excess.min()) if excess.size else None


def lacking(problem: Problem) -> int:
    return problem.count - np.unique(problem.work[problem.allowed]).size


def expected_conflict(written: Lists) -> Conflict:
    problem = written.problem
    controls = sorted(owners(problem).tolist())
    for size in range(len(controls) + 1):
        found = [one for one in combinations(controls, size) if least_slack(written, one) != 0]
        if found:
            break
    slacks = [lacking(problem) if (own := least_slack(written, one)) is None else own for one in found]
    best = found[slacks.index(max(slacks))]
    for size in range(4):
        names = [one for one in combinations(PSEUDO, size) if least_slack(written, best, one) != 0]
        if names:
            break
    return Conflict(controls=best, slack=max(slacks), names=names[0] + (() if best else ("count",)))


def check_explanation(seed: int) -> None:
    problem = random_problem(seed)
    written = write_out(problem)
    if len(written.satisfying):
        with pytest.raises(ValueError, match="feasible"):
            explain(problem)
        return
    found, offer = explain(problem)
    assert found == expected_conflict(written)
    slack = least_slack(written, tuple(owners(problem).tolist()))
    if slack is None:
        assert offer.changes == ()
        assert offer.total_slack == lacking(problem) > 0
        assert offer.largest_count is not None
        return
    assert offer.total_slack == slack
    assert offer.largest_count is None
    excess = written.excess[~written.blocked.any(axis=1)]
    nearest = excess[excess.sum(axis=1) == slack][:, np.argsort(owners(problem))]
    moves = {change.control: abs(change.new - change.old) for change in offer.changes}
    assert [moves.get(control, 0) for control in sorted(owners(problem))] == min(nearest.tolist())
    relaxed = apply(problem, offer)
    assert is_feasible(relaxed)
    assert len(write_out(relaxed).satisfying) > 0


def apply(problem: Problem, offer: Relaxation) -> Problem:
    for change in offer.changes:
        name = change.bound
        parts = problem.caps if name == "limit" else problem.quotas
        (old,) = [one for one in parts if one.control == change.control]
        assert getattr(old, name) == change.old
        new = replace(old, **{name: change.new})
        swapped = tuple(new if one is old else one for one in parts)
        problem = replace(problem, **{"caps" if name == "limit" else "quotas": swapped})
    return problem


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_explanation_equals_enumeration(seed: int) -> None:
    check_explanation(seed)


@pytest.mark.slow
def test_explanation_equals_enumeration_on_20000_problems() -> None:
    for seed in range(20_000):
        check_explanation(seed)


def test_many_controls_give_a_conflict_from_which_nothing_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conflict, "_ENUMERATE", 0)
    seen = 0
    for seed in range(150):
        problem = random_problem(seed)
        written = write_out(problem)
        if len(written.satisfying):
            continue
        controls = explain(problem)[0].controls
        assert least_slack(written, controls) != 0
        for control in controls:
            assert least_slack(written, tuple(one for one in controls if one != control)) == 0
        seen += 1
    assert seen > 20


def films(*quotas: Quota, count: int = 10, **blocked: np.ndarray) -> Problem:
    """Twenty films: 0-7 comedies, 6-13 dramas, the rest neither."""
    allowed = np.ones(20, dtype=np.bool_)
    for mask in blocked.values():
        allowed &= ~mask
    return Problem(count=count, quotas=quotas, allowed=allowed, work=np.arange(20), **blocked)


COMEDY, DRAMA = np.arange(20) < 8, (np.arange(20) >= 6) & (np.arange(20) < 14)


def quota(mask: np.ndarray, lower: int, upper: int, control: int) -> Quota:
    return Quota(mask=mask, lower=lower, upper=upper, first=1, last=10, control=control)


def test_ties_relax_the_control_stated_last() -> None:
    # Comedies and dramas share two films: 7 + 6 - 2 = 11 places, one too many. Either may give.
    problem = films(quota(COMEDY, 7, 10, 0), quota(DRAMA, 6, 10, 1))
    found, offer = explain(problem)
    assert found == Conflict(controls=(0, 1), slack=1)
    assert offer == Relaxation(changes=(Change(control=1, bound="lower", old=6, new=5),), total_slack=1)


def test_the_most_glaring_of_equal_conflicts_is_named() -> None:
    # Nine comedies of eight miss by one, twelve dramas by four in supply and two in places.
    found, _ = explain(films(quota(COMEDY, 9, 10, 0), quota(DRAMA, 12, 10, 1)))
    assert found == Conflict(controls=(1,), slack=4)


def test_seen_films_are_named_but_not_relaxed() -> None:
    problem = films(quota(COMEDY, 5, 10, 2), blocked_seen=np.arange(20) < 5)
    found, offer = explain(problem)
    assert found == Conflict(controls=(2,), slack=2, names=("seen",))
    assert offer.changes == (Change(control=2, bound="lower", old=5, new=3),)


def test_too_few_candidates_leave_only_a_smaller_count() -> None:
    problem = films(quota(COMEDY, 2, 10, 0), blocked_candidates=np.arange(20) >= 4)
    found, offer = explain(problem)
    assert found == Conflict(controls=(), slack=6, names=("candidates", "count"))
    assert offer == Relaxation(changes=(), total_slack=6, largest_count=4)


def test_a_cap_gives_by_its_limit() -> None:
    # Twenty films by two directors: a cap of 4 admits 8 of 10.
    cap = Cap(
        indptr=np.arange(21), value_ids=np.arange(20) % 2, limit=4, control=3, labels=("Akerman", "Varda")
    )
    problem = replace(films(), caps=(cap,))
    found, offer = explain(problem)
    assert found == Conflict(controls=(3,), slack=1)
    assert offer.changes == (Change(control=3, bound="limit", old=4, new=5),)


def test_largest_count_keeps_all_as_all() -> None:
    assert largest_count(films(quota(COMEDY, 10, 10, 0))) == 8
    assert largest_count(films(quota(COMEDY, 10, 10, 0), quota(COMEDY, 0, 0, 1))) == 0
    window = Quota(mask=COMEDY, lower=1, upper=1, first=5, last=5, control=0)
    assert largest_count(films(window, blocked_seen=np.arange(20) > 7)) == 8
    assert largest_count(films(window, blocked_seen=np.arange(20) > 3)) == 0  # position 5 must exist


def test_the_error_names_controls_and_the_way_out() -> None:
    error = infeasible(films(quota(COMEDY, 7, 10, 0), quota(DRAMA, 6, 10, 1)))
    assert str(error) == (
        "No list of 10 items satisfies this request: control 0 and control 1 cannot hold together. "
        "The nearest request that works changes the lower bound of control 1: 6 -> 5."
    )
    error = infeasible(films(blocked_exclude=np.arange(20) > 3))
    assert str(error) == (
        "No list of 10 items satisfies this request: exclude and count cannot hold together. "
        "The largest count that works is 4."
    )


def test_integer_programs_equal_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxation, "TRIES", 0)
    for seed in range(120):
        check_explanation(seed)
