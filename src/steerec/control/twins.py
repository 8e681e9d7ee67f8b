"""Which items of a catalogue share their work with another item: found once, kept as long as the catalogue.

Most works are one item, so everything else treats twins apart and never groups a whole catalogue by work.

Legend: N items, T twins.
"""

from __future__ import annotations

import weakref
from functools import cached_property

import numpy as np

from steerec.control.problem import IntArray


class Twins:
    """The items of works that several items share."""

    def __init__(self, work: IntArray) -> None:
        """Look through the works (N,) of all items."""
        times = np.bincount(work) if work.size else np.zeros(0, dtype=np.int64)
        several = times > 1
        self.items: IntArray = np.flatnonzero(several[work]) if several.any() else np.zeros(0, dtype=np.int64)
        """(T,) items whose work has other items too, ascending."""
        self._work = work[self.items]

    @cached_property
    def _by_work(self) -> dict[int, IntArray]:
        order = np.argsort(self._work, kind="stable")
        works, start = np.unique(self._work[order], return_index=True)
        return dict(zip(works.tolist(), np.split(self.items[order], start[1:]), strict=True))

    def of(self, work: int) -> IntArray | None:
        """Return the items of a work that has several, or None for a work of one item."""
        return self._by_work.get(work) if self.items.size else None


_TWINS: dict[int, tuple[weakref.ref[IntArray], Twins]] = {}


def twins_of(work: IntArray) -> Twins:
    """Return the twins among items of these works (N,), found once per array; it must not change."""
    key = id(work)
    known = _TWINS.get(key)
    if known is not None and known[0]() is work:
        return known[1]
    twins = Twins(work)
    # arrays cannot be keys; the entry goes with the array, before its id can be used again
    _TWINS[key] = (weakref.ref(work, lambda _: _TWINS.pop(key, None)), twins)
    return twins
