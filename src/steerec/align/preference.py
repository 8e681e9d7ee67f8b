"""Losses that learn from preferences between whole answers: DPO, S-DPO and PRO.

They need log-probabilities of whole answers, summed over tokens, and no sampling while training. Losses are
sums with a weight: sums over micro-batches divided by the summed weights equal one big batch.

Legend: B prompts, S answers of a prompt (for S-DPO: rejected ones).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PreferenceLoss(NamedTuple):
    """Loss of a batch."""

    loss_sum: Tensor
    """Scalar with gradient."""
    weight: float
    """Prompts."""


class ImplicitRewards(NamedTuple):
    """The rewards for which the policy would be the optimum, up to a constant of the prompt."""

    chosen: Tensor
    """(B,)."""
    rejected: Tensor
    """(B, S)."""

    @property
    def margins(self) -> Tensor:
        """(B,) reward of the chosen answer minus that of the best rejected one."""
        return self.chosen - self.rejected.amax(dim=1)

    @property
    def sums(self) -> dict[str, float]:
        """Health, summed over prompts; ties count as inaccurate.

        Watch `chosen_reward`: margins can grow while it falls, and the chosen answers become less likely.
        """
        return {
            "chosen_reward": float(self.chosen.sum()),
            "rejected_reward": float(self.rejected.mean(dim=1).sum()),
            "margin": float(self.margins.sum()),
            "accuracy": float((self.margins > 0).sum()),
        }


def implicit_rewards(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> ImplicitRewards:
    """Return `beta * (log_prob - ref_log_prob)` of each answer (Rafailov et al. 2023, equation 5).

    Args:
        chosen: (B,) log-probability of the preferred answer under the policy, in nats.
        rejected: (B, S) of the others; S is 1 for DPO.
        ref_chosen: (B,) under the reference.
        ref_rejected: (B, S).
        beta: reward per nat.

    Raises:
        ValueError: shapes do not agree.
    """
    shapes, ref_shapes = (
        (tuple(first.shape), tuple(second.shape))
        for first, second in ((chosen, rejected), (ref_chosen, ref_rejected))
    )
    if chosen.ndim != 1 or rejected.ndim != 2 or len(rejected) != len(chosen) or not rejected.shape[1]:
        raise ValueError(
            "chosen must be (B,) and rejected (B, S) with at least one rejected answer (for DPO (B,)): "
            f"got {shapes[0]} and {shapes[1]}."
        )
    if ref_shapes != shapes:
        raise ValueError(f"The reference must have the policy's shapes {shapes}: got {ref_shapes}.")
    return ImplicitRewards(beta * (chosen - ref_chosen), beta * (rejected - ref_rejected))


def dpo(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float = 0.1
) -> PreferenceLoss:
    """Return DPO: `-log sigmoid(reward_chosen - reward_rejected)` of the implicit rewards.

    Rafailov et al. 2023 (arXiv 2305.18290), equation 7: S-DPO with one rejected answer.

    Args:
        chosen: (B,) log-probability of the preferred answer under the policy, in nats, with gradient.
        rejected: (B,) of the other, with gradient.
        ref_chosen: (B,) under the reference.
        ref_rejected: (B,).
        beta: reward per nat; the less, the further the policy may move.

    Raises:
        ValueError: shapes do not agree.
    """
    return s_dpo(chosen, rejected.unsqueeze(-1), ref_chosen, ref_rejected.unsqueeze(-1), beta=beta)


def s_dpo(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float = 0.1
) -> PreferenceLoss:
    """Return S-DPO: the softmax loss of the chosen answer among several rejected ones.

    `-log sigmoid(-log sum_s exp(r_s - r_chosen)) = log(1 + sum_s exp(r_s - r_chosen))` of the implicit
    rewards r. Chen et al. 2024 (arXiv 2406.09215); beta is the official code's. The rejected answers with the
    highest rewards get most of the gradient.

    Args:
        chosen: (B,) log-probability of the preferred answer under the policy, in nats, with gradient.
        rejected: (B, S) of the others, with gradient.
        ref_chosen: (B,) under the reference.
        ref_rejected: (B, S).
        beta: reward per nat.

    Raises:
        ValueError: shapes do not agree.
    """
    rewards = implicit_rewards(chosen, rejected, ref_chosen, ref_rejected, beta=beta)
    everything = torch.cat([rewards.chosen[:, None], rewards.rejected], dim=1)  # (B, 1 + S)
    return PreferenceLoss((everything.logsumexp(dim=1) - rewards.chosen).sum(), float(len(chosen)))


def pro(log_probs: Tensor, lengths: Tensor, rewards: Tensor, *, sft_weight: float = 0.05) -> PreferenceLoss:
    """Return PRO: each answer against all worse ones, the worse the harder, plus the best one's likelihood.

    With answers sorted by reward, p their mean log-probability per token, `t_ki = r_k - r_i` (the inverse
    temperature) and t_kk the largest of them: `sum_(k < S) -log(exp(t_kk p_k) / (exp(t_kk p_k) + sum_(i > k)
    exp(t_ki p_i)))`, minus `sft_weight * (S - 1)^2` times the *summed* log-probability of the best answer.
    Song et al. 2024 (arXiv 2306.17492), in the form of the official code, whose data may name another answer
    than the best to fine-tune on. Equal rewards give the ranking no gradient.

    Args:
        log_probs: (B, S) log-probability of each answer, summed over its tokens, in nats, with gradient.
        lengths: (B, S) tokens of each answer, at least 1.
        rewards: (B, S), in any order; a gap of 1 is a temperature of 1.
        sft_weight: weight of a nat of the best answer; published 0.05.

    Raises:
        ValueError: shapes do not agree, or fewer than two answers.
    """
    if not log_probs.shape == lengths.shape == rewards.shape or rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(
            "log_probs, lengths and rewards must be (B, S) with at least 2 answers: "
            f"got {tuple(log_probs.shape)}, {tuple(lengths.shape)} and {tuple(rewards.shape)}."
        )
    rewards, order = rewards.detach().sort(dim=1, descending=True, stable=True)
    sums, means = log_probs.gather(1, order), (log_probs / lengths).gather(1, order)  # (B, S)
    size = rewards.shape[1]
    loss = -sft_weight * (size - 1) ** 2 * sums[:, 0]  # (B,)
    for k in range(size - 1):
        gaps = rewards[:, k, None] - rewards[:, k:]  # (B, S - k), ascending from 0
        gaps = torch.cat([gaps[:, -1:], gaps[:, 1:]], dim=1)  # the better one takes the largest
        scores = gaps * means[:, k:]
        loss = loss + scores.logsumexp(dim=1) - scores[:, 0]
    return PreferenceLoss(loss.sum(), float(len(rewards)))
