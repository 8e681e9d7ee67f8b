"""Why no list exists, and what would have to give.

A *conflict* is the fewest controls that cannot hold together. A *relaxation* moves bounds by the fewest items
in all until a list exists. The count is never relaxed, and neither are seen and excluded items, though a
conflict may name them.

Legend: F faces, G segments, R rows, B bounds that may give, M controls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.sparse import csr_array, hstack, vstack

from steerec.control.cells import Cells, cells_of
from steerec.control.feasibility import is_feasible
from steerec.control.integer import solve_integer
from steerec.control.problem import Problem, Quota
from steerec.errors import InfeasibleRequest

Bound = Literal["lower", "upper", "limit"]
Pseudo = Literal["candidates", "exclude", "seen", "count"]

_BLOCKERS: tuple[Pseudo, ...] = ("candidates", "exclude", "seen")
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


@dataclass(frozen=True, kw_only=True)
class Change:
    """One bound, moved."""

    control: int
    """Index into `request.controls`."""
    bound: Bound
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
    """None where the changes help; else the largest count that works with the controls as they are, 0 if none."""


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
    controls = sorted({part.control for part in (*problem.quotas, *problem.caps)})
    found = _fewest(problem, controls) if len(controls) <= _ENUMERATE else _minimal(problem, controls)
    slacks = [_total(part(problem, subset)) for subset in found]
    best = slacks.index(max(slacks))
    conflict = Conflict(controls=found[best], names=_names(problem, found[best]), slack=slacks[best])
    changes = _nearest(problem)
    if changes is None:
        lacking = problem.count - int(cells_of(problem).start.supply.sum())
        return conflict, Relaxation(changes=(), total_slack=lacking, largest_count=largest_count(problem))
    total = sum(abs(change.new - change.old) for change in changes)
    return conflict, Relaxation(changes=changes, total_slack=total)


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


def part(problem: Problem, controls: Sequence[int], blockers: Sequence[Pseudo] = _BLOCKERS) -> Problem:
    """Return the problem with only some of its controls and of what blocks items.

    Args:
        problem: a compiled request.
        controls: indices of the controls to keep.
        blockers: which of candidates, exclude and seen still block items.
    """
    masks = {
        "candidates": problem.blocked_candidates,
        "exclude": problem.blocked_exclude,
        "seen": problem.blocked_seen,
    }
    allowed = problem.allowed.copy()
    for name in _BLOCKERS:
        if name not in blockers:
            allowed |= masks[name]
    for name in blockers:
        if name in masks:
            allowed &= ~masks[name]
    return replace(
        problem,
        quotas=tuple(quota for quota in problem.quotas if quota.control in controls),
        caps=tuple(cap for cap in problem.caps if cap.control in controls),
        allowed=allowed,
    )


def _fewest(problem: Problem, controls: list[int]) -> list[tuple[int, ...]]:
    """All smallest infeasible sets of controls, in the order of the request."""
    for size in range(len(controls) + 1):
        found = [subset for subset in combinations(controls, size) if not is_feasible(part(problem, subset))]
        if found:
            return found
    raise AssertionError("an infeasible problem has no infeasible set of controls")


def _minimal(problem: Problem, controls: list[int]) -> list[tuple[int, ...]]:
    """One infeasible set from which nothing can be left out; what is stated last is left out first."""
    kept = controls
    for control in reversed(controls):
        fewer = [other for other in kept if other != control]
        if not is_feasible(part(problem, fewer)):
            kept = fewer
    return [tuple(kept)]


def _names(problem: Problem, controls: tuple[int, ...]) -> tuple[Pseudo, ...]:
    """The fewest of candidates, exclude and seen that the conflict needs, ties in that order."""
    count: tuple[Pseudo, ...] = () if controls else ("count",)
    for size in range(len(_BLOCKERS) + 1):
        for names in combinations(_BLOCKERS, size):
            if not is_feasible(part(problem, controls, names)):
                return names + count
    raise AssertionError("a conflict is feasible with everything that blocks items")


def _total(problem: Problem) -> int:
    """Least total slack that makes a problem feasible; items lacking where no slack helps."""
    lacking = problem.count - int(cells_of(problem).start.supply.sum())
    if lacking > 0:
        return lacking
    program = _SlackProgram(problem)
    return int(program.solve(np.ones(len(program.bounds))).sum())


def _nearest(problem: Problem) -> tuple[Change, ...] | None:
    """The changes of least total slack, earlier controls kept first; None where none helps."""
    if int(cells_of(problem).start.supply.sum()) < problem.count:
        return None
    program = _SlackProgram(problem)
    slack = program.solve(np.ones(len(program.bounds)))
    program.require(np.ones(len(program.bounds)), int(slack.sum()))
    owners = np.array([control for control, _, _ in program.bounds])
    for control in np.unique(owners)[:-1]:
        own = (owners == control).astype(np.float64)
        if own @ slack > 0:
            slack = program.solve(own)
        program.require(own, int(own @ slack))
    return tuple(
        Change(control=control, bound=bound, old=old, new=old + (-move if bound == "lower" else move))
        for (control, bound, old), move in zip(program.bounds, slack.tolist(), strict=True)
        if move
    )


class _SlackProgram:
    """Counts (F, G), flattened, and one slack for each bound (B,) that may give."""

    def __init__(self, problem: Problem) -> None:
        cells = cells_of(problem)
        segments = np.arange(cells.start.length.size)
        inside = (cells.first[:, None] <= segments) & (segments <= cells.last[:, None])  # (R, G)
        rows = csr_array((cells.member[:, :, None] & inside[:, None, :]).reshape(len(inside), cells.num_faces * segments.size).astype(float))
        kinds = np.where(np.arange(len(inside)) < cells.num_quotas, "upper", "limit")
        span = inside @ cells.start.length
        low = np.flatnonzero(cells.start.lower > 0)
        high = np.flatnonzero(cells.start.upper < span)
        named = [(int(cells.control[r]), "lower", int(cells.start.lower[r])) for r in low]
        named += [(int(cells.control[r]), str(kinds[r]), int(cells.start.upper[r])) for r in high]
        self.bounds = sorted(set(named))
        column = np.array([self.bounds.index(name) for name in named], dtype=np.int64)
        sign = np.concatenate([np.ones(low.size), -np.ones(high.size)])
        shape = (len(named), len(self.bounds))
        give = csr_array((sign, (np.arange(len(named)), column)), shape=shape)
        fixed, fixed_lower, fixed_upper = _supplies(cells)
        none = csr_array((fixed.shape[0], len(self.bounds)))
        self._matrix = vstack([hstack([rows[np.concatenate([low, high])], give]), hstack([fixed, none])]).tocsr()
        self._lower = np.concatenate([cells.start.lower[low], np.full(high.size, -np.inf), fixed_lower])
        self._upper = np.concatenate([np.full(low.size, np.inf), cells.start.upper[high], fixed_upper])
        self._most = np.full(self._matrix.shape[1], float(problem.count + cells.start.lower.max(initial=0)))

    def solve(self, cost: np.ndarray) -> np.ndarray:
        """The slacks (B,) that minimise `cost` (B,)."""
        whole = np.zeros(self._most.size)
        whole[whole.size - cost.size :] = cost
        solution = solve_integer(whole, csr_array(self._matrix), self._lower, self._upper, self._most)
        assert solution is not None, "a problem with enough works cannot be relaxed"
        return np.asarray(solution[whole.size - cost.size :], dtype=np.int64)

    def require(self, weights: np.ndarray, value: int) -> None:
        """Demand `weights @ slack == value` from now on."""
        row = np.zeros((1, self._most.size))
        row[0, self._most.size - weights.size :] = weights
        self._matrix = vstack([self._matrix, csr_array(row)]).tocsr()
        self._lower, self._upper = np.append(self._lower, value), np.append(self._upper, value)


def _supplies(cells: Cells) -> tuple[csr_array, np.ndarray, np.ndarray]:
    """Segments are filled, supplies of cells are kept, over the counts (F, G), flattened."""
    num_segments, num_cells = cells.start.length.size, cells.start.supply.size
    unknown = np.arange(cells.num_faces * num_segments)
    place = np.concatenate([unknown % num_segments, num_segments + np.repeat(cells.face_cell, num_segments)])
    matrix = csr_array(
        (np.ones(2 * unknown.size), (place, np.tile(unknown, 2))), shape=(num_segments + num_cells, unknown.size)
    )
    lower = np.concatenate([cells.start.length, np.zeros(num_cells, dtype=np.int64)])
    return matrix, lower, np.concatenate([cells.start.length, cells.start.supply])


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
