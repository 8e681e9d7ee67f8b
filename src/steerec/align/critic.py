"""A value model on top of the policy, and what PPO makes of it: advantages, returns, the value loss.

The head is part of the trained module, so it is in the optimiser and in every checkpoint; it reads the
policy's hidden states without pulling on them.

Legend: B lists, T most decisions of a list, D decisions of all lists, W width of the policy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pydantic
import torch
from torch import Tensor, nn

from steerec.align.advantages import generalised_advantages, whiten
from steerec.align.objectives import kl_penalised
from steerec.align.policy import Decisions
from steerec.config import Config


class CriticConfig(Config):
    """Settings of the value model; the defaults are the published ones (Lu et al. 2024, arXiv 2403.05063)."""

    width: pydantic.PositiveInt = 64
    """Width of the hidden layer of the head."""
    weight: pydantic.NonNegativeFloat = 0.1
    """Weight of the value loss."""
    clip: pydantic.PositiveFloat = 0.2
    """How far a value may move in one step of learning."""
    discount: float = pydantic.Field(0.99, ge=0, le=1)
    """Gamma, per decision."""
    gae_lambda: float = pydantic.Field(1.0, ge=0, le=1)
    """Lambda of generalised advantage estimation."""
    kl_penalty: pydantic.NonNegativeFloat = 0.3
    """Reward lost per nat by which a decision is likelier than under the reference."""
    whiten_rewards: bool = True
    """Whether rewards are divided by their standard deviation."""
    trained: bool = True
    """Whether the head learns. The published code left it out of the optimiser, at its random start: False
    does the same, to measure what that costs."""


class ActorCritic(nn.Module):
    """A policy and the head that says how much reward is still to come."""

    def __init__(self, policy: Any, config: CriticConfig, *, seed: int) -> None:
        """Put a new head on a policy.

        Args:
            policy: a Hugging Face causal model.
            config: settings.
            seed: of the head's first weights; the last layer of one that learns starts at 0, so values do.
        """
        super().__init__()
        self.policy = policy
        width = int(policy.config.hidden_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            last = nn.Linear(config.width, 1)
            self.value_head = nn.Sequential(nn.Linear(width, config.width), nn.GELU(), last)
        if config.trained:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.value_head.requires_grad_(config.trained)
        self.value_head.to(next(policy.parameters()).device)

    def values(self, states: Tensor, decisions: Decisions) -> Tensor:
        """Return what is expected before each decision: (B, T), 0 where there is none.

        Args:
            states: hidden states of the packed decisions.
            decisions: sampled lists.
        """
        before = states.flatten(0, 1)[decisions.sources()].detach()  # (D, W)
        return decisions.by_list(self.value_head(before)[:, 0].float())


class Targets(NamedTuple):
    """What PPO learns from sampled lists, all (B, T)."""

    advantages: Tensor
    """Whitened."""
    returns: Tensor
    old_values: Tensor


def ppo_targets(
    rewards: Tensor,
    values: Tensor,
    log_probs: Tensor,
    ref_log_probs: Tensor,
    mask: Tensor,
    config: CriticConfig,
) -> Targets:
    """Return what is learned, as published: KL as a penalty, rewards whitened, GAE, advantages whitened.

    Args:
        rewards: (B, T) on decisions, see `credit.token_rewards`.
        values: (B, T) of the value model when the lists were sampled.
        log_probs: (B, T) of the policy that sampled.
        ref_log_probs: (B, T) of the frozen reference.
        mask: (B, T) bool.
        config: settings.
    """
    penalised = kl_penalised(rewards, log_probs, ref_log_probs, config.kl_penalty)
    if config.whiten_rewards:
        penalised = whiten(penalised, mask, shift_mean=False)
    found = generalised_advantages(
        penalised, values, mask, discount=config.discount, gae_lambda=config.gae_lambda
    )
    return Targets(whiten(found.advantages, mask), found.returns, values)
