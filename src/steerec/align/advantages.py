"""Advantages: how much better a decision was than what could be expected without it.

Per token: returns-to-go, generalised advantage estimation with a value model, whitening. Per sequence:
against the other samples of the same prompt, or against one baseline answer. What is masked out does not
exist: its values are never read (they may be NaN), no time passes there, and the result is 0.

Legend: B sequences, T tokens, G groups (prompts), S samples of a group.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Advantages(NamedTuple):
    """What `generalised_advantages` yields, both (B, T)."""

    advantages: Tensor
    returns: Tensor
    """What the value model should have said: advantages plus values."""


def returns_to_go(rewards: Tensor, mask: Tensor, *, discount: float = 1.0) -> Tensor:
    """Return what is still to come at each token, its own reward included.

    `R_t = r_t + discount * R_(t+1)`: the return that REINFORCE multiplies with (Williams 1992).

    Args:
        rewards: (B, T) floats.
        mask: (B, T) bool, the tokens that there are; padding may be on either side or in between.
        discount: gamma, per token, in 0..1.

    Returns:
        (B, T), 0 where masked out.

    Example:
        >>> returns_to_go(torch.tensor([[1.0, 0.0, 4.0]]), torch.ones(1, 3, dtype=torch.bool), discount=0.5)
        tensor([[2., 2., 4.]])
    """
    return _discounted_sum(rewards, mask, discount)


def generalised_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, *, discount: float, gae_lambda: float
) -> Advantages:
    """Return advantages and the returns that the value model is trained on (GAE).

    `A_t = sum_l (discount * gae_lambda)^l * delta_(t+l)` with `delta_t = r_t + discount * V_(t+1) - V_t`; the
    value after the last token is 0. Schulman et al. 2016 (arXiv 1506.02438), equation 16. With gae_lambda 1
    and values 0 it is `returns_to_go`; with gae_lambda 0 it is the one-step error delta.

    Args:
        rewards: (B, T) floats.
        values: (B, T) what the value model expected before each token.
        mask: (B, T) bool, as in `returns_to_go`.
        discount: gamma, in 0..1; published 0.99.
        gae_lambda: lambda, in 0..1; published 1.

    Returns:
        Advantages and returns, 0 where masked out; without gradient.
    """
    values = torch.where(mask, values.detach(), 0.0)
    following = torch.zeros_like(values)  # (B, T) value of the next token that there is
    carried = values.new_zeros(len(values))  # (B,)
    for t in reversed(range(values.shape[1])):
        following[:, t] = carried
        carried = torch.where(mask[:, t], values[:, t], carried)
    deltas = rewards.detach() + discount * following - values
    advantages = _discounted_sum(deltas, mask, discount * gae_lambda)
    return Advantages(advantages, advantages + values)


def _discounted_sum(values: Tensor, mask: Tensor, discount: float) -> Tensor:
    result = torch.zeros_like(values)
    running = values.new_zeros(len(values))  # (B,)
    for t in reversed(range(values.shape[1])):
        running = torch.where(mask[:, t], values[:, t] + discount * running, running)
        result[:, t] = torch.where(mask[:, t], running, 0.0)
    return result


def whiten(values: Tensor, mask: Tensor, *, shift_mean: bool = True) -> Tensor:
    """Return values divided by their standard deviation over the whole batch, their mean taken off or not.

    The deviation is `sqrt(variance + 1e-8)` with n - 1 in the variance. The published PPO whitens rewards
    without and advantages with the shift (Lu et al. 2024, arXiv 2403.05063). There equal values are
    multiplied by 10^4, and a single one is NaN; here neither is scaled, and they are 0 after the shift.

    Args:
        values: (B, T) floats.
        mask: (B, T) bool, the values that count.
        shift_mean: whether the result has mean 0.

    Returns:
        (B, T), 0 where masked out.
    """
    chosen = values[mask]  # (n,)
    if not len(chosen):
        return torch.zeros_like(values)
    centred = chosen - chosen.mean()
    if _equal(chosen):
        whitened = torch.zeros_like(chosen) if shift_mean else chosen
    else:
        deviation = (centred.square().sum() / (len(chosen) - 1) + _VARIANCE_OFFSET).sqrt()
        whitened = (centred if shift_mean else chosen) / deviation
    return torch.zeros_like(values).masked_scatter(mask, whitened)


def leave_one_out(rewards: Tensor) -> Tensor:
    """Return each reward minus the mean of the others of its group (RLOO).

    `A_i = r_i - sum_(j != i) r_j / (S - 1)`. Ahmadian et al. 2024 (arXiv 2402.14740). The baseline does not
    depend on the sample, so the gradient is unbiased. The result is S / (S - 1) times the unscaled
    `group_normalised`.

    Args:
        rewards: (G, S) floats.

    Returns:
        (G, S); exactly 0 in groups whose rewards are equal but for rounding.

    Raises:
        ValueError: fewer than two samples in a group.

    Example:
        >>> leave_one_out(torch.tensor([[1.0, 4.0, 1.0]]))
        tensor([[-1.5000,  3.0000, -1.5000]])
    """
    size = _group_size(rewards)
    return group_normalised(rewards, scale=False) * (size / (size - 1))


def group_normalised(rewards: Tensor, *, scale: bool = True) -> Tensor:
    """Return rewards minus the mean of their group, divided by its standard deviation or not.

    Scaled: GRPO (Shao et al. 2024, arXiv 2402.03300), with S in the denominator of the deviation.
    Unscaled: Dr. GRPO (Liu et al. 2025, arXiv 2503.20783), which does not blow up groups whose answers are
    almost equally good.

    Args:
        rewards: (G, S) floats.
        scale: whether to divide.

    Returns:
        (G, S); exactly 0 in groups whose rewards are equal but for rounding.

    Raises:
        ValueError: fewer than two samples in a group.

    Example:
        >>> group_normalised(torch.tensor([[0.0, 2.0], [3.0, 3.0]]))
        tensor([[-1.,  1.],
                [ 0.,  0.]])
    """
    _group_size(rewards)
    same = _equal(rewards)[:, None]  # (G, 1)
    centred = rewards - rewards.mean(dim=1, keepdim=True)  # (G, S)
    if scale:
        deviation = centred.square().mean(dim=1, keepdim=True).sqrt()
        centred = centred / torch.where(same, 1.0, deviation)
    return torch.where(same, 0.0, centred)


def against_baseline(rewards: Tensor, baseline: Tensor) -> Tensor:
    """Return rewards minus that of one answer per prompt, for example the greedy one (ReMax).

    Li et al. 2024 (arXiv 2310.10505).

    Args:
        rewards: (G, S) floats.
        baseline: (G,) reward of the answer that each group is compared with.

    Returns:
        (G, S).
    """
    return rewards - baseline[:, None]


def _group_size(rewards: Tensor) -> int:
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(
            f"Rewards must be (groups, samples) with at least 2 samples a group, got {tuple(rewards.shape)}. "
            "Sample more lists per prompt, or compare with one answer: against_baseline."
        )
    return rewards.shape[1]


def _equal(values: Tensor) -> Tensor:
    """Return whether the values of the last dimension differ by rounding only."""
    largest = values.abs().amax(dim=-1).clamp(min=1.0)  # rewards near 0 are often sums of larger ones
    rounding = _ROUNDINGS * torch.finfo(values.dtype).eps * largest
    return values.amax(dim=-1) - values.amin(dim=-1) <= rounding


_VARIANCE_OFFSET = 1e-8
_ROUNDINGS = 8
"""Equal sums of some rewards differ by a few roundings; scaling would make them full-sized advantages."""
