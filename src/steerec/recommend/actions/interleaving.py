"""Items and actions laid out in turn, with what is foretold where.

Legend: F flat places, P actions foretold, Q items foretold, S sequences, n items of a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steerec.networks.actions import NO_ACTION
from steerec.networks.attention import Sequences
from steerec.networks.ragged import plan_flat

Ints = NDArray[np.int64]


class Past(NamedTuple):
    """Items and what was done with them, oldest first."""

    items: Ints
    """(n,)."""
    actions: Ints
    """(n,)."""
    times: Ints | None = None
    """(n,) seconds."""

    def last(self, number: int) -> Past:
        """Return the most recent ones."""
        start = max(0, len(self.items) - number)
        return Past(
            self.items[start:], self.actions[start:], None if self.times is None else self.times[start:]
        )


class ActionLesson(NamedTuple):
    """A batch and what is foretold where."""

    batch: Sequences
    judged: Tensor
    """(P,) int64 flat places of items whose action is foretold."""
    actions: Tensor
    """(P,) int64 what was done."""
    asking: Tensor
    """(Q,) int64 flat places of actions whose state foretells the next item."""
    targets: Tensor
    """(Q,) int64 that item."""

    def to(self, device: torch.device) -> ActionLesson:
        """Return the same on a device."""
        return ActionLesson(self.batch.to(device), *(one.to(device) for one in self[1:]))


def interleave(
    pasts: Sequence[Past], candidates: Sequence[Ints] | None = None, now: Sequence[int] | None = None
) -> Sequences:
    """Lay out x0, a0, x1, a1, .. of each person, and behind them candidates whose action is asked for.

    Candidates of one person do not see each other, and all stand at the place of the next item.

    Args:
        pasts: S; empty ones only where there are candidates.
        candidates: S arrays of items; None: none.
        now: S seconds, when the candidates are shown; None: when the last item was.

    Example:
        >>> batch = interleave([Past(np.array([7, 8]), np.array([1, 0]))], [np.array([9, 5])])
        >>> batch.items.tolist(), batch.actions.tolist()
        ([7, 7, 8, 8, 9, 5], [-1, 1, -1, 0, -1, -1])
        >>> batch.positions.tolist()
        [0, 1, 2, 3, 4, 4]
    """
    asked = [np.zeros(0, np.int64)] * len(pasts) if candidates is None else candidates
    rows = [
        _row(past, some, None if now is None else now[i])
        for i, (past, some) in enumerate(zip(pasts, asked, strict=True))
    ]
    timed = all(row.times is not None for row in rows)
    branches = None
    if max(len(some) for some in asked) > 1:
        branches = torch.from_numpy(np.concatenate([row.branches for row in rows]))
    return Sequences(
        torch.from_numpy(np.concatenate([row.items for row in rows])),
        torch.from_numpy(np.concatenate([row.positions for row in rows])),
        plan_flat([len(row.items) for row in rows], branches),
        torch.from_numpy(np.concatenate([row.times for row in rows if row.times is not None]))
        if timed
        else None,
        torch.from_numpy(np.concatenate([row.actions for row in rows])),
    )


class _Row(NamedTuple):
    """One person, laid out: as many of each as there are tokens."""

    items: Ints
    actions: Ints
    positions: Ints
    branches: Ints
    times: Ints | None


def _row(past: Past, candidates: Ints, now: int | None) -> _Row:
    size, number = 2 * len(past.items), len(candidates)
    turns = np.stack([np.full(len(past.items), NO_ACTION), past.actions], axis=1).ravel()
    times = None
    if past.times is not None:
        last = past.times[-1] if len(past.times) else 0
        times = np.append(np.repeat(past.times, 2), np.full(number, last if now is None else now))
    return _Row(
        np.append(np.repeat(past.items, 2), candidates).astype(np.int64),
        np.append(turns, np.full(number, NO_ACTION)).astype(np.int64),
        np.append(np.arange(size), np.full(number, size)),
        np.append(np.zeros(size, np.int64), 1 + np.arange(number)),
        None if times is None else times.astype(np.int64),
    )


def action_lesson(pasts: Sequence[Past], firsts: Sequence[int], wanted_from: int) -> ActionLesson:
    """Lay out samples: an item foretells its action, an action the next item where that one is wanted.

    Args:
        pasts: S, none empty.
        firsts: index of the first impression of each that is a target; earlier ones are context.
        wanted_from: least action with an item that makes it worth recalling; 0: all items are.
    """
    starts = np.cumsum([0, *(2 * len(past.items) for past in pasts)])
    judged, done, asking, targets = [], [], [], []
    for past, first, start in zip(pasts, firsts, starts, strict=False):
        places = np.arange(first, len(past.items))
        judged.append(start + 2 * places)
        done.append(past.actions[places])
        recalled = places[(places > 0) & (past.actions[places] >= wanted_from)]
        asking.append(start + 2 * recalled - 1)
        targets.append(past.items[recalled])
    return ActionLesson(
        interleave(pasts),
        *(torch.from_numpy(np.concatenate(one).astype(np.int64)) for one in (judged, done, asking, targets)),
    )
