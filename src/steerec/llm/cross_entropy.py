"""Cross-entropy to hard and soft labels in one pass over the logits, forward and back.

Three passes of `log_softmax` over a large vocabulary cost more than a small model; here the normaliser is
computed once, and the gradient is written where the probabilities are. Tested against `torch.nn.functional`.

Legend: M predictions, V vocabulary, N items, P predictions with soft labels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class SoftTargets(NamedTuple):
    """Distributions over the item tokens that some of the predictions should have (Hinton et al. 2015)."""

    rows: Tensor
    """(P,) int64 predictions, each at most once."""
    labels: Tensor
    """(P, N) float32, each row sums to 1."""
    first_item: int
    """Token of item 0; the N item tokens follow each other."""
    weight: float
    """Of a soft label, against 1 for a hard one."""


class Losses(NamedTuple):
    """Sums over the predictions, scalars."""

    total: Tensor
    """Hard loss plus weighted soft loss; has a gradient."""
    hard: Tensor
    soft: Tensor
    """Not weighted; 0 without soft targets."""


def cross_entropies(logits: Tensor, targets: Tensor, weights: Tensor, soft: SoftTargets | None) -> Losses:
    """Return the summed cross-entropies, normalised over the whole vocabulary.

    Args:
        logits: (M, V) float32.
        targets: (M,) int64 hard labels.
        weights: (M,) float32 of the hard labels.
        soft: soft labels of some of the predictions.

    Returns:
        `sum_m w_m (-log p_m[target_m]) + weight * sum_p (-sum_n label_pn log p_p[first_item + n])` and parts.
    """
    total, hard, softly = _CrossEntropies.apply(logits, targets, weights, soft)  # type: ignore[no-untyped-call]
    return Losses(total, hard, softly)


class _CrossEntropies(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, weights: Tensor, soft: SoftTargets | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        normaliser = torch.logsumexp(logits, dim=-1)  # (M,)
        hard = (weights * (normaliser - logits.gather(1, targets[:, None])[:, 0])).sum()
        softly = torch.zeros_like(hard)
        if soft is not None:
            items = logits[soft.rows, soft.first_item : soft.first_item + soft.labels.shape[1]]  # (P, N)
            softly = normaliser[soft.rows].sum() - (soft.labels * items).sum()
        ctx.soft = soft
        ctx.save_for_backward(logits, targets, weights, normaliser)
        total = hard.clone() if soft is None else hard + soft.weight * softly
        ctx.mark_non_differentiable(hard, softly)
        return total, hard, softly

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        logits, targets, weights, normaliser = ctx.saved_tensors
        soft: SoftTargets | None = ctx.soft
        mass = weights.clone()
        if soft is not None:
            mass.index_add_(0, soft.rows, torch.full_like(mass[soft.rows], soft.weight))
        gradient = (logits - normaliser[:, None]).exp_().mul_(mass[:, None])  # (M, V)
        gradient.scatter_add_(1, targets[:, None], -weights[:, None])
        if soft is not None:
            items = slice(soft.first_item, soft.first_item + soft.labels.shape[1])
            gradient[:, items].index_add_(0, soft.rows, soft.labels, alpha=-soft.weight)
        return gradient.mul_(grads[0]), None, None, None
