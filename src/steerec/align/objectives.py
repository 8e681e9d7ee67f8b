"""Policy objectives: how advantages of sampled tokens become a loss. The named ones call the general one.

| function | clip | a token counts | KL to a reference |
|---|---|---|---|
| `policy_gradient`, `rloo` | none, on-policy | sum over a sequence | in the reward (`kl_penalised`) |
| `ppo_policy` | .2 | mean over all tokens | in the reward (`kl_penalised`) |
| `grpo` | .2 | mean over a sequence, then over sequences | in the loss (`k3`) |
| `dapo` | .2 below, .28 above | mean over all tokens | none |
| `dr_grpo` | .2 | sum over a sequence divided by a constant | none |

Losses are sums with a weight: sums over micro-batches divided by the summed weights equal one big batch.
What is masked out is never read: it may be NaN, and gets no gradient.

Legend: B sequences, T tokens, G groups (prompts), S samples of a group, B = G * S.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Self

import pydantic
import torch
from torch import Tensor

from steerec.align.advantages import leave_one_out
from steerec.config import Config

_TAIL = 0.99


class Objective(Config):
    """How advantages become a loss; the module's table says which settings are which paper's."""

    clip_low: float | None = pydantic.Field(0.2, ge=0, le=1)
    """How far a probability ratio may fall below 1 before its token stops being learned; None: any far."""
    clip_high: pydantic.NonNegativeFloat | None = 0.2
    """How far a probability ratio may rise above 1 before its token stops being learned; None: any far."""
    aggregation: Literal["token", "sequence", "constant"] = "token"
    """Mean over all tokens; mean over each sequence, then over sequences; or sum over each sequence divided
    by `constant_length`, then mean over sequences. "sequence" makes a token of a long list count less."""
    constant_length: pydantic.PositiveInt | None = None
    """Tokens that "constant" divides a sequence by, whatever its length."""
    kl_weight: pydantic.NonNegativeFloat = 0.0
    """Weight of the divergence from the reference in the loss."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if (self.aggregation == "constant") != (self.constant_length is not None):
            raise ValueError(
                f'aggregation is "{self.aggregation}" and constant_length {self.constant_length}: '
                'give constant_length with "constant" aggregation, and only with it'
            )
        return self


class PolicyLoss(NamedTuple):
    """Loss of a batch, and sums that tell how far the policy has moved (without gradient)."""

    loss_sum: Tensor
    """Scalar with gradient."""
    weight: float
    """What the sum is divided by: tokens, sequences, or sequences times the constant length."""
    num_tokens: float
    """Tokens that there are."""
    clipped_sum: Tensor
    """Tokens whose ratio was clipped, so that they give no gradient."""
    kl_sum: Tensor | None
    """Summed `k3` to the reference, in nats; None without a reference."""
    kl_tail: Tensor | None
    """99th percentile of a token's `k3`, in nats; None without a reference."""
    ratio_max: Tensor
    """Largest ratio of new to old probability; 0 without tokens."""

    @property
    def health(self) -> dict[str, float]:
        """Means per token, the largest ratio, and how far the furthest tokens are from the reference."""
        tokens = max(self.num_tokens, 1.0)
        kl = {} if self.kl_sum is None else {"kl": float(self.kl_sum) / tokens}
        kl |= {} if self.kl_tail is None else {"kl_tail": float(self.kl_tail)}
        return {"clip_fraction": float(self.clipped_sum) / tokens, "ratio_max": float(self.ratio_max)} | kl


class ValueLoss(NamedTuple):
    """Loss of a value model."""

    loss_sum: Tensor
    """Scalar with gradient."""
    weight: float
    """Tokens that there are."""
    clipped_sum: Tensor
    """Tokens whose value has moved so far that they give no gradient."""


def surrogate(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    objective: Objective,
    *,
    ref_log_probs: Tensor | None = None,
) -> PolicyLoss:
    """Return the clipped surrogate loss, plus the weighted divergence from a reference.

    A token's loss is `-min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A) + kl_weight * k3` with
    `ratio = exp(log_prob - old_log_prob)`. Schulman et al. 2017 (arXiv 1707.06347), equation 7. On-policy,
    where old and new are the same, its gradient is the policy gradient `-A * grad log_prob`, clipped or not.

    Args:
        log_probs: (B, T) of the sampled tokens under the policy, in nats, with gradient.
        old_log_probs: (B, T) under the policy that sampled.
        advantages: (B, T), or (B, 1) where all tokens of a sequence share one.
        mask: (B, T) bool, the tokens that there are.
        objective: settings.
        ref_log_probs: (B, T) under the reference.

    Returns:
        Loss and health. A sequence without tokens counts as none.

    Raises:
        ValueError: shapes do not agree, or kl_weight needs a reference and there is none.
    """
    _check(log_probs, mask, old_log_probs=old_log_probs, ref_log_probs=ref_log_probs)
    _check_advantages(advantages, mask)
    if objective.kl_weight and ref_log_probs is None:
        raise ValueError(f"kl_weight is {objective.kl_weight}: give ref_log_probs, or set kl_weight to 0.")
    now = _kept(log_probs, mask)
    advantages = _kept(advantages.detach(), mask)  # (B, T)
    ratio = (now - _kept(old_log_probs.detach(), mask)).exp()
    gain, clipped = _clipped_gain(ratio, advantages, objective)
    losses, kl = -gain, None
    if ref_log_probs is not None:
        kl = k3(now, _kept(ref_log_probs.detach(), mask))  # 0 where masked out
        losses = losses + objective.kl_weight * kl
    return PolicyLoss(
        loss_sum=_summed(losses, mask, objective),
        weight=loss_weight(mask, objective),
        num_tokens=float(mask.sum()),
        clipped_sum=clipped.sum(),
        kl_sum=None if kl is None else kl.detach().sum(),
        kl_tail=None if kl is None else _tail(kl.detach()[mask]),
        ratio_max=_kept(ratio.detach(), mask).max(),
    )


