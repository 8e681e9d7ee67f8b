"""Sequences of different lengths without padding: flat tokens, and buckets of like length for attention.

Everything that works on one token runs over flat tokens. Attention gathers sequences of like length into
padded buckets, attends among themselves, and puts the results back.

Legend: F flat places (tokens of all sequences), S sequences of a bucket, L their longest, P prompts that they
continue, M the longest of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FULLEST = 0.8
"""A bucket takes sequences down to this share of its longest one: little padding, few buckets."""
_PROMPTS_FULLEST = 0.5
"""The same for the prompts of branches, where padding costs products of attention alone."""

_Branch = tuple[int, int, int]
"""Flat place of the first token, tokens, number of the prompt."""


class Bucket(NamedTuple):
    """Sequences of like length."""

    places: Tensor
    """(S, L) int64 flat places of their tokens; short ones repeat their first place at the end."""
    valid: Tensor
    """(S, L) bool, False at the repeats."""
    visible: Tensor | None = None
    """(S, L, L) bool, which token each sees, where that is not simply all before it."""
    before: Tensor | None = None
    """(P, M) int64 flat places of prompts that are seen whole; S / P sequences each, next to each other,
    continue one. None: none."""
    known: Tensor | None = None
    """(P, M) bool, False where a prompt is shorter."""

    @property
    def looked_at(self) -> Tensor:
        """(S, L or M + L) int64 flat places of what the tokens look at: the prompt first."""
        if self.before is None:
            return self.places
        return torch.cat([self._each(self.before), self.places], dim=1)

    def seen(self) -> Tensor:
        """Return (S or 1, L, L or M + L) bool: which token each sees."""
        size = self.places.shape[1]
        own = self.visible
        if own is None:
            own = torch.ones(size, size, dtype=torch.bool, device=self.places.device).tril()[None]
        if self.known is None:
            return own
        known = self._each(self.known)[:, None].expand(-1, size, -1)
        return torch.cat([known, own.expand(len(known), -1, -1)], dim=2)

    def _each(self, of_prompts: Tensor) -> Tensor:
        return of_prompts.repeat_interleave(len(self.places) // len(of_prompts), dim=0)

    def to(self, device: torch.device) -> Bucket:
        """Return the same on a device."""
        return self._replace(
            **{name: one.to(device) for name, one in self._asdict().items() if one is not None}
        )


class Ragged(NamedTuple):
    """Where the sequences of a batch lie."""

    buckets: tuple[Bucket, ...]
    order: Tensor
    """(F,) int64: flat place f is row `order[f]` of all buckets' valid tokens put one after the other."""

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


def plan_flat(lengths: Sequence[int], branches: Tensor | None = None) -> Ragged:
    """Sort sequences that lie one behind the other into buckets.

    Args:
        lengths: tokens of each sequence, at least one.
        branches: (F,) int64 branch of each token within its sequence, see `branches_see`; None: no branches.

    Example:
        >>> plan = plan_flat([3, 1])
        >>> [bucket.places.tolist() for bucket in plan.buckets]
        [[[0, 1, 2]], [[3]]]
    """
    ends = np.cumsum(lengths)
    buckets = _buckets((ends - np.asarray(lengths)).tolist(), list(lengths))
    if branches is not None:
        numbers = [branches[bucket.places] for bucket in buckets]  # (S, L) each
        buckets = [
            bucket._replace(visible=bucket.seen() & branches_see(mine[:, :, None], mine[:, None]))
            for bucket, mine in zip(buckets, numbers, strict=True)
        ]
    return _ordered(buckets)


def plan_branches(prompts: Sequence[tuple[int, int]], branches: Sequence[_Branch]) -> Ragged:
    """Sort prompts into buckets, and the branches that continue them into others.

    A branch looks at its prompt and at itself, so that attention costs what it would cost alone; in one
    sequence with its prompt and the others (`plan_flat`) it would cost the square of all of them together.

    Args:
        prompts: flat place of each one's first token, and its tokens.
        branches: flat place of each one's first token, its tokens, and the number of its prompt.

    Example:
        >>> plan = plan_branches([(0, 2)], [(2, 1, 0), (3, 1, 0)])
        >>> [(bucket.places.tolist(), bucket.looked_at.tolist()) for bucket in plan.buckets]
        [([[0, 1]], [[0, 1]]), ([[2], [3]], [[0, 1, 2], [0, 1, 3]])]
    """
    firsts, sizes = zip(*prompts, strict=True)
    buckets = _buckets(firsts, sizes)
    for like in _alike([length for _, length, _ in branches]):
        for together in _of_prompts([branches[i] for i in like], sizes):
            starts, lengths, _ = zip(*(one for group in together for one in group), strict=True)
            numbers = [group[0][2] for group in together]
            before = _padded([firsts[number] for number in numbers], [sizes[number] for number in numbers])
            places, valid, told, known = map(torch.from_numpy, (*_padded(starts, lengths), *before))
            buckets.append(Bucket(places, valid, before=told, known=known))
    return _ordered(buckets)


