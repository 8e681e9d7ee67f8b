"""What a recommender knows of items that training never saw: items are hidden from it, then asked for.

Legend: P points, N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Point, Split, times_of
from steerec.errors import DataError
from steerec.metrics.names import ranking_summary
from steerec.metrics.ranking import history_mask, rank_of_targets
from steerec.recommend.recommender import Recommender
from steerec.seeding import numpy_rng

Ints = NDArray[np.int64]
ScalarT = TypeVar("ScalarT", bound=np.generic)


class ColdSplit(NamedTuple):
    """A split from which some items were hidden."""

    split: Split
    """Training and validation without them; there are no test points."""
    is_hidden: NDArray[np.bool_]
    """(N,) which items."""
    points: list[Point]
    """Validation points whose target is hidden; hidden items are missing from their histories too."""


def hide_items(split: Split, share: float = 0.15, seed: int = 0) -> ColdSplit:
    """Hide a random part of the items, as if they came into the catalogue after training.

    Test items play no part: the sequences end with validation.

    Args:
        split: the split.
        share: of the items that training has, in (0, 1).
        seed: draws them.

    Raises:
        DataError: the share is none, or hides nothing.
    """
    known = np.flatnonzero(np.bincount(np.concatenate(split.train), minlength=len(split.catalog)))
    number = round(share * len(known)) if 0 < share < 1 else 0
    if number == 0:
        raise DataError(
            f"A share of {share} hides none or all of {len(known):,} {split.catalog.noun}: "
            "give a number between 0 and 1 that leaves some on both sides."
        )
    is_hidden = np.zeros(len(split.catalog), dtype=np.bool_)
    is_hidden[numpy_rng(seed, "hide").choice(known, size=number, replace=False)] = True
    kept = [
        np.flatnonzero(~is_hidden[sequence[:end]])
        for sequence, end in zip(split.sequences, split.test_start, strict=True)
    ]
    cut = np.array([np.searchsorted(places, end) for places, end in zip(kept, split.cut, strict=True)])
    sequences = _at(split.sequences, kept)
    counts = np.bincount(
        np.concatenate([one[:end] for one, end in zip(sequences, cut, strict=True)]),
        minlength=len(split.catalog),
    )
    without = replace(
        split,
        catalog=split.catalog.with_popularity(counts),
        sequences=sequences,
        cut=cut,
        test_start=np.array([len(one) for one in kept]),
        times=None if split.times is None else _at(split.times, kept),
        ratings=None if split.ratings is None else _at(split.ratings, kept),
    )
    points = [_without(one, is_hidden) for one in split.points("valid") if is_hidden[one.target]]
    return ColdSplit(without, is_hidden, [point for point in points if len(point.history)])


def _at(arrays: Sequence[NDArray[ScalarT]], places: list[Ints]) -> tuple[NDArray[ScalarT], ...]:
    return tuple(array[chosen] for array, chosen in zip(arrays, places, strict=True))


def _without(point: Point, is_hidden: NDArray[np.bool_]) -> Point:
    kept = ~is_hidden[point.history]
    times = None if point.times is None else point.times[kept]
    return point._replace(history=point.history[kept], times=times)


def cold_report(recommender: Recommender, hidden: ColdSplit) -> dict[str, float]:
    """Return hr@10, ndcg@10 and mrr@10 on validation points of warm and of cold targets.

    `warm/` ranks warm targets among all items, `cold/` cold targets among the hidden items (which new item
    fits?), `cold_among_all/` cold targets among all items.

    Args:
        recommender: fitted on `hidden.split`.
        hidden: what `hide_items` returned.

    Returns:
        Metrics by such names; NaN where there are no points.
    """
    nothing = np.zeros_like(hidden.is_hidden)
    parts = {
        "warm": _ranks(recommender, hidden.split.points("valid"), nothing),
        "cold": _ranks(recommender, hidden.points, ~hidden.is_hidden),
        "cold_among_all": _ranks(recommender, hidden.points, nothing),
    }
    return {
        f"{part}/{name}": value
        for part, ranks in parts.items()
        for name, value in ranking_summary(ranks).items()
    }


def _ranks(recommender: Recommender, points: list[Point], left_out: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (P,) ranks of the targets, histories and (N,) further items masked."""
    if not points:
        return np.empty(0)
    histories = [point.history for point in points]
    targets = np.array([point.target for point in points], dtype=np.int64)
    masked = history_mask(histories, len(left_out)) | left_out
    return rank_of_targets(recommender.scores(histories, times_of(points)), targets, masked)
