"""HeterRec: an item is read as several tokens, its id and each of its given vectors, before it is one item.

Tokens of the whole history lie one behind the other, and a causal transformer over them comes first; the
encoder over items reads what it makes of each item. Items are compared through a cross tower over all their
fields, tokens through a tower of their field; each step ahead has a network of its own (after "HeterRec",
2025, arXiv 2503.01469; how wide and deep its parts are is not known here).

Legend: F flat places, K fields, N items, D width, E width of all given vectors.
"""

from __future__ import annotations

from typing import Any, Literal

import pydantic
import torch
from torch import Tensor, nn

from steerec.config import Config
from steerec.networks.attention import RelativeBias, Sequences
from steerec.networks.ragged import Bucket, Ragged, plan_flat
from steerec.networks.sequence import AttentionEncoder, Head, SequenceNetwork
from steerec.networks.transformer import TransformerLayer


class HeterogeneousConfig(Config):
    """Tokens of an item, and how far ahead they look."""

    num_layers: pydantic.PositiveInt = 1
    """Layers over tokens, below those over items."""
    num_heads: pydantic.PositiveInt = 2
    """Divides the width."""
    reach: Literal["history", "item"] = "history"
    """Tokens see all earlier ones of the history, or those of their own item only."""
    steps: pydantic.PositiveInt = 3
    """Items ahead that are predicted, each by a network of its own."""
    step_decay: float = pydantic.Field(0.5, ge=0, le=1)
    """Weight of each further step, in parts of the one before it."""
    token_weight: pydantic.NonNegativeFloat = 0.5
    """Weight of what tokens predict, beside what items do."""
    token_share: float = pydantic.Field(0.25, gt=0, le=1)
    """Share of the places whose tokens predict in a training step."""


class HeterogeneousNetwork(SequenceNetwork):
    """A sequence network that reads items field by field."""

    widths: Tensor
    """(K - 1,) int64 widths of the given vectors of each field; they sum to E."""

    def __init__(self, tokens: HeterogeneousConfig, widths: Tensor, dropout: float, **settings: Any) -> None:
        """Prepare the weights.

        Args:
            tokens: the layers over tokens, the steps ahead.
            widths: (K - 1,) int64.
            dropout: of the layers over tokens.
            **settings: as for `SequenceNetwork`, with learned vectors; `given` holds the vectors of all
                fields, one behind the other.

        Raises:
            ValueError: the width is no multiple of the heads.
        """
        super().__init__(**settings)
        width, window = settings["width"], settings["window"]
        if width % tokens.num_heads:
            raise ValueError(
                f"The width must be a multiple of num_heads, got {width} and {tokens.num_heads}."
            )
        self.register_buffer("widths", widths)
        self.tokens, self.num_fields = tokens, len(widths) + 1
        self.kinds = nn.Parameter(torch.zeros(self.num_fields, width))
        reach = self.num_fields * (window + 1)
        layers = [
            TransformerLayer(
                width,
                tokens.num_heads,
                dropout,
                mask="causal",
                bias=RelativeBias(tokens.num_heads, reach, by_time=False),
            )
            for _ in range(tokens.num_layers)
        ]
        self.token_encoder = AttentionEncoder(list(layers), width)
        self.cross = _tower(self.num_fields * width, width)
        self.towers = nn.ModuleList(_tower(width, width) for _ in range(self.num_fields))
        self.item_steps, self.token_steps = (
            nn.ModuleList(_tower(width, width) for _ in range(tokens.steps)) for _ in range(2)
        )

    def fields(self) -> Tensor:
        """Return (K, N + 1, D): the vectors of each field; their sum are the vectors of the items."""
        assert self.items is not None
        assert self.project_given is not None
        sizes = self.widths.tolist()
        parts = zip(
            torch.split(self.given, sizes, 1), torch.split(self.project_given.weight, sizes, 1), strict=True
        )
        made = [nn.functional.pad(given @ weight.T, (0, 0, 0, 1)) for given, weight in parts]
        own = self.own()
        return torch.stack([self.items.weight * own[:, None], *made])

    def embed(self, batch: Sequences) -> Tensor:
        """Return what the encoder over items reads, (F, D)."""
        return self.read(batch).sum(dim=1)

    def read(self, batch: Sequences) -> Tensor:
        """Return what the layers over tokens make of the tokens of each item, (F, K, D)."""
        tokens = nn.functional.embedding(batch.items, self.fields().transpose(0, 1).flatten(1))
        hidden = tokens.view(len(batch.items), self.num_fields, -1) + self.kinds
        if self.positions is not None:
            places = self.positions(batch.positions.clamp(max=self.window))
            hidden = hidden + places[:, None] / self.num_fields
        hidden = self.dropout(hidden).flatten(0, 1)  # (F K, D)
        flat = flattened(batch, self.num_fields, whole=self.tokens.reach == "history")
        for layer in self.token_encoder.layers:
            hidden = layer(hidden, flat)
        read: Tensor = hidden.view(len(batch.items), self.num_fields, -1)
        return read

    def finish(self, states: Tensor) -> Tensor:
        """Make states comparable with the head, for the next item."""
        return self.look_ahead(states, 0)

    def look_ahead(self, states: Tensor, step: int) -> Tensor:
        """The same for the item `step` steps further; (F, D) -> (F, D)."""
        ahead: Tensor = states + self.item_steps[step](states)
        return super().finish(ahead)

    def head(self) -> Head:
        """Return what states are compared with: item vectors, and the cross tower of their fields."""
        head = super().head()
        fields = self.fields()[:, :-1].transpose(0, 1).flatten(1)  # (N, K D)
        return head._replace(vectors=head.vectors + self.cross(fields))

    def token_head(self, field: int) -> Head:
        """Return what the tokens of a field are compared with."""
        vectors = self.fields()[field, :-1]
        return Head(vectors + self.towers[field](vectors), super().head().bias)

    def token_states(self, tokens: Tensor, step: int) -> Tensor:
        """Make tokens comparable with the head of their field, for an item ahead; (F, D) -> (F, D)."""
        hidden = self.token_encoder.norm(tokens)
        ahead: Tensor = hidden + self.token_steps[step](hidden)
        return ahead


