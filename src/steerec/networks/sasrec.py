"""SASRec: a causal transformer over a window of items (Kang and McAuley, 2018), pre-norm, tied output.

Legend: `B` windows, `L` items of a window, `D` width, `H` heads, `N` items.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """Causal multi-head attention with an optional learned bias per head and distance.

    The bias (as in T5 and HSTU, not in the original) starts as a slope towards recent items, 2^-2, 2^-4, ...
    per step and head (Press et al., 2022): the network need not learn recency from nothing.
    """

    def __init__(self, width: int, num_heads: int, window: int, dropout: float, distance_bias: bool) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"The width must be a multiple of num_heads, got {width} and {num_heads}.")
        self.num_heads, self.dropout = num_heads, dropout
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)
        self.distance_bias: nn.Parameter | None = None
        if distance_bias:
            slopes = 4.0 ** -torch.arange(1.0, num_heads + 1)
            self.distance_bias = nn.Parameter(-slopes[:, None] * torch.arange(float(window)))  # (H, L)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        batch, length, width = hidden.shape
        heads = self.project_in(hidden).view(batch, length, 3, self.num_heads, width // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (B, H, L, D / H) each
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=self._bias(length),
            is_causal=self.distance_bias is None,
            dropout_p=self.dropout if self.training else 0.0,
        )
        output: Tensor = self.project_out(mixed.transpose(1, 2).reshape(batch, length, width))
        return output

    def _bias(self, length: int) -> Tensor | None:
        if self.distance_bias is None:
            return None
        place = torch.arange(length, device=self.distance_bias.device)
        distance = place[:, None] - place  # (L, L), negative for the future
        bias = self.distance_bias[:, distance.clamp(min=0)]  # (H, L, L)
        return bias.masked_fill(distance < 0, -torch.inf)


class Block(nn.Module):
    """Attention and a position-wise network, each behind a layer norm and a residual connection."""

    def __init__(self, width: int, num_heads: int, window: int, dropout: float, distance_bias: bool) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = SelfAttention(width, num_heads, window, dropout, distance_bias)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        hidden = hidden + self.dropout(self.attention(self.norm_attention(hidden)))
        output: Tensor = hidden + self.dropout(self.network(self.norm_network(hidden)))
        return output


class SASRecNetwork(nn.Module):
    """Item and position embeddings, blocks, and logits against the item embeddings plus a bias per item.

    Windows are padded on the right; the causal mask keeps padding from every real position.
    """

    def __init__(
        self,
        *,
        num_items: int,
        width: int,
        num_blocks: int,
        num_heads: int,
        window: int,
        dropout: float,
        distance_bias: bool,
    ) -> None:
        super().__init__()
        self.window = window
        self.items = nn.Embedding(num_items, width)
        self.positions = nn.Embedding(window, width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, window, dropout, distance_bias) for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.item_bias = nn.Parameter(torch.zeros(num_items))
        self.dropout = nn.Dropout(dropout)
        self.apply(_initialise)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the state after each item.

        Args:
            windows: int64 (B, L) item indices, oldest first, L at most the window; padding holds any index.

        Returns:
            (B, L, D).
        """
        hidden = self.items(windows) + self.positions.weight[: windows.shape[1]]
        hidden = self.dropout(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        output: Tensor = self.norm(hidden)
        return output

    def logits(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., N): the logits of the next item."""
        return functional.linear(states, self.items.weight, self.item_bias)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
