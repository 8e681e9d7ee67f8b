"""A problem reduced to what still matters: faces that look alike on the live rows become one class.

Only quotas and the cap values named in `active` are rows of a model, so a model is a relaxation; the callers
check the other cap values afterwards and add those that broke. Most requests need no cap value at all.

Legend: F faces, R rows, G open segments, L classes, P pools of works, V variables (a class within a pool).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steerec.control.cells import Cells, State, join_bits, relabel
from steerec.control.problem import BoolArray, IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Choose counts (V, G) that fill every segment within the rows and the supplies of the pools."""

    length: IntArray
    """(G,) positions of each open segment, >= 1."""
    segments: IntArray
    """(G,) number of each open segment in the cells."""
    rows: IntArray
    """(R,) number of each row in the cells."""
    inside: BoolArray
    """(R, G) whether the row runs over the segment."""
    lower: IntArray
    """(R,) items needed, within 0..span."""
    upper: IntArray
    """(R,) items admitted, within 0..span."""
    member: BoolArray
    """(R, V) whether the variable counts in the row."""
    alive: BoolArray
    """(V, G) whether the variable may stand in the segment at all."""
    pool: IntArray
    """(V,) pool of works each variable draws on."""
    supply: IntArray
    """(P,) works of each pool, at most the number of open positions."""
    face_variable: IntArray
    """(F,) variable of each live face, -1 for the others."""

    @property
    def total(self) -> int:
        """Open positions of the list."""
        return int(self.length.sum())

    @property
    def most(self) -> IntArray:
        """(V,) how many of a variable's best works are worth a look: no list has use for the next one."""
        bound = np.where(self.inside.all(axis=1), self.upper, self.total)  # (R,)
        most = np.where(self.member, bound[:, None], self.total).min(axis=0, initial=self.total)
        split = np.bincount(self.pool)[self.pool] > 1
        return np.asarray(np.where(split, self.total, most))

    @property
    def is_split(self) -> bool:
        """Whether some pool offers several classes."""
        return self.pool.size > self.supply.size


def build_model(cells: Cells, state: State, active: BoolArray) -> Model | None:
    """Reduce a state to its live rows.

    Args:
        cells: the cells of the problem.
        state: what is left of it.
        active: (R,) rows to respect.

    Returns:
        The model, or None where a bound is plainly out of reach.
    """
    segments = np.flatnonzero(state.length > 0)
    length = state.length[segments]
    rows = np.flatnonzero(active)
    inside = (cells.first[rows, None] <= segments) & (segments <= cells.last[rows, None])  # (R, G)
    span = inside @ length
    lower, upper = np.maximum(state.lower[rows], 0), np.minimum(state.upper[rows], span)
    if (lower > upper).any():
        return None
    alive = (state.supply[cells.face_cell] > 0)[:, None] & np.ones(
        (1, segments.size), dtype=np.bool_
    )  # (F, G)
    spent = np.flatnonzero(state.upper[cells.num_quotas :] <= 0) + cells.num_quotas
    if spent.size:
        alive[cells.member[spent].any(axis=0)] = False
    for row in np.flatnonzero((upper == 0) & (span > 0)):
        alive &= ~np.outer(cells.member[rows[row]], inside[row])
    for row in np.flatnonzero((lower == span) & (span > 0)):
        alive &= ~np.outer(~cells.member[rows[row]], inside[row])
    live = alive.any(axis=1)
    kept = ((lower > 0) | (upper < span)) & (upper > 0) & (lower < span)
    member = cells.member[rows][:, live]
    full, empty = member.all(axis=1), ~member.any(axis=1)
    if (kept & ((full & (upper < span)) | (empty & (lower > 0)))).any():
        return None
    kept &= ~full & ~empty
    classes = join_bits(np.concatenate([member[kept], alive[live].T]))  # (live faces,)
    variable, pool, supply = _pools(classes, cells.face_cell[live], state.supply)
    face_variable = np.full(cells.num_faces, -1, dtype=np.int64)
    face_variable[live] = variable
    example = np.zeros(pool.size, dtype=np.int64)
    example[variable] = np.flatnonzero(live)
    return Model(
        length=length,
        segments=segments,
        rows=rows[kept],
        inside=inside[kept],
        lower=lower[kept],
        upper=upper[kept],
        member=cells.member[rows[kept]][:, example],
        alive=alive[example],
        pool=pool,
        supply=np.minimum(supply, length.sum()),
        face_variable=face_variable,
    )


def _pools(classes: IntArray, cell: IntArray, supply: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Merge cells that offer the same classes.

    Returns:
        The variable of each live face (F,), the pool of each variable (V,), the supply of each pool (P,).
    """
    count = np.bincount(cell, minlength=supply.size)
    if (count <= 1).all():
        totals = np.bincount(classes, weights=supply[cell]).astype(np.int64)
        return classes, np.arange(totals.size), totals
    shown: dict[int, set[int]] = {}
    split = np.flatnonzero(count[cell] > 1)
    for one, kind in zip(cell[split].tolist(), classes[split].tolist(), strict=True):
        shown.setdefault(one, set()).add(kind)
    width = int(classes.max()) + 1
    kinds: dict[tuple[int, ...], int] = {(kind,): kind for kind in range(width)}
    cell_pool = np.zeros(supply.size, dtype=np.int64)
    cell_pool[cell] = classes
    for one, offered in shown.items():
        cell_pool[one] = kinds.setdefault(tuple(sorted(offered)), len(kinds))
    own_pool = relabel(cell_pool[cell])  # without pools that no cell draws on
    cell_pool[cell] = own_pool
    held = count > 0
    totals = np.bincount(cell_pool[held], weights=supply[held]).astype(np.int64)
    variable = relabel(own_pool * width + classes)
    pool = np.zeros(int(variable.max()) + 1, dtype=np.int64)
    pool[variable] = own_pool
    return variable, pool, totals
