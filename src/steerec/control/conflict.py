"""Why no list exists, and what would have to give.

A *conflict* is the fewest controls that cannot hold together. A *relaxation* moves bounds by the fewest items
in all until a list exists. The count is never relaxed, and neither are seen and excluded items, though a
conflict may name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from steerec.control.cells import cells_of
from steerec.control.feasibility import is_feasible
from steerec.control.problem import BoolArray, Problem, Quota
from steerec.control.relaxation import Bound, BoundName, Bounds, Cut
from steerec.errors import InfeasibleRequest

Pseudo = Literal["candidates", "exclude", "seen", "count"]

_ENUMERATE = 8
"""Most controls whose subsets are all tried."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """The fewest controls that contradict each other."""

    controls: tuple[int, ...]
    """Indices into `request.controls`, ascending; empty when there are simply too few items."""
    names: tuple[Pseudo, ...] = ()
    """What else it takes: candidates, excluded or seen items; `count` when it alone asks for too many."""
    slack: int
    """Items by which the bounds of these controls must give, at least, for a list to exist."""
    quotes: tuple[str | None, ...] = ()
    """Where the request came in words: those that each of `controls` came from, as they were said; None for a
    control that came from none. Empty where it came as data."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One bound, moved."""

    control: int
    """Index into `request.controls`."""
    bound: BoundName
    """`lower` or `upper` bound of a quota, `limit` of a cap."""
    old: int
    """The bound as the request states it."""
    new: int
    """The bound as it would have to be."""


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """The nearest request that can be satisfied."""

    changes: tuple[Change, ...]
    """Bounds to move, in the order of the controls; empty when no change of the controls helps."""
    total_slack: int
    """Sum of the moves, in items; where no change helps, the items that the catalogue lacks."""
    largest_count: int | None = None
    """None where the changes help; else the largest count that works with the same controls, 0 if none."""


def explain(problem: Problem) -> tuple[Conflict, Relaxation]:
    """Say why an infeasible problem has no list and what would help.

    The conflict has the fewest controls (all subsets are tried up to 8 controls; beyond, one from which no
    control can be left out); ties go to the largest least slack, then to the order of the request. The
    relaxation has the least total slack; ties keep the bounds of controls stated earlier.

    Args:
        problem: a compiled request that no list satisfies.

    Returns:
        The conflict and the nearest relaxation.

    Raises:
        ValueError: the problem is feasible.
    """
    if is_feasible(problem):
        raise ValueError("This problem is feasible: there is no conflict to explain. Call is_feasible first.")
    controls = sorted({quota.control for quota in problem.quotas} | {cap.control for cap in problem.caps})
    lacking = problem.count - int(cells_of(problem).start.supply.sum())
    if lacking > 0:
        conflict = Conflict(controls=(), names=_names(problem, ()), slack=lacking)
        return conflict, Relaxation(changes=(), total_slack=lacking, largest_count=largest_count(problem))
    bounds = Bounds(problem)
    found = _fewest(bounds, controls) if len(controls) <= _ENUMERATE else [_minimal(bounds, controls)]
    cuts = [Cut(subset, sum(bounds.least(subset))) for subset in found]
    worst = max(cuts, key=lambda cut: cut.least)  # the first of equals
    moves = bounds.least(controls, cuts)
    changes = tuple(_change(bound, move) for bound, move in zip(bounds.bounds, moves, strict=True) if move)
    conflict = Conflict(controls=worst.controls, names=_names(problem, worst.controls), slack=worst.least)
    return conflict, Relaxation(changes=changes, total_slack=sum(moves))


