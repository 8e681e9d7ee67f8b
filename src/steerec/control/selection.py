"""The best set of works under crossing quotas or windows: a table where it is small, else an integer program.

Only the best works of each variable can be in a best list, so both look at a small *pool*. Ties in the total
score go to the smaller sum of item indices. In the table a total is a complex number, because numpy compares
those in that very order: the real part holds the score, the imaginary part minus the sum of indices.

Legend: V variables, G segments and P pools of a model, S size of its table, E entries of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from steerec.control.integer import constraints_of, solve_integer
from steerec.control.model import Model
from steerec.control.problem import BoolArray, IntArray
from steerec.control.table import Axes, axes_of

FloatArray = NDArray[np.float64]

TABLE_STEPS = 4_000_000
"""Most table entries to touch before an integer program is cheaper."""
_SCALE = 1e4
"""Range of the scores in an integer program, whose gap is absolute."""
_SLACK = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """The works worth a look, variable by variable, best first, a forced item before the others."""

    item: IntArray
    """(E,) catalogue index."""
    variable: IntArray
    """(E,) variable of the model."""
    work: IntArray
    """(E,) work of the item."""
    score: FloatArray
    """(E,) finite score."""


def best_items(model: Model, entries: Entries, forced: int | None) -> list[int] | None:
    """Return the items of the best set that a model admits, or None where it admits none.

    Args:
        model: what is left of the problem.
        entries: the pool; for every variable at least the best works that a list could use.
        forced: item of the pool that the set must hold.
    """
    axes = axes_of(model)
    steps = axes.size * entries.item.size * model.length.size
    if steps <= TABLE_STEPS:
        return _by_table(model, axes, entries, forced)
    return _by_program(model, entries, forced)


def _by_table(model: Model, axes: Axes, entries: Entries, forced: int | None) -> list[int] | None:
    """One layer a work; an entry of the table is the best total that reaches its count vector."""
    nothing = complex(-np.inf, 0)
    best = np.full(axes.size, nothing)
    best[0] = 0
    coordinates = [
        np.arange(axes.size) // stride % (end + 1)
        for stride, end in zip(axes.strides, axes.ends, strict=True)
    ]
    landings: dict[bytes, BoolArray] = {}
    trail: list[tuple[list[tuple[int, int]], NDArray[np.int16]]] = []
    for work in _by_work(entries):
        held = forced is not None and any(int(entries.item[e]) == forced for e in work)
        grown = np.full(axes.size, nothing) if held else best.copy()
        choice = np.zeros(axes.size, dtype=np.int16)
        options: list[tuple[int, int]] = []
        for entry in work:
            if held and int(entries.item[entry]) != forced:
                continue
            variable = int(entries.variable[entry])
            gain = complex(entries.score[entry], -float(entries.item[entry]))
            for segment in np.flatnonzero(model.alive[variable]):
                moves = axes.moves[variable, segment]
                if moves.tobytes() not in landings:
                    landings[moves.tobytes()] = np.all(
                        [coordinates[axis] > 0 for axis in np.flatnonzero(moves)], axis=0
                    )
                step = int(axes.step[variable, segment])
                moved = np.where(landings[moves.tobytes()][step:], best[: axes.size - step] + gain, nothing)
                better = moved > grown[step:]
                np.copyto(grown[step:], moved, where=better)
                options.append((step, int(entries.item[entry])))
                choice[step:][better] = len(options)
        trail.append((options, choice))
        best = grown
    done = np.all([coordinates[axis] >= floor for axis, floor in enumerate(axes.floors)], axis=0)
    best[~done] = nothing
    vector = int(best.argmax())
    if not np.isfinite(best[vector].real):
        return None
    items: list[int] = []
    for options, choice in reversed(trail):
        if choice[vector]:
            step, item = options[choice[vector] - 1]
            items.append(item)
            vector -= step
    return items


def _by_work(entries: Entries) -> list[list[int]]:
    """The entries of each work."""
    groups: dict[int, list[int]] = {}
    for entry, work in enumerate(entries.work.tolist()):
        groups.setdefault(work, []).append(entry)
    return list(groups.values())


def _by_program(model: Model, entries: Entries, forced: int | None) -> list[int] | None:
    """Unknowns: how many of each variable stand in each segment (V, G), then which entries are in (E,).

    A second program settles ties.
    """
    num_variables, num_segments = model.alive.shape
    num_counts, num_entries = model.alive.size, entries.item.size
    shared = [group for group in _by_work(entries) if len(group) > 1]
    matrix, lower, upper = constraints_of(model)
    counts = np.concatenate([matrix.toarray(), np.repeat(np.eye(num_variables), num_segments, axis=1)])
    link = -(entries.variable == np.arange(num_variables)[:, None]).astype(np.float64)  # (V, E)
    picked = np.concatenate([np.zeros((matrix.shape[0], num_entries)), link])
    once = np.zeros((len(shared), num_counts + num_entries))
    for row, group in enumerate(shared):
        once[row, num_counts + np.array(group)] = 1
    program = _Program(
        matrix=np.concatenate([np.concatenate([counts, picked], axis=1), once]),
        lower=np.concatenate([lower, np.zeros(num_variables + len(shared))]),
        upper=np.concatenate([upper, np.zeros(num_variables), np.ones(len(shared))]),
        least=np.concatenate([np.zeros(num_counts), entries.item == forced]).astype(np.float64),
        most=np.concatenate([np.where(model.alive, model.length, 0).ravel(), np.ones(num_entries)]),
    )
    unit = _SCALE / (float(np.ptp(entries.score)) or 1.0)
    gain = np.concatenate([np.zeros(num_counts), (entries.score - entries.score.min()) * unit])
    answer = program.solve(-gain)
    if answer is None:
        return None
    picks = [np.flatnonzero(answer[num_counts:])]
    if np.unique(entries.score).size < num_entries:
        index = np.concatenate([np.zeros(num_counts), entries.item])
        second = program.with_row(gain, float(gain @ answer) - _SLACK).solve(index)
        if second is not None:
            picks.append(np.flatnonzero(second[num_counts:]))
    best = max(picks, key=lambda pick: (float(entries.score[pick].sum()), -int(entries.item[pick].sum())))
    return [int(item) for item in entries.item[best]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Program:
    """The constraints of an integer program over X unknowns."""

    matrix: FloatArray
    lower: FloatArray
    upper: FloatArray
    least: FloatArray
    most: FloatArray

    def with_row(self, row: FloatArray, lower: float) -> _Program:
        """The same program with `row @ x >= lower` added."""
        return replace(
            self,
            matrix=np.concatenate([self.matrix, row[None, :]]),
            lower=np.append(self.lower, lower),
            upper=np.append(self.upper, np.inf),
        )

    def solve(self, cost: FloatArray) -> FloatArray | None:
        """Minimise `cost @ x`; None where nothing satisfies the constraints."""
        return solve_integer(
            cost,
            csr_array(self.matrix),
            self.lower,
            self.upper,
            self.most,
            least=self.least,
        )
