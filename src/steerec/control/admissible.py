"""Which items may come next so that the list can still be completed.

Works of one face are interchangeable, so the answer is one bit a face. A face that a known completion (the
*witness*) uses in the current segment is admissible at once, and so is one that can take the place of a used
one without breaking a tight row; only the others are solved, and every answer is kept, for all requests of
the same structure.

Legend: N items, F faces, R rows, G segments, K length of the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from steerec.control.cells import Cells, State, cells_of, join_bits
from steerec.control.feasibility import complete
from steerec.control.problem import BoolArray, IntArray, Problem
from steerec.control.twins import twins_of

_REMEMBERED = 512
"""Beginnings of lists whose states are kept."""
_SHARED_FACES = 64
"""Problems of more faces keep their answers to themselves, so that what is shared stays small."""


class Admissible:
    """The moving mask of a problem: a pure function of the items chosen so far, with a memory."""

    def __init__(self, problem: Problem) -> None:
        self.cells: Cells = cells_of(problem)
        self._problem = problem
        shared = self.cells.num_faces <= _SHARED_FACES
        self._known = _answers(_structure(self.cells)) if shared else _Answers({}, {})
        self._kind = _kinds(self.cells)
        self._twins = twins_of(problem.work)
        self._stands: dict[tuple[int, ...], _Stand | None] = {}

    def mask(self, chosen: Sequence[int]) -> BoolArray:
        """Return the items that may come next.

        Args:
            chosen: catalogue indices of the items at positions 1, 2, ..., fewer than K or all K.

        Returns:
            (N,) mask, never empty while some satisfying list begins with `chosen`; all false where none
            does, and when the list is complete.
        """
        mask = self.item_mask(self.open_faces(chosen))
        for item in chosen:
            mask[item] = False
            twins = self._twins.of(int(self._problem.work[item]))
            if twins is not None:
                mask[twins] = False
        return mask

    def item_mask(self, faces: BoolArray) -> BoolArray:
        """Return the items (N,) of the given faces (F,), used works included."""
        return np.append(faces, False)[self.cells.item_face]

    def open_faces(self, chosen: Sequence[int]) -> BoolArray:
        """Return the faces (F,) whose unused works may come next; do not write to the answer."""
        stand = self._stand(tuple(chosen))
        if stand is None or len(chosen) >= self.cells.count:
            return np.zeros(self.cells.num_faces, dtype=np.bool_)
        found = self._known.open
        if stand.key not in found:
            found[stand.key] = self._solve(stand.state, int(self.cells.segment[len(chosen)]))
        return found[stand.key]

    def _stand(self, chosen: tuple[int, ...]) -> _Stand | None:
        """Return the stand after `chosen`: mostly one step from a beginning that was asked before."""
        if chosen not in self._stands:
            if len(self._stands) >= _REMEMBERED:
                self._stands = {}
            before = self._stands.get(chosen[:-1])
            if before is None:
                state = self.cells.state(chosen)
                self._stands[chosen] = None if state is None else _stand_of(self.cells, state)
            else:
                self._stands[chosen] = self._after(before, chosen)
        return self._stands[chosen]

    def _after(self, before: _Stand, chosen: tuple[int, ...]) -> _Stand | None:
        """Return the stand after `chosen`, given that of all but its last item; every step is taken once."""
        cells, item = self.cells, chosen[-1]
        earlier, face = list(chosen[:-1]), int(cells.item_face[item])
        if len(chosen) > cells.count or face < 0 or (cells.work[earlier] == cells.work[item]).any():
            return None
        step = before.key, face, int(cells.segment[len(earlier)])
        steps = self._known.steps
        if step not in steps:
            steps[step] = _stand_of(cells, cells.take(before.state, *step[1:]))
        return steps[step]

    def _solve(self, state: State, segment: int) -> BoolArray:
        """Decide every face of a state: by the witness, by a swap, by a solution of its own."""
        cells = self.cells
        witness = complete(cells, state)
        if witness is None:
            return np.zeros(cells.num_faces, dtype=np.bool_)
        found = _swaps(cells, state, witness, segment)
        here = (cells.first <= segment) & (segment <= cells.last)
        full = here & (state.upper <= 0)
        closed = (state.supply[cells.face_cell] <= 0) | cells.member[full].any(axis=0)
        for face in range(cells.num_faces):
            if found[face] or closed[face]:
                continue
            if self._is_kind_closed(state, face, segment):
                closed |= (self._kind == self._kind[face]) & ~found
                continue
            witness = complete(cells, cells.take(state, face, segment))
            if witness is None:
                closed[face] = True
                continue
            witness[face, segment] += 1
            found |= _swaps(cells, state, witness, segment)
        assert found.any(), "a state with a completion admits no next item"
        return found

    def _is_kind_closed(self, state: State, face: int, segment: int) -> bool:
        """Whether the quotas alone forbid every face that looks like `face` to them."""
        cells = self.cells
        if cells.member.shape[0] == cells.num_quotas:
            return False
        taken = cells.take(state, face, segment)
        upper = taken.upper.copy()
        upper[cells.num_quotas :] = state.upper[cells.num_quotas :]
        relaxed = State(lower=taken.lower, upper=upper, length=taken.length, supply=taken.supply)
        return complete(cells, relaxed, caps=False) is None


class _Stand(NamedTuple):
    """A state as far as the open positions can feel it."""

    state: State
    key: bytes


class _Answers(NamedTuple):
    """What is known of one structure: requests that differ in their items only share it."""

    open: dict[bytes, BoolArray]
    """Open faces of each state."""
    steps: dict[tuple[bytes, int, int], _Stand]
    """What a state becomes with one more item of a face in a segment."""


@lru_cache(maxsize=64)
def _answers(structure: bytes) -> _Answers:
    del structure  # the key of the cache
    return _Answers({}, {})


def _structure(cells: Cells) -> bytes:
    """Bytes that are equal for two problems only if equal states of theirs have equal answers."""
    parts = [cells.member.astype(np.int64).ravel(), cells.face_cell, cells.first, cells.last]
    sizes = [cells.count, cells.num_quotas, cells.start.length.size, *cells.member.shape]
    return np.concatenate([np.array(sizes), *parts]).tobytes()


def _kinds(cells: Cells) -> IntArray:
    """Number the faces (F,) by the quotas they count in; faces of split works are kinds of their own."""
    kinds = join_bits(cells.member[: cells.num_quotas])
    shared = np.bincount(cells.face_cell, minlength=cells.start.supply.size)[cells.face_cell] > 1
    return np.where(shared, kinds.size + np.arange(kinds.size), kinds)


def _stand_of(cells: Cells, state: State) -> _Stand:
    """Cut bounds and supplies to what the open positions can feel, so that like states share an answer.

    A step from there leads where a step from the state itself would.
    """
    felt = State(
        lower=np.maximum(state.lower, 0),
        upper=np.minimum(state.upper, cells.spans(state.length)),
        length=state.length,
        supply=np.minimum(state.supply, state.length.sum()),
    )
    return _Stand(felt, felt.key())


def _swaps(cells: Cells, state: State, witness: IntArray, segment: int) -> BoolArray:
    """Faces (F,) that stand in `segment` of a witness, or may take the place of one that does."""
    here = (cells.first <= segment) & (segment <= cells.last)
    inside = (cells.first[:, None] <= np.arange(witness.shape[1])) & (
        np.arange(witness.shape[1]) <= cells.last[:, None]
    )
    shown = np.flatnonzero(witness.any(axis=1))  # at most K faces
    used = ((cells.member[:, shown].astype(np.int64) @ witness[shown]) * inside).sum(axis=1)  # (R,)
    full = cells.member[here & (used >= state.upper)]
    bare = cells.member[here & (used <= state.lower) & (used > 0)]
    taken = np.bincount(cells.face_cell, weights=witness.sum(axis=1), minlength=state.supply.size)
    spare = (state.supply > taken)[cells.face_cell]
    found = witness[:, segment] > 0
    for face in np.flatnonzero(found):
        breaks = (full & ~full[:, [face]]).any(axis=0) | (~bare & bare[:, [face]]).any(axis=0)
        found |= ~breaks & (spare | (cells.face_cell == cells.face_cell[face]))
    return found