def _of_prompts(branches: Sequence[_Branch], sizes: Sequence[int]) -> Iterator[list[list[_Branch]]]:
    """Yield groups of branches of one prompt each, all as large, whose prompts are of like length.

    A prompt's branches make groups of 2, 4, 8, ... so that few different sizes are left over.
    """
    of_prompt: dict[int, list[_Branch]] = {}
    for one in branches:
        of_prompt.setdefault(one[2], []).append(one)
    by_size: dict[int, list[list[_Branch]]] = {}
    for group in of_prompt.values():
        start = 0
        while start < len(group):
            size = 1 << (len(group) - start).bit_length() - 1
            by_size.setdefault(size, []).append(group[start : start + size])
            start += size
    for _, groups in sorted(by_size.items()):
        for chosen in _alike([sizes[group[0][2]] for group in groups], _PROMPTS_FULLEST):
            yield [groups[i] for i in chosen]


def _buckets(starts: Sequence[int], lengths: Sequence[int]) -> list[Bucket]:
    """Return sequences by like length, each token of which sees all before it."""
    found = []
    for chosen in _alike(lengths):
        places, valid = _padded([starts[i] for i in chosen], [lengths[i] for i in chosen])
        found.append(Bucket(torch.from_numpy(places), torch.from_numpy(valid)))
    return found


def _alike(lengths: Sequence[int], fullest: float = _FULLEST) -> Iterator[list[int]]:
    """Yield indices of like lengths, the longest first."""
    remaining = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while remaining:
        longest = lengths[remaining[0]]
        size = next((n for n, i in enumerate(remaining) if lengths[i] < fullest * longest), len(remaining))
        chosen, remaining = remaining[:size], remaining[size:]
        yield chosen


def _padded(starts: Sequence[int], lengths: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return places and valid (S, L) of a bucket."""
    steps = np.arange(max(lengths))
    valid = steps < np.array(lengths)[:, None]
    return np.array(starts)[:, None] + np.where(valid, steps, 0), valid


def _ordered(buckets: Sequence[Bucket]) -> Ragged:
    size = sum(int(bucket.valid.sum()) for bucket in buckets)
    order, filled = torch.zeros(size, dtype=torch.int64), 0
    for bucket in buckets:
        places = bucket.places[bucket.valid]
        order[places] = torch.arange(filled, filled + len(places))
        filled += len(places)
    return Ragged(tuple(buckets), order)


def by_bucket(ragged: Ragged, attend: Callable[[Bucket, list[Tensor]], Tensor], flat: list[Tensor]) -> Tensor:
    """Attend bucket by bucket.

    Args:
        ragged: where the sequences lie.
        attend: gets a bucket, what lies at its places, (S, L, ...), and of all but the first of `flat` what
            lies at the places looked at, (S, L or M + L, ...); returns (S, L, ...).
        flat: (F, ...) each: queries, keys, values.

    Returns:
        (F, ...).
    """
    asking, *asked = flat
    buckets = ragged.buckets
    # One gather each, whose gradient is one sum: one a bucket would sum over all places as often.
    parts = [_gathered(asking, [bucket.places for bucket in buckets])]
    parts += [_gathered(states, [bucket.looked_at for bucket in buckets]) for states in asked]
    found = [attend(bucket, list(its))[bucket.valid] for bucket, *its in zip(buckets, *parts, strict=True)]
    return torch.cat(found)[ragged.order]


def _gathered(states: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """Return what lies at the places of each bucket."""
    rows = torch.split(states[torch.cat([one.flatten() for one in places])], [one.numel() for one in places])
    return [part.view(*one.shape, *states.shape[1:]) for part, one in zip(rows, places, strict=True)]
