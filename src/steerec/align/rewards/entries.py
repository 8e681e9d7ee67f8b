"""What the entries of lists are under a compiled problem: usable, missing, crowded, fitting, alike.

An entry is *usable* if it stands within the first K, is an item, may be recommended, and is of no work listed
before.

Legend: S lists of one problem, K requested length, N items, V labels of a column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.control.problem import BoolArray, Cap, IntArray, Problem

FloatArray = NDArray[np.float64]


def usable_entries(problem: Problem, shown: IntArray) -> BoolArray:
    """Return (S, K) whether each entry is an allowed item of a work that was not listed before.

    Args:
        problem: a compiled request over N items.
        shown: (S, K) item indices, -1 where an entry is no item or missing.
    """
    known = shown >= 0
    work = np.where(known, problem.work[shown], -1)
    earlier = np.tri(shown.shape[1], k=-1, dtype=np.bool_)
    repeats = ((work[:, :, None] == work[:, None, :]) & earlier).any(axis=2)
    usable: BoolArray = known & problem.allowed[shown] & ~repeats
    return usable


def crowding(cap: Cap, shown: IntArray, usable: BoolArray) -> IntArray:
    """Return (S, K) how many usable entries up to each one carry the value that it shares with most of them.

    It is 0 for entries that are not usable or carry no value; its largest number in a list is what the cap
    limits.

    Args:
        cap: a cap of the problem.
        shown: (S, K) item indices, -1 where there is none.
        usable: (S, K), see `usable_entries`.
    """
    place = np.flatnonzero(usable)  # flat, list by list
    item = shown.ravel()[place]
    size = cap.indptr[item + 1] - cap.indptr[item]
    owner = np.repeat(place, size)
    first = np.cumsum(size) - size
    value = cap.value_ids[np.repeat(cap.indptr[item] - first, size) + np.arange(owner.size)]
    key = owner // shown.shape[1] * len(cap.labels) + value  # a list and a value
    order = np.argsort(key, kind="stable")
    number = np.arange(order.size) - np.searchsorted(key[order], key[order]) + 1
    largest = np.zeros(shown.size, dtype=np.int64)
    np.maximum.at(largest, owner[order], number)
    return largest.reshape(shown.shape)


def changes_needed(
    problem: Problem, shown: IntArray, usable: BoolArray, surplus: IntArray, crowds: Sequence[IntArray]
) -> IntArray:
    """Return how many entries must change, at least, for a valid list in which a control holds.

    Entries that are not usable or missing must be filled, surplus ones dropped, members beyond an upper bound
    replaced, and members below a lower bound put in, on a free place of the stretch where there is one.

    Args:
        problem: a compiled request over N items.
        shown: (S, K) item indices, -1 where there is none.
        usable: (S, K), see `usable_entries`.
        surplus: (S,) entries after the K-th.
        crowds: `crowding` of each cap.

    Returns:
        (quotas and caps, S), all zero for a list that satisfies; one row where there are no controls.
    """
    wrong = problem.count - usable.sum(axis=1) + surplus  # (S,)
    rows = []
    for quota in problem.quotas:
        inside = usable[:, quota.first - 1 : quota.last]
        matched = (inside & quota.mask[shown[:, quota.first - 1 : quota.last]]).sum(axis=1)
        free = inside.shape[1] - inside.sum(axis=1)  # places of the stretch without a usable entry
        excess = np.maximum(matched - quota.upper, 0)
        rows.append(wrong - free + np.maximum(free + excess, quota.lower - matched))
    for cap, crowd in zip(problem.caps, crowds, strict=True):
        rows.append(wrong + np.maximum(crowd.max(axis=1) - cap.limit, 0))
    return np.stack(rows or [wrong])


def fitting_entries(
    problem: Problem, shown: IntArray, usable: BoolArray, crowds: Sequence[IntArray]
) -> BoolArray:
    """Return (S, K) whether each entry is usable and breaks no bound where it stands.

    It breaks an upper bound as the first member too many or a later one, and a lower bound as no member where
    the places after it no longer suffice. Controls are looked at one by one, supplies not at all: what
    `control.admissible` admits after entries that fit always fits.

    Args:
        problem: a compiled request over N items.
        shown: (S, K) item indices, -1 where there is none.
        usable: (S, K), see `usable_entries`.
        crowds: `crowding` of each cap.
    """
    fits = usable.copy()
    for quota in problem.quotas:
        stretch = slice(quota.first - 1, quota.last)
        member = usable[:, stretch] & quota.mask[shown[:, stretch]]
        matched = np.cumsum(member, axis=1)
        left = np.arange(member.shape[1])[::-1]  # places of the stretch after each one
        fits[:, stretch] &= np.where(member, matched <= quota.upper, quota.lower - matched <= left)
    for cap, crowd in zip(problem.caps, crowds, strict=True):
        fits &= crowd <= cap.limit
    return fits


def intra_list_distance(shown: IntArray, usable: BoolArray, labels: BoolArray) -> FloatArray:
    """Return the mean of 1 - Jaccard similarity of labels over the K (K - 1) / 2 pairs of places.

    Mean dissimilarity of pairs as in Smyth and McClave (2001, "Similarity vs. diversity"), the complement of
    the intra-list similarity of Ziegler et al. (2005). A pair counts 0 unless both entries are usable and
    have labels, so no invalid entry adds to it; a list of one item gets 0.

    Args:
        shown: (S, K) item indices, -1 where there is none.
        usable: (S, K), see `usable_entries`.
        labels: (N, V) labels that each item carries.

    Returns:
        (S,), 0..1.
    """
    count = shown.shape[1]
    carried = (labels[shown] & usable[:, :, None]).astype(np.float32)  # (S, K, V)
    common = carried @ carried.transpose(0, 2, 1)  # (S, K, K)
    size = carried.sum(axis=2)
    union = size[:, :, None] + size[:, None, :] - common
    counted = (size[:, :, None] > 0) & (size[:, None, :] > 0) & np.tri(count, k=-1, dtype=np.bool_)
    distance = np.where(counted, 1.0 - common / np.maximum(union, 1.0), 0.0)
    mean: FloatArray = distance.sum(axis=(1, 2), dtype=np.float64) / max(count * (count - 1) / 2, 1)
    return mean
