"""Filters of a log, and the table of what each of them left.

Legend: U users, N items.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.config import Config


class FunnelStep(Config):
    """What is left of the log after one step."""

    step: str
    """What was done: "read", "rating below 4 dropped"."""
    rows: int
    """Interactions left."""
    users: int
    """Users left."""
    items: int
    """Items left in the log."""
    option: str = ""
    """The option that changes this step."""


def funnel_step(step: str, frame: pl.DataFrame, option: str = "") -> FunnelStep:
    """Count what a step left of a log with the columns user_id and item_id."""
    users, items = (frame[name].drop_nulls().n_unique() for name in ("user_id", "item_id"))
    return FunnelStep(step=step, rows=frame.height, users=users, items=items, option=option)


class Core(NamedTuple):
    """The rows that stay, (rows,) bool, and how many rounds it took."""

    keep: NDArray[np.bool_]
    rounds: int


def k_core(user: NDArray[np.int64], item: NDArray[np.int64], user_core: int, item_core: int) -> Core:
    """Keep the largest part of a log in which every user and every item has enough interactions.

    One round drops the users with fewer than `user_core` rows, then the items with fewer than `item_core`
    of the rows left; rounds go on until one drops nothing. The result does not depend on the order within
    a round (the core is unique); the number of rounds does.

    Args:
        user: (rows,) user index of each interaction.
        item: (rows,) item index of each interaction.
        user_core: least interactions of a user; 0 or 1 keeps all.
        item_core: least interactions of an item; 0 or 1 keeps all.

    Returns:
        The rows that stay, and the number of rounds that dropped something.
    """
    keep = np.ones(len(user), bool)
    rounds = 0
    while True:
        before = int(keep.sum())
        for of, least in ((user, user_core), (item, item_core)):
            if before:
                counts = np.bincount(of[keep], minlength=int(of.max()) + 1)
                keep &= counts[of] >= least
        if int(keep.sum()) == before:
            return Core(keep, rounds)
        rounds += 1


def core_of(frame: pl.DataFrame, user_core: int, item_core: int) -> tuple[pl.DataFrame, int]:
    """Apply `k_core` to a log with the columns user_id and item_id; return what is left and the rounds."""
    codes = [frame[name].rank("dense").cast(pl.Int64).to_numpy() - 1 for name in ("user_id", "item_id")]
    core = k_core(codes[0], codes[1], user_core, item_core)
    return frame.filter(pl.Series(core.keep)), core.rounds
