"""What each point and each request of an evaluation gave, row by row: what runs are compared by.

Legend: P points, R requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.artifacts import atomic_path
from steerec.data.split import Point
from steerec.evaluate.control import Case, judged_values

COLUMNS = ("row", "metric", "user", "key", "group", "value")
_KEPT = ("control_satisfaction@k", "error_invalid@k", "error_count@k", "ndcg@10:control")
UNSEEN_LENGTHS = "item_count_unseen"
"""Kind of the requests for list lengths that no instruction row asks for."""
RANDOM = "random category"
"""Group of the requests that are counted apart."""


class ValueTable:
    """Values of every row, collected during an evaluation."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def add_points(self, row: str, points: Sequence[Point], gains: NDArray[np.floating]) -> None:
        """Add the plain ndcg@10 of a row at each point, (P,)."""
        users = [point.user for point in points]
        keys = [f"{point.user}:{point.position}" for point in points]
        self._add(row, "ndcg@10", users, keys, ["plain"] * len(keys), gains)

    def add_answers(
        self, row: str, cases: Sequence[Case], answers: Sequence[Sequence[int | None]], *, suffix: str
    ) -> None:
        """Add what a row's answers to R requests are worth.

        Args:
            row: its name.
            cases: the requests.
            answers: one list per request.
            suffix: of the metrics' names, ":unseen" for phrasings nobody trained on.
        """
        users = [case.point.user for case in cases]
        keys = [case.request_id for case in cases]
        groups = [RANDOM if case.random_category else case.kind for case in cases]
        for name, values in judged_values(cases, answers).items():
            if name in _KEPT:
                self._add(row, f"{name}{suffix}", users, keys, groups, values)

    def _add(
        self,
        row: str,
        metric: str,
        users: Sequence[int],
        keys: Sequence[str],
        groups: Sequence[str],
        values: NDArray[np.floating],
    ) -> None:
        frame = pl.DataFrame(
            {"user": users, "key": keys, "group": groups, "value": np.asarray(values, np.float64)}
        )
        named = frame.with_columns(row=pl.lit(row), metric=pl.lit(metric))
        self._frames.append(named.select(COLUMNS))

    def save(self, path: Path) -> None:
        """Write everything as Parquet."""
        with atomic_path(path) as temporary:
            pl.concat(self._frames).write_parquet(temporary)
