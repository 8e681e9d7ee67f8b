"""Transformer layers over items: softmax attention and a position-wise network, pre-norm.

Legend: F tokens, D width, H heads, E = D / H, S sequences, L their longest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steerec.networks.attention import Heads, Layer, Mask, RelativeBias


class TransformerLayer(Layer):
    """Attention and a network, each behind a layer norm and a residual connection (Vaswani et al. 2017)."""

    def __init__(
        self, width: int, num_heads: int, dropout: float, *, mask: Mask, bias: RelativeBias | None
    ) -> None:
        super().__init__(mask, bias)
        self.num_heads, self.dropout = num_heads, nn.Dropout(dropout)
        self.norm_attention = nn.LayerNorm(width)
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def project(self, hidden: Tensor) -> Heads:
        """(F, D) -> heads; the query is scaled by 1 / sqrt(E)."""
        heads = self.project_in(self.norm_attention(hidden)).view(len(hidden), 3, self.num_heads, -1)
        query, key, value = heads.unbind(dim=1)
        return Heads(query * query.shape[-1] ** -0.5, key, value)

    def weigh(self, scores: Tensor, visible: Tensor) -> Tensor:
        """Softmax over what is seen; weights are dropped in training."""
        weights: Tensor = self.dropout(scores.masked_fill(~visible, -torch.inf).softmax(dim=-1))
        return weights

    def join(self, hidden: Tensor, attended: Tensor, heads: Heads) -> Tensor:
        """Add what was found, then what the network makes of it."""
        del heads
        hidden = hidden + self.dropout(self.project_out(attended.flatten(1)))
        output: Tensor = hidden + self.dropout(self.network(self.norm_network(hidden)))
        return output
