"""Attention over ragged sequences: which items an item sees, and biases for their distance and age.

A layer projects its input to heads, heads attend, and the layer joins what they found (`Layer`). Between the
two stands `attend`, the same for a transformer and for HSTU: what differs is how scores become weights.

Legend: F flat places, S sequences of a bucket, L their longest, H heads, E head width, D width.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from steerec.networks.ragged import Bucket, Ragged, by_bucket

Mask = Literal["causal", "bidirectional"]
"""causal: an item sees itself and the earlier ones of its branch; bidirectional: all of its sequence."""


class Sequences(NamedTuple):
    """A ragged batch of item sequences, one behind the other."""

    items: Tensor
    """(F,) int64 item indices, oldest first."""
    positions: Tensor
    """(F,) int64 place of each in its sequence, from 0; candidates for the next item share one."""
    ragged: Ragged
    """Where the sequences lie."""
    times: Tensor | None = None
    """(F,) int64 seconds; None where moments are not known."""
    actions: Tensor | None = None
    """(F,) int64 what was done with the item, where a network reads it."""

    def to(self, device: torch.device) -> Sequences:
        """Return the same on a device."""
        times, actions = (None if one is None else one.to(device) for one in (self.times, self.actions))
        return Sequences(
            self.items.to(device), self.positions.to(device), self.ragged.to(device), times, actions
        )


class Heads(NamedTuple):
    """What a layer makes of each token."""

    query: Tensor
    """(F, H, E)."""
    key: Tensor
    """(F, H, E)."""
    value: Tensor
    """(F, H, V)."""
    gate: Tensor | None = None
    """(F, H * V), what the result is multiplied with; None: nothing."""


class RelativeBias(nn.Module):
    """A learned addition to attention scores, by head and by how far back the other item lies.

    Distance: one number per head and step (Raffel et al. 2020, arXiv 1910.10683). It starts as a slope
    towards recent items, 2^-2, 2^-4, .. per step and head (Press et al. 2022, arXiv 2108.12409), so recency
    need not be learned from nothing. Time: one number per head and bucket of log-scaled seconds between the
    two (Zhai et al. 2024, arXiv 2402.17152), which starts at 0.
    """

    NUM_BUCKETS = 64
    """Of time: bucket b holds gaps of about 2^(b / 2) seconds; 2^32 seconds are 136 years."""

    def __init__(self, num_heads: int, reach: int, *, by_time: bool) -> None:
        """Prepare the tables.

        Args:
            num_heads: H.
            reach: longest distance with a number of its own; further ones share it.
            by_time: whether the gap in time counts too.
        """
        super().__init__()
        slopes = 4.0 ** -torch.arange(1.0, num_heads + 1)
        self.distance = nn.Parameter(-slopes[:, None] * torch.arange(float(reach)))  # (H, R)
        self.gap = nn.Parameter(torch.zeros(num_heads, self.NUM_BUCKETS)) if by_time else None

    def forward(self, distance: Tensor, gap: Tensor | None) -> Tensor:
        """Return what is added.

        Args:
            distance: int64 of any shape, in items, both directions alike.
            gap: int64 seconds of a shape that broadcasts with it; None where moments are not known.

        Returns:
            (H, ...).
        """
        bias = self.distance[:, distance.abs().clamp(max=self.distance.shape[1] - 1)]
        if self.gap is None or gap is None:
            return bias
        return bias + self.gap[:, time_buckets(gap, self.NUM_BUCKETS)]


def time_buckets(gap: Tensor, num_buckets: int) -> Tensor:
    """Return the bucket of a gap in seconds, 0 to num_buckets - 1: twice its binary logarithm.

    Example:
        >>> time_buckets(torch.tensor([0, 1, 2, 4, -4, 86400]), 64).tolist()
        [0, 0, 2, 4, 4, 32]
    """
    return (2.0 * gap.abs().clamp(min=1).double().log2()).long().clamp(max=num_buckets - 1)


class Layer(nn.Module):
    """A residual layer around attention; subclasses say how tokens become heads and scores become weights."""

    def __init__(self, mask: Mask, bias: RelativeBias | None) -> None:
        super().__init__()
        self.mask, self.bias = mask, bias

    @abstractmethod
    def project(self, hidden: Tensor) -> Heads:
        """(F, D) -> heads of each token."""

    @abstractmethod
    def weigh(self, scores: Tensor, visible: Tensor) -> Tensor:
        """Turn scores (S, H, L, M) into weights, 0 where `visible`, (S or 1, 1, L, M), is False."""

    @abstractmethod
    def join(self, hidden: Tensor, attended: Tensor, heads: Heads) -> Tensor:
        """Take in what the heads found: (F, D), (F, H, V) -> (F, D)."""

    def forward(self, hidden: Tensor, batch: Sequences) -> Tensor:
        """(F, D) -> (F, D)."""
        heads = self.project(hidden)
        return self.join(hidden, attend(self, heads, batch), heads)


def attend(layer: Layer, heads: Heads, batch: Sequences) -> Tensor:
    """Let every token look at the tokens it sees.

    Args:
        layer: says what is seen and how it counts.
        heads: of all tokens.
        batch: where they lie.

    Returns:
        (F, H, V).
    """

    def of_bucket(bucket: Bucket, states: list[Tensor]) -> Tensor:
        query, key, value = (one.transpose(1, 2) for one in states)  # (S, H, L, E) each
        scores = query @ key.transpose(-1, -2)  # (S, H, L, L)
        if layer.bias is not None:
            scores = scores + _bias(layer.bias, bucket, batch)
        return (layer.weigh(scores, visible(bucket, layer.mask)[:, None]) @ value).transpose(1, 2)

    return by_bucket(batch.ragged, of_bucket, [heads.query, heads.key, heads.value])


def visible(bucket: Bucket, mask: Mask) -> Tensor:
    """Return (S or 1, L or 1, L) bool: which token each sees.

    Args:
        bucket: what it says of its own goes before the mask.
        mask: of the network.
    """
    by_itself = mask == "causal" or bucket.visible is not None
    return bucket.seen() if by_itself else bucket.valid[:, None, :]


def _bias(bias: RelativeBias, bucket: Bucket, batch: Sequences) -> Tensor:
    """Return (S or 1, H, L, L)."""
    places = bucket.places if bucket.visible is not None else bucket.places[:1]
    positions = batch.positions[places]  # the same in all sequences, as long as they have no branches
    distance = positions[:, :, None] - positions[:, None]  # (S or 1, L, L)
    gap = None
    if batch.times is not None and bias.gap is not None:
        times = batch.times[bucket.places]
        gap = times[:, :, None] - times[:, None]  # (S, L, L)
    added: Tensor = bias(distance, gap)  # (H, S or 1, L, L)
    return added.transpose(0, 1)
