"""What a sequence has taken already: a learned number says how much an item counts again.

Where nobody takes an item twice, a network must otherwise unlearn that a history resembles itself most; where
people do (food, music), it must learn that. The smallest form of what Ren et al. 2019 (arXiv 1812.02646) give
a network of its own for.

Legend: F flat places, P predictions, M pairs of a prediction and an item that it sees, N items, K items asked
about.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from steerec.networks.attention import Mask, Sequences, visible

Repeats = Literal["learned", "counted"]
"""Whether training moves the number, or only scoring knows it."""


class Seen(NamedTuple):
    """The distinct items that each prediction looks back on."""

    keys: Tensor
    """(M,) int64, row N + item, ascending, each once."""
    num_items: int
    """N."""

    def within(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """Return the pairs of predictions start..end - 1: rows counted from start, and items."""
        limits = torch.tensor([start, end], device=self.keys.device) * self.num_items
        first, last = torch.searchsorted(self.keys, limits).tolist()
        keys = self.keys[first:last] - start * self.num_items
        return keys // self.num_items, keys % self.num_items

    def holds(self, items: Tensor) -> Tensor:
        """Return whether each prediction looks back on items, (P, K) -> (P, K) bool."""
        asked = torch.arange(len(items), device=items.device)[:, None] * self.num_items + items
        if not len(self.keys):
            return torch.zeros_like(asked, dtype=torch.bool)
        found = torch.searchsorted(self.keys, asked).clamp(max=len(self.keys) - 1)
        return self.keys[found] == asked


def items_seen(batch: Sequences, places: Tensor, mask: Mask, num_items: int) -> Seen:
    """Return the items that a network sees from places; those that are hidden from it do not count.

    Args:
        batch: the sequences; items from N on are no items.
        places: (P,) int64 distinct flat places.
        mask: of the network.
        num_items: N.
    """
    row = torch.full((len(batch.items),), -1, device=places.device)
    row[places] = torch.arange(len(places), device=places.device)
    keys = []
    for bucket in batch.ragged.buckets:
        items = batch.items[bucket.places]  # (S, L)
        asking = row[bucket.places].masked_fill(~bucket.valid, -1)
        shown = bucket.valid & (items < num_items)
        pairs = visible(bucket, mask) & (asking >= 0)[:, :, None] & shown[:, None]  # (S, L, L)
        sequence, asker, asked = pairs.nonzero(as_tuple=True)
        keys.append(asking[sequence, asker] * num_items + items[sequence, asked])
    return Seen(torch.unique(torch.cat(keys)), num_items)
