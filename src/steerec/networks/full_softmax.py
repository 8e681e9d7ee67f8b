"""Cross-entropy over the whole catalogue without ever holding all logits, in one pass with its gradient.

The logits of P predictions over N items are computed, turned into probabilities and into gradients chunk by
chunk, so memory is that of one chunk, and each logit is read while it is still in the cache (the idea of
Wijmans et al. 2024, arXiv 2411.09009). Tested against `torch.nn.functional.cross_entropy`.

Legend: P predictions, N items, D width, C rows of a chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 2**21
"""Logits of a chunk."""


def full_softmax_loss(states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Return the summed cross-entropy of softmax(states vectors^T + bias), a scalar with gradient.

    Products run in bfloat16 under autocast, sums and exponentials in float32 always.

    Args:
        states: (P, D).
        vectors: (N, D).
        bias: (N,).
        targets: (P,) int64 in 0..N - 1.
    """
    loss: Tensor = _FullSoftmax.apply(states, vectors, bias, targets)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        device = states.device.type
        product = torch.bfloat16 if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            loss, *gradients = _sum_chunks(states, vectors, bias, targets, product, any(ctx.needs_input_grad))
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        for_states, for_vectors, for_bias = ctx.saved_tensors
        return for_states * grads[0], for_vectors * grads[0], for_bias * grads[0], None


def _sum_chunks(
    states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, product: torch.dtype, wants_gradient: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = max(1, CHUNK // len(vectors))
    table = vectors.to(product)
    loss = torch.zeros((), device=states.device)
    for_states = torch.zeros(states.shape, device=states.device)
    for_vectors = torch.zeros(vectors.shape, device=states.device)
    for_bias = torch.zeros(bias.shape, device=states.device)
    for start in range(0, len(states), rows):
        chunk, target = states[start : start + rows].to(product), targets[start : start + rows, None]
        logits = (chunk @ table.T).float().add_(bias)  # (C, N)
        largest = logits.amax(dim=1, keepdim=True)
        said = logits.gather(1, target) - largest
        wrong = logits.sub_(largest).exp_()
        total = wrong.sum(dim=1, keepdim=True)
        loss += (total.log() - said).sum()
        if wants_gradient:
            wrong.div_(total)  # probabilities, less 1 at the target
            wrong.scatter_add_(1, target, torch.full_like(said, -1.0))
            for_bias += wrong.sum(dim=0)
            wrong = wrong.to(product)
            for_states[start : start + rows] = wrong @ table
            for_vectors += wrong.T @ chunk
    return loss, for_states.to(states.dtype), for_vectors.to(vectors.dtype), for_bias
