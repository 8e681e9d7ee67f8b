"""HSTU layers: pointwise attention that keeps intensities, and a gate in place of the position-wise network.

With U, V, Q, K = split(SiLU(W1 norm(x))): y = x + W2 (norm(A V) * U), A = SiLU(Q K^T + bias) / n over what is
seen (Zhai et al. 2024, arXiv 2402.17152, equations 1 to 3; the division, the residual connection and the norm
of the input are in their code). No softmax: how much there is of something survives, not only its share.

Legend: F tokens, D width, H heads, E = D / H, S sequences, L their longest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from steerec.networks.attention import Heads, Layer, Mask, RelativeBias


class HstuLayer(Layer):
    """One HSTU layer; all of U, V, Q, K have the layer's width."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        dropout: float,
        *,
        mask: Mask,
        bias: RelativeBias | None,
        reach: int,
        softmax: bool = False,
    ) -> None:
        """Prepare the weights.

        Args:
            width: D.
            num_heads: H.
            dropout: of what the gate lets through.
            mask: what is seen.
            bias: added to the scores.
            reach: n, the longest sequence; sums over what is seen are divided by it.
            softmax: weigh by softmax instead, an ablation.
        """
        super().__init__(mask, bias)
        self.num_heads, self.reach, self.softmax = num_heads, reach, softmax
        self.norm_in, self.norm_attended = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project_in = nn.Linear(width, 4 * width)
        self.project_out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def project(self, hidden: Tensor) -> Heads:
        """(F, D) -> heads and gate."""
        parts = functional.silu(self.project_in(self.norm_in(hidden))).chunk(4, dim=-1)
        gate, value, query, key = parts
        value, query, key = (one.view(len(hidden), self.num_heads, -1) for one in (value, query, key))
        return Heads(query, key, value, gate)

    def weigh(self, scores: Tensor, visible: Tensor) -> Tensor:
        """SiLU over n; each weight stands for itself."""
        if self.softmax:
            return scores.masked_fill(~visible, -torch.inf).softmax(dim=-1)
        return functional.silu(scores) / self.reach * visible

    def join(self, hidden: Tensor, attended: Tensor, heads: Heads) -> Tensor:
        """Gate what was found and add it."""
        assert heads.gate is not None
        found = self.norm_attended(attended.flatten(1)) * heads.gate
        output: Tensor = hidden + self.project_out(self.dropout(found))
        return output
