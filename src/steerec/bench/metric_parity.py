"""Every ranking metric of ours against RecTools' and ranx', on the same predictions, with ties.

Referees rank by order, we count ties against us: a list in which the target stands behind all its equals says
the same to both. Our tie rule itself is held against a slow definition.

Legend: P users with one target each, N items, L places of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.bench.errand import send
from steerec.bench.outside.parcel import Parcel
from steerec.metrics.lists import ranks_in_lists
from steerec.metrics.names import RANK_METRICS, rank_metric
from steerec.metrics.ranking import MISS, rank_of_targets
from steerec.seeding import numpy_rng

TOLERANCE = 1e-9
CUTOFFS = (1, 5, 10, 20, 50)
_FEWEST, _MOST = 10, 300
"""Distinct scores of a user's predictions, drawn anew for each: the fewer, the more items are tied."""
_TOP = 3
"""Half of the targets have one of so many highest scores, so that all ranks occur."""
_SLOW_USERS = 50
SCORES, LISTS = "scores", "lists"
"""Predictions as scores, equals counted against us; as lists, equals in catalogue order."""
_MEANS = {"recall": "hr"}
"""What a referee calls otherwise: with one target, recall is the hit rate."""


class Predictions(NamedTuple):
    """Random predictions."""

    scores: NDArray[np.float64]
    """(P, N), few distinct values."""
    targets: NDArray[np.int64]
    """(P,)."""
    masked: NDArray[np.bool_]
    """(P, N) the history; now and then it holds the target."""


def random_predictions(num_users: int, num_items: int, seed: int) -> Predictions:
    """Draw predictions with many ties, at the top too."""
    rng = numpy_rng(seed, "metric parity")
    distinct = rng.integers(_FEWEST, _MOST, size=num_users)
    scores = np.floor(rng.random((num_users, num_items)) * distinct[:, None])
    targets = rng.integers(num_items, size=num_users)
    lifted = np.flatnonzero(rng.random(num_users) < 0.5)
    scores[lifted, targets[lifted]] = distinct[lifted] - 1 - rng.integers(_TOP, size=len(lifted))
    return Predictions(scores / distinct[:, None], targets, rng.random((num_users, num_items)) < 0.05)


def ranked_lists(given: Predictions, length: int, *, against_us: bool) -> NDArray[np.int64]:
    """Return (P, length) items, best first, masked ones left out, -1 where a list has ended.

    Args:
        given: the predictions.
        length: places.
        against_us: put the target behind its equals; else equals stand in catalogue order.
    """
    lists = np.full((len(given.targets), length), -1, np.int64)
    for user, (scores, target, masked) in enumerate(
        zip(given.scores, given.targets, given.masked, strict=True)
    ):
        items = np.arange(len(scores))
        last = items == target if against_us else np.zeros(len(items), np.bool_)
        order = np.lexsort((items, last, -scores))
        shown = order[~masked[order]][:length]
        lists[user, : len(shown)] = shown
    return lists


def slow_rank(scores: NDArray[np.float64], target: int, masked: NDArray[np.bool_]) -> float:
    """Return the rank of a target by its definition: after everything that scores as much or more."""
    if masked[target]:
        return MISS
    rank = 1.0
    for item, score in enumerate(scores.tolist()):
        if item != target and not masked[item] and not score < scores[target]:
            rank += 1.0
    return rank


def metric_parity(num_users: int, num_items: int, seed: int) -> dict[str, Any]:
    """Compare all metrics.

    Args:
        num_users: P.
        num_items: N.
        seed: of the predictions.

    Returns:
        `{"rows": [{"referee", "metric", "predictions", "ours", "theirs", "difference"}], "largest",
        "agrees", "versions", "tied_targets"}`: means over users, and the largest difference of a user.

    Raises:
        NoParityError: there is no parity environment.
    """
    given = random_predictions(num_users, num_items, seed)
    by_scores = ranked_lists(given, max(CUTOFFS), against_us=True)
    as_shown = ranked_lists(given, max(CUTOFFS), against_us=False)
    ranks = {
        SCORES: rank_of_targets(given.scores, given.targets, given.masked),
        LISTS: ranks_in_lists(
            [[item for item in row if item >= 0] for row in as_shown.tolist()],
            given.targets,
            [np.flatnonzero(row) for row in given.masked],
        ),
    }
    arrays = {"lists": np.concatenate([by_scores, as_shown]), "targets": np.tile(given.targets, 2)}
    answer = send("judge", Parcel({"cutoffs": CUTOFFS}, arrays), threads=1)
    rows = [tie_row(given)]
    for place, (name, own_ranks) in enumerate(ranks.items()):
        part = slice(place * num_users, (place + 1) * num_users)
        rows += compare(own_ranks, {key: values[part] for key, values in answer.arrays.items()}, name)
    largest = max(row["difference"] for row in rows)
    own = given.scores[np.arange(num_users), given.targets][:, None]
    return {
        "rows": rows,
        "largest": largest,
        "agrees": largest <= TOLERANCE,
        "versions": answer.facts["versions"],
        "tied_targets": float(np.mean((given.scores == own).sum(axis=1) > 1)),
    }


def tie_row(given: Predictions) -> dict[str, Any]:
    """Return the row of our tie rule against its slow definition, on the first users."""
    scores, targets, masked = (one[:_SLOW_USERS] for one in (given.scores, given.targets, given.masked))
    ranks = rank_of_targets(given.scores, given.targets, given.masked)[:_SLOW_USERS]
    slow = np.array([slow_rank(*one) for one in zip(scores, targets.tolist(), masked, strict=True)])
    fast_gain, slow_gain = 1.0 / ranks, 1.0 / slow  # a miss, at infinity, is 0 to both
    return _row("slow definition", "1 / rank", SCORES, fast_gain, slow_gain)


def compare(
    ranks: NDArray[np.float64], judged: Mapping[str, NDArray[np.float64]], predictions: str
) -> list[dict[str, Any]]:
    """Return a row for each array of the referees.

    Args:
        ranks: (P,) ours.
        judged: (P,) each, called `LIBRARY METRIC@K`.
        predictions: name of what was judged.

    Raises:
        ValueError: a metric of ours has no referee.
    """
    rows = []
    for name, theirs in judged.items():
        referee, _, metric = name.partition(" ")
        base, _, cutoff = metric.partition("@")
        ours = rank_metric(f"{_MEANS.get(base, base)}@{cutoff}", ranks)
        rows.append(_row(referee, metric, predictions, ours, theirs))
    checked = {row["metric"].partition("@")[0] for row in rows}
    if not checked >= set(RANK_METRICS):
        raise ValueError(f"No referee judged {', '.join(sorted(set(RANK_METRICS) - checked))}.")
    return rows


def _row(
    referee: str,
    metric: str,
    predictions: str,
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
) -> dict[str, Any]:
    gap = np.abs(ours - theirs)
    return {
        "referee": referee,
        "metric": metric,
        "predictions": predictions,
        "ours": float(ours.mean()),
        "theirs": float(theirs.mean()),
        "difference": float("inf") if np.isnan(gap).any() else float(gap.max()),
    }
