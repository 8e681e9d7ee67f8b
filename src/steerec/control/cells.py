"""Cells of a problem: what the solver may forget about single items.

Two works are interchangeable when the same items of theirs count in the same quotas and carry the same cap
values that can bind. Such works form a *cell*; its *supply* is their number. A work whose items differ (a
split work) offers several *faces*, of which a list shows one; every other cell has one face. The windows of
the quotas cut the list into *segments*. A list is then a count per (face, segment), and a problem is a set of
*rows*: a set of faces, a stretch of segments, a lower and an upper bound.

Legend: N items, F faces, C cells, R rows (quotas first, then cap values), G segments, K length of the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from steerec.control.problem import BoolArray, Cap, IntArray, Problem, Quota
from steerec.control.signature import (
    Codes,
    distinct,
    find_faces,
    join_bits,
    quota_signatures,
    relabel,
    with_values,
)
from steerec.control.twins import twins_of

__all__ = ["Cells", "State", "binding_quotas", "build_cells", "cells_of", "join_bits", "relabel"]


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """What is left of a problem once the first positions are filled."""

    lower: IntArray
    """(R,) items still needed; may be negative."""
    upper: IntArray
    """(R,) items still admitted; negative when the bound is already broken."""
    length: IntArray
    """(G,) positions still open."""
    supply: IntArray
    """(C,) works still unused."""

    def key(self) -> bytes:
        """Bytes equal for two states exactly when the same completions remain."""
        return b"".join(part.tobytes() for part in (self.lower, self.upper, self.length, self.supply))


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The faces, cells, rows and segments of one problem."""

    count: int
    item_face: Codes
    """(N,) face of each allowed item, -1 for the others; in the narrowest integers that hold it."""
    work: IntArray
    """(N,) work of each item."""
    face_cell: IntArray
    """(F,) cell of each face."""
    member: BoolArray
    """(R, F) whether the face counts in the row."""
    first: IntArray
    """(R,) first segment of the row."""
    last: IntArray
    """(R,) last segment of the row, inclusive."""
    num_quotas: int
    """Rows before this index are quotas, the others cap values (which run over the whole list)."""
    carried: tuple[IntArray, IntArray]
    """Cap values that faces carry: (pairs,) cap rows counted from 0, (pairs,) faces."""
    control: IntArray
    """(R,) index of the control that a row states."""
    start: State
    """The state of the empty list."""
    segment: IntArray
    """(K,) segment of each position, 0-based."""

    @property
    def num_faces(self) -> int:
        """F, the number of faces."""
        return int(self.face_cell.size)

    @property
    def is_split(self) -> bool:
        """Whether some work has several faces."""
        return self.face_cell.size > self.start.supply.size

    @property
    def windowed(self) -> BoolArray:
        """(R,) whether the row runs over a part of the list only."""
        return np.asarray((self.first > 0) | (self.last < self.start.length.size - 1))

    @cached_property
    def flat(self) -> Cells:
        """The problem of the set alone, without positions.

        A set can be ordered to satisfy one windowed row (l to u of w positions, in a list of K) if and only
        if it holds at least l members and at most u + K - w. Every row is rewritten so; with several windows
        the result is a relaxation, since they may get in each other's way.
        """
        if self.start.length.size == 1:
            return self
        span = self.spans(self.start.length)
        lower = np.where(self.start.lower > span, self.count + 1, self.start.lower)
        upper = np.where(self.start.upper < 0, self.start.upper, self.start.upper + self.count - span)
        length = np.array([self.count], dtype=np.int64)
        zeros = np.zeros_like(self.first)
        return replace(
            self,
            first=zeros,
            last=zeros,
            start=State(lower=lower, upper=upper, length=length, supply=self.start.supply),
            segment=np.zeros_like(self.segment),
        )

    def spans(self, length: IntArray) -> IntArray:
        """Positions under each row (R,) where segments have `length` (G,) open positions."""
        ahead = np.concatenate([[0], np.cumsum(length)])
        return np.asarray(ahead[self.last + 1] - ahead[self.first])

    def state(self, chosen: Sequence[int]) -> State | None:
        """Return the state after `chosen`, or None where an item is not allowed or a work repeats."""
        if not len(chosen):
            return self.start
        items = np.asarray(chosen, dtype=np.int64)
        faces = self.item_face[items]  # (t,)
        if len(chosen) > self.count or faces.min() < 0 or np.unique(self.work[items]).size < items.size:
            return None
        at = self.segment[: items.size]  # (t,)
        hits = self.member[:, faces] & (self.first[:, None] <= at) & (at <= self.last[:, None])  # (R, t)
        used = hits.sum(axis=1)
        return State(
            lower=self.start.lower - used,
            upper=self.start.upper - used,
            length=self.start.length - np.bincount(at, minlength=self.start.length.size),
            supply=self.start.supply - np.bincount(self.face_cell[faces], minlength=self.start.supply.size),
        )

    def take(self, state: State, face: int, segment: int) -> State:
        """Return `state` with one more item of `face` in `segment`."""
        used = self.member[:, face] & (self.first <= segment) & (segment <= self.last)
        length, supply = state.length.copy(), state.supply.copy()
        length[segment] -= 1
        supply[self.face_cell[face]] -= 1
        return State(lower=state.lower - used, upper=state.upper - used, length=length, supply=supply)


