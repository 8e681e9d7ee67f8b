"""A network over item sequences: item vectors in, an encoder, and scores against item vectors out.

Legend: F flat places, N items, D width, E width of given vectors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import pydantic
import torch
from torch import Tensor, nn
from torch.nn import functional

from steerec.config import Config
from steerec.networks.attention import Layer, Mask, RelativeBias, Sequences
from steerec.networks.hstu import HstuLayer
from steerec.networks.recurrent import AttRecEncoder, GruEncoder, NarmEncoder
from steerec.networks.repeats import Repeats
from steerec.networks.transformer import TransformerLayer

Bias = Literal["none", "distance", "distance_and_time"]
Dropout = Annotated[float, pydantic.Field(ge=0, lt=1)]


class TransformerConfig(Config):
    """Softmax attention: SASRec where causal, BERT4Rec where bidirectional."""

    kind: Literal["transformer"] = "transformer"
    num_layers: pydantic.PositiveInt = 2
    num_heads: pydantic.PositiveInt = 2
    """Divides the width."""
    dropout: Dropout = 0.3
    mask: Mask = "causal"
    bias: Bias = "distance"
    """What is added to attention scores; "none" is the original."""
    positions: bool = True
    """Whether each place in the window has a learned vector."""


class HstuConfig(Config):
    """Pointwise attention with a gate."""

    kind: Literal["hstu"] = "hstu"
    num_layers: pydantic.PositiveInt = 2
    num_heads: pydantic.PositiveInt = 2
    """Divides the width."""
    dropout: Dropout = 0.3
    mask: Mask = "causal"
    bias: Bias = "distance_and_time"
    softmax: bool = False
    """Weigh by softmax instead of SiLU / n, an ablation."""
    positions: bool = True
    """Whether each place in the window has a learned vector."""


class RecurrentConfig(Config):
    """A GRU: GRU4Rec, or with attention over its states NARM."""

    kind: Literal["gru", "narm"] = "gru"
    num_layers: pydantic.PositiveInt = 1
    dropout: Dropout = 0.25


class AttRecConfig(Config):
    """Attention over recent items and the mean of all, compared by distance."""

    kind: Literal["attrec"] = "attrec"
    recent: pydantic.PositiveInt = 5
    """Items that make the short-term intent."""
    share: float = pydantic.Field(0.5, ge=0, le=1)
    """Of the long-term taste."""
    dropout: Dropout = 0.3


EncoderConfig = Annotated[
    TransformerConfig | HstuConfig | RecurrentConfig | AttRecConfig, pydantic.Field(discriminator="kind")
]


class Head(NamedTuple):
    """What states are compared with: score of item i is state . vectors[i] + bias[i]."""

    vectors: Tensor
    """(N, D)."""
    bias: Tensor
    """(N,)."""
    again: Tensor | None = None
    """What is added to the score of items that the sequence holds already, a scalar; None: nothing."""


class AttentionEncoder(nn.Module):
    """Layers one upon the other, and a norm."""

    def __init__(self, layers: list[Layer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, batch: Sequences) -> Tensor:
        """(F, D) -> (F, D)."""
        for layer in self.layers:
            hidden = layer(hidden, batch)
        output: Tensor = self.norm(hidden)
        return output


class SequenceNetwork(nn.Module):
    """Item vectors, an encoder, and scores of the next item.

    An item's vector is a learned one, or made from given vectors (of its text), or their sum. Item N is the
    mask of masked training. Beside given vectors, items that training never saw have no learned ones, and are
    no wrong answers in training: given vectors speak for them.
    """

    given: Tensor
    """(N, E), where there are given vectors."""
    seen: Tensor
    """(N + 1,) bool, where there are given vectors: items with a learned vector of their own."""

    def __init__(
        self,
        config: EncoderConfig,
        *,
        num_items: int,
        width: int,
        window: int,
        given: Tensor | None = None,
        learned: bool = True,
        seen: Tensor | None = None,
        id_dropout: float = 0.0,
        cosine_temperature: float | None = None,
        repeats: Repeats | None = None,
        detects: bool = False,
    ) -> None:
        """Prepare the weights.

        Args:
            config: the encoder.
            num_items: N.
            width: D.
            window: longest sequence.
            given: float32 (N, E) vectors of the items, used as they are; None: none.
            learned: whether items have learned vectors; False needs given ones.
            seen: (N,) bool, with given vectors: items that training sees; None: all.
            id_dropout: share of the items of which a training step knows the given vector only.
            cosine_temperature: compare by cosine over this; None: by inner product.
            repeats: whether it has a number for items that the sequence holds, and learns it; None: none.
            detects: whether it also tells, by `detect`, if an item was put there by a guess.
        """
        super().__init__()
        self.id_dropout = id_dropout
        self.window, self.cosine_temperature = window, cosine_temperature
        self.mask: Mask = config.mask if isinstance(config, TransformerConfig | HstuConfig) else "causal"
        self.by_distance = isinstance(config, AttRecConfig)
        self.items = nn.Embedding(num_items + 1, width) if learned else None
        self.mask_vector = None if learned else nn.Parameter(torch.zeros(1, width))
        self.project_given: nn.Linear | None = None
        if given is not None:
            self.register_buffer("given", given)
            everything = torch.ones(num_items, dtype=torch.bool) if seen is None else seen
            self.register_buffer("seen", functional.pad(everything, (0, 1), value=True))
            self.project_given = nn.Linear(given.shape[1], width)
        has_positions = isinstance(config, TransformerConfig | HstuConfig) and config.positions
        self.positions = nn.Embedding(window + 1, width) if has_positions else None
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = build_encoder(config, width, window)
        self.item_bias = nn.Parameter(torch.zeros(num_items))
        self.again = None
        if repeats is not None:
            self.again = nn.Parameter(torch.zeros(()), requires_grad=repeats == "learned")
        self.detect = nn.Linear(width, 1) if detects else None
        self.apply(_initialise)

    def vectors(self) -> Tensor:
        """Return (N + 1, D): the vectors of the items and of the mask."""
        table = None if self.items is None else self.items.weight
        if self.project_given is None:
            assert table is not None
            return table
        made = self.project_given(self.given)  # (N, D)
        if table is None:
            assert self.mask_vector is not None
            return torch.cat([made, self.mask_vector])
        return table * self.own()[:, None] + functional.pad(made, (0, 0, 0, 1))

    def own(self) -> Tensor:
        """Return (N + 1,) bool: items whose learned vector counts, where there are given ones."""
        own = self.seen
        if self.training and self.id_dropout > 0:
            own = own & (torch.rand(len(own), device=own.device) >= self.id_dropout)
        return own

    def forward(self, batch: Sequences) -> Tensor:
        """Return the state after each item, (F, D), ready to be compared with the head."""
        return self.encode(self.embed(batch), batch)

    def embed(self, batch: Sequences) -> Tensor:
        """Return what the encoder reads, (F, D)."""
        hidden = functional.embedding(batch.items, self.vectors())
        if self.positions is not None:
            hidden = hidden + self.positions(batch.positions.clamp(max=self.window))
        output: Tensor = self.dropout(hidden)
        return output

    def encode(self, hidden: Tensor, batch: Sequences) -> Tensor:
        """(F, D) -> (F, D), ready to be compared with the head."""
        return self.finish(self.encoder(hidden, batch))

    def finish(self, states: Tensor) -> Tensor:
        """Make an encoder's states comparable with the head, (F, D) -> (F, D)."""
        if self.by_distance:
            return 2.0 * states
        if self.cosine_temperature is None:
            return states
        return functional.normalize(states, dim=-1) / self.cosine_temperature

    def head(self) -> Head:
        """Return what states are compared with.

        By distance, -|s - x|^2 and 2 s . x - |x|^2 differ by what is the same for all items.
        """
        vectors = self.vectors()[:-1]
        bias: Tensor = self.item_bias
        if self.by_distance:
            bias = bias - vectors.square().sum(dim=1)
        if self.cosine_temperature is not None:
            vectors, bias = functional.normalize(vectors, dim=-1), bias * 0.0
        if self.training and self.project_given is not None:
            bias = bias.masked_fill(~self.seen[:-1], -torch.inf)
        return Head(vectors, bias, self.again)


