"""The network of the reader: a sentence encoder, choices that look at the sentence, a decoder that points.

Nothing is generated but places in a list of choices, so a new catalogue needs no new weights: a value is
known by its text vector. Sources: pointer networks (Vinyals et al. 2015, arXiv 1506.03134), copying in
semantic parsing (Jia and Liang 2016, arXiv 1606.03622; grammar-guided: Krishnamurthy et al. 2017, EMNLP);
the encoder starts as MiniLM (Wang et al. 2020, arXiv 2002.10957).
Legend: B sentences, T tokens, C choices with the keywords first, S steps of a form, D width, F features,
K kinds of choices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from steerec.config import Config
from steerec.understand.lines.choices import KEYWORDS, KINDS, NUM_FEATURES

if TYPE_CHECKING:
    from transformers import BertModel

_BLOCKED = -1e9


class ReaderConfig(Config):
    """The shape of the network."""

    num_decoder_layers: pydantic.PositiveInt = 2
    num_heads: pydantic.PositiveInt = 6
    num_frozen_layers: pydantic.NonNegativeInt = 3
    """Lowest layers of the encoder that stay as they were trained, like its embeddings."""
    max_steps: pydantic.PositiveInt = 96
    """Longest form, in tokens, that the decoder has positions for."""
    dropout: float = pydantic.Field(0.0, ge=0, lt=1)


class ReaderBatch(NamedTuple):
    """Sentences and their choices as tensors; `choices` leaves the keywords out, `targets` counts them.

    Choices that are words of the sentence (spots) stand last in every row, behind the padding of the others.
    """

    ids: Tensor
    """(B, T) int64."""
    present: Tensor
    """(B, T) bool, False where padded."""
    marks: Tensor
    """(B, T, K) float: which kinds of choices a token is spelled by."""
    kinds: Tensor
    """(B, C) int64 places in KINDS."""
    features: Tensor
    """(B, C, F) float."""
    spans: Tensor
    """(B, C, T) float: tokens that spell a choice, each row summing to 1 or 0."""
    vectors: Tensor
    """(U, D) float: distinct text vectors of values and columns; the first is 0."""
    values: Tensor
    """(B, C) int64 rows of `vectors`: of a value, or of a column that is a choice; 0 for others."""
    columns: Tensor
    """(B, C) int64 rows of `vectors`: of a value's column; 0 for others."""
    offered: Tensor
    """(B, C) bool, False where padded."""
    named: int
    """Choices before the spots, padding included: those that look at the sentence and are looked at."""
    targets: Tensor
    """(B, S) int64 places among keywords and choices; -1 where padded."""


class Memory(NamedTuple):
    """What the decoder looks at, and what it may point to."""

    states: Tensor
    """(B, T + named, D) tokens, then choices without keywords and spots."""
    hidden: Tensor
    """(B, T + named) bool, True where padded."""
    choices: Tensor
    """(B, C, D) without the keywords."""
    answers: Tensor
    """(B, C, D) what the decoder's question is compared with."""
    offered: Tensor
    """(B, C) bool."""


