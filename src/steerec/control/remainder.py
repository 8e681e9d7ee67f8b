"""What is left of a problem when its first items are chosen: a problem of its own.

Legend: N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from steerec.control.problem import BoolArray, Cap, IntArray, Problem, Quota


def remainder(problem: Problem, chosen: Sequence[int]) -> Problem:
    """Return the problem whose lists are exactly the completions of `chosen`.

    Args:
        problem: a compiled request.
        chosen: the items at positions 1, 2, ..., fewer than its count; some satisfying list begins so.

    Returns:
        A problem of `count - len(chosen)` positions.
    """
    shown = np.asarray(chosen, dtype=np.int64)
    quotas = [_quota(quota, shown) for quota in problem.quotas]
    tightened = [quota for cap in problem.caps for quota in _cap(cap, problem, shown)]
    return replace(
        problem,
        count=problem.count - len(shown),
        quotas=(*(quota for quota in quotas if quota is not None), *tightened),
        allowed=problem.allowed & ~np.isin(problem.work, problem.work[shown]),
    )


def _quota(quota: Quota, shown: IntArray) -> Quota | None:
    used = int(quota.mask[shown[quota.first - 1 : quota.last]].sum())
    first, last = max(1, quota.first - len(shown)), quota.last - len(shown)
    if last < 1:
        return None
    lower, upper = max(0, quota.lower - used), min(quota.upper - used, last - first + 1)
    return replace(quota, lower=lower, upper=upper, first=first, last=last)


def _cap(cap: Cap, problem: Problem, shown: IntArray) -> list[Quota]:
    """Values that are shown already have less room than the cap leaves to the others."""
    counts = cap.counts(shown)
    rest = problem.count - len(shown)
    return [
        Quota(
            mask=_carriers(cap, int(value), problem.num_items),
            lower=0,
            upper=min(cap.limit - int(counts[value]), rest),
            first=1,
            last=rest,
            control=cap.control,
        )
        for value in np.flatnonzero(counts)
    ]


def _carriers(cap: Cap, value: int, num_items: int) -> BoolArray:
    carriers = np.zeros(num_items, np.bool_)
    pairs = np.flatnonzero(cap.value_ids == value)
    carriers[np.searchsorted(cap.indptr, pairs, side="right") - 1] = True
    return carriers
