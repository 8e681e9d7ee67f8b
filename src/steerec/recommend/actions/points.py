"""Validation points of a model of actions: would the item be liked, and is a liked item found?

Legend: B points, N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Split
from steerec.errors import DataError
from steerec.metrics.auc import auc
from steerec.metrics.names import ranking_summary
from steerec.metrics.ranking import history_mask, rank_of_targets
from steerec.recommend.actions.interleaving import Past
from steerec.seeding import numpy_rng

Ints = NDArray[np.int64]


def actions_of(ratings: NDArray[np.floating], levels: Sequence[float]) -> Ints:
    """Return how many of the ascending levels each rating reaches.

    Example:
        >>> actions_of(np.array([1.0, 3.0, 4.0, 5.0]), [2.0, 4.0]).tolist()
        [0, 1, 2, 2]
    """
    return np.searchsorted(np.asarray(levels), ratings, side="right").astype(np.int64)


def pasts_of(split: Split, levels: Sequence[float]) -> list[Past]:
    """Return what each user did in the training part.

    Raises:
        DataError: the log has no ratings.
    """
    if split.ratings is None:
        raise DataError(
            "A model of actions needs what people did with the items: a log with a rating column. "
            f"{split.source or 'This log'} has none."
        )
    times = split.times if split.times is not None else [None] * len(split.train)
    return [
        Past(items, actions_of(ratings[: len(items)], levels), None if when is None else when[: len(items)])
        for items, ratings, when in zip(split.train, split.ratings, times, strict=True)
    ]


class ActionPoints(NamedTuple):
    """Points with a history and an item, of which the action is to be foretold."""

    pasts: list[Past]
    items: Ints
    """(B,)."""
    actions: Ints
    """(B,)."""
    now: Ints | None
    """(B,) seconds at which the item was met; None where the log has no moments."""
    masked: NDArray[np.bool_]
    """(B, N) items of the history."""

    @classmethod
    def of(cls, split: Split, levels: Sequence[float], *, limit: int | None = None, seed: int = 0) -> Self:
        """Take the validation points of a split; its test points are never looked at.

        Args:
            split: with ratings.
            levels: ascending levels of a rating, see `actions_of`.
            limit: largest number of points; more are thinned to a random part fixed by the seed.
            seed: of that part.
        """
        assert split.ratings is not None, "pasts_of checks this"
        points = split.points("valid")
        if limit is not None and len(points) > limit:
            chosen = numpy_rng(seed, "validation").choice(len(points), size=limit, replace=False)
            points = [points[i] for i in np.sort(chosen)]
        done = [actions_of(split.ratings[one.user][: one.position + 1], levels) for one in points]
        now = None
        if split.times is not None:
            now = np.array([split.times[one.user][one.position] for one in points], np.int64)
        return cls(
            [Past(one.history, did[:-1], one.times) for one, did in zip(points, done, strict=True)],
            np.array([one.target for one in points], np.int64),
            np.array([did[-1] for did in done], np.int64),
            now,
            history_mask([one.history for one in points], len(split.catalog)),
        )

    def __bool__(self) -> bool:
        return len(self.items) > 0

    def metrics(
        self, probabilities: NDArray[np.floating], scores: NDArray[np.floating], liked_from: int
    ) -> dict[str, float]:
        """Return auc of liking, and hr@10, ndcg@10, mrr@10 of the items that were liked.

        Args:
            probabilities: (B,) that each item is liked.
            scores: (B, N) of the next item; history masked, ties against us.
            liked_from: least action that means liking.
        """
        liked = self.actions >= liked_from
        ranks = rank_of_targets(scores[liked], self.items[liked], self.masked[liked])
        return {"auc": auc(np.asarray(probabilities), liked)} | ranking_summary(ranks)
