"""Small random problems, and every list over them written out: the slow definition of the solver."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from steerec.control.problem import Cap, Problem, Quota

PSEUDO = ("candidates", "exclude", "seen")


@dataclass(frozen=True)
class Lists:
    """All ordered lists of distinct works of the catalogue, and what they count."""

    problem: Problem
    lists: NDArray[np.int64]
    """(P, K)"""
    counts: NDArray[np.int64]
    """(P, M + caps): count of each quota in its stretch, largest count of each cap."""
    blocked: NDArray[np.bool_]
    """(P, 3): holds an item that candidates, exclude, seen block."""

    @property
    def bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lower and upper bounds of quotas, then caps."""
        quotas, caps = self.problem.quotas, self.problem.caps
        lower = [q.lower for q in quotas] + [0] * len(caps)
        upper = [q.upper for q in quotas] + [c.limit for c in caps]
        return np.array(lower, dtype=np.int64), np.array(upper, dtype=np.int64)

    @property
    def excess(self) -> NDArray[np.int64]:
        """(P, M + caps) items by which each bound is missed."""
        lower, upper = self.bounds
        return np.maximum(np.maximum(lower - self.counts, self.counts - upper), 0)

    @property
    def satisfying(self) -> NDArray[np.int64]:
        """(S, K) lists that satisfy the problem."""
        return self.lists[~self.blocked.any(axis=1) & (self.excess == 0).all(axis=1)]

    def is_near(self) -> bool:
        """Whether one item decides: one of slack helps, or one bound one tighter leaves nothing."""
        allowed = ~self.blocked.any(axis=1)
        if not allowed.any():
            return False
        slack = self.excess[allowed].sum(axis=1).min(initial=99)
        if slack:
            return bool(slack == 1)
        counts = self.counts[allowed & (self.excess == 0).all(axis=1)]
        lower, upper = self.bounds
        return bool((~(counts > lower).any(axis=0) | ~(counts < upper).any(axis=0)).any())


def write_out(problem: Problem) -> Lists:
    """Enumerate every list of a small problem."""
    k, n = problem.count, problem.num_items
    lists = np.array(list(permutations(range(n), k)), dtype=np.int64).reshape(-1, k)
    works = np.sort(problem.work[lists], axis=1)
    lists = lists[(works[:, 1:] != works[:, :-1]).all(axis=1)]
    columns = [quota.mask[lists[:, quota.first - 1 : quota.last]].sum(axis=1) for quota in problem.quotas]
    for cap in problem.caps:
        carries = np.zeros((n, len(cap.labels)), dtype=np.int64)
        for item in range(n):
            carries[item, cap.value_ids[cap.indptr[item] : cap.indptr[item + 1]]] = 1
        columns.append(carries[lists].sum(axis=1).max(axis=1))
    counts = np.stack(columns, axis=1) if columns else np.zeros((len(lists), 0), dtype=np.int64)
    masks = (problem.blocked_candidates, problem.blocked_exclude, problem.blocked_seen)
    blocked = np.stack([mask[lists].any(axis=1) for mask in masks], axis=1)
    return Lists(problem, lists, counts, blocked)


