"""Recall of the near future, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.evaluate.horizon import horizon_recalls


def _split() -> Split:
    ids = [f"i{i}" for i in range(8)]
    return Split(
        name="temporal",
        catalog=Catalog.from_frame(pl.DataFrame({"item_id": ids, "title": ids})),
        users=("a", "b", "c"),
        sequences=tuple(np.array(one) for one in ([0, 1, 2, 3, 0, 4], [5, 6, 7], [1, 2])),
        cut=np.array([2, 0, 2]),
        test_start=np.array([5, 2, 2]),
    )


def _falling(histories: object, times: object) -> np.ndarray:
    """Item i has the score -i: the best ones are the lowest indices outside the history."""
    del times
    return np.tile(-np.arange(8.0), (len(histories), 1))  # type: ignore[arg-type]


def test_recall_by_hand() -> None:
    """User a: history {0, 1}, future 2, 3 (0 was there before); the list of 3 is 2, 3, 4.

    User b has no history, user c no future.
    """
    recalls, users = horizon_recalls(_falling, _split(), "valid", horizon=10, k=3)
    assert users.tolist() == [0]
    assert recalls.tolist() == [1.0]
    recalls, _ = horizon_recalls(_falling, _split(), "valid", horizon=10, k=1)
    assert recalls.tolist() == [1.0]  # one of one place
    recalls, _ = horizon_recalls(lambda *a: -_falling(*a), _split(), "valid", horizon=10, k=5)
    assert recalls.tolist() == [0.5]  # 7, 6, 5, 4, 3: one of two


def test_the_horizon_cuts_the_future_and_test_is_apart() -> None:
    recalls, _ = horizon_recalls(lambda *a: -_falling(*a), _split(), "valid", horizon=1, k=5)
    assert recalls.tolist() == [0.0]  # only item 2 counts
    recalls, users = horizon_recalls(_falling, _split(), "test", horizon=10, k=1)
    assert users.tolist() == [0, 1]
    assert recalls.tolist() == [1.0, 0.0]  # a: 4 is the first left; b: 7, and 0 is shown


def test_moments_are_handed_on() -> None:
    split = replace(_split(), times=tuple(np.arange(len(one)) for one in _split().sequences))
    seen = []

    def scores(histories: object, times: object) -> np.ndarray:
        seen.append(times)
        return _falling(histories, times)

    horizon_recalls(scores, split, "valid", horizon=2)
    assert [one.tolist() for one in seen[0]] == [[0, 1]]
