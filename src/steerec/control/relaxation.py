"""The least that the bounds of controls must give for a list to exist.

Small totals are searched, one feasibility test a try, from the smallest total up and within a total from the
latest controls to the earliest. Where that takes too many tries an integer program with one slack for each
bound answers instead.

Legend: F faces, G segments, R rows, B bounds that may give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import comb
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array, hstack, vstack

from steerec.control.cells import Cells, State, cells_of
from steerec.control.feasibility import complete
from steerec.control.integer import FloatArray, solve_integer
from steerec.control.problem import IntArray, Problem

BoundName = Literal["lower", "upper", "limit"]

TRIES = 64
"""Feasibility tests that cost about as much as the integer programs they replace."""


class Bound(NamedTuple):
    """A bound of a control, as the request states it."""

    control: int
    name: BoundName
    value: int


class Cut(NamedTuple):
    """A lesson: these controls must give at least so many items together."""

    controls: tuple[int, ...]
    least: int


class Bounds:
    """The bounds of a problem that may give, and what happens when they do."""

    def __init__(self, problem: Problem) -> None:
        self.cells: Cells = cells_of(problem)
        start, quotas = self.cells.start, self.cells.num_quotas
        span = self.cells.spans(start.length)  # (R,)
        rows: dict[Bound, list[int]] = {}
        for row in np.flatnonzero(start.lower > 0).tolist():
            rows.setdefault(Bound(int(self.cells.control[row]), "lower", int(start.lower[row])), []).append(
                row
            )
        for row in np.flatnonzero(start.upper < span).tolist():
            name: BoundName = "upper" if row < quotas else "limit"
            rows.setdefault(Bound(int(self.cells.control[row]), name, int(start.upper[row])), []).append(row)
        self.bounds: list[Bound] = sorted(rows)
        self.rows: list[list[int]] = [rows[bound] for bound in self.bounds]
        self.most: list[int] = [
            bound.value if bound.name == "lower" else int(span[own[0]]) - bound.value
            for bound, own in zip(self.bounds, self.rows, strict=True)
        ]

    def hold(self, controls: Collection[int], moves: Sequence[int] | None = None) -> bool:
        """Say whether some list keeps the bounds of `controls`, each loosened by its move (B,)."""
        lower, upper = self.cells.start.lower.copy(), self.cells.start.upper.copy()
        for place, (bound, rows) in enumerate(zip(self.bounds, self.rows, strict=True)):
            move = moves[place] if moves is not None else 0
            kept = bound.control in controls
            if bound.name == "lower":
                lower[rows] = bound.value - move if kept else 0
            else:
                upper[rows] = bound.value + move if kept else self.cells.count
        start = self.cells.start
        state = State(lower=lower, upper=upper, length=start.length, supply=start.supply)
        return complete(self.cells, state) is not None

    def least(self, controls: Collection[int], cuts: Sequence[Cut] = ()) -> list[int]:
        """Return the moves (B,) of least total that make `controls` satisfiable; earlier controls move least.

        Args:
            controls: the controls to keep; bounds of others are dropped.
            cuts: what is known about sets of these controls.
        """
        own = [place for place, bound in enumerate(self.bounds) if bound.control in controls]
        tries = 0
        for total in range(max((cut.least for cut in cuts), default=1), sum(self.most) + 1):
            if comb(total + len(own) - 1, total) > 16 * TRIES:
                break
            candidates = self._moves(own, total, cuts)
            tries += len(candidates)
            if tries > TRIES:
                break
            for moves in candidates:
                if self.hold(controls, moves):
                    return moves
        return _Program(self, own).least()

    def _moves(self, own: list[int], total: int, cuts: Sequence[Cut]) -> list[list[int]]:
        """All moves of a total that no cut excludes; those that spare earlier controls first."""
        found: list[tuple[list[int], list[int]]] = []
        for parts in _splits(total, [self.most[place] for place in own]):
            moves = [0] * len(self.bounds)
            gives: dict[int, int] = {}
            for place, part in zip(own, parts, strict=True):
                moves[place] = part
                gives[self.bounds[place].control] = gives.get(self.bounds[place].control, 0) + part
            if all(sum(gives.get(control, 0) for control in cut.controls) >= cut.least for cut in cuts):
                found.append(([gives[control] for control in sorted(gives)], moves))
        return [moves for _, moves in sorted(found)]


def _splits(total: int, most: list[int]) -> Iterator[list[int]]:
    """Every way to write `total` as a sum of parts, each at most its `most`."""
    if not most:
        if total == 0:
            yield []
        return
    for part in range(min(total, most[0]) + 1):
        for rest in _splits(total - part, most[1:]):
            yield [part, *rest]


class _Program:
    """Counts (F, G), flattened, and the moves of some bounds (B,)."""

    def __init__(self, bounds: Bounds, own: list[int]) -> None:
        cells = bounds.cells
        self._bounds, self._own = bounds, own
        segments = np.arange(cells.start.length.size)
        inside = (cells.first[:, None] <= segments) & (segments <= cells.last[:, None])  # (R, G)
        width = cells.num_faces * segments.size
        rows = csr_array(
            (cells.member[:, :, None] & inside[:, None, :]).reshape(len(inside), width).astype(float)
        )
        stated = [(row, column) for column, place in enumerate(own) for row in bounds.rows[place]]
        picked = np.array([row for row, _ in stated], dtype=np.int64)
        column = np.array([column for _, column in stated], dtype=np.int64)
        is_low = np.array([bounds.bounds[own[c]].name == "lower" for c in column], dtype=np.bool_)
        values = np.array([bounds.bounds[own[c]].value for c in column], dtype=np.float64)
        give = csr_array(
            (np.where(is_low, 1.0, -1.0), (np.arange(picked.size), column)), shape=(picked.size, len(own))
        )
        fixed, fixed_lower, fixed_upper = _supplies(cells)
        none = csr_array((fixed.shape[0], len(own)))
        self._matrix = vstack([hstack([rows[picked], give]), hstack([fixed, none])]).tocsr()
        self._lower = np.concatenate([np.where(is_low, values, -np.inf), fixed_lower])
        self._upper = np.concatenate([np.where(is_low, np.inf, values), fixed_upper])
        self._most = np.concatenate(
            [np.full(width, float(cells.count)), [bounds.most[place] for place in own]]
        )

    def least(self) -> list[int]:
        """The moves (all B of the problem) of least total, those of earlier controls as small as can be."""
        own = self._own
        moves = self._solve(np.ones(len(own)))
        self._require(np.ones(len(own)), int(moves.sum()))
        owners = np.array([self._bounds.bounds[place].control for place in own])
        for control in np.unique(owners)[:-1]:
            mine = (owners == control).astype(np.float64)
            if mine @ moves > 0:
                moves = self._solve(mine)
            self._require(mine, int(mine @ moves))
        everything = np.zeros(len(self._bounds.bounds), dtype=np.int64)
        everything[own] = moves
        return [int(move) for move in everything]

    def _solve(self, cost: FloatArray) -> IntArray:
        """The moves (B,) that minimise `cost @ moves`."""
        whole = np.zeros(self._most.size)
        whole[whole.size - cost.size :] = cost
        solution = solve_integer(whole, csr_array(self._matrix), self._lower, self._upper, self._most)
        assert solution is not None, "a problem with enough works cannot be relaxed"
        return np.asarray(solution[whole.size - cost.size :], dtype=np.int64)

    def _require(self, weights: FloatArray, value: int) -> None:
        """Demand `weights @ moves == value` from now on."""
        row = np.zeros((1, self._most.size))
        row[0, self._most.size - weights.size :] = weights
        self._matrix = vstack([self._matrix, csr_array(row)]).tocsr()
        self._lower, self._upper = np.append(self._lower, value), np.append(self._upper, value)


def _supplies(cells: Cells) -> tuple[csr_array, FloatArray, FloatArray]:
    """Segments are filled, supplies of cells are kept, over the counts (F, G), flattened."""
    num_segments, num_cells = cells.start.length.size, cells.start.supply.size
    unknown = np.arange(cells.num_faces * num_segments)
    place = np.concatenate([unknown % num_segments, num_segments + np.repeat(cells.face_cell, num_segments)])
    matrix = csr_array(
        (np.ones(2 * unknown.size), (place, np.tile(unknown, 2))),
        shape=(num_segments + num_cells, unknown.size),
    )
    lower = np.concatenate([cells.start.length, np.zeros(num_cells)])
    return matrix, lower, np.concatenate([cells.start.length, cells.start.supply]).astype(np.float64)