class ReaderNetwork(nn.Module):
    """Scores what to write next."""

    def __init__(self, encoder: BertModel, config: ReaderConfig) -> None:
        """Put heads on an encoder, whose lowest layers stay frozen."""
        super().__init__()
        self.config, self.encoder = config, encoder
        width = int(encoder.config.hidden_size)
        for module in (encoder.embeddings, *encoder.encoder.layer[: config.num_frozen_layers]):
            module.requires_grad_(False)
        encoder.pooler = None
        for (
            part
        ) in encoder.modules():  # sentences are drawn anew for every step, so nothing is learned by heart
            if isinstance(part, nn.Dropout):
                part.p = config.dropout
        self.marks = nn.Linear(len(KINDS), width, bias=False)
        self.keywords = nn.Embedding(len(KEYWORDS), width)
        self.kinds = nn.Embedding(len(KINDS), width)
        self.features = nn.Linear(NUM_FEATURES, width, bias=False)
        self.spelled = nn.Linear(width, width, bias=False)
        self.vectors = nn.Linear(width, width, bias=False)
        self.columns = nn.Linear(width, width, bias=False)
        self.looking = _Looking(width, config)
        self.start = nn.Parameter(torch.zeros(width))
        self.steps = nn.Embedding(config.max_steps, width)
        layer = nn.TransformerDecoderLayer(
            width, config.num_heads, 2 * width, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.num_decoder_layers, nn.LayerNorm(width))
        self.asks = nn.Linear(width, width)
        self.answers = nn.Linear(width, width)
        for table in (self.keywords, self.kinds, self.steps):
            nn.init.normal_(table.weight, std=0.3)
        nn.init.zeros_(self.marks.weight)
        self.vectors.weight.data.mul_(4)  # unit vectors have small entries
        self.columns.weight.data.mul_(4)

    def train(self, mode: bool = True) -> ReaderNetwork:
        """Switch dropout on or off; frozen layers never drop."""
        super().train(mode)
        for module in (self.encoder.embeddings, *self.encoder.encoder.layer[: self.config.num_frozen_layers]):
            module.eval()
        return self

    def encode(self, batch: ReaderBatch) -> Memory:
        """Return what the decoder needs of sentences and choices."""
        states = self._tokens(batch)  # (B, T, D)
        value, column = self.vectors(batch.vectors), self.columns(batch.vectors)  # (U, D)
        said = batch.spans.to(states.dtype) @ self.spelled(states)
        choices = (
            said
            + self.kinds(batch.kinds).to(said.dtype)
            + self.features(batch.features)
            + value[batch.values]
            + column[batch.columns]
        )  # (B, C, D)
        named = self.looking(choices[:, : batch.named], states, ~batch.present)
        choices = torch.cat([named, choices[:, batch.named :]], 1)
        hidden = torch.cat([~batch.present, ~batch.offered[:, : batch.named]], 1)
        return Memory(torch.cat([states, named], 1), hidden, choices, self.answers(choices), batch.offered)

    def _tokens(self, batch: ReaderBatch) -> Tensor:
        """(B, T, D) sentences in context; what spells a choice is marked above the frozen layers."""
        bias = torch.zeros(batch.present.shape, dtype=torch.float32)
        bias = bias.masked_fill(~batch.present, _BLOCKED)[:, None, None, :]  # (B, 1, 1, T)
        frozen = self.config.num_frozen_layers
        with torch.no_grad():
            states: Tensor = self.encoder.embeddings(input_ids=batch.ids)
            for layer in self.encoder.encoder.layer[:frozen]:
                states = _first(layer(states, bias.to(states.dtype)))
        states = states + self.marks(batch.marks)
        for layer in self.encoder.encoder.layer[frozen:]:
            states = _first(layer(states, bias.to(states.dtype)))
        return states

    def decode(self, memory: Memory, written: Tensor) -> Tensor:
        """Return the scores of every choice after each step.

        Args:
            memory: what `encode` returned.
            written: (B, S) int64 places of what was written so far; may be empty.

        Returns:
            (B, S + 1, C) float; choices that are padding score -1e9.
        """
        inputs = torch.cat([self.start.expand(len(written), 1, -1), self._written(memory, written)], 1)
        inputs = inputs + self.steps.weight[: inputs.shape[1]]
        causal = torch.full((inputs.shape[1],) * 2, float("-inf")).triu(1)
        hidden = torch.zeros(memory.hidden.shape).masked_fill(memory.hidden, float("-inf"))
        states = self.decoder(
            inputs, memory.states.to(inputs.dtype), tgt_mask=causal, memory_key_padding_mask=hidden
        )
        asked = self.asks(states)
        words = asked @ self.answers(self.keywords.weight).T.to(asked.dtype)  # (B, S + 1, keywords)
        others = asked @ memory.answers.transpose(1, 2).to(asked.dtype)
        others = others.float().masked_fill(~memory.offered[:, None], _BLOCKED)
        scores: Tensor = torch.cat([words.float(), others], -1) / states.shape[-1] ** 0.5
        return scores

    def _written(self, memory: Memory, written: Tensor) -> Tensor:
        """(B, S) places -> (B, S, D) what stands there."""
        number = self.keywords.num_embeddings
        words = self.keywords(written.clamp(0, number - 1))
        rows = torch.arange(len(written))[:, None]
        others = memory.choices[rows, (written - number).clamp(min=0)]
        return torch.where((written < number)[..., None], words, others.to(words.dtype))

    def loss(self, batch: ReaderBatch) -> tuple[Tensor, int, int]:
        """Return the summed cross-entropy of the targets, how many there are and how many come first."""
        with sdpa_kernel(
            SDPBackend.MATH
        ):  # the fused kernel for processors takes ten times as long backwards
            scores = self.decode(self.encode(batch), batch.targets[:, :-1])  # (B, S, C)
        wanted = batch.targets >= 0
        loss = nn.functional.cross_entropy(scores[wanted], batch.targets[wanted], reduction="sum")
        right = int((scores.argmax(-1) == batch.targets)[wanted].sum())
        return loss, int(wanted.sum()), right


class _Looking(nn.Module):
    """Lets every choice look at the sentence: "tearjerker" is nowhere near the letters of "Drama"."""

    def __init__(self, width: int, config: ReaderConfig) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, config.num_heads, config.dropout, batch_first=True)
        self.inner = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, choices: Tensor, states: Tensor, hidden: Tensor) -> Tensor:
        """(B, C, D), (B, T, D), (B, T) True where padded -> (B, C, D)."""
        bias = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))
        asked = self.before(choices)
        keys = states.to(asked.dtype)
        looked, _ = self.attention(asked, keys, keys, key_padding_mask=bias, need_weights=False)
        choices = choices + looked
        seen: Tensor = choices + self.inner(self.between(choices))
        return seen


def _first(output: Any) -> Tensor:
    """Layers of transformers return their states, or a tuple that begins with them."""
    states: Tensor = output[0] if isinstance(output, tuple) else output
    return states