def random_problem(seed: int) -> Problem:
    """A small problem near the edge of feasibility.

    Overlapping or nested quotas, windows, caps on single and list columns, twins, split works. Bounds are the
    counts of some list, moved by at most one.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    k = int(rng.integers(1, min(n, 5)))
    work = np.arange(n) if rng.random() < 0.5 else rng.integers(0, n, size=n)
    blocked = [rng.random(n) < rng.choice([0, 0, 0.15, 0.3]) for _ in range(3)]
    allowed = ~(blocked[0] | blocked[1] | blocked[2])
    for mask in blocked[1:]:  # seen and exclude act on works
        mask |= np.isin(work, work[mask])
    allowed &= ~(blocked[1] | blocked[2])
    pool = np.flatnonzero(allowed) if allowed.sum() >= k else np.arange(n)
    aim = rng.permutation(pool)[:k]
    quotas: list[Quota] = []
    controls = rng.permutation(6)
    for number in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.1, 0.2, 0.3, 0.25, 0.15]))):
        mask = rng.random(n) < rng.choice([0.2, 0.5, 0.8])
        if quotas and rng.random() < 0.3:
            mask &= quotas[-1].mask
        first, last = (
            (1, k) if rng.random() < 0.65 else sorted(int(x) for x in rng.integers(1, k + 1, size=2))
        )
        hit, length = int(mask[aim[first - 1 : last]].sum()), last - first + 1
        lower = hit + int(rng.choice([-1, 0, 1], p=[0.3, 0.5, 0.2])) if rng.random() < 0.6 else 0
        upper = hit + int(rng.choice([-1, 0, 1], p=[0.1, 0.6, 0.3])) if rng.random() < 0.6 else length
        lower, upper = max(lower, 0), min(max(upper, lower, 0), length)
        quotas.append(
            Quota(mask=mask, lower=lower, upper=upper, first=first, last=last, control=int(controls[number]))
        )
    caps = []
    for number in range(int(rng.choice([0, 1, 2], p=[0.6, 0.3, 0.1]))):
        width = 1 if rng.random() < 0.5 else 3
        rows = [np.unique(rng.integers(0, 4, size=rng.integers(0, width + 1))) for _ in range(n)]
        caps.append(
            Cap(
                indptr=np.cumsum([0, *(row.size for row in rows)]),
                value_ids=np.concatenate(rows).astype(np.int64),
                limit=int(rng.choice([0, 1, 2], p=[0.1, 0.6, 0.3])),
                control=int(controls[4 + number]),
                labels=("a", "b", "c", "d"),
            )
        )
    return Problem(
        count=k,
        quotas=tuple(quotas),
        caps=tuple(caps),
        allowed=allowed,
        work=work.astype(np.int64),
        blocked_candidates=blocked[0],
        blocked_exclude=blocked[1],
        blocked_seen=blocked[2],
    )


def wide_problem(seed: int) -> Problem:
    """A list of ten from sixty items: too many lists to write out, for methods to be compared on."""
    rng = np.random.default_rng([seed, 2])
    n, k = 60, 10
    quotas = []
    for number in range(int(rng.integers(1, 5))):
        mask = rng.random(n) < rng.choice([0.1, 0.3, 0.5])
        last = k if rng.random() < 0.7 else int(rng.integers(1, 6))
        lower = int(rng.integers(0, last // 2 + 1))
        upper = int(rng.integers(lower, last + 1))
        quotas.append(Quota(mask=mask, lower=lower, upper=upper, first=1, last=last, control=number))
    caps = []
    if rng.random() < 0.5:
        rows = [np.unique(rng.integers(0, 15, size=rng.integers(0, 3))) for _ in range(n)]
        caps.append(
            Cap(
                indptr=np.cumsum([0, *(row.size for row in rows)]),
                value_ids=np.concatenate(rows).astype(np.int64),
                limit=int(rng.integers(1, 3)),
                control=len(quotas),
                labels=tuple("abcdefghijklmno"),
            )
        )
    work = np.where(rng.random(n) < 0.9, np.arange(n), rng.integers(0, n, size=n))
    return Problem(count=k, quotas=tuple(quotas), caps=tuple(caps), allowed=rng.random(n) < 0.9, work=work)


def satisfies(problem: Problem, listed: list[int]) -> bool:
    """Whether a list obeys a problem, by counting."""
    items = np.array(listed)
    if items.size != problem.count or not problem.allowed[items].all():
        return False
    if np.unique(problem.work[items]).size < items.size:
        return False
    for quota in problem.quotas:
        if not quota.lower <= quota.mask[items[quota.first - 1 : quota.last]].sum() <= quota.upper:
            return False
    return all(cap.counts(items).max(initial=0) <= cap.limit for cap in problem.caps)


def random_scores(seed: int, num_items: int) -> NDArray[np.float64]:
    """Scores with ties, all alike, distinct, or with items of last resort."""
    rng = np.random.default_rng([seed, 1])
    scores = rng.integers(-2, 4, size=num_items).astype(np.float64)
    if rng.random() < 0.2:
        scores[:] = 1.0
    if rng.random() < 0.3:
        scores = rng.standard_normal(num_items)
    if rng.random() < 0.3:
        scores[rng.random(num_items) < 0.4] = -np.inf
    return scores
