"""The one registry of metric names: reports, configurations and tables spell them as here.

`@10` is a fixed cutoff; `@k` means the count that each request asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.errors import ConfigError, did_you_mean
from steerec.metrics.ranking import hit_rate, mrr, ndcg

RankMetric = Callable[[NDArray[np.floating], int], NDArray[np.float64]]


class Metric(NamedTuple):
    """A metric's name and how to read it."""

    name: str
    higher_is_better: bool
    meaning: str


_METRICS = (
    Metric("hr@10", True, "share of held-out targets in the first 10"),
    Metric("ndcg@10", True, "discounted gain of the held-out target in the first 10"),
    Metric("mrr@10", True, "reciprocal rank of the held-out target in the first 10"),
    Metric("control_satisfaction@k", True, "share of requests whose list satisfies every control"),
    Metric("share@k", True, "share of the requested places filled with items that match the control"),
    Metric("gap@k", False, "items by which a list misses the bounds of a control, over the requested k"),
    Metric("error_catalogue@k", False, "share of places with an item that is not in the catalogue"),
    Metric("error_repeat@k", False, "share of places with an item that came before"),
    Metric("error_history@k", False, "share of places with an item of the user's history"),
    Metric("error_forbidden@k", False, "share of places with an excluded item or none of the candidates"),
    Metric("error_invalid@k", False, "share of places with any of the errors above"),
    Metric("error_count@k", False, "share of requests answered with a wrong number of items"),
    Metric("accuracy_cost@10", False, "ndcg@10 lost by obeying the request"),
)

REGISTRY: dict[str, Metric] = {metric.name: metric for metric in _METRICS}

RANK_METRICS: dict[str, RankMetric] = {"hr": hit_rate, "ndcg": ndcg, "mrr": mrr}
"""Metrics of a rank, by the part of the name before the `@`."""


def rank_metric(name: str, ranks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a rank metric's value per request, by name.

    Args:
        name: `hr@K`, `ndcg@K` or `mrr@K` with any cutoff K >= 1.
        ranks: (B,), 1-based; infinity for a miss.

    Returns:
        Float64 (B,); its mean is the metric.

    Raises:
        ConfigError: the name is not of that form.

    Example:
        >>> rank_metric("hr@2", np.array([1.0, 5.0])).tolist()
        [1.0, 0.0]
    """
    base, _, cutoff = name.partition("@")
    if base not in RANK_METRICS or not cutoff.isdecimal() or int(cutoff) < 1:
        hint = did_you_mean(name, [metric.name for metric in _METRICS[:3]])
        raise ConfigError(f'No ranking metric is called "{name}": use hr@K, ndcg@K or mrr@K.{hint}')
    return RANK_METRICS[base](ranks, int(cutoff))


def ranking_summary(ranks: NDArray[np.floating], k: int = 10) -> dict[str, float]:
    """Return the mean of every rank metric at one cutoff, under its registered name.

    Args:
        ranks: (B,), 1-based; infinity for a miss. B = 0 gives NaN.
        k: cutoff, at least 1.

    Example:
        >>> ranking_summary(np.array([1.0, np.inf]))
        {'hr@10': 0.5, 'ndcg@10': 0.5, 'mrr@10': 0.5}
    """
    if len(ranks) == 0:
        return {f"{base}@{k}": float("nan") for base in RANK_METRICS}
    return {f"{base}@{k}": float(metric(ranks, k).mean()) for base, metric in RANK_METRICS.items()}
