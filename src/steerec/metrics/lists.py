"""Ranks of held-out targets in explicit lists, for recommenders that return a list and no scores."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.metrics.ranking import MISS


def rank_in_list(items: Sequence[int | None], target: int, seen: Collection[int] = ()) -> float:
    """Return the 1-based position of the target in a list, infinity when it is not there.

    Every entry takes its place: an invalid entry (None), a repeat or an item of the history pushes the rest
    down, it is not skipped. A target that is in the history is a miss, as in a masked full ranking.

    Args:
        items: the list as shown, best first; None marks an entry that is no catalogue item.
        target: item index.
        seen: the user's history, item indices.

    Example:
        >>> rank_in_list([4, None, 7], target=7)
        3.0
        >>> rank_in_list([4, 7], target=7, seen={7})
        inf
    """
    if target in seen:
        return MISS
    for position, item in enumerate(items, start=1):
        if item == target:
            return float(position)
    return MISS


def ranks_in_lists(
    lists: Sequence[Sequence[int | None]],
    targets: Sequence[int] | NDArray[np.integer],
    histories: Sequence[Collection[int] | NDArray[np.integer]] | None = None,
) -> NDArray[np.float64]:
    """Return `rank_in_list` for B lists.

    Args:
        lists: B lists, best first.
        targets: B item indices.
        histories: B histories whose items are misses; None masks nothing.

    Returns:
        Float64 (B,), for `hit_rate`, `ndcg` and `mrr` of `steerec.metrics.ranking`.

    Raises:
        ValueError: the arguments differ in length.
    """
    seen = [()] * len(lists) if histories is None else [{int(i) for i in history} for history in histories]
    if not len(lists) == len(targets) == len(seen):
        raise ValueError(
            f"One target and one history per list: got {len(lists)} lists, {len(targets)} targets, "
            f"{len(seen)} histories."
        )
    ranks = [
        rank_in_list(items, int(target), past)
        for items, target, past in zip(lists, targets, seen, strict=True)
    ]
    return np.array(ranks, dtype=np.float64)
