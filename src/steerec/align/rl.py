"""Reinforcement learning of lists: sample, judge, and make better lists likelier.

A step samples a group of lists for each of its prompts, some freely, some under their request, and updates
the model on the decisions that were really taken. The reference is a frozen copy of the model as it came.
Advantages come from the group, or from a value model (PPO).

Legend: B lists of a micro-batch, T most decisions of a list, S samples of a prompt.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic
import torch
from torch import Tensor, nn

from steerec.align.credit import Judged, advantages_by_entry, padded, token_rewards
from steerec.align.critic import ActorCritic, CriticConfig, Targets, ppo_targets
from steerec.align.objectives import Objective, surrogate, value_loss
from steerec.align.policy import Decisions, lay_out, say
from steerec.align.rewards.judge import Judge, PublishedRewardConfig
from steerec.align.rewards.own import RewardConfig
from steerec.align.rollouts import Ask, Rollout, roll_constrained, roll_free
from steerec.align.sft import Evaluate, Journal, Sample
from steerec.config import Config
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import hidden_states
from steerec.loop import StepOutput, TrainingConfig, TrainingResult, train
from steerec.seeding import derive_seed, shuffled

logger = logging.getLogger("steerec")

STAGE = "rl"
_ROWS = 128
"""Lists decoded together."""


class RlConfig(Config):
    """Settings of reinforcement learning."""

    kind: Literal["rl"] = "rl"
    """Which way of aligning this configures."""
    training: TrainingConfig
    """Optimisation; micro-batches share the prompts of a step."""
    objective: Objective = Objective()
    """How advantages become a loss."""
    free_reward: RewardConfig | PublishedRewardConfig = RewardConfig(
        satisfaction=1, gap=1, ranking=1, regret=0, place=1
    )
    """What free lists are rewarded for."""
    constrained_reward: RewardConfig | PublishedRewardConfig = RewardConfig(
        satisfaction=0, gap=0, ranking=1, regret=0.5
    )
    """What lists that satisfy their requests anyway are rewarded for."""
    select: str = "ndcg@10"
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
    advantage: Literal["grouped", "leave_one_out"] = "grouped"
    """Baseline of a list: the mean of its group, or of the others of its group."""
    scale_advantages: bool = True
    """Whether to divide by the standard deviation of the group's rewards."""
    critic: CriticConfig | None = None
    """A value model instead of the group's baseline, as in PPO; None: none."""
    updates_per_rollout: pydantic.PositiveInt = 1
    """Optimiser steps on the same lists."""
    max_prompt_tokens: pydantic.PositiveInt = 128
    """Longest prompt; older history is left out."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the instruction rows that are asked; None: all that ask a user's list."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> RlConfig:
        micro, saved = self.training.gradient_accumulation_steps, self.training.save_steps
        if self.prompts_per_step % micro:
            raise ValueError(f"prompts_per_step is {self.prompts_per_step}: it must be a multiple of the "
                             f"gradient_accumulation_steps, {micro}")  # fmt: skip
        if saved is not None and saved % self.updates_per_rollout:
            raise ValueError(f"save_steps is {saved}: it must be a multiple of the updates_per_rollout, "
                             f"{self.updates_per_rollout}, or a resumed run samples other lists")  # fmt: skip
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class RlBatch:
    """Sampled lists, judged."""

    decisions: Decisions | None
    """None where no list is better than another of its group: there is nothing to learn."""
    advantages: Tensor
    """(B, T) float32."""
    old_log_probs: Tensor | None
    """(B, T) of the model that sampled; None: the model as it is."""
    health: dict[str, float]
    """What the log shows of the rollouts."""
    targets: Targets | None = None
    """What the value model learns; None without one."""


class RlBatches:
    """`(step, micro) -> RlBatch`: a function of its arguments and of the model's weights."""

    def __init__(
        self,
        lm: LanguageModel,
        asks: Sequence[Ask],
        config: RlConfig,
        *,
        free: Judge,
        constrained: Judge,
        actor: ActorCritic | None = None,
        reference: nn.Module | None = None,
    ) -> None:
        """Prepare the sampling.

        Args:
            lm: samples, and is trained.
            asks: what is asked; every step takes the next ones of a shuffled order.
            config: settings.
            free: judges free lists.
            constrained: judges lists that satisfy their requests.
            actor: the model with its value head; needed with a critic.
            reference: the frozen model; needed with a critic.
        """
        self.lm, self.asks, self.config = lm, asks, config
        self.actor, self.reference = actor, reference
        self.free, self.constrained = free, constrained
        self.micro_batches = config.training.gradient_accumulation_steps
        self._kept: dict[int, RlBatch] = {}

    def __call__(self, step: int, micro: int) -> RlBatch:
        """Return the lists of a micro-batch, sampled by the model as it is at the first step they serve."""
        number = step // self.config.updates_per_rollout
        if step % self.config.updates_per_rollout == 0:
            self._kept[micro] = self._sample(number, micro)
        return self._kept[micro]

    def _sample(self, number: int, micro: int) -> RlBatch:
        config, lm = self.config, self.lm
        size = config.prompts_per_step // self.micro_batches
        first = number * config.prompts_per_step + micro * size
        asks = shuffled(self.asks, first, size, config.training.seed, STAGE, "order")
        split = round(config.free_share * size)
        options: dict[str, Any] = {
            "samples": config.samples,
            "temperature": config.temperature,
            "batch_size": _ROWS,
        }
        seed = derive_seed(config.training.seed, STAGE, number, micro)
        lm.model.eval()
        groups = [
            *(roll_free(lm, asks[:split], seed=seed, **options) if split else []),
            *(roll_constrained(lm, asks[split:], seed=seed, **options) if split < size else []),
        ]
        judged = [*self.free(asks[:split], groups[:split]), *self.constrained(asks[split:], groups[split:])]
        return self._judged(asks, groups, judged, split)

    def _judged(
        self,
        asks: Sequence[Ask],
        groups: Sequence[Sequence[Rollout]],
        judged: Sequence[Sequence[Judged]],
        split: int,
    ) -> RlBatch:
        config = self.config
        health = _health(judged[:split], "free") | _health(judged[split:], "constrained")
        if config.critic is not None:
            return self._valued(asks, groups, judged, health)
        advantages = [
            advantages_by_entry(
                group,
                worth,
                leave_one_out=config.advantage == "leave_one_out",
                scale=config.scale_advantages,
            )
            for group, worth in zip(groups, judged, strict=True)
        ]
        telling = [
            k
            for k, (group, values) in enumerate(zip(groups, advantages, strict=True))
            if any(np.any(one) for one in values) and all(len(rollout.decided) for rollout in group)
        ]
        health["zero_advantage_groups"] = 1.0 - len(telling) / len(groups)
        if not telling:
            return RlBatch(decisions=None, advantages=torch.zeros(0), old_log_probs=None, health=health)
        decisions = lay_out([asks[k] for k in telling], [groups[k] for k in telling], self.lm.vocab_size)
        device = next(self.lm.model.parameters()).device
        decisions = decisions.to(device)
        old = None
        if config.updates_per_rollout > 1:
            with torch.no_grad():
                old = say(self.lm.model, decisions, temperature=config.temperature).log_probs
        return RlBatch(
            decisions=decisions,
            advantages=padded([one for k in telling for one in advantages[k]]).to(device),
            old_log_probs=old,
            health=health,
        )

    def _valued(
        self,
        asks: Sequence[Ask],
        groups: Sequence[Sequence[Rollout]],
        judged: Sequence[Sequence[Judged]],
        health: dict[str, float],
    ) -> RlBatch:
        """Judge by the value model; lists without any decision teach nothing and are left out."""
        config = self.config
        assert config.critic is not None
        assert self.actor is not None
        assert self.reference is not None
        kept = [k for k, group in enumerate(groups) if all(len(rollout.decided) for rollout in group)]
        device = next(self.lm.model.parameters()).device
        lists = [groups[k] for k in kept]
        decisions = lay_out([asks[k] for k in kept], lists, self.lm.vocab_size).to(device)
        flat = [rollout for group in lists for rollout in group]
        rewards = token_rewards(flat, [worth for k in kept for worth in judged[k]]).to(device)
        with torch.no_grad():
            states = hidden_states(self.lm.model, decisions.packed)
            now = say(self.lm.model, decisions, temperature=config.temperature, states=states).log_probs
            held = say(self.reference, decisions, temperature=config.temperature).log_probs
            values = self.actor.values(states, decisions)
            targets = ppo_targets(rewards, values, now, held, decisions.mask, config.critic)
        return RlBatch(
            decisions=decisions,
            advantages=targets.advantages,
            old_log_probs=now,
            health=health,
            targets=targets,
        )


