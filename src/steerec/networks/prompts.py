"""A network over items and, between them, items that were shown, with what came of it.

A token is an item plus, where it was only shown, a vector of the feedback; every token also carries the user,
made from the items so far (Zhang et al. 2024, arXiv 2404.08675: user, item and position are summed).

Legend: F flat places, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from steerec.networks.actions import NO_ACTION
from steerec.networks.attention import Sequences
from steerec.networks.sequence import EncoderConfig, SequenceNetwork

PASSED, TAKEN = 0, 1
"""Feedback on a shown item, in `Sequences.actions`; `NO_ACTION` there: an item of the history itself."""


class PromptNetwork(SequenceNetwork):
    """A sequence network with a user and with tokens of shown items."""

    def __init__(
        self,
        config: EncoderConfig,
        *,
        num_items: int,
        width: int,
        window: int,
        personal: bool,
        cosine_temperature: float | None = None,
    ) -> None:
        """Prepare the weights.

        Args:
            config: the encoder, causal.
            num_items: number of items.
            width: D.
            window: most tokens.
            personal: whether tokens carry the user.
            cosine_temperature: see `SequenceNetwork`.
        """
        super().__init__(
            config, num_items=num_items, width=width, window=window, cosine_temperature=cosine_temperature
        )
        self.feedback = nn.Embedding(2, width)
        nn.init.normal_(self.feedback.weight, std=0.02)
        self.user = nn.Linear(width, width, bias=False) if personal else None
        if self.user is not None:
            nn.init.normal_(self.user.weight, std=0.02)

    def embed(self, batch: Sequences) -> Tensor:
        """Return what the encoder reads, (F, D)."""
        vectors = functional.embedding(batch.items, self.vectors())
        hidden, own = vectors, torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
        if batch.actions is not None:
            own = batch.actions == NO_ACTION
            shown = vectors + self.feedback(batch.actions.clamp(min=0))
            hidden = torch.where(own[:, None], vectors, shown)
        if self.user is not None:
            hidden = hidden + self.user(running_mean(vectors, own, batch.positions))
        if self.positions is not None:
            hidden = hidden + self.positions(batch.positions.clamp(max=self.window))
        output: Tensor = self.dropout(hidden)
        return output


def running_mean(vectors: Tensor, counted: Tensor, positions: Tensor) -> Tensor:
    """Return the mean of the counted vectors of a sequence up to and with each place, (F, D); 0 where none.

    Args:
        vectors: (F, D), sequences one behind the other.
        counted: (F,) bool.
        positions: (F,) int64 place of each in its sequence, 0, 1, 2, ..

    Example:
        >>> values = torch.tensor([[2.0], [4.0], [6.0], [1.0]])
        >>> counted = torch.tensor([True, False, True, True])
        >>> running_mean(values, counted, torch.tensor([0, 1, 2, 0])).flatten().tolist()
        [2.0, 2.0, 4.0, 1.0]
    """
    starts = torch.arange(len(vectors), device=vectors.device) - positions
    weighted = vectors * counted[:, None]
    sums, counts = weighted.cumsum(0), counted.long().cumsum(0)
    sums = sums - (sums - weighted)[starts]
    counts = counts - (counts - counted.long())[starts]
    return sums / counts.clamp(min=1)[:, None]
