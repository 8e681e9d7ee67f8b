"""Whether a list exists, exactly, and a witness of it.

Nested quotas have a closed form; crossing quotas and windows go through a table over count vectors where it
is small, through an integer program otherwise. Values of caps enter as they are needed: a model starts with
the quotas alone, its answer is laid out over the faces with an eye to the caps, and values that it breaks
join the model. A model without an answer proves that there is none, since it asks for less.

Legend: F faces, R rows, G segments, V variables of a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steerec.control.cells import Cells, State, cells_of
from steerec.control.integer import counts_by_program
from steerec.control.model import Model, build_model
from steerec.control.nested import fill, nest
from steerec.control.problem import IntArray, Problem
from steerec.control.table import Reach, axes_of

TABLE_BITS = 2**18
"""Largest table that is cheaper than an integer program."""
_ROUNDS = 6


def is_feasible(problem: Problem, chosen: Sequence[int] = ()) -> bool:
    """Say whether a list that begins with `chosen` can satisfy a problem.

    Args:
        problem: a compiled request over N items.
        chosen: catalogue indices of the items at positions 1, 2, ..., at most `problem.count` of them.

    Returns:
        Whether some satisfying list begins so; False where an item is not allowed or a work repeats.
    """
    cells = cells_of(problem)
    state = cells.state(chosen)
    return state is not None and complete(cells, state) is not None


def complete(cells: Cells, state: State, *, caps: bool = True) -> IntArray | None:
    """Return a witness of a state: counts (F, G) of one completion, or None where there is none.

    Args:
        cells: the cells of a problem.
        state: what is left of it.
        caps: whether to respect the caps; without them the answer concerns the quotas alone.
    """
    if (state.upper < 0).any():
        return None
    active = np.arange(cells.member.shape[0]) < cells.num_quotas
    for attempt in range(_ROUNDS + 1):
        model = build_model(cells, state, active)
        counts = None if model is None else solve(model)
        if model is None or counts is None:
            return None
        witness, broken = _lay_out(cells, state, model, counts)
        if not broken.size or not caps:
            return witness
        assert not active[broken].any(), "a model broke one of its own rows"
        active[broken] = True
        if attempt == _ROUNDS - 1:
            active[:] = True
    raise AssertionError("a model of all rows broke a row")


def solve(model: Model) -> IntArray | None:
    """Return counts (V, G) that satisfy a model, or None where none do."""
    if not model.length.size:
        return np.zeros(model.alive.shape, dtype=np.int64)
    if not model.pool.size:
        return None
    tree = nest(model)
    if tree is not None:
        counts = fill(tree, model.supply[model.pool])
        if counts is None:
            return None
        drawn = np.bincount(model.pool, weights=counts, minlength=model.supply.size)
        if (drawn <= model.supply).all():
            return np.array(counts, dtype=np.int64)[:, None]
    axes = axes_of(model)
    if axes.size <= TABLE_BITS:
        return Reach(model, axes).counts()
    return counts_by_program(model)


def _lay_out(cells: Cells, state: State, model: Model, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Spread counts (V, G) over the faces, within the supplies and, as far as it goes, within the caps.

    Returns:
        The counts (F, G) and the rows of the cap values that they break.
    """
    witness = np.zeros((cells.num_faces, state.length.size), dtype=np.int64)
    supply = state.supply.copy()
    left = state.upper[cells.num_quotas :].copy()  # (cap rows,)
    slack = _cap_slack(cells, left)  # (F,)
    broken: set[int] = set()
    faces_of = [np.flatnonzero(model.face_variable == variable) for variable in range(model.pool.size)]
    for variable in np.argsort([faces.size for faces in faces_of], kind="stable"):
        faces = faces_of[variable]
        own = cells.face_cell[faces]
        for segment, wanted in zip(model.segments, counts[variable], strict=True):
            while wanted > 0:
                room = np.minimum(supply[own], slack[faces])
                best = int(room.argmax())
                if room[best] <= 0:
                    best = int(supply[own].argmax())
                rows = np.flatnonzero(cells.member[cells.num_quotas :, faces[best]])
                broken.update((rows[left[rows] <= 0] + cells.num_quotas).tolist())
                part = max(1, min(int(wanted), int(room[best])))
                witness[faces[best], segment] += part
                supply[own[best]] -= part
                left[rows] -= part
                for row in rows:
                    touched = cells.member[cells.num_quotas + row]
                    slack[touched] = np.minimum(slack[touched], left[row])
                wanted -= part
    return witness, np.array(sorted(broken), dtype=np.int64)


def _cap_slack(cells: Cells, left: IntArray) -> IntArray:
    """How many more items of each face (F,) the caps admit."""
    slack = np.full(cells.num_faces, cells.count, dtype=np.int64)
    if left.size:
        row, face = cells.carried
        np.minimum.at(slack, face, left[row])
    return slack
