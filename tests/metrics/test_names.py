"""The registry of names: complete, consistent, helpful when a name is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.errors import ConfigError
from steerec.metrics.names import RANK_METRICS, REGISTRY, rank_metric, ranking_summary

NAMES = [
    "hr@10",
    "ndcg@10",
    "mrr@10",
    "control_satisfaction@k",
    "share@k",
    "gap@k",
    "error_catalogue@k",
    "error_repeat@k",
    "error_history@k",
    "error_forbidden@k",  # not in the published list: excluded items, and items that are no candidates
    "error_invalid@k",  # not in the published list: any of the errors above
    "error_count@k",
    "accuracy_cost@10",
]


def test_registry_has_exactly_the_decided_names() -> None:
    assert list(REGISTRY) == NAMES
    assert all(metric.name == name and metric.meaning for name, metric in REGISTRY.items())


def test_direction_of_each_metric() -> None:
    better_when_low = {name for name, metric in REGISTRY.items() if not metric.higher_is_better}
    assert better_when_low == {name for name in NAMES if name.startswith(("gap", "error", "accuracy_cost"))}


def test_summary_uses_registered_names() -> None:
    ranks = np.array([1.0, 3.0, np.inf, 20.0])
    summary = ranking_summary(ranks)
    assert summary == pytest.approx({"hr@10": 0.5, "ndcg@10": 1.5 / 4, "mrr@10": (1 + 1 / 3) / 4})
    assert set(summary) <= set(REGISTRY)
    for name, value in summary.items():
        assert rank_metric(name, ranks).mean() == value


def test_summary_of_nothing_is_nan() -> None:
    assert all(np.isnan(value) for value in ranking_summary(np.zeros(0)).values())


@pytest.mark.parametrize("base", list(RANK_METRICS))
def test_any_cutoff_by_name(base: str) -> None:
    assert rank_metric(f"{base}@1", np.array([1.0, 2.0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name", ["recall@10", "hr", "hr@0", "hr@x", "hr@-1"])
def test_unknown_name_says_what_is_allowed(name: str) -> None:
    with pytest.raises(ConfigError, match=r"use hr@K, ndcg@K or mrr@K"):
        rank_metric(name, np.array([1.0]))