def flattened(batch: Sequences, num_fields: int, *, whole: bool) -> Sequences:
    """Lay out the tokens of items, those of one item in a row.

    Args:
        batch: F items.
        num_fields: K.
        whole: whether the tokens of a sequence are one sequence; else those of each item are.

    Returns:
        F K tokens, each at its own position.
    """
    fields = torch.arange(num_fields, device=batch.items.device)
    if not whole:
        ragged = plan_flat([num_fields] * len(batch.items)).to(batch.items.device)
        return Sequences(batch.items.repeat_interleave(num_fields), fields.repeat(len(batch.items)), ragged)
    buckets = tuple(_flattened_bucket(bucket, fields) for bucket in batch.ragged.buckets)
    return Sequences(
        batch.items.repeat_interleave(num_fields),
        _spread(batch.positions, fields),
        Ragged(buckets, _spread(batch.ragged.order, fields)),
    )


def _spread(places: Tensor, fields: Tensor) -> Tensor:
    """(..., L) places of items -> (..., L K) places of their tokens."""
    return (places[..., None] * len(fields) + fields).flatten(-2)


def _flattened_bucket(bucket: Bucket, fields: Tensor) -> Bucket:
    visible = bucket.visible
    if visible is not None:
        for dim in (1, 2):
            visible = visible.repeat_interleave(len(fields), dim)
        size = visible.shape[1]
        number = torch.arange(size, device=fields.device)
        same = number[:, None] // len(fields) == number // len(fields)
        visible = visible & (~same | (number <= number[:, None]))
    return Bucket(_spread(bucket.places, fields), bucket.valid.repeat_interleave(len(fields), dim=1), visible)


def _tower(width_in: int, width: int) -> nn.Sequential:
    """Return a network that starts at 0, so that what it is added to counts first."""
    last = nn.Linear(width, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width_in, width), nn.GELU(), last)
