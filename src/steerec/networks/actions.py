"""A network over items and what was done with them, in turn: x0, a0, x1, a1, ...

At an item's place it foretells the action, at an action's place the next item: ranking and recall by one
encoder (Zhai et al. 2024, arXiv 2402.17152, section 2.2; Zhang et al. 2025, arXiv 2504.16454). The item whose
action is foretold stands in the sequence itself, so it meets the history inside the encoder.

Legend: F flat places, P predictions, D width, A kinds of action, T tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steerec.networks.attention import Sequences
from steerec.networks.sequence import EncoderConfig, SequenceNetwork

NO_ACTION = -1
"""Stands in `Sequences.actions` at the place of an item."""


class ActionNetwork(SequenceNetwork):
    """A sequence network whose tokens are items and actions, with a small network that foretells actions."""

    def __init__(
        self,
        config: EncoderConfig,
        *,
        num_items: int,
        num_actions: int,
        num_tasks: int,
        width: int,
        window: int,
        names_item: bool = True,
    ) -> None:
        """Prepare the weights.

        Args:
            config: the encoder.
            num_items: number of items.
            num_actions: A.
            num_tasks: T, yes-or-no questions about an action.
            width: D.
            window: most items of a history, so 2 `window` + 1 tokens with the item that is asked about.
            names_item: whether an action's token carries its item's vector too; the original's does not.
        """
        super().__init__(config, num_items=num_items, width=width, window=2 * window)
        self.names_item = names_item
        self.actions = nn.Embedding(num_actions, width)
        nn.init.normal_(self.actions.weight, std=0.02)
        self.judge = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, num_tasks))

    def embed(self, batch: Sequences) -> Tensor:
        """Return what the encoder reads, (F, D); without `batch.actions` every token is an item."""
        hidden = nn.functional.embedding(batch.items, self.vectors())
        if batch.actions is not None:
            done = (batch.actions != NO_ACTION)[:, None]
            action = self.actions(batch.actions.clamp(min=0))
            hidden = torch.where(done, action + hidden if self.names_item else action, hidden)
        if self.positions is not None:
            hidden = hidden + self.positions(batch.positions.clamp(max=self.window))
        output: Tensor = self.dropout(hidden)
        return output

    def foretell(self, states: Tensor) -> Tensor:
        """Return the logits of each task, (P, D) states of items -> (P, T)."""
        logits: Tensor = self.judge(states)
        return logits