def _clipped_gain(ratio: Tensor, advantages: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Return `min(ratio * A, clip(ratio) * A)`, and where the clipped one is less; both (B, T)."""
    low = 0.0 if objective.clip_low is None else 1.0 - objective.clip_low
    high = None if objective.clip_high is None else 1.0 + objective.clip_high
    free, held = ratio * advantages, ratio.clamp(low, high) * advantages
    return torch.minimum(free, held), held < free


def _summed(losses: Tensor, mask: Tensor, objective: Objective) -> Tensor:
    """Return the sum of losses (B, T), which are 0 where masked out, to be divided by `loss_weight`."""
    if objective.aggregation == "sequence":
        return (losses.sum(dim=1) / mask.sum(dim=1).clamp(min=1)).sum()
    return losses.sum()


def _tail(values: Tensor) -> Tensor:
    """Return the 99th percentile of values, 0 where there are none."""
    rank = math.ceil(_TAIL * values.numel())
    return values.kthvalue(rank).values if rank else torch.zeros(())


def loss_weight(mask: Tensor, objective: Objective) -> float:
    """Return what the summed loss of sequences is divided by; a sequence without tokens counts as none.

    Args:
        mask: (B, T) bool, the tokens that there are.
        objective: its aggregation is looked at.
    """
    if objective.aggregation == "token":
        return float(mask.sum())
    sequences = float(mask.any(dim=1).sum())
    if objective.aggregation == "sequence":
        return sequences
    assert objective.constant_length is not None
    return sequences * objective.constant_length


def policy_gradient(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> PolicyLoss:
    """Return REINFORCE: the gradient is the mean over sequences of `-sum_t A_t * grad log_prob_t`.

    Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning". The loss itself is minus the sum of the advantages: only its gradient means something.

    Args:
        log_probs: (B, T), with gradient, of sequences that this very policy sampled.
        advantages: (B, T) or (B, 1), for example `returns_to_go` or `against_baseline`.
        mask: (B, T) bool.
    """
    objective = Objective(clip_low=None, clip_high=None, aggregation="constant", constant_length=1)
    return surrogate(log_probs, log_probs, advantages, mask, objective)


def rloo(log_probs: Tensor, rewards: Tensor, mask: Tensor) -> PolicyLoss:
    """Return REINFORCE with each sequence against the others of its group.

    Ahmadian et al. 2024 (arXiv 2402.14740). The baseline is the method, so it takes rewards.

    Args:
        log_probs: (B, T), with gradient, group after group, of sequences that this very policy sampled.
        rewards: (G, S) of whole sequences.
        mask: (B, T) bool.

    Raises:
        ValueError: fewer than two samples in a group.
    """
    return policy_gradient(log_probs, leave_one_out(rewards).reshape(-1, 1), mask)


def ppo_policy(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, *, clip: float = 0.2
) -> PolicyLoss:
    """Return PPO's policy loss (Schulman et al. 2017, arXiv 1707.06347).

    Args:
        log_probs: (B, T), with gradient.
        old_log_probs: (B, T) under the policy that sampled.
        advantages: (B, T), whitened `generalised_advantages` of `kl_penalised` rewards.
        mask: (B, T) bool.
        clip: how far the ratio may move from 1 either way; published 0.2.
    """
    return surrogate(log_probs, old_log_probs, advantages, mask, Objective(clip_low=clip, clip_high=clip))


def grpo(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    ref_log_probs: Tensor,
    *,
    clip: float = 0.2,
    kl_weight: float = 0.04,
) -> PolicyLoss:
    """Return GRPO: every sequence counts the same, the reference is held in the loss.

    Shao et al. 2024 (arXiv 2402.03300), equation 3; the KL weight is the paper's.

    Args:
        log_probs: (B, T), with gradient.
        old_log_probs: (B, T) under the policy that sampled.
        advantages: (B, 1) scaled `group_normalised` of whole sequences, or (B, T) of steps.
        mask: (B, T) bool.
        ref_log_probs: (B, T) under the reference.
        clip: how far the ratio may move from 1 either way.
        kl_weight: weight of `k3`.
    """
    objective = Objective(clip_low=clip, clip_high=clip, aggregation="sequence", kl_weight=kl_weight)
    return surrogate(log_probs, old_log_probs, advantages, mask, objective, ref_log_probs=ref_log_probs)


def dapo(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
) -> PolicyLoss:
    """Return DAPO's loss: unlikely tokens may rise further, every token counts the same, no reference.

    Yu et al. 2025 (arXiv 2503.14476), equation 8. Its other parts are not the loss's: leave groups without
    advantage out of the batch, and take reward off answers that are too long.

    Args:
        log_probs: (B, T), with gradient.
        old_log_probs: (B, T) under the policy that sampled.
        advantages: (B, 1) scaled `group_normalised` of whole sequences, or (B, T).
        mask: (B, T) bool.
        clip_low: how far the ratio may fall below 1.
        clip_high: how far the ratio may rise above 1.
    """
    objective = Objective(clip_low=clip_low, clip_high=clip_high)
    return surrogate(log_probs, old_log_probs, advantages, mask, objective)


def dr_grpo(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    constant_length: int,
    clip: float = 0.2,
) -> PolicyLoss:
    """Return Dr. GRPO's loss: no division by a sequence's own length, which favours long wrong answers.

    Liu et al. 2025 (arXiv 2503.20783).

    Args:
        log_probs: (B, T), with gradient.
        old_log_probs: (B, T) under the policy that sampled.
        advantages: (B, 1) unscaled `group_normalised` of whole sequences, or (B, T).
        mask: (B, T) bool.
        constant_length: tokens that every sequence is divided by, for example the most it may have.
        clip: how far the ratio may move from 1 either way.
    """
    objective = Objective(
        clip_low=clip, clip_high=clip, aggregation="constant", constant_length=constant_length
    )
    return surrogate(log_probs, old_log_probs, advantages, mask, objective)


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, *, clip: float = 0.2
) -> ValueLoss:
    """Return the clipped squared error of a value model, as published.

    A token's loss is `max((V - R)^2, (clip(V, V_old - clip, V_old + clip) - R)^2) / 2`: a value that has
    moved more than `clip` towards its return is not pulled on. The half is the published code's, before its
    coefficient of 0.1 (Lu et al. 2024, arXiv 2403.05063).

    Args:
        values: (B, T), with gradient.
        old_values: (B, T) when the sequences were sampled.
        returns: (B, T), see `generalised_advantages`.
        mask: (B, T) bool.
        clip: how far a value may move.

    Raises:
        ValueError: shapes do not agree.
    """
    _check(values, mask, old_values=old_values, returns=returns)
    now, old, target = _kept(values, mask), _kept(old_values.detach(), mask), _kept(returns.detach(), mask)
    free = (now - target).square()
    held = (old + (now - old).clamp(-clip, clip) - target).square()
    return ValueLoss(
        loss_sum=0.5 * torch.maximum(free, held).sum(),
        weight=float(mask.sum()),
        clipped_sum=(held > free).sum(),
    )


def k3(log_probs: Tensor, ref_log_probs: Tensor) -> Tensor:
    """Return an estimate of KL(policy || reference) from each token that the policy sampled, in nats.

    `exp(r) - r - 1` with `r = ref_log_prob - log_prob`: unbiased, never negative, and 0 where both agree.
    Schulman 2020, "Approximating KL divergence". Its gradient `1 - exp(r)` is another matter: on-policy its
    expectation is the gradient of KL(reference || policy).

    Args:
        log_probs: of sampled tokens, any shape.
        ref_log_probs: the same under the reference.
    """
    ratio = ref_log_probs - log_probs
    return ratio.exp() - ratio - 1.0


def kl_penalised(rewards: Tensor, log_probs: Tensor, ref_log_probs: Tensor, coefficient: float) -> Tensor:
    """Return rewards minus `coefficient * (log_prob - ref_log_prob)`: the KL's simplest estimate, per token.

    Published with coefficient 0.3 (Lu et al. 2024, arXiv 2403.05063).

    Args:
        rewards: (B, T).
        log_probs: (B, T) under the policy that sampled, in nats; no gradient flows through a reward.
        ref_log_probs: (B, T) under the reference.
        coefficient: reward per nat.

    Returns:
        (B, T).
    """
    return rewards - coefficient * (log_probs - ref_log_probs).detach()


def _kept(values: Tensor, mask: Tensor) -> Tensor:
    """Return values (B, T), 0 where masked out; before any arithmetic, or NaN would reach the gradient."""
    return torch.where(mask, values, 0.0)


def _check(first: Tensor, mask: Tensor, **others: Tensor | None) -> None:
    for name, tensor in {"mask": mask, **others}.items():
        if tensor is not None and tensor.shape != first.shape:
            raise ValueError(
                f"All tensors must have the same shape (B, T): got {tuple(first.shape)}, and "
                f"{tuple(tensor.shape)} for {name}."
            )


def _check_advantages(advantages: Tensor, mask: Tensor) -> None:
    if tuple(advantages.shape) not in {tuple(mask.shape), (len(mask), 1)}:
        raise ValueError(
            f"advantages must be {tuple(mask.shape)}, or {(len(mask), 1)} where tokens share one: "
            f"got {tuple(advantages.shape)}."
        )
