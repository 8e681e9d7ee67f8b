"""Why an item stands in a list: the control it serves, the history that carries it, its rank without control.

Every claim is computed, none is written by a language model. What carries an item is found by leaving history
items out, one at a time, and asking the teacher again; the items named are then left out together, and stay
named only if the item's rank really falls with them.

Legend: H items of the history, K items of the list, N items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.control.control import Control
from steerec.control.problem import BoolArray
from steerec.control.request import Request, compile_request
from steerec.control.statement import state_control
from steerec.data.catalog import Catalog
from steerec.recommend.recommender import Recommender as Conventional

Scores = NDArray[np.float64]

_MOST_NAMED = 3
_MOST_TRIED = 200
_LEAST_FALL = 0.1
"""Nats of log-probability that leaving a history item out must cost, for it to be tried as a carrier."""
_TOGETHER = 2**22
"""Scores computed together: histories times items."""
_FALLS_TO = 2.0
"""An item is carried if its rank without the named ones is at least this many times its rank."""


class Carrier(NamedTuple):
    """A history item that carries a recommendation."""

    item: int
    fall: float
    """Nats that the recommendation's log-probability falls without it."""


class Reason(NamedTuple):
    """Why one item is in the list."""

    item: int
    place: int
    """Place in the list, from 1."""
    rank: int | None
    """Rank that the teacher gives it without any control among what the user has not seen, ties against it;
    None where it was seen."""
    controls: tuple[int, ...]
    """Controls with a lower bound that count it, by their place in `request.controls`."""
    carriers: tuple[Carrier, ...]
    """History items that carry it, the strongest first; empty: nothing in the history does."""
    rank_without: int | None
    """Rank without the carriers; None without any."""


def explain(
    items: Sequence[int], history: Sequence[int], request: Request, catalog: Catalog, teacher: Conventional
) -> list[Reason]:
    """Return one reason per item of a list, in its order.

    Args:
        items: K item indices of a list that satisfies the request.
        history: H item indices, oldest first; carriers are sought among the latest 200.
        request: what was asked.
        catalog: N items.
        teacher: scores histories; it is asked about at most 1 + H + K of them, in batches.
    """
    problem = compile_request(request, catalog, history)
    unseen = compile_request(Request(), catalog, history).allowed
    among = unseen if unseen.any() else np.ones_like(unseen)
    serving = [
        tuple(q.control for q in problem.quotas if q.mask[item] and q.lower and q.first <= place <= q.last)
        for place, item in enumerate(items, start=1)
    ]
    past = list(history)
    tried = range(max(len(past) - _MOST_TRIED, 0), len(past))
    shorter = [past[:h] + past[h + 1 :] for h in tried]
    whole = _scores([past], teacher)  # (1, N)
    falls = np.zeros((len(past), len(items)))  # (H, K)
    falls[tried.start :] = _log_probs(whole, among, items) - _all_log_probs(shorter, among, teacher, items)
    named = [_strongest(falls[:, k]) for k in range(len(items))]
    with_all = _ranks(whole, items, among)
    left = _ranks_without(past, named, items, among, teacher)
    reasons = []
    for k, item in enumerate(items):
        is_carried = k in left and left[k] >= _FALLS_TO * with_all[k]
        carriers = [Carrier(past[h], float(falls[h, k])) for h in named[k]] if is_carried else []
        reasons.append(
            Reason(
                item=item,
                place=k + 1,
                rank=with_all[k] if unseen[item] else None,
                controls=serving[k],
                carriers=tuple(carriers),
                rank_without=left[k] if is_carried else None,
            )
        )
    return reasons


def summary(records: Sequence[Mapping[str, Any]]) -> str:
    """Return for how many items of a list the named history items explain the rank, as a sentence.

    Args:
        records: what `record` returned for each item.
    """
    carried = sum(bool(one["carriers"]) for one in records)
    return (
        f"A few items of the history carry {carried} of {len(records)} recommendations: "
        "without them, taken out together, the rank at least doubles."
    )


