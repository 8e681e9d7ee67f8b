"""The validation points that settings are chosen on: masked full ranking, as in every table.

Legend: `B` validation points, `N` items.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Split
from steerec.metrics.names import ranking_summary
from steerec.metrics.ranking import history_mask, rank_of_targets
from steerec.seeding import numpy_rng


class Validation(NamedTuple):
    """Validation points of a split, or a fixed random part of them."""

    histories: list[NDArray[np.int64]]
    """B histories, oldest item first."""
    targets: NDArray[np.int64]
    """(B,) held-out items."""
    masked: NDArray[np.bool_]
    """(B, N) items of the history."""

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
        return cls(histories, targets, history_mask(histories, len(split.catalog)))

    def __bool__(self) -> bool:
        return len(self.targets) > 0

    def metrics(self, scores: NDArray[np.floating]) -> dict[str, float]:
        """Return hr@10, ndcg@10 and mrr@10 of scores (B, N), history masked, ties against us."""
        return ranking_summary(rank_of_targets(scores, self.targets, self.masked))