def _health(judged: Sequence[Sequence[Judged]], kind: str) -> dict[str, float]:
    lists = [one for group in judged for one in group]
    if not lists:
        return {}
    means = {name: float(np.mean([one.parts[name] for one in lists])) for name in lists[0].parts}
    means["reward"] = float(np.mean([one.total for one in lists]))
    return {f"{kind}_{name}": value for name, value in means.items()}


def rl_step(config: RlConfig, reference: nn.Module | None) -> Callable[[nn.Module, RlBatch], StepOutput]:
    """Return the step function.

    Args:
        config: settings.
        reference: the frozen model that the policy is held near; None where the objective needs none.
    """

    def step(model: nn.Module, batch: RlBatch) -> StepOutput:
        if batch.decisions is None:
            nothing = next(model.parameters()).sum() * 0.0
            return StepOutput(nothing, 1.0, dict(batch.health), 0)
        policy = model.policy if isinstance(model, ActorCritic) else model
        states = hidden_states(policy, batch.decisions.packed)
        said = say(policy, batch.decisions, temperature=config.temperature, states=states)
        mask, now = batch.decisions.mask, said.log_probs
        held = None
        if reference is not None:
            with torch.no_grad():
                held = say(reference, batch.decisions, temperature=config.temperature).log_probs
        old = now.detach() if batch.old_log_probs is None else batch.old_log_probs
        result = surrogate(now, old, batch.advantages, mask, config.objective, ref_log_probs=held)
        means = {**batch.health, **result.health, "entropy": float(said.entropy.sum() / mask.sum())}
        loss_sum = result.loss_sum
        if batch.targets is not None:
            assert config.critic is not None
            assert isinstance(model, ActorCritic)
            values = model.values(states, batch.decisions)
            targets = batch.targets
            worth = value_loss(values, targets.old_values, targets.returns, mask, clip=config.critic.clip)
            means["value_loss"] = float(worth.loss_sum.detach()) / worth.weight
            loss_sum = loss_sum + config.critic.weight * worth.loss_sum * (result.weight / worth.weight)
        sums = {name: value * result.weight for name, value in means.items()}
        return StepOutput(loss_sum, result.weight, sums, batch.decisions.packed.num_tokens)

    return step