def say(reason: Reason, request: Request, catalog: Catalog) -> str:
    """Return a reason as one sentence, each of whose claims is a field of it.

    Args:
        reason: what `explain` found.
        request: the request of the list.
        catalog: names items and values.
    """
    parts = []
    if reason.controls:
        asked = [request.controls[place] for place in reason.controls]
        stated = [state_control(one, catalog) for one in asked if isinstance(one, Control)]
        parts.append(f'it serves "{" and ".join(stated)}"')
    if reason.rank is None:
        parts.append("you have seen it before")
    else:
        moved = "also" if reason.rank == reason.place else "now"
        parts.append(f"without any control it is number {reason.rank} for you, {moved} number {reason.place}")
    if reason.carriers:
        names = [catalog.displays[carrier.item] for carrier in reason.carriers]
        parts.append(f"without {_listed(names)} in your history it would be number {reason.rank_without}")
    else:
        parts.append("no few items of your history carry it")
    return f"{catalog.displays[reason.item]}: {'; '.join(parts)}."


def record(reason: Reason, request: Request, catalog: Catalog) -> dict[str, Any]:
    """Return a reason as plain JSON values, with ids and its sentence.

    Args:
        reason: what `explain` found.
        request: the request of the list.
        catalog: names items and values.
    """
    carriers = [
        {
            "item_id": catalog.item_ids[one.item],
            "title": catalog.displays[one.item],
            "fall": round(one.fall, 4),
        }
        for one in reason.carriers
    ]
    return {
        "item_id": catalog.item_ids[reason.item],
        "place": reason.place,
        "rank": reason.rank,
        "controls": list(reason.controls),
        "carriers": carriers,
        "rank_without": reason.rank_without,
        "sentence": say(reason, request, catalog),
    }


def _strongest(falls: NDArray[np.float64]) -> list[int]:
    """Return the places of the few history items whose absence costs most, by their fall."""
    order = np.argsort(-falls, kind="stable")[:_MOST_NAMED]
    return [int(h) for h in order if falls[h] >= _LEAST_FALL]


def _log_probs(scores: Scores, among: BoolArray, items: Sequence[int]) -> Scores:
    """(H, K) log-probabilities of some items among a set, from the scores (H, N) after some histories."""
    top = scores[:, among].max(axis=1, keepdims=True)
    total = np.log(np.exp(scores[:, among] - top).sum(axis=1, keepdims=True)) + top
    return scores[:, list(items)] - total  # type: ignore[no-any-return]


def _all_log_probs(
    histories: Sequence[Sequence[int]], among: BoolArray, teacher: Conventional, items: Sequence[int]
) -> Scores:
    """(H, K) the same after histories that are scored here, in batches."""
    chunk = max(1, _TOGETHER // len(among))
    parts = (histories[start : start + chunk] for start in range(0, len(histories), chunk))
    rows = [_log_probs(_scores(part, teacher), among, items) for part in parts]
    return np.concatenate([np.zeros((0, len(items))), *rows])


def _ranks(scores: Scores, items: Sequence[int], among: BoolArray) -> list[int]:
    """Return the rank of each item by its own row, among a set and itself, ties against it.

    One row alone is that of every item.
    """
    found: list[int] = []
    chunk = max(1, _TOGETHER // len(among))
    for start in range(0, len(items), chunk):
        part = items[start : start + chunk]
        rows = scores if len(scores) == 1 else scores[start : start + chunk]
        rows = np.broadcast_to(rows, (len(part), len(among)))
        own = rows[np.arange(len(part)), list(part)][:, None]
        better = (rows >= own) & among
        better[np.arange(len(part)), list(part)] = False
        found += (1 + better.sum(axis=1)).tolist()
    return found


def _ranks_without(
    past: Sequence[int],
    named: Sequence[Sequence[int]],
    items: Sequence[int],
    among: BoolArray,
    teacher: Conventional,
) -> dict[int, int]:
    """Return place in the list -> rank without the places of the history that are named for it, if any."""
    places = [k for k, gone in enumerate(named) if gone]
    found: dict[int, int] = {}
    chunk = max(1, _TOGETHER // len(among))
    for start in range(0, len(places), chunk):
        part = places[start : start + chunk]
        without = [[item for h, item in enumerate(past) if h not in named[k]] for k in part]
        ranks = _ranks(_scores(without, teacher), [items[k] for k in part], among)
        found |= zip(part, ranks, strict=True)
    return found


def _scores(histories: Sequence[Sequence[int]], teacher: Conventional) -> Scores:
    return teacher.scores([np.asarray(one, np.int64) for one in histories]).astype(np.float64)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