def infeasible(problem: Problem) -> InfeasibleRequest:
    """Return the error for an infeasible problem, which names controls by number.

    Args:
        problem: a compiled request that no list satisfies.
    """
    conflict, relaxation = explain(problem)
    names = [f"control {number}" for number in conflict.controls] + list(conflict.names)
    text = f"No list of {problem.count} items satisfies this request: {' and '.join(names)} cannot hold"
    if relaxation.largest_count is not None:
        advice = f"The largest count that works is {relaxation.largest_count}."
    else:
        moves = [f"{c.bound} bound of control {c.control}: {c.old} -> {c.new}" for c in relaxation.changes]
        advice = f"The nearest request that works changes the {'; the '.join(moves)}."
    return InfeasibleRequest(
        f"{text}{' together' if len(names) > 1 else ''}. {advice}", conflict=conflict, relaxation=relaxation
    )


def largest_count(problem: Problem) -> int:
    """Return the largest count below the problem's for which a list exists, 0 if there is none.

    Bounds keep their numbers, except that a bound of "all" of the list stays all of it. Controls stated as
    shares have other numbers at another count: compile the request again to be exact about those.

    Args:
        problem: a compiled request.
    """
    works = int(cells_of(problem).start.supply.sum())
    least = max((quota.last for quota in problem.quotas if not _is_whole(quota, problem)), default=1)
    for count in range(min(problem.count - 1, works), least - 1, -1):
        if is_feasible(_shortened(problem, count)):
            return count
    return 0


def _part(problem: Problem, controls: Sequence[int], blockers: Sequence[Pseudo]) -> Problem:
    """The problem with only some of its controls and of what blocks items."""
    masks = _blockers(problem)
    allowed = problem.allowed.copy()
    for mask in masks.values():
        allowed |= mask
    for name in blockers:
        allowed &= ~masks[name]
    return replace(
        problem,
        quotas=tuple(quota for quota in problem.quotas if quota.control in controls),
        caps=tuple(cap for cap in problem.caps if cap.control in controls),
        allowed=allowed,
    )


def _blockers(problem: Problem) -> dict[Pseudo, BoolArray]:
    """What blocks items of a problem, in the order in which it is named."""
    return {
        "candidates": problem.blocked_candidates,
        "exclude": problem.blocked_exclude,
        "seen": problem.blocked_seen,
    }


def _fewest(bounds: Bounds, controls: list[int]) -> list[tuple[int, ...]]:
    """All smallest infeasible sets of controls, in the order of the request."""
    for size in range(1, len(controls) + 1):
        found = [subset for subset in combinations(controls, size) if not bounds.hold(subset)]
        if found:
            return found
    raise AssertionError("an infeasible problem has no infeasible set of controls")


def _minimal(bounds: Bounds, controls: list[int]) -> tuple[int, ...]:
    """An infeasible set from which nothing can be left out; what is stated last is left out first."""
    kept = controls
    for control in reversed(controls):
        fewer = [other for other in kept if other != control]
        if not bounds.hold(fewer):
            kept = fewer
    return tuple(kept)


def _change(bound: Bound, move: int) -> Change:
    new = bound.value - move if bound.name == "lower" else bound.value + move
    return Change(control=bound.control, bound=bound.name, old=bound.value, new=new)


def _names(problem: Problem, controls: tuple[int, ...]) -> tuple[Pseudo, ...]:
    """The fewest of candidates, exclude and seen that the conflict needs, ties in that order."""
    count: tuple[Pseudo, ...] = () if controls else ("count",)
    blocking = [name for name, mask in _blockers(problem).items() if mask.any()]
    for size in range(len(blocking) + 1):
        for names in combinations(blocking, size):
            if not is_feasible(_part(problem, controls, names)):
                return names + count
    raise AssertionError("a conflict is feasible with everything that blocks items")


def _is_whole(quota: Quota, problem: Problem) -> bool:
    return quota.first == 1 and quota.last == problem.count


def _shortened(problem: Problem, count: int) -> Problem:
    """The problem for a shorter list: whole-list quotas shrink with it, windows lie within it."""
    quotas = []
    for quota in problem.quotas:
        if _is_whole(quota, problem):
            lower = count if quota.lower == problem.count else quota.lower
            quota = replace(quota, lower=lower, upper=min(quota.upper, count), last=count)
        quotas.append(quota)
    return replace(problem, count=count, quotas=tuple(quotas))