def build_encoder(config: EncoderConfig, width: int, window: int) -> nn.Module:
    """Return an encoder: `(hidden (F, D), Sequences) -> (F, D)`.

    Raises:
        ValueError: the width is no multiple of the heads.
    """
    if isinstance(config, AttRecConfig):
        return AttRecEncoder(width, config.recent, config.share, config.dropout)
    if isinstance(config, RecurrentConfig):
        kind = {"gru": GruEncoder, "narm": NarmEncoder}[config.kind]
        return kind(width, config.num_layers, config.dropout)
    if width % config.num_heads:
        raise ValueError(f"The width must be a multiple of num_heads, got {width} and {config.num_heads}.")
    return AttentionEncoder([_layer(config, width, window) for _ in range(config.num_layers)], width)


def _layer(config: TransformerConfig | HstuConfig, width: int, window: int) -> Layer:
    bias = None
    if config.bias != "none":
        bias = RelativeBias(config.num_heads, window + 1, by_time=config.bias == "distance_and_time")
    shared: dict[str, Any] = {"mask": config.mask, "bias": bias}
    if isinstance(config, HstuConfig):
        return HstuLayer(
            width, config.num_heads, config.dropout, reach=window, softmax=config.softmax, **shared
        )
    return TransformerLayer(width, config.num_heads, config.dropout, **shared)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
