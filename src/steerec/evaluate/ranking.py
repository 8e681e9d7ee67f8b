"""Plain next-item ranking of one recommender: ranks per point, and the row's metrics with intervals.

Legend: P points of a split, S seeds, B batch, N items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Point, times_of
from steerec.evaluate.interval import mean_interval, user_means
from steerec.evaluate.report import Metric
from steerec.metrics.lists import ranks_in_lists
from steerec.metrics.names import rank_metric
from steerec.metrics.ranking import history_mask, rank_of_targets

RANKING_METRICS = ("ndcg@10", "hr@10", "mrr@10")
Scores = Callable[[Sequence[NDArray[np.integer]], Sequence[NDArray[np.integer]] | None], NDArray[np.floating]]
"""`(histories, their times) -> (B, N)`."""
_BATCH = 256


def ranks_by_scores(scores: Scores, points: Sequence[Point], *, masked: bool = True) -> NDArray[np.float64]:
    """Return the rank of each point's target in the full ranking.

    Args:
        scores: `(histories, times) -> (B, N)`, see `Recommender.scores`.
        points: P points.
        masked: whether items of the history leave the ranking.

    Returns:
        Float64 (P,), 1-based, infinity for a target that is in the history.
    """
    return ranks_both_ways(scores, points, (masked,))[0]


def ranks_both_ways(
    scores: Scores, points: Sequence[Point], ways: Sequence[bool] = (True, False)
) -> list[NDArray[np.float64]]:
    """Return the ranks of `ranks_by_scores`, with and without the history, from scores that are asked once.

    Args:
        scores: see there.
        points: P points.
        ways: whether items of the history leave the ranking, one array (P,) for each.
    """
    parts: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in ways]
    for start in range(0, len(points), _BATCH):
        batch = points[start : start + _BATCH]
        histories = [point.history for point in batch]
        table = scores(histories, times_of(batch))  # (B, N)
        targets = np.array([point.target for point in batch])
        for found, masked in zip(parts, ways, strict=True):
            mask = history_mask(histories, table.shape[1]) if masked else None
            found.append(rank_of_targets(table, targets, mask))
    return [np.concatenate(found) for found in parts]


def ranks_by_lists(lists: Sequence[Sequence[int | None]], points: Sequence[Point]) -> NDArray[np.float64]:
    """Return the rank of each point's target in the list served for it, (P,); infinity where it is absent."""
    targets = [point.target for point in points]
    return ranks_in_lists(lists, targets, [point.history for point in points])


def ranking_metrics(ranks: Sequence[NDArray[np.float64]], users: NDArray[np.integer]) -> dict[str, Metric]:
    """Return every ranking metric with its interval over users; a user's seeds and positions are averaged.

    Args:
        ranks: S arrays (P,), one per seed.
        users: (P,) whose point each is.
    """
    everyone = np.tile(users, len(ranks))
    stacked = np.concatenate(ranks)
    return {name: Metric.of(mean_interval(rank_metric(name, stacked), everyone)) for name in RANKING_METRICS}


def seed_means(
    ranks: Sequence[NDArray[np.float64]], users: NDArray[np.integer]
) -> dict[str, tuple[float, ...]]:
    """Return each ranking metric's mean over users per seed; arguments as of `ranking_metrics`."""
    return {
        name: tuple(round(float(user_means(rank_metric(name, one), users).mean()), 6) for one in ranks)
        for name in RANKING_METRICS
    }
