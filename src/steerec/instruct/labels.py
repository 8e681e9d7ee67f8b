"""The label of a request: the teacher's best list, with the true next item in it whenever that is possible.

The label is the best list that contains the true next item if some satisfying list does, that item at the
earliest position it may take and the rest in the order of the teacher's scores as far as the request allows;
else the best list. Labels never violate: each is certified, and what fails is never written.

Legend: N items, K length of the list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.control.feasibility import is_feasible
from steerec.control.optimum import best_list
from steerec.control.problem import Problem, Quota
from steerec.instruct.attributes import Ints

LABEL_RULE = "teacher's best list; the true next item in it whenever possible, at its earliest position"


def label_request(problem: Problem, scores: NDArray[np.floating], target: int | None) -> list[int] | None:
    """Return the label of a compiled request.

    Args:
        problem: the request over N items.
        scores: (N,) scores of the teacher.
        target: the true next item, if there is one.

    Returns:
        K item indices, or None where no list satisfies the request.
    """
    # Asked first, because a refusal finds out its reasons, which takes a hundred times as long.
    is_single = len(problem.quotas) <= 1 and not problem.caps
    if not (_has_supply(problem) if is_single else is_feasible(problem)):
        return None
    return best_list(problem, scores, must_include=target)


def _has_supply(problem: Problem) -> bool:
    """Return whether a problem of at most one quota and no caps is feasible, by counting works."""
    works = _num_works(problem.work[problem.allowed])
    for quota in problem.quotas:
        inside = _num_works(problem.work[problem.allowed & quota.mask])
        outside = _num_works(problem.work[problem.allowed & ~quota.mask])
        length = quota.last - quota.first + 1
        if min(inside, length, quota.upper) < quota.lower or outside < length - quota.upper:
            return False
    return works >= problem.count


def _num_works(works: Ints) -> int:
    return int(np.count_nonzero(np.bincount(works)))


def obeys(problem: Problem, items: Sequence[int]) -> bool:
    """Return whether a list satisfies a compiled request: what its certificate would say.

    Args:
        problem: the request over N items.
        items: the list, best first.
    """
    shown = np.asarray(items, dtype=np.int64)  # (K,)
    if len(shown) != problem.count or not problem.allowed[shown].all():
        return False
    if len(set(problem.work[shown].tolist())) < len(shown):
        return False
    for quota in problem.quotas:
        matched = int(np.count_nonzero(quota.mask[shown[quota.first - 1 : quota.last]]))
        if not quota.lower <= matched <= quota.upper:
            return False
    return all(int(cap.counts(shown).max(initial=0)) <= cap.limit for cap in problem.caps)


def label_plain(best: Ints, target: int | None, count: int, work: Ints) -> list[int]:
    """Return the label of a request that asks for nothing but a number of items.

    The same as `label_request` on such a request, without compiling anything.

    Args:
        best: the teacher's best items of different works, none of them seen, best first.
        target: the true next item; None where there is none or its work was seen before.
        count: K.
        work: (N,) work of each item.
    """
    if target is None:
        return [int(item) for item in best[:count]]
    rest = [int(item) for item in best[:count] if work[item] != work[target]]
    return [target, *rest][:count]


def is_admissible(problem: Problem, target: int) -> bool:
    """Return whether some satisfying list contains an item."""
    if not problem.allowed[target]:
        return False
    only = np.zeros(problem.num_items, dtype=np.bool_)
    only[target] = True
    forced = Quota(mask=only, lower=1, upper=1, first=1, last=problem.count, control=-1)
    return is_feasible(dataclasses.replace(problem, quotas=(*problem.quotas, forced)))


def individually_allowed(problem: Problem) -> NDArray[np.bool_]:
    """Return (N,) bool: items that no control rules out all by itself at every position.

    It is what a teacher's list for distillation is restricted to: cheap, and a superset of the items that
    stand in some satisfying list.
    """
    allowed = problem.allowed.copy()
    for quota in problem.quotas:
        if quota.first > 1 or quota.last < problem.count:
            continue
        if quota.upper == 0:
            allowed &= ~quota.mask
        elif quota.lower >= problem.count:
            allowed &= quota.mask
    for cap in problem.caps:
        if cap.limit == 0:
            allowed &= np.diff(cap.indptr) == 0
    return allowed


def best_items(
    scores: NDArray[np.floating], allowed: NDArray[np.bool_], work: Ints, size: int, *, has_twins: bool = True
) -> Ints:
    """Return the best allowed items, one of each work, best first, ties by index.

    Args:
        scores: (N,).
        allowed: (N,) bool.
        work: (N,) work of each item.
        size: how many; fewer are returned where there are no more.
        has_twins: False where no two items share a work, which saves the look.
    """
    items = np.flatnonzero(allowed)
    if not has_twins:
        return items[best_places(scores[items], size)]
    # Twins are few: a margin of them nearly always suffices, else the whole order does.
    for margin in (2 * size + 16, len(items)):
        ranked = items[best_places(scores[items], margin)]
        first = np.sort(np.unique(work[ranked], return_index=True)[1])
        if len(first) >= size or len(ranked) == len(items):
            return ranked[first[:size]]
    raise AssertionError("the whole order is always enough")


def best_places(values: NDArray[np.floating], size: int) -> Ints:
    """Return the places of the `size` largest values, largest first, ties by place."""
    if size <= 0:
        return np.zeros(0, dtype=np.int64)
    if size < len(values):
        bar = np.partition(values, len(values) - size)[len(values) - size]
        places = np.flatnonzero(values >= bar)
    else:
        places = np.arange(len(values))
    return places[np.argsort(-values[places], kind="stable")][:size]


def seen_mask(history: Sequence[int] | Ints, work: Ints) -> NDArray[np.bool_]:
    """Return (N,) bool: items of a work in the history."""
    works = np.zeros(int(work.max()) + 1, dtype=np.bool_)
    works[work[np.asarray(history, dtype=np.int64)]] = True
    seen: NDArray[np.bool_] = works[work]
    return seen
