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

from steerec.networks.repeats import Seen

CHUNK = 2**21
"""Logits of a chunk."""


def full_softmax_loss(
    states: Tensor,
    vectors: Tensor,
    bias: Tensor,
    targets: Tensor,
    again: Tensor | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Return the summed cross-entropy of softmax(states vectors^T + bias), a scalar with gradient.

    Products run in bfloat16 under autocast, sums and exponentials in float32 always.

    Args:
        states: (P, D).
        vectors: (N, D).
        bias: (N,).
        targets: (P,) int64 in 0..N - 1.
        again: scalar that is added to the logits of `seen`; None: nothing is.
        seen: items that the predictions look back on.
    """
    loss: Tensor = _FullSoftmax.apply(  # type: ignore[no-untyped-call]
        states, vectors, bias, targets, again, seen
    )
    return loss


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        vectors: Tensor,
        bias: Tensor,
        targets: Tensor,
        again: Tensor | None,
        seen: Seen | None,
    ) -> Tensor:
        device = states.device.type
        product = torch.bfloat16 if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            loss, *gradients = _sum_chunks(
                states, vectors, bias, targets, again, seen, product, any(ctx.needs_input_grad)
            )
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        for_states, for_vectors, for_bias, for_again = (one * grads[0] for one in ctx.saved_tensors)
        return for_states, for_vectors, for_bias, None, for_again if ctx.needs_input_grad[4] else None, None


def _sum_chunks(
    states: Tensor,
    vectors: Tensor,
    bias: Tensor,
    targets: Tensor,
    again: Tensor | None,
    seen: Seen | None,
    product: torch.dtype,
    wants_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the loss and the gradients for states, vectors, bias and `again`."""
    rows = max(1, CHUNK // len(vectors))
    table = vectors.to(product)
    loss = torch.zeros((), device=states.device)
    for_states = torch.zeros(states.shape, device=states.device)
    for_vectors = torch.zeros(vectors.shape, device=states.device)
    for_bias = torch.zeros(bias.shape, device=states.device)
    for_again = torch.zeros((), device=states.device)
    for start in range(0, len(states), rows):
        chunk, target = states[start : start + rows].to(product), targets[start : start + rows, None]
        logits = (chunk @ table.T).float().add_(bias)  # (C, N)
        if again is not None and seen is not None:
            pairs = seen.within(start, start + len(chunk))
            logits[pairs] += again
        largest = logits.amax(dim=1, keepdim=True)
        said = logits.gather(1, target) - largest
        wrong = logits.sub_(largest).exp_()
        total = wrong.sum(dim=1, keepdim=True)
        loss += (total.log() - said).sum()
        if wants_gradient:
            wrong.div_(total)  # probabilities, less 1 at the target
            wrong.scatter_add_(1, target, torch.full_like(said, -1.0))
            for_bias += wrong.sum(dim=0)
            if seen is not None:
                for_again += wrong[pairs].sum()
            wrong = wrong.to(product)
            for_states[start : start + rows] = wrong @ table
            for_vectors += wrong.T @ chunk
    return loss, for_states.to(states.dtype), for_vectors.to(vectors.dtype), for_bias, for_again
