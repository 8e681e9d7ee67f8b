"""A world of planted likes: what a person likes shows only in what they did, not in what they met."""

from __future__ import annotations

import numpy as np
import polars as pl

from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.loop import TrainingConfig
from steerec.networks.sequence import HstuConfig
from steerec.recommend.actions.model import ActionConfig
from steerec.seeding import numpy_rng

NUM_ITEMS = 28
SMALL_ACTIONS = ActionConfig(
    width=16,
    window=12,
    encoder=HstuConfig(num_layers=1, dropout=0.0),
    batch_size=16,
    epochs=100,
    training=TrainingConfig(max_steps=250, learning_rate=1e-2, eval_steps=125, lr_scheduler_type="linear"),
)


def liking_split(num_users: int = 150, seed: int = 0) -> Split:
    """Return a leave-last-out split in which half of the people like even items, the others odd ones.

    Items of a parity form a ring. Half of what a person meets is the successor of the last item they liked,
    rated 5, half a random item of the other parity, rated 1. So all items are liked alike, all people like
    alike often, and only actions tell which is which: the action follows from taste, and the next liked item
    from the last liked one.
    """
    rng = numpy_rng(seed, "liking")
    items, ratings, times = [], [], []
    for user in range(num_users):
        taste, length = user % 2, int(rng.integers(9, 14))
        liked = int(rng.integers(NUM_ITEMS // 2)) * 2 + taste
        others = rng.permutation(np.arange(1 - taste, NUM_ITEMS, 2)).tolist()
        walk, rated = [], []
        for _ in range(length):
            if rng.random() < 0.5:
                liked = (liked + 2) % NUM_ITEMS
                walk.append(liked)
                rated.append(5.0)
            else:
                walk.append(others.pop())
                rated.append(1.0)
        items.append(np.array(walk, np.int64))
        ratings.append(np.array(rated, np.float32))
        times.append(np.arange(length) // 4 * 10_000 + np.arange(length))
    lengths = np.array([len(one) for one in items])
    names = [f"i{i}" for i in range(NUM_ITEMS)]
    return Split(
        name="leave_last_out",
        catalog=Catalog.from_frame(pl.DataFrame({"item_id": names, "title": [f"Title {n}" for n in names]})),
        users=tuple(f"u{user}" for user in range(num_users)),
        sequences=tuple(items),
        cut=lengths - 2,
        test_start=lengths - 1,
        times=tuple(times),
        ratings=tuple(ratings),
        source="likes",
    )
