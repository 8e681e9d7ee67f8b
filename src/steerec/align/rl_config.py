"""Settings of reinforcement learning of lists."""

from __future__ import annotations

from typing import Literal

import pydantic

from steerec.align.all_actions import AllActionsConfig
from steerec.align.critic import CriticConfig
from steerec.align.learned_reward import LearnedRewardConfig
from steerec.align.objectives import Objective
from steerec.align.rewards.judge import PublishedRewardConfig
from steerec.align.rewards.own import RewardConfig
from steerec.align.sft import Selected
from steerec.config import Config
from steerec.loop import TrainingConfig


class RlConfig(Config):
    """Settings of reinforcement learning."""

    kind: Literal["rl"] = "rl"
    """Which way of aligning this configures."""
    training: TrainingConfig
    """Optimisation; micro-batches share the prompts of a step."""
    objective: Objective = Objective()
    """How advantages become a loss."""
    free_reward: RewardConfig | PublishedRewardConfig | LearnedRewardConfig = RewardConfig(
        satisfaction=1, gap=1, ranking=1, regret=0, place=1
    )
    """What free lists are rewarded for."""
    constrained_reward: RewardConfig | PublishedRewardConfig | LearnedRewardConfig = RewardConfig(
        satisfaction=0, gap=0, ranking=1, regret=0.5
    )
    """What lists that satisfy their requests anyway are rewarded for."""
    select: Selected = "ndcg@10"
    """Validation metric whose best weights are kept: "ndcg@10" of constrained lists, or
    "control_satisfaction@k" of free ones."""
    prompts_per_step: pydantic.PositiveInt = 64
    """Prompts of an optimiser step; a multiple of the micro-batches."""
    samples: int = pydantic.Field(8, ge=2)
    """Lists per prompt."""
    free_share: float = pydantic.Field(0.5, ge=0, le=1)
    """Share of the prompts that are answered freely; the others under their request."""
    temperature: pydantic.PositiveFloat = 1.0
    """Of the sampling. The policy is the distribution that was sampled from."""
    advantage: Literal["grouped", "leave_one_out", "greedy"] = "grouped"
    """Baseline of a list: the mean of its group, of the others of its group, or the greedy list (ReMax, Li et
    al. 2023, arXiv 2310.10505, which scales nothing)."""
    unique: bool = False
    """Whether lists under requests are the likeliest ones that differ, instead of samples."""
    scale_advantages: bool = True
    """Whether to divide by the standard deviation of the group's rewards."""
    drop_silent_groups: bool = True
    """Whether groups whose lists are all worth the same are left out of the loss and of its divisor. DAPO
    leaves them out and samples others (Yu et al. 2025, arXiv 2503.14476, equation 11), which is not done
    here. False: they count, and the reference holds them, as in GRPO."""
    critic: CriticConfig | None = None
    """A value model instead of the group's baseline, as in PPO; None: none."""
    all_actions: AllActionsConfig | None = None
    """Credit of lists under requests from the worth of every allowed item, instead of from
    `constrained_reward` of the sampled ones; None: sampled credit."""
    updates_per_rollout: pydantic.PositiveInt = 1
    """Optimiser steps on the same lists."""
    max_prompt_tokens: pydantic.PositiveInt = 128
    """Longest prompt; older history is left out."""
    moments: Literal["rows", "present"] = "rows"
    """When requests are asked: at the moments of their rows, whose next item is known and whose teacher is
    cross-fitted; or now, at the end of every training history, where the teacher itself predicts what it has
    not seen, and nothing else is known."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the instruction rows that are asked; None: all that ask a user's list."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> RlConfig:
        micro, saved = self.training.gradient_accumulation_steps, self.training.save_steps
        if self.prompts_per_step % micro:
            raise ValueError(f"prompts_per_step is {self.prompts_per_step}: it must be a multiple of the "
                             f"gradient_accumulation_steps, {micro}")  # fmt: skip
        if self.moments == "present" and self._ranks:
            raise ValueError("moments are present, where no next item is known: leave ranking out of rewards")
        if self.critic is not None and self.all_actions is not None:
            raise ValueError("critic and all_actions are two ways to give credit: choose one of them")
        if self.critic is not None and (self.advantage != "grouped" or not self.scale_advantages):
            raise ValueError("a critic takes the place of the group's baseline: leave advantage and "
                             "scale_advantages at their defaults, or leave the critic out")  # fmt: skip
        if self.unique and (self.all_actions is not None or self.free_share == 1):
            raise ValueError("unique is about sampled lists under requests; there are none: leave it out, "
                             "or all_actions, or lower free_share")  # fmt: skip
        if saved is not None and saved % self.updates_per_rollout:
            raise ValueError(f"save_steps is {saved}: it must be a multiple of the updates_per_rollout, "
                             f"{self.updates_per_rollout}, or a resumed run samples other lists")  # fmt: skip
        return self

    @property
    def _ranks(self) -> bool:
        """Whether lists are rewarded for the true next item."""
        under_requests = self.all_actions is None and self.free_share < 1
        asked = ((self.free_reward, self.free_share > 0), (self.constrained_reward, under_requests))
        rewards = [one for one, is_asked in asked if is_asked]
        judged = [one.pairs.reward if isinstance(one, LearnedRewardConfig) else one for one in rewards]
        return any(isinstance(one, RewardConfig) and one.ranking > 0 for one in judged)