_CELLS: WeakKeyDictionary[Problem, Cells] = WeakKeyDictionary()


def cells_of(problem: Problem) -> Cells:
    """Return the cells of a problem, computed once per problem object.

    Args:
        problem: a compiled request.

    Returns:
        Its faces, cells, rows and segments.
    """
    cells = _CELLS.get(problem)
    if cells is None:
        cells = _CELLS[problem] = build_cells(problem)
    return cells


def build_cells(problem: Problem) -> Cells:
    """Compute the cells of a problem; see the module's docstring."""
    quotas = binding_quotas(problem)
    values = [_binding_values(cap, problem) for cap in problem.caps]
    signatures = quota_signatures(problem.allowed, [quota.mask for quota in quotas])
    signatures = with_values(signatures, problem.allowed, values)
    faces = find_faces(signatures, problem.allowed, problem.work, twins_of(problem.work))
    num_faces = faces.cell.size
    edges = np.unique([0, problem.count, *(q.first - 1 for q in quotas), *(q.last for q in quotas)])
    segment = np.searchsorted(edges, np.arange(problem.count), side="right") - 1  # (K,)
    cap_rows = sum(number for _, _, number in values)
    member = np.zeros((len(quotas) + cap_rows, num_faces), dtype=np.bool_)
    member[: len(quotas)] = signatures.member[:, faces.signature]
    pairs, offset = [np.zeros(0, dtype=np.int64)], 0
    for item, value, number in values:
        pairs.append(distinct((offset + value) * num_faces + faces.item_face[item]))
        offset += number
    cap_row, cap_face = np.divmod(np.concatenate(pairs), max(num_faces, 1))
    member[len(quotas) + cap_row, cap_face] = True
    upper = [quota.upper for quota in quotas]
    control = [quota.control for quota in quotas]
    for cap, (_, _, number) in zip(problem.caps, values, strict=True):
        upper += [cap.limit] * number
        control += [cap.control] * number
    last_segment = edges.size - 2
    return Cells(
        count=problem.count,
        item_face=faces.item_face,
        work=problem.work,
        face_cell=faces.cell,
        member=member,
        first=np.array([segment[q.first - 1] for q in quotas] + [0] * cap_rows, dtype=np.int64),
        last=np.array([segment[q.last - 1] for q in quotas] + [last_segment] * cap_rows, dtype=np.int64),
        num_quotas=len(quotas),
        carried=(cap_row, cap_face),
        control=np.array(control, dtype=np.int64),
        start=State(
            lower=np.array([quota.lower for quota in quotas] + [0] * cap_rows, dtype=np.int64),
            upper=np.array(upper, dtype=np.int64),
            length=np.diff(edges).astype(np.int64),
            supply=faces.supply,
        ),
        segment=segment.astype(np.int64),
    )


def binding_quotas(problem: Problem) -> list[Quota]:
    """Return the quotas that can fail, in the order of the rows of the problem's cells."""
    return [quota for quota in problem.quotas if not _is_vacuous(quota)]


def _is_vacuous(quota: Quota) -> bool:
    return quota.lower <= 0 and quota.upper > quota.last - quota.first


def _binding_values(cap: Cap, problem: Problem) -> tuple[IntArray, IntArray, int]:
    """The allowed items that carry a value which can bind: (items, value numbers), and how many values bind.

    Items are counted, not works: a value that twins push over the limit makes a row that never binds, which
    is harmless.
    """
    if cap.limit >= problem.count:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0
    owner = np.repeat(np.arange(problem.num_items), np.diff(cap.indptr))  # (nnz,)
    kept = problem.allowed[owner]
    owner, value = owner[kept], cap.value_ids[kept]
    binds = np.bincount(value, minlength=len(cap.labels)) > cap.limit  # (V,)
    number = np.cumsum(binds) - 1
    kept = binds[value]
    return owner[kept], number[value[kept]].astype(np.int64), int(binds.sum())
