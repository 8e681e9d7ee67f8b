"""Sequences of different lengths without padding: flat tokens, and buckets of like length for attention.

Everything that works on one token runs over flat tokens. Attention gathers sequences of like length into
padded buckets, attends among themselves, and puts the results back.

Legend: F flat places (tokens of all sequences, padding between them allowed), S sequences of a bucket, L
their longest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_FULLEST = 0.8
"""A bucket takes sequences down to this share of its longest one: little padding, few buckets."""


class Bucket(NamedTuple):
    """Sequences of like length."""

    places: Tensor
    """(S, L) int64 flat places of their tokens; short ones repeat their first place at the end."""
    valid: Tensor
    """(S, L) bool, False at the repeats."""
    visible: Tensor | None = None
    """(S, L, L) bool, which token each sees, where that is not simply all before it: branches of a prompt."""

    def seen(self) -> Tensor:
        """Return (S or 1, L, L) bool: which token each sees."""
        if self.visible is not None:
            return self.visible
        size = self.places.shape[1]
        return torch.ones(size, size, dtype=torch.bool, device=self.places.device).tril()[None]

    def to(self, device: torch.device) -> Bucket:
        """Return the same on a device."""
        visible = None if self.visible is None else self.visible.to(device)
        return Bucket(self.places.to(device), self.valid.to(device), visible)


class Ragged(NamedTuple):
    """Where the sequences of a batch lie."""

    buckets: tuple[Bucket, ...]
    order: Tensor
    """(F,) int64: flat place f is row `order[f]` of all buckets' valid tokens put one after the other; places
    in the padding take the first."""

    def to(self, device: torch.device) -> Ragged:
        """Return the same on a device."""
        return Ragged(tuple(one.to(device) for one in self.buckets), self.order.to(device))


def branches_see(asking: Tensor, asked: Tensor) -> Tensor:
    """Return whether tokens of one branch may see earlier ones of another: branch 0 is common to all.

    Args:
        asking: numbers of branches, of any shape that broadcasts with `asked`.
        asked: numbers of branches.
    """
    return (asked == 0) | (asked == asking)


def plan_buckets(
    starts: Sequence[int], lengths: Sequence[int], num_places: int, branches: Tensor | None = None
) -> Ragged:
    """Sort sequences into buckets.

    Args:
        starts: flat place of each sequence's first token.
        lengths: its tokens.
        num_places: F.
        branches: (F,) int64 branch of each token within its sequence, see `branches_see`; None: no branches.

    Example:
        >>> plan = plan_buckets([0, 3], [3, 1], 4)
        >>> [bucket.places.tolist() for bucket in plan.buckets]
        [[[0, 1, 2]], [[3]]]
    """
    remaining = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    buckets, order, filled = [], np.zeros(num_places, np.int64), 0
    while remaining:
        longest = lengths[remaining[0]]
        size = next((n for n, i in enumerate(remaining) if lengths[i] < _FULLEST * longest), len(remaining))
        chosen, remaining = remaining[:size], remaining[size:]
        first = np.array([starts[i] for i in chosen])[:, None]
        valid = np.arange(longest) < np.array([lengths[i] for i in chosen])[:, None]
        places = first + np.where(valid, np.arange(longest), 0)
        order[places[valid]] = filled + np.arange(valid.sum())
        filled += int(valid.sum())
        bucket = Bucket(torch.from_numpy(places), torch.from_numpy(valid))
        if branches is not None:
            mine = branches[bucket.places]  # (S, L)
            bucket = bucket._replace(visible=bucket.seen() & branches_see(mine[:, :, None], mine[:, None]))
        buckets.append(bucket)
    return Ragged(tuple(buckets), torch.from_numpy(order))


def plan_flat(lengths: Sequence[int], branches: Tensor | None = None) -> Ragged:
    """Sort sequences that lie one behind the other, without padding, into buckets.

    Args:
        lengths: tokens of each sequence, at least one.
        branches: see `plan_buckets`.
    """
    ends = np.cumsum(lengths)
    starts = (ends - np.asarray(lengths)).tolist()
    return plan_buckets(starts, list(lengths), int(ends[-1]), branches)


def by_bucket(ragged: Ragged, attend: Callable[[Bucket, list[Tensor]], Tensor], flat: list[Tensor]) -> Tensor:
    """Attend bucket by bucket.

    Args:
        ragged: where the sequences lie.
        attend: gets a bucket and what lies at its places, (S, L, ...) each; returns (S, L, ...).
        flat: (F, ...) each: queries, keys, values.

    Returns:
        (F, ...).
    """
    found = [
        attend(bucket, [states[bucket.places] for states in flat])[bucket.valid] for bucket in ragged.buckets
    ]
    return torch.cat(found)[ragged.order]
