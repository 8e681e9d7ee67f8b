"""A request compiled against a catalogue and a history: the numbers that the solver works on.

Legend: N items of the catalogue, M quotas, K length of the list.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Quota:
    """Between `lower` and `upper` items of the positions `first..last` come from `mask`."""

    mask: BoolArray
    """(N,) items that count towards this quota, over the whole catalogue (not only the allowed items)."""
    lower: int
    """Smallest count that satisfies; may exceed the length of the stretch, which is then a conflict."""
    upper: int
    """Largest count that satisfies; never above the length of the stretch, `last - first + 1`."""
    first: int
    """First position of the stretch, 1-based, inclusive."""
    last: int
    """Last position of the stretch, 1-based, inclusive; at most the count of the problem."""
    control: int
    """Index of the control in `request.controls`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cap:
    """At most `limit` items of the list carry any one value of a column; items without a value are free."""

    indptr: IntArray
    """(N + 1,) row pointers: item i carries `value_ids[indptr[i]:indptr[i + 1]]`."""
    value_ids: IntArray
    """(nnz,) value indices into `labels`, distinct within an item."""
    limit: int
    """Largest number of items of the list that may carry one value, >= 0, at most the count."""
    control: int
    """Index of the control in `request.controls`."""
    labels: tuple[str, ...]
    """Name of each value as the catalogue writes it."""

    def counts(self, items: IntArray) -> IntArray:
        """How many of `items` (K,) carry each value; returns (len(labels),)."""
        rows = [self.value_ids[self.indptr[i] : self.indptr[i + 1]] for i in items]
        values = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        return np.bincount(values, minlength=len(self.labels)).astype(np.int64)


def _no_items() -> BoolArray:
    return np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Find an ordered list of `count` allowed items, no work twice, within every quota and cap."""

    count: int
    """K, length of the list, >= 1."""
    quotas: tuple[Quota, ...] = ()
    caps: tuple[Cap, ...] = ()
    allowed: BoolArray
    """(N,) items that may be recommended: in the candidates, and of no seen and of no excluded work."""
    work: IntArray
    """(N,) work of each item; items of one work never appear together."""
    blocked_seen: BoolArray = field(default_factory=_no_items)
    """(N,) items of a work in the history; all false when `allow_seen`."""
    blocked_exclude: BoolArray = field(default_factory=_no_items)
    """(N,) items of a work named in `exclude`."""
    blocked_candidates: BoolArray = field(default_factory=_no_items)
    """(N,) items that `candidates` leaves out; all false when the request names no candidates."""

    def __post_init__(self) -> None:
        for name in ("blocked_seen", "blocked_exclude", "blocked_candidates"):
            if getattr(self, name).size == 0:  # hand-made problems need not name what blocks nothing
                object.__setattr__(self, name, np.zeros(self.num_items, dtype=np.bool_))

    def without(self, items: BoolArray) -> "Problem":
        """Return the problem with some more items (N,) excluded; their twins may still stand for them."""
        return replace(self, allowed=self.allowed & ~items, blocked_exclude=self.blocked_exclude | items)

    @property
    def num_items(self) -> int:
        """N, the number of items of the catalogue."""
        return int(self.allowed.shape[0])
