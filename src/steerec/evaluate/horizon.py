"""How much of the near future a recommender sees, not only the next item.

Legend: U users, B batch, N items, T items of the future, k length of the list.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Part, Split
from steerec.evaluate.ranking import Scores
from steerec.metrics.ranking import history_mask

_BATCH = 256


def horizon_recalls(
    scores: Scores, split: Split, part: Part, *, horizon: int, k: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each user's recall@k of the next items, predicted once from all before the part.

    recall@k is the number of targets among the k best items, over min(k, targets); the history is masked, and
    items of the history are no targets. Ties go to the lower index.

    Args:
        scores: `(histories, times) -> (B, N)`.
        split: of U users.
        part: "valid" or "test".
        horizon: T, how many items of the part count, the first ones.
        k: length of the list.

    Returns:
        (V,) recalls and the (V,) users that have a history and a target.
    """
    starts, ends = (split.cut, split.test_start) if part == "valid" else (split.test_start, None)
    users, histories, times, futures = [], [], [], []
    for user, sequence in enumerate(split.sequences):
        start = int(starts[user])
        end = min(start + horizon, len(sequence) if ends is None else int(ends[user]))
        future = np.setdiff1d(sequence[start:end], sequence[:start])
        if start > 0 and len(future):
            users.append(user)
            histories.append(sequence[:start])
            futures.append(future)
            if split.times is not None:
                times.append(split.times[user][:start])
    found = []
    for at in range(0, len(users), _BATCH):
        part_of = slice(at, at + _BATCH)
        table = scores(histories[part_of], times[part_of] if times else None)  # (B, N)
        masked = np.where(history_mask(histories[part_of], table.shape[1]), -np.inf, table)
        best = np.argsort(-masked, axis=1, kind="stable")[:, :k]
        for row, future in zip(best, futures[part_of], strict=True):
            found.append(np.isin(row, future).sum() / min(k, len(future)))
    return np.array(found, np.float64), np.array(users, np.int64)
