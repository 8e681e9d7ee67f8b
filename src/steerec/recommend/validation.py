"""The validation points that settings are chosen on: masked full ranking, as in every table.

Legend: `B` validation points, `N` items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Split
from steerec.metrics.names import ranking_summary
from steerec.metrics.ranking import history_mask, rank_of_targets
from steerec.seeding import numpy_rng

Scorer = Callable[[list[NDArray[np.int64]], list[NDArray[np.int64]] | None], NDArray[np.floating]]
"""`(histories, times) -> (B, N)`."""
_CHUNK = 1024


class Validation(NamedTuple):
    """Validation points of a split, or a fixed random part of them."""

    histories: list[NDArray[np.int64]]
    """B histories, oldest item first."""
    targets: NDArray[np.int64]
    """(B,) held-out items."""
    masked: NDArray[np.bool_]
    """(B, N) items of the history."""
    times: list[NDArray[np.int64]] | None = None
    """B arrays of seconds of the histories; None where the log has no moments."""

    @classmethod
    def of(cls, split: Split, *, limit: int | None = None, seed: int = 0) -> Self:
        """Take the validation points of a split.

        Args:
            split: the split; its test points are never looked at.
            limit: largest number of points; more are thinned to a random part fixed by the seed.
            seed: seed of that part.
        """
        points = split.points("valid")
        if limit is not None and len(points) > limit:
            chosen = numpy_rng(seed, "validation").choice(len(points), size=limit, replace=False)
            points = [points[i] for i in np.sort(chosen)]
        histories = [point.history for point in points]
        targets = np.array([point.target for point in points], dtype=np.int64)
        times = None if split.times is None else [point.times for point in points if point.times is not None]
        return cls(histories, targets, history_mask(histories, len(split.catalog)), times)

    def __bool__(self) -> bool:
        return len(self.targets) > 0

    def of_scorer(self, score: Scorer) -> dict[str, float]:
        """Return the metrics of a recommender's `scores`, a part of the points at a time."""
        ranks = []
        for start in range(0, len(self.targets), _CHUNK):
            part = slice(start, start + _CHUNK)
            times = None if self.times is None else self.times[part]
            scores = score(self.histories[part], times)
            ranks.append(rank_of_targets(scores, self.targets[part], self.masked[part]))
        return ranking_summary(np.concatenate(ranks))

    def metrics(self, scores: NDArray[np.floating]) -> dict[str, float]:
        """Return hr@10, ndcg@10 and mrr@10 of scores (B, N), history masked, ties against us."""
        return ranking_summary(rank_of_targets(scores, self.targets, self.masked))