def reinforce(
    lm: LanguageModel,
    asks: Sequence[Ask],
    config: RlConfig,
    folder: Path,
    *,
    free: Judge,
    constrained: Judge,
    evaluate: Evaluate | None = None,
    select: str | None = None,
    sample: Sample | None = None,
) -> tuple[LanguageModel, TrainingResult]:
    """Train a language model on judged lists; resumes from the folder's checkpoint when there is one.

    Args:
        lm: trained in place.
        asks: what is asked, see `rollouts.read_asks`.
        config: settings.
        folder: receives metrics.jsonl, samples.jsonl and, while training runs, checkpoints.
        free: judges free lists.
        constrained: judges lists that satisfy their requests.
        evaluate: metrics of the model on validation data, every `eval_steps` and at the end.
        select: metric whose best weights are kept, higher is better.
        sample: a few answers in words, written before training and at every evaluation.

    Returns:
        The language model and the course of training.
    """
    reference = actor = None
    if config.objective.kl_weight or config.critic is not None:
        reference = copy.deepcopy(lm.model).eval().requires_grad_(False)
    if config.critic is not None:
        actor = ActorCritic(lm.model, config.critic, seed=config.training.seed)
    journal = Journal(lm, folder, sample, STAGE)
    if not (folder / "checkpoint").exists():
        journal(lm.model, 0)
    result = train(
        actor or lm.model,
        RlBatches(lm, asks, config, free=free, constrained=constrained, actor=actor, reference=reference),
        rl_step(config, reference),
        config.training,
        folder,
        stage=STAGE,
        evaluate=None if evaluate is None else lambda _: evaluate(lm),
        select=select,
        on_eval=lambda _, step: journal(lm.model, step),
    )
    lm.model.eval()
    return lm, result


def warn_if_hopeless(history: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the log of a run says against its having learned anything, in words.

    Args:
        history: lines of metrics.jsonl.
    """
    warnings = []
    silent = [
        line[f"{STAGE}/zero_advantage_groups"] for line in history if f"{STAGE}/zero_advantage_groups" in line
    ]
    if silent and float(np.mean(silent)) > _MOSTLY:
        warnings.append(
            f"In {np.mean(silent):.0%} of the groups all lists were worth the same: nothing could be learned "
            "there. Sample more lists per prompt, or at a higher temperature, or choose finer rewards."
        )
    entropy = [line[f"{STAGE}/entropy"] for line in history if f"{STAGE}/entropy" in line]
    if len(entropy) > 1 and entropy[-1] < _COLLAPSED * entropy[0]:
        warnings.append(
            f"The entropy of a choice fell from {entropy[0]:.2f} to {entropy[-1]:.2f} nats: the model writes "
            "nearly one list only. Lower the learning rate or raise kl_weight."
        )
    for warning in warnings:
        logger.warning("%s: %s", STAGE, warning)
    return warnings


_MOSTLY = 0.8
_COLLAPSED = 0.2
