"""What a sequence model learns to predict: the next item, hidden items, items in any order, the near future.

A task lays windows out as a ragged batch with the places whose states predict something, and what. States of
mask tokens stand where an item is to be guessed.

Legend: F flat places, P predictions, N items, S windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor

from steerec.config import Config
from steerec.networks.attention import Sequences
from steerec.networks.ragged import Ragged, plan_flat

Ints = NDArray[np.int64]


class NextItem(Config):
    """Every item of a window predicts the one after it."""

    kind: Literal["next_item"] = "next_item"


class MaskedItems(Config):
    """Hidden items are guessed from both sides (Sun et al. 2019, arXiv 1904.06690).

    Sometimes only the last item is hidden, as it is when the model is asked.
    """

    kind: Literal["masked"] = "masked"
    share: float = pydantic.Field(0.3, gt=0, lt=1)
    """Of the items of a window that are hidden, at least one."""
    last_share: float = pydantic.Field(0.2, ge=0, le=1)
    """Share of the windows of which only the last item is hidden."""


class ReplacedItems(MaskedItems):
    """Hidden items are guessed, guesses put in their place, and then found again (Clark et al. 2020).

    ELECTRA's objective (arXiv 2003.10555) with one network as generator and discriminator, as
    Transformers4Rec (de Souza Pereira Moreira et al. 2021) offers it.
    """

    kind: Literal["replaced"] = "replaced"  # type: ignore[assignment]
    weight: pydantic.PositiveFloat = 1.0
    """Of finding a replaced item, against guessing a hidden one."""


class PermutedItems(Config):
    """Items are guessed in a random order, each from those before it in that order.

    As XLNet does (Yang et al. 2019, arXiv 1906.08237; in Transformers4Rec, de Souza Pereira Moreira et al.
    2021): a query at the place of the guessed item sees the items earlier in the order, never the item.
    """

    kind: Literal["permuted"] = "permuted"
    share: float = pydantic.Field(0.3, gt=0, lt=1)
    """Of the items that are guessed: the last ones of the order, at least one."""


class AllActions(Config):
    """Random items each predict a random one that follows soon (Pancha et al. 2022, arXiv 2205.04507)."""

    kind: Literal["all_actions"] = "all_actions"
    share: float = pydantic.Field(0.5, gt=0, le=1)
    """Of the items of a window that predict, at least one."""
    horizon: pydantic.PositiveInt = 10
    """How far ahead the predicted one may lie, in items."""


TaskConfig = Annotated[
    NextItem | MaskedItems | ReplacedItems | PermutedItems | AllActions, pydantic.Field(discriminator="kind")
]


class Lesson(NamedTuple):
    """A ragged batch and what is to be predicted where."""

    batch: Sequences
    places: Tensor
    """(P,) int64 flat places whose states predict."""
    targets: Tensor
    """(P,) int64 items."""

    def to(self, device: torch.device) -> Lesson:
        """Return the same on a device."""
        return Lesson(self.batch.to(device), self.places.to(device), self.targets.to(device))


class _Row(NamedTuple):
    """One window, laid out."""

    items: Ints
    positions: Ints
    times: Ints | None
    places: Ints
    targets: Ints
    order: Ints | None = None
    """Rank of each token: it sees those of lower rank, and itself; None: as the mask of the network says."""


def lesson(
    windows: Sequence[Ints],
    times: Sequence[Ints] | None,
    task: TaskConfig,
    num_items: int,
    rng: np.random.Generator,
) -> Lesson:
    """Lay out windows of items for a task.

    Args:
        windows: S windows of items, oldest first, the last target included.
        times: seconds of their items; None where they are not to be known.
        task: what is predicted.
        num_items: N, the index of the mask.
        rng: draws what is hidden and what is predicted.
    """
    moments = times if times is not None else [None] * len(windows)
    rows = [
        _ROWS[task.kind](items, when, task, num_items, rng)
        for items, when in zip(windows, moments, strict=True)
    ]
    lengths = [len(row.items) for row in rows]
    starts = np.cumsum(lengths) - lengths
    ragged = plan_flat(lengths)
    if rows[0].order is not None:
        ragged = _ordered(ragged, np.concatenate([row.order for row in rows if row.order is not None]))
    batch = Sequences(
        torch.from_numpy(np.concatenate([row.items for row in rows])),
        torch.from_numpy(np.concatenate([row.positions for row in rows])),
        ragged,
        None
        if times is None
        else torch.from_numpy(np.concatenate([row.times for row in rows if row.times is not None])),
    )
    places = np.concatenate([row.places + start for row, start in zip(rows, starts, strict=True)])
    return Lesson(
        batch, torch.from_numpy(places), torch.from_numpy(np.concatenate([row.targets for row in rows]))
    )


def question(
    histories: Sequence[Ints], times: Sequence[Ints] | None, task: TaskConfig, num_items: int
) -> tuple[Sequences, Tensor]:
    """Lay out histories whose next item is asked for.

    Args:
        histories: S windows of items, oldest first, none empty.
        times: seconds of their items; None where they are not known.
        task: what the network learned; where items are hidden, a hidden one is put behind each history.
        num_items: N.

    Returns:
        The batch, and the flat places (S,) of the states to compare with the items.
    """
    hides = not isinstance(task, NextItem | AllActions)
    rows = [np.append(items, num_items) if hides else np.asarray(items) for items in histories]
    when = times
    if times is not None and hides:
        when = [np.append(one, one[-1]) for one in times]
    lengths = [len(row) for row in rows]
    ragged = plan_flat(lengths)
    if isinstance(task, PermutedItems):
        orders = [np.append(2 * np.arange(length - 1) + 1, 2 * length - 2) for length in lengths]
        ragged = _ordered(ragged, np.concatenate(orders))
    batch = Sequences(
        torch.from_numpy(np.concatenate(rows)),
        torch.from_numpy(np.concatenate([np.arange(length) for length in lengths])),
        ragged,
        None if when is None else torch.from_numpy(np.concatenate(when)),
    )
    return batch, torch.from_numpy(np.cumsum(lengths) - 1)


def _next_item(
    items: Ints, times: Ints | None, task: NextItem, num_items: int, rng: np.random.Generator
) -> _Row:
    del task, num_items, rng
    size = len(items) - 1
    return _Row(
        items[:-1], np.arange(size), None if times is None else times[:-1], np.arange(size), items[1:]
    )


def _all_actions(
    items: Ints, times: Ints | None, task: AllActions, num_items: int, rng: np.random.Generator
) -> _Row:
    row = _next_item(items, times, NextItem(), num_items, rng)
    size = len(row.items)
    chosen = np.sort(rng.choice(size, size=max(1, round(task.share * size)), replace=False))
    ahead = rng.integers(1, np.minimum(task.horizon, size - chosen) + 1)
    return row._replace(places=chosen, targets=items[chosen + ahead])


def _masked(
    items: Ints, times: Ints | None, task: MaskedItems, num_items: int, rng: np.random.Generator
) -> _Row:
    size = len(items)
    hidden = np.array([size - 1])
    if rng.random() >= task.last_share:
        hidden = np.sort(rng.choice(size, size=max(1, round(task.share * size)), replace=False))
    shown = items.copy()
    shown[hidden] = num_items
    return _Row(shown, np.arange(size), times, hidden, items[hidden])


def _permuted(
    items: Ints, times: Ints | None, task: PermutedItems, num_items: int, rng: np.random.Generator
) -> _Row:
    """Lay out the items, and behind them a query for each that is guessed."""
    size = len(items)
    rank = rng.permutation(size)  # of each item in the random order
    guessed = np.flatnonzero(rank >= size - max(1, round(task.share * size)))
    return _Row(
        np.append(items, np.full(len(guessed), num_items)),
        np.append(np.arange(size), guessed),
        None if times is None else np.append(times, times[guessed]),
        size + np.arange(len(guessed)),
        items[guessed],
        np.append(2 * rank + 1, 2 * rank[guessed]),
    )


def _ordered(ragged: Ragged, order: Ints) -> Ragged:
    """Let tokens see what has a lower rank: items have odd ones, queries the even ones just below theirs."""
    rank = torch.from_numpy(order)
    buckets = []
    for bucket in ragged.buckets:
        mine = rank[bucket.places]  # (S, L)
        is_item = (mine % 2 == 1) & bucket.valid
        itself = torch.eye(mine.shape[1], dtype=torch.bool)
        visible = ((mine[:, None] < mine[:, :, None]) & is_item[:, None]) | itself
        buckets.append(bucket._replace(visible=visible))
    return ragged._replace(buckets=tuple(buckets))


_ROWS: dict[str, Callable[[Ints, Ints | None, Any, int, np.random.Generator], _Row]] = {
    "next_item": _next_item,
    "all_actions": _all_actions,
    "masked": _masked,
    "replaced": _masked,
    "permuted": _permuted,
}
